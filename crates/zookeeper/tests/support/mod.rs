//! Real ZooKeeper servers for tests, each in a folder of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Where Debian's package puts the server's script.
const SCRIPT: &str = "/usr/share/zookeeper/bin/zkServer.sh";
/// A Java machine on a busy computer takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether ZooKeeper is installed. Says so when it is not; in CI it must be.
#[expect(
    clippy::print_stdout,
    reason = "whoever runs the suite is told what did not run"
)]
pub(crate) fn installed() -> bool {
    let found = Path::new(SCRIPT).exists();
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs ZooKeeper (package zookeeper)"
        );
        println!("skipped: needs ZooKeeper (package zookeeper)");
    }
    found
}

/// Servers that know each other, or one alone. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Servers {
    members: Vec<Member>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Member {
    folder: PathBuf,
    address: SocketAddr,
    child: Option<Child>,
}

impl Servers {
    /// Starts this many servers and waits until they serve.
    pub(crate) fn start(count: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the servers");
        let ports = free_ports(count * 3);
        let mut members = Vec::new();
        for index in 0..count {
            let member = folder.path().join(index.to_string());
            std::fs::create_dir_all(member.join("data")).expect("a folder for a server");
            std::fs::write(member.join("data/myid"), (index + 1).to_string()).expect("a server's number");
            std::fs::write(member.join("zoo.cfg"), config(&member, index, count, &ports))
                .expect("a configuration");
            members.push(Member {
                folder: member,
                address: SocketAddr::from(([127, 0, 0, 1], ports[index])),
                child: None,
            });
        }
        let mut servers = Self {
            members,
            _folder: folder,
        };
        for index in 0..count {
            servers.launch(index);
        }
        for index in 0..count {
            servers.await_serving(index);
        }
        servers
    }

    /// `host:port,...`
    pub(crate) fn addresses(&self) -> String {
        let addresses = self.members.iter().map(|member| member.address.to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Where one of them listens.
    pub(crate) fn address(&self, index: usize) -> SocketAddr {
        self.members[index].address
    }

    /// Kills one as a loss of power would.
    pub(crate) fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.members[index].child.take() {
            child.kill().expect("a server can be killed");
            child.wait().expect("a killed server ends");
        }
    }

    /// Starts one again, with what is on its disk, and waits until it serves.
    pub(crate) fn restart(&mut self, index: usize) {
        self.launch(index);
        self.await_serving(index);
    }

    /// Holds one still, or lets it go on.
    pub(crate) fn hold(&self, index: usize, held: bool) {
        let child = self.members[index].child.as_ref().expect("a running server");
        let pid = Pid::from_raw(child.id().try_into().expect("a process id"));
        let signal = if held { Signal::SIGSTOP } else { Signal::SIGCONT };
        kill(pid, signal).expect("a server can be signalled");
    }

    fn launch(&mut self, index: usize) {
        let member = &mut self.members[index];
        let log = std::fs::File::create(member.folder.join("log")).expect("a log");
        #[expect(
            clippy::disallowed_methods,
            reason = "the server under test is another program"
        )]
        let child = Command::new("/bin/bash")
            .args([SCRIPT, "start-foreground"])
            .arg(member.folder.join("zoo.cfg"))
            .env("ZOO_LOG_DIR", &member.folder)
            .env(
                "SERVER_JVMFLAGS",
                "-Xmx128m -Xms16m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            )
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("a ZooKeeper server starts");
        member.child = Some(child);
    }

    #[expect(clippy::disallowed_methods, reason = "another program's time is real time")]
    fn await_serving(&self, index: usize) {
        let member = &self.members[index];
        let began = Instant::now();
        while !serves(member.address) {
            if began.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(member.folder.join("log")).unwrap_or_default();
                panic!("ZooKeeper does not serve: {log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            self.kill(index);
        }
    }
}

fn config(folder: &Path, index: usize, count: usize, ports: &[u16]) -> String {
    let mut text = format!(
        "tickTime=200\ninitLimit=50\nsyncLimit=25\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n\
         admin.enableServer=false\n4lw.commands.whitelist=*\nmaxSessionTimeout=60000\nminSessionTimeout=400\n",
        folder.join("data").display(),
        ports[index],
    );
    if count > 1 {
        for other in 0..count {
            let (peers, votes) = (ports[count + other], ports[2 * count + other]);
            text.push_str(&format!("server.{}=127.0.0.1:{peers}:{votes}\n", other + 1));
        }
    }
    text
}

/// Whether a server takes part and answers: alone, as leader or as follower.
fn serves(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"srvr")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains("Mode:"))
}

/// Ports that nobody listened on a moment ago, below those that connections are given by the system: between now and
/// the servers' start none of them takes one.
fn free_ports(count: usize) -> Vec<u16> {
    const FIRST: u32 = 20_000;
    const ROOM: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    let mut ports = Vec::new();
    for _ in 0..ROOM {
        if ports.len() == count {
            break;
        }
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % ROOM;
        let port = u16::try_from(FIRST + offset).expect("a port below 32,768");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port);
        }
    }
    assert_eq!(ports.len(), count, "ports are free");
    ports
}
