//! Whatever comes, in whatever order: the core stands, and tells nobody of what is not on disk.

use std::collections::BTreeSet;
use std::time::Duration;

use agent::core::{Checkpoint, ContainerId, Input, Output, Received, Sent, StreamId, WriteId};
use proptest::prelude::*;
use proto::internal;
use proto::v1::{self, TaskState};

use crate::support::*;

#[derive(Clone, Debug)]
enum Event {
    Run {
        task: u8,
        custom: bool,
        launch: Option<bool>,
    },
    Subscribe {
        task: u8,
        custom: bool,
    },
    Update {
        task: u8,
        custom: bool,
        state: TaskState,
        uuid: u8,
    },
    /// The same over libprocess.
    Drive {
        task: u8,
        custom: bool,
        what: Drive,
    },
    RunGroup(Option<bool>),
    Acknowledge,
    Kill(u8),
    Terminated {
        which: usize,
        status: Option<i32>,
    },
    LaunchFailed(usize),
    Launched(usize),
    StreamClosed(u64),
    LoseMaster,
    Register,
    Pass(u16),
    RemoveFramework,
    Shutdown,
}

/// What a driver says.
#[derive(Clone, Debug)]
enum Drive {
    Register,
    Reregister,
    Update(TaskState, u8),
    Message,
}

fn event() -> impl Strategy<Value = Event> {
    let state = prop::sample::select(vec![
        TaskState::TaskStarting,
        TaskState::TaskRunning,
        TaskState::TaskKilling,
        TaskState::TaskFinished,
        TaskState::TaskFailed,
        TaskState::TaskKilled,
    ]);
    let driven = prop::sample::select(vec![
        TaskState::TaskStaging,
        TaskState::TaskRunning,
        TaskState::TaskFinished,
    ]);
    let drive = prop_oneof![
        2 => Just(Drive::Register),
        1 => Just(Drive::Reregister),
        3 => (driven, 20u8..40).prop_map(|(state, uuid)| Drive::Update(state, uuid)),
        1 => Just(Drive::Message),
    ];
    let (task, custom) = (0u8..3, any::<bool>());
    prop_oneof![
        6 => (task.clone(), custom, drive).prop_map(|(task, custom, what)| Event::Drive { task, custom, what }),
        1 => prop::option::of(custom).prop_map(Event::RunGroup),
        4 => (task.clone(), custom, prop::option::of(custom))
            .prop_map(|(task, custom, launch)| Event::Run { task, custom, launch }),
        4 => (task.clone(), custom).prop_map(|(task, custom)| Event::Subscribe { task, custom }),
        6 => (task.clone(), custom, state, 0u8..20)
            .prop_map(|(task, custom, state, uuid)| Event::Update { task, custom, state, uuid }),
        4 => Just(Event::Acknowledge),
        2 => task.prop_map(Event::Kill),
        2 => (0usize..6, prop::option::of(any::<i32>())).prop_map(|(which, status)| Event::Terminated { which, status }),
        1 => (0usize..6).prop_map(Event::LaunchFailed),
        2 => (0usize..6).prop_map(Event::Launched),
        1 => (0u64..30).prop_map(Event::StreamClosed),
        1 => Just(Event::LoseMaster),
        2 => Just(Event::Register),
        2 => (0u16..100).prop_map(Event::Pass),
        1 => Just(Event::RemoveFramework),
        1 => prop::bool::weighted(0.05).prop_map(|end| if end { Event::Shutdown } else { Event::Pass(1) }),
    ]
}

struct World {
    bench: Bench,
    containers: Vec<ContainerId>,
    last_write: u64,
    on_disk: BTreeSet<Vec<u8>>,
    at_master: Option<(String, bytes::Bytes)>,
}

impl World {
    fn apply(&mut self, event: Event) {
        let executor = |task: u8, custom: bool| {
            if custom {
                "custom".to_owned()
            } else {
                task.to_string()
            }
        };
        let container = |which: usize| self.containers.get(which).cloned();
        let out = match event {
            Event::Run {
                task,
                custom: true,
                launch,
            } => {
                let mut message = custom(&format!("c{task}"));
                message.launch_executor = launch;
                self.bench.run(message)
            }
            Event::Run {
                task,
                custom: false,
                launch,
            } => {
                let mut message = checkpointing(run_task());
                message.task.task_id = task_id(&task.to_string());
                message.launch_executor = launch;
                self.bench.run(message)
            }
            Event::Subscribe { task, custom } => self.bench.subscribe(&executor(task, custom)),
            Event::Update {
                task,
                custom,
                state,
                uuid,
            } => {
                let name = if custom {
                    format!("c{task}")
                } else {
                    task.to_string()
                };
                self.bench
                    .update(&executor(task, custom), status(&name, state, uuid))
            }
            Event::Drive { task, custom, what } => self.drive(&executor(task, custom), task, custom, &what),
            Event::RunGroup(launch) => {
                let tasks = [custom("c0"), custom("c1")];
                let message = internal::RunTaskGroupMessage {
                    framework: tasks[0].framework.clone(),
                    executor: tasks[0].task.executor.clone().unwrap(),
                    task_group: v1::TaskGroupInfo {
                        tasks: tasks.map(|message| message.task).into(),
                    },
                    resource_version_uuids: Vec::new(),
                    launch_executor: launch,
                };
                self.bench.receive(Received::RunTaskGroup(Box::new(message)))
            }
            Event::Acknowledge => match self.at_master.clone() {
                Some((task, uuid)) => self.bench.acknowledge(&task, &uuid),
                None => Vec::new(),
            },
            Event::Kill(task) => self.bench.kill(&task.to_string()),
            Event::Terminated { which, status } => match container(which) {
                Some(container) => self.bench.terminated(&container, status),
                None => Vec::new(),
            },
            Event::LaunchFailed(which) => match container(which) {
                Some(container) => self.bench.step(Input::LaunchFailed {
                    container,
                    cause: "no".into(),
                }),
                None => Vec::new(),
            },
            Event::Launched(which) => match container(which) {
                Some(container) => self.bench.step(Input::Launched { container, pid: 1 }),
                None => Vec::new(),
            },
            Event::StreamClosed(stream) => self.bench.step(Input::StreamClosed(StreamId(stream))),
            Event::LoseMaster => self.bench.step(Input::Exited(MASTER.parse().unwrap())),
            Event::Register => {
                let mut out = self.bench.step(Input::Detected(Some(master())));
                out.extend(self.bench.pass(Duration::from_secs(2)));
                let message = internal::SlaveReregisteredMessage {
                    slave_id: v1::AgentId { value: AGENT.into() },
                    reconciliations: Vec::new(),
                    connection: None,
                };
                out.extend(self.bench.receive(Received::SlaveReregistered(message)));
                out
            }
            Event::Pass(seconds) => self.bench.pass(Duration::from_secs(seconds.into())),
            Event::RemoveFramework => {
                let message = internal::ShutdownFrameworkMessage {
                    framework_id: framework_id(),
                };
                self.bench.receive(Received::ShutdownFramework(message))
            }
            Event::Shutdown => self.bench.step(Input::Shutdown { unregister: true }),
        };
        self.check(&out);
    }

    fn drive(&mut self, executor: &str, task: u8, custom: bool, what: &Drive) -> Vec<Output> {
        let executor_id = v1::ExecutorId {
            value: executor.to_owned(),
        };
        let slave_id = v1::AgentId { value: AGENT.into() };
        let name = if custom {
            format!("c{task}")
        } else {
            task.to_string()
        };
        let message = match what {
            Drive::Register => Received::RegisterExecutor(internal::RegisterExecutorMessage {
                framework_id: framework_id(),
                executor_id,
            }),
            Drive::Reregister => {
                Received::ReregisterExecutor(Box::new(internal::ReregisterExecutorMessage {
                    framework_id: framework_id(),
                    executor_id,
                    tasks: Vec::new(),
                    updates: Vec::new(),
                }))
            }
            Drive::Update(state, uuid) => {
                let mut status = status(&name, *state, *uuid);
                status.agent_id = Some(slave_id.clone());
                let update = internal::StatusUpdate {
                    framework_id: framework_id(),
                    executor_id: Some(executor_id),
                    slave_id: Some(slave_id),
                    timestamp: 1.0,
                    uuid: status.uuid.clone(),
                    latest_state: None,
                    status,
                };
                Received::StatusUpdate(Box::new(internal::StatusUpdateMessage { update, pid: None }))
            }
            Drive::Message => Received::ExecutorToFramework(internal::ExecutorToFrameworkMessage {
                slave_id,
                framework_id: framework_id(),
                executor_id,
                data: "hi".into(),
            }),
        };
        let from = format!("{executor}@127.0.0.1:9").parse().unwrap();
        self.bench.step(Input::Message { from, message })
    }

    fn check(&mut self, out: &[Output]) {
        for output in out {
            match output {
                Output::Checkpoint {
                    write: WriteId(write),
                    what,
                } => {
                    self.last_write += 1;
                    assert_eq!(*write, self.last_write, "writes are numbered in order");
                    if let Checkpoint::Update { update, .. } = what {
                        self.on_disk.insert(update.uuid.clone().unwrap().to_vec());
                    }
                }
                Output::Launch { container, after, .. } => {
                    assert_eq!(after.map(|write| write.0), Some(self.last_write));
                    self.containers.push(container.clone());
                }
                Output::Send {
                    message: Sent::StatusUpdate(message),
                    after,
                    ..
                } => {
                    let update = &message.update;
                    let by_executor = update.status.source() == v1::task_status::Source::Executor;
                    assert!(after.is_some_and(|write| write.0 <= self.last_write) || !by_executor);
                    assert!(!by_executor || self.on_disk.contains(&update.uuid.clone().unwrap().to_vec()));
                    let task = update.status.task_id.value.clone();
                    self.at_master = Some((task, update.uuid.clone().unwrap()));
                }
                Output::Send {
                    message: Sent::RunTask(_),
                    after,
                    ..
                } => {
                    assert!(after.is_some_and(|write| write.0 <= self.last_write));
                }
                Output::Send { after, .. } => assert!(after.is_none_or(|write| write.0 <= self.last_write)),
                Output::Event { after, .. } => assert!(after.is_none_or(|write| write.0 <= self.last_write)),
                _ => {}
            }
        }
        for framework in self.bench.agent.frameworks() {
            for executor in framework.executors.values() {
                for task in executor.launched.keys() {
                    assert!(!executor.queued.contains_key(task) && !executor.terminated.contains_key(task));
                }
                for group in &executor.groups {
                    assert!(group.iter().all(|task| executor.queued.contains_key(task)));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn the_core_stands_and_tells_of_nothing_that_is_not_on_disk(events in prop::collection::vec(event(), 0..120)) {
        let bench = Bench::registered();
        let mut world = World {
            bench,
            containers: Vec::new(),
            // The boot id and the agent.
            last_write: 2,
            on_disk: BTreeSet::new(),
            at_master: None,
        };
        for event in events {
            world.apply(event);
        }
    }
}
