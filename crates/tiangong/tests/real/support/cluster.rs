//! Real processes of the real binary, killed when the test ends.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{http, wait};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_tiangong");

/// A port nobody uses now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

/// One running program; killed with SIGKILL on drop.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    pub address: SocketAddr,
    pub log: PathBuf,
}

impl Daemon {
    /// Starts the binary with `arguments`, its output in `log`, and waits until `address` answers `/health`.
    pub fn start(address: SocketAddr, log: &Path, arguments: &[String]) -> Self {
        let daemon = Self::spawn(address, log, arguments);
        wait(
            &format!("{} to answer, see {}", arguments[0], log.display()),
            Duration::from_secs(20),
            || http::get(address, "/health").filter(|answer| answer.status == 200),
        );
        daemon
    }

    /// Starts the binary without waiting for anything.
    pub fn spawn(address: SocketAddr, log: &Path, arguments: &[String]) -> Self {
        Self::spawn_with(address, log, arguments, &[])
    }

    /// The same with more variables in its environment.
    pub fn spawn_with(
        address: SocketAddr,
        log: &Path,
        arguments: &[String],
        variables: &[(String, String)],
    ) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the test starts the program it tests")]
        let mut command = Command::new(BINARY);
        command.args(arguments).envs(variables.iter().cloned());
        Self::run(address, log, command)
    }

    /// The same through a program that becomes the binary.
    pub fn spawn_by(address: SocketAddr, log: &Path, program: &[&str], arguments: &[String]) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the test starts the program it tests")]
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(arguments);
        Self::run(address, log, command)
    }

    fn run(address: SocketAddr, log: &Path, mut command: Command) -> Self {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log can be opened");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file handle can be cloned"))
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        Self {
            child,
            address,
            log: log.to_path_buf(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process is still there.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A master and an agent as an operator would start them, each its own process.
#[derive(Debug)]
pub struct Cluster {
    pub folder: tempfile::TempDir,
    pub master: Option<Daemon>,
    pub agent: Option<Daemon>,
    pub master_address: SocketAddr,
    pub agent_address: SocketAddr,
    pub master_flags: Vec<String>,
    pub agent_flags: Vec<String>,
}

impl Cluster {
    /// Addresses and folders; nothing runs yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            master_address: local(free_port()),
            agent_address: local(free_port()),
            folder,
            master: None,
            agent: None,
            master_flags: Vec::new(),
            agent_flags: Vec::new(),
        }
    }

    /// Starts both and waits until the agent is registered.
    pub fn started() -> Self {
        let mut cluster = Self::new();
        cluster.start_master();
        cluster.start_agent();
        cluster.wait_for_agent();
        cluster
    }

    /// A master's command line.
    pub fn master_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "master".to_owned(),
            "--ip=127.0.0.1".to_owned(),
            format!("--port={}", self.master_address.port()),
            format!("--work_dir={}", self.folder.path().join("master").display()),
        ];
        arguments.extend(self.master_flags.iter().cloned());
        arguments
    }

    pub fn start_master(&mut self) {
        let arguments = self.master_arguments();
        self.master = Some(Daemon::start(
            self.master_address,
            &self.folder.path().join("master.log"),
            &arguments,
        ));
    }

    pub fn start_agent(&mut self) {
        let log = self.folder.path().join("agent.log");
        self.agent = Some(Daemon::start(self.agent_address, &log, &self.agent_arguments()));
    }

    /// Starts an agent that need not live long enough to answer anything.
    pub fn spawn_agent(&mut self) {
        let log = self.folder.path().join("agent.log");
        self.agent = Some(Daemon::spawn(self.agent_address, &log, &self.agent_arguments()));
    }

    /// An agent's command line.
    pub fn agent_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "agent".to_owned(),
            "--ip=127.0.0.1".to_owned(),
            format!("--port={}", self.agent_address.port()),
            format!("--master={}", self.master_address),
            format!("--work_dir={}", self.folder.path().join("agent").display()),
            format!("--runtime_dir={}", self.folder.path().join("run").display()),
        ];
        arguments.extend(self.agent_flags.iter().cloned());
        arguments
    }

    /// Waits until the master counts one active agent.
    pub fn wait_for_agent(&self) {
        wait("the agent to register", Duration::from_secs(30), || {
            let state = http::get(self.master_address, "/state")?;
            (state.status == 200 && state.json()["activated_slaves"].as_f64() == Some(1.0)).then_some(())
        });
    }

    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Logs and sandboxes tell what went wrong.
            self.folder.disable_cleanup(true);
            println!("kept: {}", self.folder.path().display());
        }
    }
}
