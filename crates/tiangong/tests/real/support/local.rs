//! `tiangong local` as its own process, for programs that nobody here wrote.

#![expect(
    clippy::disallowed_methods,
    reason = "a test starts the programs it tests, and polls them"
)]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cluster::BINARY;
use super::within;

/// How long anything here may take; compilers are slow on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Polls until there is a value.
pub fn wait<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(LIMIT, probe).unwrap_or_else(|| panic!("gave up waiting for {what}"))
}

/// `tiangong local` on free ports; ended with the test.
pub struct Local {
    child: Child,
    pub master: String,
    pub folder: tempfile::TempDir,
}

impl Local {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With more arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let work_dir = folder.path().join("cluster");
        let mut child = Command::new(BINARY)
            .args(["local", "--agents", "1", "--port", "0", "--json", "--work_dir"])
            .arg(work_dir)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("local says when it is ready");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("the ready line is JSON");
        let master = ready["master"].as_str().expect("it names the master").to_owned();
        Self {
            child,
            master,
            folder,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.master)
    }

    /// Runs one task to its end.
    pub fn run_task(&self) {
        let status = Command::new(BINARY)
            .args([
                "run",
                "--master",
                &self.master,
                "--cpus",
                "0.1",
                "--mem",
                "32",
                "--",
                "true",
            ])
            .status()
            .expect("the binary starts");
        assert!(status.success(), "tiangong run ended with {status}");
    }

    /// Starts the program, runs tasks once it has subscribed, until it has read what it wants. Returns its output.
    pub fn feed(&self, mut program: Command) -> String {
        let log = self.folder.path().join("output");
        let file = File::create(&log).expect("the log can be made");
        let stderr = file.try_clone().expect("a file handle can be cloned");
        let running = program
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(stderr)
            .spawn()
            .expect("it starts");
        let mut running = Killed(running);
        let output = || std::fs::read_to_string(&log).unwrap_or_default();
        wait(&format!("SUBSCRIBED, see {}", log.display()), || {
            let ended = running.0.try_wait().expect("it can be waited for");
            assert!(
                ended.is_none() || output().contains("SUBSCRIBED"),
                "it ended: {}",
                output()
            );
            output().contains("SUBSCRIBED").then_some(())
        });
        for _ in 0..10 {
            if running.0.try_wait().expect("it can be waited for").is_some() {
                break;
            }
            self.run_task();
        }
        let status = wait("the program to end", || {
            running.0.try_wait().expect("it can be waited for")
        });
        assert!(status.success(), "it ended with {status}: {}", output());
        output()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // The orderly way first: it takes the agents and their tasks with it.
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a process id is positive"));
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let ended = within(Duration::from_secs(10), || {
            (!matches!(self.child.try_wait(), Ok(None))).then_some(())
        });
        if ended.is_none() {
            let _gone = self.child.kill();
            let _status = self.child.wait();
        }
    }
}

/// A program that does not outlive the test.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Runs a program to its end, which must be a good one.
pub fn run(what: &str, command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&text)
    );
}
