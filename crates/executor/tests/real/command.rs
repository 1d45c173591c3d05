//! The command executor in a container, with a real process as its task.

use std::fs;
use std::time::Duration;

use containerizer::posix::{Options, Posix};
use containerizer::proc::{Identity, Table, has_mark, signal};
use containerizer::{ContainerConfig, Containerizer};
use libtest_mimic::Trial;
use proto::v1::executor::{Event, event};
use proto::v1::{CommandInfo, ContainerId, DurationInfo, KillPolicy, TaskId, TaskInfo, TaskState};

use crate::agent::Agent;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_command_that_fails_is_told_as_recorded", fails),
        trial("a_command_that_finishes_leaves_its_output", finishes),
        trial("a_killed_task_is_terminated_first", terminated),
        trial("a_task_that_ignores_termination_is_killed_after_its_grace", grace),
        trial("a_shutdown_kills_the_task", shutdown),
        trial("a_killed_executor_leaves_no_task", executor_killed),
        trial("an_executor_outlives_its_agent_and_reports_to_the_next", outlives),
        trial("a_task_past_its_completion_time_has_failed", overdue),
        trial(
            "without_checkpointing_the_executor_goes_with_its_agent",
            goes_along,
        ),
    ]
}

const TASK: &str = "t1";

pub(crate) struct Bench {
    pub(crate) agent: Agent,
    pub(crate) directory: tempfile::TempDir,
    posix: Posix,
}

impl Bench {
    /// An executor that has subscribed.
    pub(crate) async fn new(checkpoint: bool) -> Self {
        let mut agent = Agent::start().await;
        agent.options.lock().unwrap().killing = true;
        let directory = tempfile::tempdir().unwrap();
        let posix = Posix::new(Options::new(directory.path().join("run")));
        let sandbox = directory.path().join("sandbox");
        let pairs = [
            ("MESOS_AGENT_ENDPOINT", agent.address.as_str()),
            ("MESOS_FRAMEWORK_ID", "f"),
            ("MESOS_EXECUTOR_ID", TASK),
            ("MESOS_DIRECTORY", sandbox.to_str().unwrap()),
            ("MESOS_CHECKPOINT", if checkpoint { "1" } else { "0" }),
            ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
            ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
        ];
        let config = ContainerConfig {
            // As the agent generates it, with a launcher directory that has no such file.
            command: CommandInfo {
                shell: Some(false),
                value: Some("/nowhere/mesos-executor".to_owned()),
                arguments: vec!["mesos-executor".to_owned(), "--launcher_dir=/nowhere".to_owned()],
                ..CommandInfo::default()
            },
            directory: sandbox.clone(),
            environment: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..ContainerConfig::default()
        };
        posix.launch(&id(), config).await.unwrap();
        agent.subscription().await;
        Self {
            agent,
            directory,
            posix,
        }
    }

    /// With a task that runs, and has said `ready`.
    pub(crate) async fn running(command: &str, task: TaskInfo) -> Self {
        let mut bench = Self::new(true).await;
        bench.launch(command, task).await;
        bench
    }

    pub(crate) async fn launch(&mut self, command: &str, task: TaskInfo) {
        let task = TaskInfo {
            task_id: TaskId {
                value: TASK.to_owned(),
            },
            command: Some(CommandInfo {
                value: Some(command.to_owned()),
                ..CommandInfo::default()
            }),
            ..task
        };
        self.agent.send(Event {
            r#type: Some(event::Type::Launch as i32),
            launch: Some(event::Launch { task }),
            ..Event::default()
        });
        self.agent.update_is(TaskState::TaskStarting).await;
        self.agent.update_is(TaskState::TaskRunning).await;
    }

    async fn restart_agent(&mut self) {
        let address = self.agent.address.clone();
        self.agent.stop().await;
        self.agent = Agent::restart(&address).await;
    }

    pub(crate) fn kill(&self, grace: Option<Duration>) {
        let grace_period = grace.map(|g| DurationInfo {
            nanoseconds: i64::try_from(g.as_nanos()).unwrap(),
        });
        let kill = event::Kill {
            task_id: TaskId {
                value: TASK.to_owned(),
            },
            kill_policy: grace.map(|_| KillPolicy { grace_period }),
        };
        self.agent.send(Event {
            r#type: Some(event::Type::Kill as i32),
            kill: Some(kill),
            ..Event::default()
        });
    }

    fn stdout(&self) -> String {
        fs::read_to_string(self.directory.path().join("sandbox/stdout")).unwrap_or_default()
    }

    /// Waits until the task says a line.
    pub(crate) async fn said(&self, line: &str) {
        let mut interval = tokio::time::interval(Duration::from_millis(5));
        while !self.stdout().lines().any(|said| said == line) {
            interval.tick().await;
        }
    }

    fn processes(&self) -> Vec<Identity> {
        let sandbox = self.directory.path().join("sandbox");
        let table = Table::read();
        table
            .iter()
            .filter(|s| s.is_alive() && has_mark(s.pid, &sandbox))
            .map(|s| s.identity())
            .collect()
    }

    /// The executor: the child of the container's first process.
    async fn executor(&self) -> Identity {
        let helper = self.posix.status(&id()).await.unwrap().executor_pid.unwrap();
        let helper = i32::try_from(helper).unwrap();
        Table::read()
            .iter()
            .find(|stat| stat.parent == helper)
            .unwrap()
            .identity()
    }

    /// The container ends with this wait status, and nothing is left of it.
    pub(crate) async fn ends(&self, status: i32) {
        let termination = self.posix.wait(&id()).await.unwrap();
        let stderr = fs::read_to_string(self.directory.path().join("sandbox/stderr")).unwrap_or_default();
        assert_eq!(termination.status, Some(status), "{stderr}");
        assert_eq!(self.processes(), []);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for process in self.processes() {
            signal(process, 9);
        }
    }
}

fn id() -> ContainerId {
    ContainerId {
        value: "c1".to_owned(),
        ..ContainerId::default()
    }
}

async fn fails() {
    let mut bench = Bench::new(true).await;
    bench.launch("exit 7", TaskInfo::default()).await;
    let status = bench.agent.update().await;
    // golden/http/203, the update of failer.1; what the agent adds is not here.
    assert_eq!(status.state(), TaskState::TaskFailed);
    assert_eq!(status.message.as_deref(), Some("Command exited with status 7"));
    assert_eq!(status.executor_id.unwrap().value, TASK);
    assert_eq!(
        status.source,
        Some(proto::v1::task_status::Source::Executor as i32)
    );
    assert_eq!((status.reason, status.healthy, status.data), (None, None, None));
    assert!(status.timestamp.is_some() && status.uuid.is_some());
    bench.ends(0).await;
}

async fn finishes() {
    let mut bench = Bench::running("echo $MESOS_EXECUTOR_ID in $PWD", TaskInfo::default()).await;
    let message = bench.agent.update_is(TaskState::TaskFinished).await;
    assert_eq!(message.as_deref(), Some("Command exited with status 0"));
    bench.ends(0).await;
    let sandbox = bench.directory.path().join("sandbox");
    assert_eq!(bench.stdout(), format!("{TASK} in {}\n", sandbox.display()));
}

async fn terminated() {
    let command = "echo ready; sleep 1000 & exec sleep 1000";
    let mut bench = Bench::running(command, TaskInfo::default()).await;
    bench.said("ready").await;
    bench.kill(None);
    bench.agent.update_is(TaskState::TaskKilling).await;
    let message = bench.agent.update_is(TaskState::TaskKilled).await;
    assert_eq!(
        message.as_deref(),
        Some("Command terminated with signal Terminated")
    );
    bench.ends(0).await;
}

async fn grace() {
    // Ignores SIGTERM, as does a daemon of it in another session.
    let command = "trap '' TERM; setsid sh -c 'sleep 1000; true' & echo ready; while :; do sleep 0.05; done";
    let mut bench = Bench::running(command, TaskInfo::default()).await;
    bench.said("ready").await;
    bench.kill(Some(Duration::from_secs(600)));
    bench.agent.update_is(TaskState::TaskKilling).await;
    // Patience is over: the second kill shortens the grace.
    bench.kill(Some(Duration::from_millis(10)));
    let message = bench.agent.update_is(TaskState::TaskKilled).await;
    assert_eq!(message.as_deref(), Some("Command terminated with signal Killed"));
    bench.ends(0).await;
}

async fn shutdown() {
    let mut bench = Bench::running("echo ready; exec sleep 1000", TaskInfo::default()).await;
    bench.said("ready").await;
    bench.agent.send(Event {
        r#type: Some(event::Type::Shutdown as i32),
        ..Event::default()
    });
    bench.agent.update_is(TaskState::TaskKilling).await;
    bench.agent.update_is(TaskState::TaskKilled).await;
    bench.ends(0).await;
}

async fn executor_killed() {
    let bench = Bench::running(
        "(setsid sleep 1000 &); echo ready; sleep 1000; true",
        TaskInfo::default(),
    )
    .await;
    bench.said("ready").await;
    assert!(signal(bench.executor().await, 9));
    bench.ends(9).await;
}

async fn outlives() {
    let mut bench = Bench::running(
        "echo ready; until [ -e go ]; do sleep 0.01; done; exit 3",
        TaskInfo::default(),
    )
    .await;
    bench.said("ready").await;
    bench.restart_agent().await;
    let subscribe = bench.agent.subscription().await.subscribe.unwrap();
    // The agent may have gone before its acknowledgement was read.
    let named = subscribe.unacknowledged_updates;
    assert!(
        named
            .iter()
            .all(|update| update.status.state() == TaskState::TaskRunning),
        "{named:?}"
    );
    fs::write(bench.directory.path().join("sandbox/go"), "").unwrap();
    let message = bench.agent.update_is(TaskState::TaskFailed).await;
    assert_eq!(message.as_deref(), Some("Command exited with status 3"));
    bench.ends(0).await;
}

async fn overdue() {
    let max_completion_time = Some(DurationInfo {
        nanoseconds: 100_000_000,
    });
    let task = TaskInfo {
        max_completion_time,
        ..TaskInfo::default()
    };
    let mut bench = Bench::running("exec sleep 1000", task).await;
    let status = bench.agent.update().await;
    assert_eq!(status.state(), TaskState::TaskFailed);
    assert_eq!(
        status.reason(),
        proto::v1::task_status::Reason::MaxCompletionTimeReached
    );
    bench.ends(0).await;
}

async fn goes_along() {
    let mut bench = Bench::new(false).await;
    bench
        .launch("echo ready; exec sleep 1000", TaskInfo::default())
        .await;
    bench.said("ready").await;
    bench.agent.cut();
    bench.ends(1 << 8).await;
}
