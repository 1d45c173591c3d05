//! The default executor in a container, with task groups in real ones below it.

use std::fs;
use std::path::PathBuf;

use containerizer::posix::{Options, Posix};
use containerizer::proc::{Table, marks};
use containerizer::{ContainerConfig, Containerizer};
use libtest_mimic::Trial;
use proto::v1::executor::{Event, event};
use proto::v1::{
    CheckInfo, CommandInfo, ContainerId, DurationInfo, HealthCheck, KillPolicy, TaskGroupInfo, TaskId,
    TaskInfo, TaskState, TaskStatus, check_info, health_check,
};

use crate::agent::Agent;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_group_runs_in_containers_of_its_own", runs),
        trial(
            "killing_one_of_a_group_ends_the_group_in_the_recorded_order",
            killed,
        ),
        trial("a_task_that_fails_takes_its_group_along_and_no_other", fails),
        trial(
            "a_task_that_ignores_termination_is_killed_after_its_grace_too",
            grace,
        ),
        trial("a_refused_launch_is_told_in_the_agents_words", refused),
        trial("groups_outlive_the_agents_connection", outlives),
        trial(
            "a_check_runs_in_the_context_of_its_task_and_leaves_nothing",
            checked,
        ),
        trial("an_unhealthy_task_of_a_group_is_killed", unhealthy),
        trial("a_killed_default_executor_leaves_no_task", executor_killed),
        trial("a_shutdown_ends_all_groups", shutdown),
    ]
}

const OWN: &str = "own";

struct Bench {
    agent: Agent,
    directory: tempfile::TempDir,
    posix: Posix,
}

fn id() -> ContainerId {
    ContainerId {
        value: OWN.to_owned(),
        ..ContainerId::default()
    }
}

fn task(name: &str, command: &str) -> TaskInfo {
    TaskInfo {
        name: name.to_owned(),
        task_id: TaskId {
            value: name.to_owned(),
        },
        command: Some(CommandInfo {
            value: Some(command.to_owned()),
            ..CommandInfo::default()
        }),
        ..TaskInfo::default()
    }
}

/// A command that says `ready` once it would notice a signal.
fn sleeper(name: &str) -> TaskInfo {
    task(name, "touch ready; exec sleep 1000")
}

impl Bench {
    async fn new() -> Self {
        let mut agent = Agent::start().await;
        let directory = tempfile::tempdir().unwrap();
        let posix = Posix::new(Options::new(directory.path().join("run")));
        {
            let mut options = agent.options.lock().unwrap();
            options.killing = true;
            options.containers = Some((id(), posix.clone()));
        }
        let sandbox = directory.path().join("sandbox");
        let pairs = [
            ("MESOS_AGENT_ENDPOINT", agent.address.as_str()),
            ("MESOS_FRAMEWORK_ID", "f"),
            ("MESOS_EXECUTOR_ID", "e"),
            ("MESOS_DIRECTORY", sandbox.to_str().unwrap()),
            ("MESOS_CHECKPOINT", "1"),
            ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
            ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
        ];
        let config = ContainerConfig {
            command: CommandInfo {
                shell: Some(false),
                value: Some("/nowhere/mesos-default-executor".to_owned()),
                arguments: vec![
                    "mesos-default-executor".to_owned(),
                    "--launcher_dir=/nowhere".to_owned(),
                ],
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

    fn launch(&self, tasks: Vec<TaskInfo>) {
        self.agent.send(Event {
            r#type: Some(event::Type::LaunchGroup as i32),
            launch_group: Some(event::LaunchGroup {
                task_group: TaskGroupInfo { tasks },
            }),
            ..Event::default()
        });
    }

    /// Launches a group and hears that all of it runs.
    async fn run(&mut self, tasks: Vec<TaskInfo>) {
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        self.launch(tasks);
        for state in [TaskState::TaskStarting, TaskState::TaskRunning] {
            for name in &names {
                let status = self.agent.update_of(name, state).await;
                let container = status.container_status.unwrap().container_id.unwrap();
                assert_eq!(container.parent.unwrap().value, OWN);
            }
        }
    }

    /// Launches a group of sleepers, all of which sleep then.
    async fn sleeping(&mut self, names: &[&str]) {
        self.run(names.iter().map(|name| sleeper(name)).collect()).await;
        for name in names {
            self.until(|| self.sandbox(name).join("ready").exists()).await;
        }
    }

    fn kill(&self, name: &str) {
        self.agent.send(Event {
            r#type: Some(event::Type::Kill as i32),
            kill: Some(event::Kill {
                task_id: TaskId {
                    value: name.to_owned(),
                },
                kill_policy: None,
            }),
            ..Event::default()
        });
    }

    /// The sandbox of a task, by the link that the executor makes.
    fn sandbox(&self, name: &str) -> PathBuf {
        self.directory.path().join("sandbox/tasks").join(name)
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(5));
        while !condition() {
            interval.tick().await;
        }
    }

    /// The executor has ended by itself, with this wait status, and nothing is left.
    async fn ends(&self, status: i32) {
        assert_eq!(self.posix.wait(&id()).await.unwrap().status, Some(status));
        assert_eq!(self.marked(), Vec::<i32>::new());
    }

    fn marked(&self) -> Vec<i32> {
        let root = self.directory.path();
        Table::read()
            .iter()
            .filter(|stat| stat.is_alive() && marks(stat.pid).iter().any(|mark| mark.starts_with(root)))
            .map(|stat| stat.pid)
            .collect()
    }

    async fn update_of(&mut self, name: &str, state: TaskState) -> TaskStatus {
        self.agent.update_of(name, state).await
    }
}

impl Drop for Bench {
    /// A failed test leaves nothing behind either.
    fn drop(&mut self) {
        for pid in self.marked() {
            if let Some(identity) = containerizer::proc::Identity::of(pid) {
                containerizer::proc::signal(identity, nix::libc::SIGKILL);
            }
        }
    }
}

const TERMINATED: Option<&str> = Some("Command terminated with signal Terminated");

async fn runs() {
    let mut bench = Bench::new().await;
    bench
        .run(vec![
            task("a", "echo $MESOS_CONTAINER_IP; pwd -P > where"),
            task("b", "true"),
        ])
        .await;
    let mut ended = vec![bench.agent.update().await, bench.agent.update().await];
    ended.sort_by(|left, right| left.task_id.value.cmp(&right.task_id.value));
    for status in &ended {
        assert_eq!(status.state(), TaskState::TaskFinished);
        assert_eq!(status.message.as_deref(), Some("Command exited with status 0"));
    }
    let said = fs::read_to_string(bench.sandbox("a").join("stdout")).unwrap();
    assert_eq!(said, "127.0.0.1\n");
    let place = fs::read_to_string(bench.sandbox("a").join("where")).unwrap();
    let container = ended[0].container_status.clone().unwrap().container_id.unwrap();
    let expected = format!("sandbox/containers/{}\n", container.value);
    assert!(place.ends_with(&expected), "{place}");
    bench.ends(0).await;
}

async fn killed() {
    let mut bench = Bench::new().await;
    bench.sleeping(&["a", "b"]).await;
    bench.kill("a");
    bench.update_of("a", TaskState::TaskKilling).await;
    let status = bench.update_of("a", TaskState::TaskKilled).await;
    assert_eq!(status.message.as_deref(), TERMINATED);
    assert_eq!(status.reason, None);
    bench.update_of("b", TaskState::TaskKilling).await;
    let status = bench.update_of("b", TaskState::TaskKilled).await;
    assert_eq!(status.message.as_deref(), TERMINATED);
    bench.ends(0).await;
}

async fn fails() {
    let mut bench = Bench::new().await;
    bench.sleeping(&["other"]).await;
    let failing = task("a", "while [ ! -e stop ]; do sleep 0.01; done; exit 7");
    bench.run(vec![failing, sleeper("b")]).await;
    bench.until(|| bench.sandbox("b").join("ready").exists()).await;
    fs::write(bench.sandbox("a").join("stop"), "").unwrap();
    let status = bench.update_of("a", TaskState::TaskFailed).await;
    assert_eq!(status.message.as_deref(), Some("Command exited with status 7"));
    bench.update_of("b", TaskState::TaskKilling).await;
    bench.update_of("b", TaskState::TaskKilled).await;
    bench.kill("other");
    bench.update_of("other", TaskState::TaskKilling).await;
    bench.update_of("other", TaskState::TaskKilled).await;
    bench.ends(0).await;
}

async fn grace() {
    let mut bench = Bench::new().await;
    let stubborn = TaskInfo {
        kill_policy: Some(KillPolicy {
            grace_period: Some(DurationInfo {
                nanoseconds: 100_000_000,
            }),
        }),
        ..task("a", "trap '' TERM; touch ready; while true; do sleep 0.05; done")
    };
    bench.run(vec![stubborn]).await;
    bench.until(|| bench.sandbox("a").join("ready").exists()).await;
    bench.kill("a");
    bench.update_of("a", TaskState::TaskKilling).await;
    let status = bench.update_of("a", TaskState::TaskKilled).await;
    assert_eq!(
        status.message.as_deref(),
        Some("Command terminated with signal Killed")
    );
    bench.ends(0).await;
}

async fn refused() {
    let mut bench = Bench::new().await;
    let mut wrong = task("a", "true");
    wrong.command.as_mut().unwrap().value = None;
    bench.launch(vec![wrong]);
    bench.update_of("a", TaskState::TaskStarting).await;
    let status = bench.update_of("a", TaskState::TaskFailed).await;
    assert_eq!(
        status.message.as_deref(),
        Some("invalid container: command without a value")
    );
    bench.ends(0).await;
}

async fn outlives() {
    let mut bench = Bench::new().await;
    bench.sleeping(&["a"]).await;
    let address = bench.agent.address.clone();
    let options = bench.agent.options.lock().unwrap().clone();
    bench.agent.stop().await;
    bench.agent = Agent::restart_as(&address, options).await;
    bench.agent.subscription().await;
    bench.kill("a");
    bench.update_of("a", TaskState::TaskKilling).await;
    let status = bench.update_of("a", TaskState::TaskKilled).await;
    assert_eq!(status.message.as_deref(), TERMINATED);
    bench.ends(0).await;
}

async fn checked() {
    let mut bench = Bench::new().await;
    let mut with_check = TaskInfo {
        check: Some(CheckInfo {
            r#type: Some(check_info::Type::Command as i32),
            command: Some(check_info::Command {
                command: CommandInfo {
                    value: Some(
                        "test $COLOR = red && test -e healthy && test $MESOS_SANDBOX = \"$(pwd)\"".to_owned(),
                    ),
                    ..CommandInfo::default()
                },
            }),
            delay_seconds: Some(0.0),
            interval_seconds: Some(0.05),
            timeout_seconds: Some(10.0),
            ..CheckInfo::default()
        }),
        ..sleeper("a")
    };
    with_check.command.as_mut().unwrap().environment = Some(proto::v1::Environment {
        variables: vec![proto::v1::environment::Variable {
            name: "COLOR".to_owned(),
            value: Some("red".to_owned()),
            ..Default::default()
        }],
    });
    bench.run(vec![with_check]).await;
    let code = |status: TaskStatus| status.check_status.unwrap().command.unwrap().exit_code;
    assert_eq!(code(bench.update_of("a", TaskState::TaskRunning).await), Some(1));
    fs::write(bench.sandbox("a").join("healthy"), "").unwrap();
    assert_eq!(code(bench.update_of("a", TaskState::TaskRunning).await), Some(0));
    // Checks that are over leave no sandboxes.
    let checks = bench.sandbox("a").join("containers");
    let left = || fs::read_dir(&checks).map_or(0, Iterator::count);
    bench.until(|| left() <= 1).await;
    bench.kill("a");
    bench.update_of("a", TaskState::TaskKilling).await;
    bench.update_of("a", TaskState::TaskKilled).await;
    bench.ends(0).await;
}

async fn unhealthy() {
    let mut bench = Bench::new().await;
    let ill = TaskInfo {
        health_check: Some(HealthCheck {
            r#type: Some(health_check::Type::Command as i32),
            command: Some(CommandInfo {
                value: Some("exit 1".to_owned()),
                ..CommandInfo::default()
            }),
            delay_seconds: Some(0.2),
            interval_seconds: Some(0.05),
            grace_period_seconds: Some(0.0),
            consecutive_failures: Some(2),
            ..HealthCheck::default()
        }),
        ..sleeper("a")
    };
    bench.run(vec![ill]).await;
    for _ in 0..2 {
        let status = bench.update_of("a", TaskState::TaskRunning).await;
        assert_eq!(status.healthy, Some(false));
    }
    bench.update_of("a", TaskState::TaskKilling).await;
    let status = bench.update_of("a", TaskState::TaskKilled).await;
    assert_eq!(status.healthy, Some(false));
    bench.ends(0).await;
}

async fn executor_killed() {
    let mut bench = Bench::new().await;
    bench.sleeping(&["a", "b"]).await;
    bench.posix.kill(&id(), nix::libc::SIGKILL).await.unwrap();
    bench.ends(nix::libc::SIGKILL).await;
}

async fn shutdown() {
    let mut bench = Bench::new().await;
    bench.sleeping(&["a"]).await;
    bench.sleeping(&["b"]).await;
    bench.agent.send(Event {
        r#type: Some(event::Type::Shutdown as i32),
        ..Event::default()
    });
    let mut killed = Vec::new();
    while killed.len() < 2 {
        let status = bench.agent.update().await;
        if status.state() == TaskState::TaskKilled {
            killed.push(status.task_id.value);
        }
    }
    killed.sort();
    assert_eq!(killed, ["a", "b"]);
    bench.ends(0).await;
}
