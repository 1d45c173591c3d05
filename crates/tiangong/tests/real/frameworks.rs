//! The framework of `examples/frameworks` on `tiangong local`.

#![expect(clippy::disallowed_methods, reason = "a test starts the programs it tests")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::{http, processes, wait, within};

/// How long any step may take; the first one compiles the program if nobody has.
const LIMIT: Duration = Duration::from_secs(300);

struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts the framework: three copies of a command whose command line holds `mark`.
    fn start(cluster: &Cluster, log: &str, mark: &str) -> Self {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/frameworks/run.sh");
        let log = cluster.folder.path().join(log);
        let file = std::fs::File::create(&log).expect("the log can be made");
        let child = Command::new(run)
            .args(["--master", &cluster.master_address.to_string(), "--count", "3"])
            .args([
                "--cpus", "0.1", "--mem", "32", "--disk", "1", "--grace", "1", "--state",
            ])
            .arg(cluster.folder.path().join("service.state"))
            .args(["--", &format!("exec sleep {mark}")])
            .stdin(Stdio::null())
            .stderr(file.try_clone().expect("a file handle can be cloned"))
            .stdout(file)
            .spawn()
            .expect("the script starts");
        Self { child, log }
    }

    fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until so many lines end with `what`.
    fn wait_for(&self, what: &str, count: usize) {
        wait(
            &format!("{count} times {what:?} in {}", self.log.display()),
            LIMIT,
            || {
                let output = self.output();
                (output.lines().filter(|line| line.ends_with(what)).count() >= count).then_some(())
            },
        );
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).expect("it lives");
    }

    fn ended(&mut self) -> ExitStatus {
        wait("the framework to end", LIMIT, || {
            self.child.try_wait().expect("it can be waited for")
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Waits until three copies run; a moment after it started, a task's process is still becoming what it is to be.
fn three_copies(mark: &str) -> Vec<i32> {
    wait("three copies", LIMIT, || {
        Some(copies(mark)).filter(|copies| copies.len() == 3)
    })
}

/// The copies that run: processes whose command is exactly `sleep MARK`.
fn copies(mark: &str) -> Vec<i32> {
    let found = processes::marked(mark).into_iter();
    found
        .filter(|process| {
            process.name() == "sleep" && process.command.get(1).is_some_and(|word| word == mark)
        })
        .map(|process| process.pid)
        .collect()
}

#[test]
fn the_example_framework_keeps_its_copies_through_failures_of_theirs_and_its_own() {
    let cluster = Cluster::started();
    // A number nobody else sleeps for.
    let mark = format!("10{}", cluster.master_address.port());
    let mut service = Service::start(&cluster, "service.1", &mark);
    service.wait_for(" running", 3);
    // One dies, and is replaced.
    let before = three_copies(&mark);
    processes::kill(before[0]);
    service.wait_for(" failed", 1);
    service.wait_for(" running", 4);
    let running = three_copies(&mark);
    // The framework dies. Its successor finds everything as it was.
    service.signal(nix::sys::signal::Signal::SIGKILL);
    service.ended();
    let id = service.output();
    let id = id
        .lines()
        .find_map(|line| line.strip_prefix("subscribed as "))
        .expect("it had an id")
        .to_owned();
    let mut successor = Service::start(&cluster, "service.2", &mark);
    successor.wait_for(&format!("subscribed as {id}"), 1);
    successor.wait_for(" running", 3);
    assert_eq!(copies(&mark), running);
    assert!(!successor.output().contains("launched"), "{}", successor.output());
    // The end takes the copies along, and the framework with it.
    successor.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(successor.ended().success(), "{}", successor.output());
    successor.wait_for(" killed", 3);
    assert_eq!(
        within(Duration::from_secs(10), || copies(&mark).is_empty().then_some(())),
        Some(())
    );
    let state = http::get(cluster.master_address, "/state")
        .expect("an answer")
        .json();
    assert_eq!(state["completed_frameworks"][0]["id"], id);
}
