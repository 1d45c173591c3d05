//! A containerizer in a temporary directory, and a process that stands in for an agent that will be killed.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use containerizer::posix::{Options, Posix};
use containerizer::proc::{Identity, Table, has_mark, signal};
use containerizer::{ContainerConfig, Containerizer, Launched, Recoverable, Termination};
use libtest_mimic::Trial;
use proto::v1::{CommandInfo, ContainerId};

/// First argument of this binary when it stands in for an agent.
pub(crate) const STAND_IN: &str = "stand-in-agent";

/// The longest any condition is waited for.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

pub(crate) struct Fixture {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) posix: Posix,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let posix = Posix::new(Options::new(directory.path().join("run")));
        // Users other than root must be able to reach their sandboxes.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(directory.path(), open).unwrap();
        Self { directory, posix }
    }

    /// The next agent process: same directories, no memory.
    pub(crate) fn restarted(&self) -> Posix {
        self.posix.retire();
        Posix::new(Options::new(self.directory.path().join("run")))
    }

    pub(crate) fn sandbox(&self, id: &str) -> PathBuf {
        self.directory.path().join("sandboxes").join(id)
    }

    pub(crate) fn forked_pid(&self, id: &str) -> PathBuf {
        self.directory.path().join("meta").join(id).join("forked.pid")
    }

    pub(crate) fn runtime(&self, id: &str) -> PathBuf {
        self.directory.path().join("run/containers").join(id)
    }

    pub(crate) fn config(&self, id: &str, command: &str) -> ContainerConfig {
        ContainerConfig {
            command: CommandInfo {
                value: Some(command.to_owned()),
                ..CommandInfo::default()
            },
            directory: self.sandbox(id),
            environment: BTreeMap::from([("MESOS_EXECUTOR_ID".to_owned(), id.to_owned())]),
            pid_checkpoint: Some(self.forked_pid(id)),
            ..ContainerConfig::default()
        }
    }

    pub(crate) fn recoverable(&self, id: &str) -> Recoverable {
        Recoverable {
            id: self::id(id),
            pid: fs::read_to_string(self.forked_pid(id))
                .ok()
                .and_then(|text| text.parse().ok()),
            directory: self.sandbox(id),
            resources: Vec::new(),
        }
    }

    /// Launches a shell command; returns the helper.
    pub(crate) async fn launch(&self, id: &str, command: &str) -> Identity {
        match self
            .posix
            .launch(&self::id(id), self.config(id, command))
            .await
            .unwrap()
        {
            Launched::Success { pid } => Identity::of(pid).unwrap_or(Identity { pid, start: 0 }),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn wait(&self, id: &str) -> Termination {
        within(self.posix.wait(&self::id(id))).await.unwrap()
    }

    pub(crate) async fn destroy(&self, id: &str) -> Termination {
        within(self.posix.destroy(&self::id(id))).await.unwrap().unwrap()
    }

    pub(crate) fn stdout(&self, id: &str) -> String {
        fs::read_to_string(self.sandbox(id).join("stdout")).unwrap_or_default()
    }

    pub(crate) fn stderr(&self, id: &str) -> String {
        fs::read_to_string(self.sandbox(id).join("stderr")).unwrap_or_default()
    }

    /// Waits for a whole line on the container's standard output.
    pub(crate) async fn said(&self, id: &str, line: &str) {
        until(&format!("{id} says {line}"), || {
            self.stdout(id).lines().any(|said| said == line)
        })
        .await;
    }

    /// Processes that bear the container's mark, the helper among them.
    pub(crate) fn marked(&self, id: &str) -> Vec<i32> {
        let sandbox = self.sandbox(id);
        Table::read()
            .iter()
            .filter(|s| s.is_alive() && has_mark(s.pid, &sandbox))
            .map(|s| s.pid)
            .collect()
    }

    /// Nothing of the container is left, now.
    pub(crate) fn assert_gone(&self, id: &str) {
        assert_eq!(self.marked(id), Vec::<i32>::new(), "processes of {id} are left");
        assert!(
            !self.runtime(id).exists(),
            "the runtime directory of {id} is left"
        );
    }
}

impl Drop for Fixture {
    /// A failed test leaves nothing behind either.
    fn drop(&mut self) {
        let root = self.directory.path();
        for stat in Table::read().iter() {
            if containerizer::proc::marks(stat.pid)
                .iter()
                .any(|mark| mark.starts_with(root))
            {
                signal(stat.identity(), nix::libc::SIGKILL);
            }
        }
    }
}

pub(crate) fn id(text: &str) -> ContainerId {
    ContainerId {
        value: text.to_owned(),
        ..ContainerId::default()
    }
}

pub(crate) fn kill(process: Identity) {
    assert!(signal(process, nix::libc::SIGKILL), "{process:?} is not there");
}

pub(crate) fn kill_if_there(process: Identity) {
    let _already_gone = signal(process, nix::libc::SIGKILL);
}

/// The executor: the helper's first child.
pub(crate) fn executor(helper: Identity) -> Identity {
    Table::read()
        .iter()
        .find(|stat| stat.parent == helper.pid)
        .unwrap()
        .identity()
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, work).await.expect("done in time")
}

pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let mut interval = tokio::time::interval(Duration::from_millis(5));
    let waited = tokio::time::timeout(BOUND, async {
        while !condition() {
            interval.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain until {what}");
}

/// A test with a runtime of its own.
pub(crate) fn trial<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(test());
        Ok(())
    })
}

/// Starts this binary as an agent that launches one container in `fixture`'s directories, and kills it once the
/// container says `ready`.
pub(crate) async fn agent_that_is_killed(fixture: &Fixture, id: &str, command: &str) {
    #[expect(clippy::disallowed_methods, reason = "the stand-in for an agent")]
    let mut agent = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            STAND_IN.as_ref(),
            fixture.directory.path().as_os_str(),
            id.as_ref(),
            command.as_ref(),
        ])
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    fixture.said(id, "ready").await;
    agent.kill().await.unwrap();
}

pub(crate) fn stand_in() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let [directory, id, command] = arguments.as_slice() else {
        return ExitCode::FAILURE;
    };
    let directory = Path::new(directory);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let posix = Posix::new(Options::new(directory.join("run")));
        let config = ContainerConfig {
            command: CommandInfo {
                value: Some(command.clone()),
                ..CommandInfo::default()
            },
            directory: directory.join("sandboxes").join(id),
            pid_checkpoint: Some(directory.join("meta").join(id).join("forked.pid")),
            ..ContainerConfig::default()
        };
        posix.launch(&self::id(id), config).await.unwrap();
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}
