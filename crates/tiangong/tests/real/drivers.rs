//! Frameworks and executors of the v0 protocol against a real master and a real agent, over sockets.
//!
//! The executor's program only writes down its environment and waits; the driver that speaks for it lives in the test.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use process::{Runtime, Settings, Upid};
use proto::v1;
use proto::v1::scheduler::call;
use proto::v1::{TaskState, task_status};
use testkit::driver::core::{Ask, ExecutorEvent, ExecutorSetup, SchedulerEvent};
use testkit::driver::{ExecutorClient, SchedulerClient, SchedulerSettings};

use crate::support::cluster::Cluster;
use crate::support::{http, wait};

/// How long any step may take.
const LIMIT: Duration = Duration::from_secs(60);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be made")
}

fn info() -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        user: nix::unistd::User::from_uid(nix::unistd::getuid())
            .ok()
            .flatten()
            .map_or_else(|| "root".to_owned(), |user| user.name),
        name: "driver".to_owned(),
        failover_timeout: Some(60.0),
        checkpoint: Some(true),
        ..v1::FrameworkInfo::default()
    }
}

fn task_id(value: &str) -> v1::TaskId {
    v1::TaskId {
        value: value.to_owned(),
    }
}

fn executor_id() -> v1::ExecutorId {
    v1::ExecutorId {
        value: "runner".to_owned(),
    }
}

/// A scheduler, with what it keeps of offers.
struct Scheduler {
    client: SchedulerClient,
}

impl Scheduler {
    fn start(runtime: &Runtime, cluster: &Cluster, info: v1::FrameworkInfo, seed: u64) -> Self {
        let settings = SchedulerSettings {
            seed,
            ..SchedulerSettings::default()
        };
        Self::start_with(runtime, cluster, info, &settings)
    }

    fn start_with(
        runtime: &Runtime,
        cluster: &Cluster,
        info: v1::FrameworkInfo,
        settings: &SchedulerSettings,
    ) -> Self {
        let std::net::SocketAddr::V4(address) = cluster.master_address else {
            panic!("the cluster has IPv4 addresses");
        };
        let client = SchedulerClient::start(runtime, Upid::new("master", address), info, settings);
        Self {
            client: client.expect("the process starts"),
        }
    }

    /// The first event for which `pick` has a value.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(SchedulerEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.client.next().await.expect("the driver lives");
                if let Some(value) = pick(event) {
                    return value;
                }
            }
        };
        tokio::time::timeout(LIMIT, found)
            .await
            .unwrap_or_else(|_| panic!("gave up waiting for {what}"))
    }

    async fn registered(&mut self) -> v1::FrameworkId {
        self.until("the registration", |event| match event {
            SchedulerEvent::Registered(id) => Some(id),
            SchedulerEvent::Error(error) => panic!("refused: {error}"),
            _ => None,
        })
        .await
    }

    async fn offer(&mut self) -> (v1::Offer, Upid) {
        self.until("an offer", |event| match event {
            SchedulerEvent::Offers(mut offers) => offers.pop(),
            _ => None,
        })
        .await
    }

    async fn status(&mut self, task: &str, state: TaskState) -> v1::TaskStatus {
        self.until(
            &format!("{task} to be {}", state.as_str_name()),
            |event| match event {
                SchedulerEvent::Update(status) if status.task_id.value == task && status.state() == state => {
                    Some(*status)
                }
                _ => None,
            },
        )
        .await
    }

    async fn error(&mut self) -> String {
        self.until("an error", |event| match event {
            SchedulerEvent::Error(error) => Some(error),
            _ => None,
        })
        .await
    }

    /// Launches tasks on the next offer; returns it.
    async fn launch(&mut self, tasks: Vec<v1::TaskInfo>) -> v1::Offer {
        let (offer, _) = self.offer().await;
        let tasks = tasks.into_iter().map(|task| v1::TaskInfo {
            agent_id: offer.agent_id.clone(),
            ..task
        });
        let launch = v1::offer::operation::Launch {
            task_infos: tasks.collect(),
        };
        self.client.ask(Ask::Accept {
            offers: vec![offer.id.clone()],
            operations: vec![v1::offer::Operation {
                r#type: Some(v1::offer::operation::Type::Launch.into()),
                launch: Some(launch),
                ..v1::offer::Operation::default()
            }],
            filters: Some(v1::Filters {
                refuse_seconds: Some(0.0),
            }),
        });
        offer
    }
}

fn resources(text: &str) -> Vec<v1::Resource> {
    resources::Resources::parse(text)
        .expect("they are resources")
        .to_proto()
}

fn command_task(id: &str, command: &str) -> v1::TaskInfo {
    v1::TaskInfo {
        name: id.to_owned(),
        task_id: task_id(id),
        resources: resources("cpus:0.1;mem:32"),
        command: Some(v1::CommandInfo {
            value: Some(command.to_owned()),
            ..v1::CommandInfo::default()
        }),
        ..v1::TaskInfo::default()
    }
}

/// A task of the custom executor, which leaves its environment in `folder`.
fn runner_task(id: &str, framework: &v1::FrameworkId, folder: &Path) -> v1::TaskInfo {
    let (fresh, whole) = (folder.join("environment.new"), folder.join("environment"));
    let command = format!(
        "env > {} && mv {} {} && exec sleep 1000",
        fresh.display(),
        fresh.display(),
        whole.display()
    );
    v1::TaskInfo {
        name: id.to_owned(),
        task_id: task_id(id),
        resources: resources("cpus:0.1;mem:32"),
        executor: Some(v1::ExecutorInfo {
            executor_id: executor_id(),
            framework_id: Some(framework.clone()),
            r#type: Some(v1::executor_info::Type::Custom.into()),
            resources: resources("cpus:0.1;mem:32"),
            command: Some(v1::CommandInfo {
                value: Some(command),
                ..v1::CommandInfo::default()
            }),
            ..v1::ExecutorInfo::default()
        }),
        ..v1::TaskInfo::default()
    }
}

/// What the executor's program found in its environment.
fn executor_environment(folder: &Path) -> BTreeMap<String, String> {
    let text = wait("the executor's environment", LIMIT, || {
        std::fs::read_to_string(folder.join("environment")).ok()
    });
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn setup(environment: &BTreeMap<String, String>) -> ExecutorSetup {
    let value = |name: &str| {
        environment
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in {environment:?}"))
            .clone()
    };
    assert_eq!(value("MESOS_CHECKPOINT"), "1");
    ExecutorSetup {
        framework: v1::FrameworkId {
            value: value("MESOS_FRAMEWORK_ID"),
        },
        executor: v1::ExecutorId {
            value: value("MESOS_EXECUTOR_ID"),
        },
        agent_id: v1::AgentId {
            value: value("MESOS_SLAVE_ID"),
        },
        agent: Upid::parse_or_empty(&value("MESOS_SLAVE_PID")),
        own: Upid::empty(),
        recovery_timeout: Some(Duration::from_secs(60)),
    }
}

async fn told<T>(
    executor: &mut ExecutorClient,
    what: &str,
    mut pick: impl FnMut(ExecutorEvent) -> Option<T>,
) -> T {
    let found = async {
        loop {
            let event = executor.next().await.expect("the driver lives");
            if let Some(value) = pick(event) {
                return value;
            }
        }
    };
    tokio::time::timeout(LIMIT, found)
        .await
        .unwrap_or_else(|_| panic!("gave up waiting for {what}"))
}

fn status(task: &str, state: TaskState) -> v1::TaskStatus {
    v1::TaskStatus {
        task_id: task_id(task),
        state: state.into(),
        ..v1::TaskStatus::default()
    }
}

#[test]
fn a_driver_framework_runs_kills_and_reconciles_command_tasks() {
    let cluster = Cluster::started();
    runtime().block_on(async {
        let here = Runtime::start(Settings::loopback(0)).await.expect("a runtime");
        let mut scheduler = Scheduler::start(&here, &cluster, info(), 1);
        let id = scheduler.registered().await;
        scheduler
            .launch(vec![
                command_task("quick", "true"),
                command_task("slow", "sleep 1000"),
            ])
            .await;
        scheduler.status("slow", TaskState::TaskRunning).await;
        let tasks = vec![
            call::reconcile::Task {
                task_id: task_id("slow"),
                agent_id: None,
            },
            call::reconcile::Task {
                task_id: task_id("nobody"),
                agent_id: None,
            },
        ];
        scheduler.client.ask(Ask::Reconcile(tasks));
        let mut seen = BTreeMap::new();
        while seen.len() < 2 {
            let status = scheduler
                .until("the answers", |event| match event {
                    SchedulerEvent::Update(status) => Some(*status),
                    _ => None,
                })
                .await;
            if status.reason() == task_status::Reason::Reconciliation {
                assert!(
                    status.uuid.is_none(),
                    "an answer wants no acknowledgement: {status:?}"
                );
                seen.insert(status.task_id.value.clone(), status.state());
            }
        }
        let expected = [("nobody", TaskState::TaskLost), ("slow", TaskState::TaskRunning)];
        assert_eq!(
            seen,
            expected.map(|(task, state)| (task.to_owned(), state)).into()
        );
        scheduler.client.ask(Ask::Kill(task_id("slow")));
        scheduler.status("slow", TaskState::TaskKilled).await;
        let state = http::get(cluster.master_address, "/state")
            .expect("an answer")
            .json();
        let framework = &state["frameworks"][0];
        assert_eq!(framework["id"], id.value);
        assert_eq!(framework["pid"], scheduler.client.upid().to_string());
        scheduler.client.ask(Ask::Stop { failover: false });
        wait("the framework to be history", LIMIT, || {
            let state = http::get(cluster.master_address, "/state")?.json();
            (state["completed_frameworks"][0]["id"] == id.value).then_some(())
        });
    });
}

/// A master that wants drivers to authenticate, and its agent.
fn guarded() -> Cluster {
    let mut cluster = Cluster::new();
    let credentials = cluster.folder.path().join("credentials");
    std::fs::write(
        &credentials,
        r#"{"credentials":[{"principal":"framework-1","secret":"a secret"}]}"#,
    )
    .expect("the file can be written");
    cluster.master_flags = vec![
        "--authenticate_frameworks".to_owned(),
        format!("--credentials={}", credentials.display()),
    ];
    cluster.start_master();
    cluster.start_agent();
    cluster.wait_for_agent();
    cluster
}

#[test]
fn a_driver_proves_who_it_is_before_it_registers() {
    let cluster = guarded();
    runtime().block_on(async {
        let here = Runtime::start(Settings::loopback(0)).await.expect("a runtime");
        let with = |secret: &str| SchedulerSettings {
            credential: Some(auth::Credential {
                principal: "framework-1".to_owned(),
                secret: Some(auth::Secret::new(secret.as_bytes().to_vec())),
            }),
            ..SchedulerSettings::default()
        };
        let info = v1::FrameworkInfo {
            principal: Some("framework-1".to_owned()),
            ..info()
        };
        let mut honest = Scheduler::start_with(&here, &cluster, info.clone(), &with("a secret"));
        honest.registered().await;
        honest.launch(vec![command_task("quick", "true")]).await;
        honest.status("quick", TaskState::TaskFinished).await;
        let mut liar = Scheduler::start_with(&here, &cluster, info.clone(), &with("another"));
        assert_eq!(liar.error().await, "Master refused authentication");
        let mut silent = Scheduler::start(&here, &cluster, info, 5);
        assert_eq!(
            silent.error().await,
            format!("Framework at {} is not authenticated", silent.client.upid())
        );
        honest.client.ask(Ask::Stop { failover: false });
    });
}

#[test]
fn a_successor_takes_the_framework_over_with_its_task() {
    let cluster = Cluster::started();
    runtime().block_on(async {
        let here = Runtime::start(Settings::loopback(0)).await.expect("a runtime");
        let mut first = Scheduler::start(&here, &cluster, info(), 1);
        let id = first.registered().await;
        first.launch(vec![command_task("slow", "sleep 1000")]).await;
        first.status("slow", TaskState::TaskRunning).await;
        let successor = v1::FrameworkInfo {
            id: Some(id.clone()),
            ..info()
        };
        let mut second = Scheduler::start(&here, &cluster, successor, 2);
        assert_eq!(second.registered().await, id);
        assert_eq!(first.error().await, "Framework failed over");
        second.client.ask(Ask::Reconcile(Vec::new()));
        second.status("slow", TaskState::TaskRunning).await;
        second.client.ask(Ask::Kill(task_id("slow")));
        second.status("slow", TaskState::TaskKilled).await;
        second.client.ask(Ask::Stop { failover: false });
    });
}

#[test]
fn a_driver_executor_runs_a_task_and_outlives_its_agent() {
    let mut cluster = Cluster::started();
    let runtime = runtime();
    let folder = cluster.folder.path().to_owned();
    let (mut scheduler, mut executor, here) = runtime.block_on(async {
        let here = Runtime::start(Settings::loopback(0)).await.expect("a runtime");
        let elsewhere = Runtime::start(Settings::loopback(0)).await.expect("a runtime");
        let mut scheduler = Scheduler::start(&here, &cluster, info(), 1);
        let id = scheduler.registered().await;
        let offer = scheduler.launch(vec![runner_task("t", &id, &folder)]).await;
        let setup = setup(&executor_environment(&folder));
        assert_eq!((&setup.framework, &setup.agent_id), (&id, &offer.agent_id));
        let mut executor = ExecutorClient::start(&elsewhere, setup, 3).expect("the process starts");
        let registered = told(&mut executor, "the registration", |event| match event {
            ExecutorEvent::Registered(message) => Some(message),
            _ => None,
        })
        .await;
        assert_eq!(registered.framework_info.id, Some(id));
        assert_eq!(registered.executor_info.executor_id, executor_id());
        let task = told(&mut executor, "the task", |event| match event {
            ExecutorEvent::Launch(task) => Some(task),
            _ => None,
        })
        .await;
        assert_eq!(task.task_id, task_id("t"));
        executor.update(status("t", TaskState::TaskRunning));
        let running = scheduler.status("t", TaskState::TaskRunning).await;
        assert_eq!(running.source(), task_status::Source::Executor);
        // The executor's driver knows the agent from the offer: the message takes the short way.
        scheduler.client.ask(Ask::Message {
            agent: offer.agent_id,
            executor: executor_id(),
            data: Bytes::from_static(b"ping"),
        });
        let heard = told(&mut executor, "the message", |event| match event {
            ExecutorEvent::Message(data) => Some(data),
            _ => None,
        })
        .await;
        assert_eq!(heard, Bytes::from_static(b"ping"));
        executor.send(Bytes::from_static(b"pong"));
        let answer = scheduler
            .until("the answer", |event| match event {
                SchedulerEvent::Message { data, .. } => Some(data),
                _ => None,
            })
            .await;
        assert_eq!(answer, Bytes::from_static(b"pong"));
        (scheduler, executor, (here, elsewhere))
    });
    if let Some(agent) = &mut cluster.agent {
        agent.kill();
    }
    runtime.block_on(async {
        told(&mut executor, "the agent's end", |event| {
            (event == ExecutorEvent::Disconnected).then_some(())
        })
        .await;
        // Nobody can take this one now; it is told once the agent is back.
        executor.update(v1::TaskStatus {
            message: Some("while the agent was away".to_owned()),
            ..status("t", TaskState::TaskRunning)
        });
    });
    cluster.start_agent();
    runtime.block_on(async {
        told(&mut executor, "the agent's return", |event| {
            (event == ExecutorEvent::Reregistered).then_some(())
        })
        .await;
        scheduler
            .until("the update from meanwhile", |event| match event {
                SchedulerEvent::Update(status) => {
                    (status.message() == "while the agent was away").then_some(())
                }
                _ => None,
            })
            .await;
        scheduler.client.ask(Ask::Kill(task_id("t")));
        let killed = told(&mut executor, "the kill", |event| match event {
            ExecutorEvent::Kill(task, _) => Some(task),
            _ => None,
        })
        .await;
        executor.update(status("t", TaskState::TaskKilled));
        assert_eq!(killed, task_id("t"));
        scheduler.status("t", TaskState::TaskKilled).await;
        let acknowledged = tokio::time::timeout(LIMIT, async {
            while executor.unacknowledged().await > 0 {
                tokio::task::yield_now().await;
            }
        });
        acknowledged.await.expect("all updates are acknowledged");
        scheduler.client.ask(Ask::Stop { failover: false });
        told(&mut executor, "its end", |event| {
            (event == ExecutorEvent::Shutdown).then_some(())
        })
        .await;
    });
    drop(here);
}
