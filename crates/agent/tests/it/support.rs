//! An agent's core with a hand on its inputs, and shorthands for messages.

use std::path::{Path, PathBuf};
use std::time::Duration;

use agent::core::{
    Agent, Checkpoint, Config, ContainerId, Input, Output, Phase, Received, RecoveredState, Reply, RequestId,
    Run, Sent, StreamId, WriteId,
};
use bytes::Bytes;
use process::{Time, Upid};
use proto::v1::executor::{Call, Event, call, event};
use proto::v1::{self, TaskState};
use proto::{Message, internal};

pub(crate) const MASTER: &str = "master@127.0.0.1:5050";
pub(crate) const AGENT: &str = "ff7137f9-224e-4b3c-afe3-11a84ff4c15f-S0";
pub(crate) const FRAMEWORK: &str = "ff7137f9-224e-4b3c-afe3-11a84ff4c15f-0000";

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/captured")
        .join(name)
}

pub(crate) fn read_golden(name: &str) -> Bytes {
    std::fs::read(golden(name)).unwrap().into()
}

/// The agent of the recording.
pub(crate) fn config() -> Config {
    let pid: Upid = "slave(1)@127.0.0.1:5051".parse().unwrap();
    let register: internal::RegisterSlaveMessage = proto::decode(read_golden("register_slave.pb")).unwrap();
    let mut info = register.slave;
    resources::format::upgrade(&mut info.resources);
    Config::new(pid, info, "/var/lib/mesos/agent")
}

pub(crate) struct Bench {
    pub(crate) agent: Agent,
    pub(crate) now: Time,
    requests: u64,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            agent: Agent::new(config, 7),
            now: Time::from_secs(1_795_221_949),
            requests: 0,
        }
    }

    /// An agent that is registered with the master.
    pub(crate) fn registered() -> Self {
        let mut bench = Self::new(config());
        bench.recover(RecoveredState::default());
        bench.register();
        bench
    }

    pub(crate) fn step(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.agent.step(self.now, input, &mut out);
        out
    }

    pub(crate) fn recover(&mut self, state: RecoveredState) -> Vec<Output> {
        let mut out = self.step(Input::Recovered(Box::new(state)));
        out.extend(self.step(Input::ContainersRecovered));
        out
    }

    /// Detects the master, waits and is accepted.
    pub(crate) fn register(&mut self) -> Vec<Output> {
        self.step(Input::Detected(Some(master())));
        let mut out = self.wait();
        let first = self.agent.info().id.is_none();
        let connection = Some(internal::MasterSlaveConnection {
            total_ping_timeout_seconds: Some(75.0),
        });
        let slave_id = v1::AgentId { value: AGENT.into() };
        out.extend(self.receive(if first {
            Received::SlaveRegistered(internal::SlaveRegisteredMessage { slave_id, connection })
        } else {
            Received::SlaveReregistered(internal::SlaveReregisteredMessage {
                slave_id,
                connection,
                reconciliations: Vec::new(),
            })
        }));
        assert_eq!(self.agent.phase(), Phase::Running);
        out
    }

    /// Goes on to the next deadline.
    pub(crate) fn wait(&mut self) -> Vec<Output> {
        self.now = self.agent.deadline().expect("there is a deadline");
        self.step(Input::Timeout)
    }

    pub(crate) fn pass(&mut self, duration: Duration) -> Vec<Output> {
        self.now += duration;
        self.step(Input::Timeout)
    }

    pub(crate) fn receive(&mut self, message: Received) -> Vec<Output> {
        self.step(Input::Message {
            from: MASTER.parse().unwrap(),
            message,
        })
    }

    pub(crate) fn run(&mut self, message: internal::RunTaskMessage) -> Vec<Output> {
        self.receive(Received::RunTask(Box::new(message)))
    }

    pub(crate) fn kill(&mut self, task: &str) -> Vec<Output> {
        self.receive(Received::KillTask(internal::KillTaskMessage {
            framework_id: framework_id(),
            task_id: task_id(task),
            kill_policy: None,
        }))
    }

    pub(crate) fn acknowledge(&mut self, task: &str, uuid: &Bytes) -> Vec<Output> {
        self.receive(Received::StatusUpdateAcknowledgement(
            internal::StatusUpdateAcknowledgementMessage {
                slave_id: v1::AgentId { value: AGENT.into() },
                framework_id: framework_id(),
                task_id: task_id(task),
                uuid: uuid.clone(),
            },
        ))
    }

    fn call(&mut self, executor: &str, kind: call::Type, fill: impl FnOnce(&mut Call)) -> Vec<Output> {
        let mut call = Call {
            executor_id: v1::ExecutorId {
                value: executor.into(),
            },
            framework_id: framework_id(),
            r#type: Some(kind as i32),
            ..Default::default()
        };
        fill(&mut call);
        self.requests += 1;
        let (request, stream) = (RequestId(self.requests), StreamId(self.requests));
        self.step(Input::Call {
            request,
            stream,
            caller: None,
            call: Box::new(call),
        })
    }

    pub(crate) fn subscribe(&mut self, executor: &str) -> Vec<Output> {
        self.resubscribe(executor, Vec::new(), Vec::new())
    }

    pub(crate) fn resubscribe(
        &mut self,
        executor: &str,
        unacknowledged_tasks: Vec<v1::TaskInfo>,
        updates: Vec<v1::TaskStatus>,
    ) -> Vec<Output> {
        let unacknowledged_updates = updates
            .into_iter()
            .map(|status| call::Update { status })
            .collect();
        self.call(executor, call::Type::Subscribe, |call| {
            call.subscribe = Some(call::Subscribe {
                unacknowledged_tasks,
                unacknowledged_updates,
            });
        })
    }

    pub(crate) fn update(&mut self, executor: &str, status: v1::TaskStatus) -> Vec<Output> {
        self.call(executor, call::Type::Update, |call| {
            call.update = Some(call::Update { status })
        })
    }

    pub(crate) fn terminated(&mut self, container: &ContainerId, status: Option<i32>) -> Vec<Output> {
        let termination = status.map(containerizer::Termination::of_status);
        self.step(Input::Terminated {
            container: container.clone(),
            termination,
        })
    }

    /// Launches the recorded task for a framework that checkpoints, and lets its executor subscribe.
    pub(crate) fn running(&mut self) -> ContainerId {
        let out = self.run(checkpointing(run_task()));
        let container = launched(&out).expect("it is launched");
        self.step(Input::Launched {
            container: container.clone(),
            pid: 21208,
        });
        self.subscribe("exec1");
        container
    }
}

pub(crate) fn master() -> v1::MasterInfo {
    v1::MasterInfo {
        id: "m".into(),
        port: 5050,
        pid: Some(MASTER.into()),
        ..Default::default()
    }
}

pub(crate) fn framework_id() -> v1::FrameworkId {
    v1::FrameworkId {
        value: FRAMEWORK.into(),
    }
}

pub(crate) fn task_id(text: &str) -> v1::TaskId {
    v1::TaskId { value: text.into() }
}

/// The recorded task, without the version of resources that only the recorded agent had.
pub(crate) fn run_task() -> internal::RunTaskMessage {
    let mut message: internal::RunTaskMessage = proto::decode(read_golden("run_task.pb")).unwrap();
    message.resource_version_uuids.clear();
    message
}

pub(crate) fn checkpointing(mut message: internal::RunTaskMessage) -> internal::RunTaskMessage {
    message.framework.checkpoint = Some(true);
    message
}

/// The recorded task as task of a custom executor.
pub(crate) fn custom(name: &str) -> internal::RunTaskMessage {
    let mut message = checkpointing(run_task());
    message.task.command = None;
    message.task.task_id = task_id(name);
    message.task.executor = Some(v1::ExecutorInfo {
        executor_id: v1::ExecutorId {
            value: "custom".into(),
        },
        framework_id: Some(framework_id()),
        command: Some(v1::CommandInfo {
            value: Some("./executor".into()),
            ..Default::default()
        }),
        ..Default::default()
    });
    message
}

pub(crate) fn status(task: &str, state: TaskState, uuid: u8) -> v1::TaskStatus {
    v1::TaskStatus {
        task_id: task_id(task),
        state: state as i32,
        source: Some(v1::task_status::Source::Executor as i32),
        uuid: Some(vec![uuid; 16].into()),
        ..Default::default()
    }
}

pub(crate) fn launched(out: &[Output]) -> Option<ContainerId> {
    out.iter().find_map(|output| match output {
        Output::Launch { container, .. } => Some(container.clone()),
        _ => None,
    })
}

/// The state, reason and message of each update sent to the master.
pub(crate) fn sent_updates(out: &[Output]) -> Vec<internal::StatusUpdate> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send {
                message: Sent::StatusUpdate(message),
                ..
            } => Some(message.update.clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn events(out: &[Output]) -> Vec<event::Type> {
    let kind = |event: &Event| event.r#type();
    out.iter()
        .filter_map(|output| match output {
            Output::Event { event, .. } => Some(kind(event)),
            _ => None,
        })
        .collect()
}

pub(crate) fn replies(out: &[Output]) -> Vec<Reply> {
    out.iter()
        .filter_map(|output| match output {
            Output::Reply { reply, .. } => Some(reply.clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn checkpoints(out: &[Output]) -> Vec<Checkpoint> {
    out.iter()
        .filter_map(|output| match output {
            Output::Checkpoint { what, .. } => Some(what.clone()),
            _ => None,
        })
        .collect()
}

/// What kind each output is, and the write it rests on, for lists that are compared whole.
pub(crate) fn shape(out: &[Output]) -> Vec<String> {
    let rests =
        |after: &Option<WriteId>| after.map_or_else(String::new, |write| format!(" after {}", write.0));
    out.iter()
        .map(|output| match output {
            Output::Checkpoint { write, what } => format!("write {} {}", write.0, name(&format!("{what:?}"))),
            Output::Send { message, after, .. } => {
                format!("send {}{}", name(&format!("{message:?}")), rests(after))
            }
            Output::Event { event, after, .. } => format!("event {:?}{}", event.r#type(), rests(after)),
            Output::Launch { after, .. } => format!("launch{}", rests(after)),
            other => name(&format!("{other:?}")),
        })
        .collect()
}

fn name(debug: &str) -> String {
    debug
        .split(|letter: char| !letter.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Encodes what was sent of this kind.
pub(crate) fn encoded(out: &[Output]) -> Vec<Bytes> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send {
                message: Sent::RegisterSlave(message),
                ..
            } => Some(message.encode_to_vec().into()),
            Output::Send {
                message: Sent::ReregisterSlave(message),
                ..
            } => Some(message.encode_to_vec().into()),
            Output::Send {
                message: Sent::UpdateSlave(message),
                ..
            } => Some(message.encode_to_vec().into()),
            Output::Send {
                message: Sent::StatusUpdate(message),
                ..
            } => Some(message.encode_to_vec().into()),
            _ => None,
        })
        .collect()
}

pub(crate) fn run_of(container: &ContainerId) -> Run {
    Run {
        agent: AGENT.into(),
        framework: FRAMEWORK.into(),
        executor: "exec1".into(),
        container: container.clone(),
    }
}
