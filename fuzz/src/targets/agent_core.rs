//! Any sequence of messages, executors' calls and containers' ends: the agent goes on, and what rests on a write names
//! one that was asked for.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use agent::core::{Agent, Config, ContainerId, Input, Output, Received, RequestId, Run, Sent, StreamId};
use process::{Time, Upid};
use proto::v1::executor::{Call, call};
use proto::{internal, v1};
use resources::Resources;

use super::source::Source;

/// Steps of one run.
const STEPS: usize = 300;

pub(super) struct World {
    pub(super) agent: Agent,
    now: Time,
    requests: u64,
    written: u64,
    pub(super) launched: Vec<(ContainerId, Run)>,
    pub(super) streams: Vec<StreamId>,
    pub(super) tasks: Vec<v1::TaskInfo>,
    updates: Vec<internal::StatusUpdate>,
    pub(super) over: bool,
    /// The version of its resources that it told last.
    pub(super) version: bytes::Bytes,
    /// What it told of operations.
    pub(super) operation_statuses: Vec<internal::UpdateOperationStatusMessage>,
}

/// The bytes are a script.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut world = World::new(&mut source);
    for _ in 0..STEPS {
        if source.is_empty() || world.over {
            break;
        }
        world.act(&mut source);
    }
}

pub(super) fn upid(id: &str, port: u16) -> Upid {
    Upid::new(id, SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), port))
}

pub(super) fn master() -> Upid {
    upid("master", 5050)
}

fn parse(text: &str) -> Vec<v1::Resource> {
    Resources::parse(text)
        .map(|resources| resources.to_proto())
        .unwrap_or_default()
}

fn allocated(text: &str) -> Vec<v1::Resource> {
    let mut resources = parse(text);
    for resource in &mut resources {
        resource.allocation_info = Some(v1::resource::AllocationInfo {
            role: Some("web".to_owned()),
        });
    }
    resources
}

pub(super) fn agent_id() -> v1::AgentId {
    v1::AgentId {
        value: "S0".to_owned(),
    }
}

pub(super) fn framework_id(number: usize) -> v1::FrameworkId {
    v1::FrameworkId {
        value: format!("f{number}"),
    }
}

impl World {
    pub(super) fn new(source: &mut Source<'_>) -> Self {
        let info = v1::AgentInfo {
            hostname: "host".to_owned(),
            resources: parse("cpus:4;mem:1024;disk:1024;ports:[31000-31010]"),
            checkpoint: Some(true),
            ..v1::AgentInfo::default()
        };
        let config = Config::new(upid("slave(1)", 5051), info, "/work_dir");
        let mut world = Self {
            agent: Agent::new(config, source.byte().into()),
            now: Time::from_secs(1_700_000_000),
            requests: 0,
            written: 0,
            launched: Vec::new(),
            streams: Vec::new(),
            tasks: Vec::new(),
            updates: Vec::new(),
            over: false,
            version: bytes::Bytes::new(),
            operation_statuses: Vec::new(),
        };
        world.step(Input::Recovered(Box::default()));
        world.detect();
        world
    }

    pub(super) fn step(&mut self, input: Input) {
        let mut out = Vec::new();
        self.agent.step(self.now, input, &mut out);
        for output in out {
            self.note(output);
        }
    }

    fn note(&mut self, output: Output) {
        match output {
            Output::Checkpoint { write, .. } => {
                assert!(write.0 > self.written, "writes are numbered in order");
                self.written = write.0;
            }
            Output::Send { message, after, .. } => {
                self.check(after.map(|write| write.0));
                self.sends(message);
            }
            Output::Event { after, .. } => self.check(after.map(|write| write.0)),
            Output::Launch {
                container,
                run,
                after,
                ..
            } => {
                self.check(after.map(|write| write.0));
                self.launched.push((container, run));
            }
            Output::Exit(_) => self.over = true,
            _ => {}
        }
    }

    fn sends(&mut self, message: Sent) {
        let version = match message {
            Sent::StatusUpdate(message) => {
                // What a real master would abort at.
                let pid = message.pid.as_deref().map(Upid::parse_or_empty);
                assert!(pid.is_some_and(|pid| pid.is_valid()), "an update has an address");
                assert!(
                    message.update.status.uuid.is_some(),
                    "an update has an id in its status"
                );
                self.updates.push(message.update);
                return;
            }
            Sent::UpdateOperationStatus(message) => return self.operation_statuses.push(*message),
            Sent::RegisterSlave(message) => message.resource_version_uuid,
            Sent::ReregisterSlave(message) => message.resource_version_uuid,
            Sent::UpdateSlave(message) => message.resource_version_uuid,
            _ => return,
        };
        if let Some(version) = version {
            self.version = version.value;
        }
    }

    fn check(&self, after: Option<u64>) {
        assert!(
            after.unwrap_or(0) <= self.written,
            "what it rests on was asked for"
        );
    }

    pub(super) fn detect(&mut self) {
        let info = v1::MasterInfo {
            id: "m".to_owned(),
            pid: Some(master().to_string()),
            ..v1::MasterInfo::default()
        };
        self.step(Input::Detected(Some(info)));
    }

    pub(super) fn hear(&mut self, from: Upid, message: Received) {
        self.step(Input::Message { from, message });
    }

    pub(super) fn act(&mut self, source: &mut Source<'_>) {
        match source.below(16) {
            0 => self.pass(source),
            1 => self.detect(),
            2 => {
                let message = internal::SlaveRegisteredMessage {
                    slave_id: agent_id(),
                    ..internal::SlaveRegisteredMessage::default()
                };
                self.hear(master(), Received::SlaveRegistered(message));
            }
            3 | 4 => self.run_task(source),
            5 => self.raw_message(source),
            6 | 7 => self.executor_calls(source),
            8 => self.raw_call(source),
            9 => self.container_fares(source),
            10 => self.driver_registers(source),
            11 => self.acknowledge(source),
            12 => self.kill(source),
            13 => {
                let streams = self.streams.clone();
                if let Some(stream) = source.pick(&streams) {
                    self.step(Input::StreamClosed(stream));
                }
            }
            14 => {
                let peer = if source.bool() {
                    master()
                } else {
                    upid("executor(1)", 7000)
                };
                self.step(Input::Exited(peer));
            }
            _ => {
                let message = internal::ShutdownFrameworkMessage {
                    framework_id: framework_id(source.below(2)),
                };
                self.hear(master(), Received::ShutdownFramework(message));
            }
        }
    }

    pub(super) fn pass(&mut self, source: &mut Source<'_>) {
        self.now += Duration::from_millis(1 << source.below(21));
        for _ in 0..100 {
            match self.agent.deadline() {
                Some(due) if due <= self.now && !self.over => self.step(Input::Timeout),
                _ => return,
            }
        }
    }

    pub(super) fn run_task(&mut self, source: &mut Source<'_>) {
        let framework = source.below(2);
        let custom = source.bool();
        let task = v1::TaskInfo {
            name: "t".to_owned(),
            task_id: v1::TaskId {
                value: format!("t{}", source.below(6)),
            },
            agent_id: agent_id(),
            resources: allocated("cpus:0.5;mem:32"),
            command: (!custom).then(v1::CommandInfo::default),
            executor: custom.then(|| executor(framework)),
            ..v1::TaskInfo::default()
        };
        self.tasks.push(task.clone());
        let info = v1::FrameworkInfo {
            user: "root".to_owned(),
            name: "fuzz".to_owned(),
            id: Some(framework_id(framework)),
            roles: vec!["web".to_owned()],
            checkpoint: Some(source.bool()),
            capabilities: vec![v1::framework_info::Capability {
                r#type: Some(v1::framework_info::capability::Type::MultiRole.into()),
            }],
            ..v1::FrameworkInfo::default()
        };
        if source.byte() < 60 {
            let message = internal::RunTaskGroupMessage {
                framework: info,
                executor: executor(framework),
                task_group: v1::TaskGroupInfo { tasks: vec![task] },
                launch_executor: Some(source.bool()),
                ..internal::RunTaskGroupMessage::default()
            };
            self.hear(master(), Received::RunTaskGroup(Box::new(message)));
        } else {
            let message = internal::RunTaskMessage {
                framework: info,
                task,
                pid: source.bool().then(|| "scheduler-1@10.0.0.9:7000".to_owned()),
                launch_executor: source.bool().then(|| source.bool()),
                ..internal::RunTaskMessage::default()
            };
            self.hear(master(), Received::RunTask(Box::new(message)));
        }
    }

    fn raw_message(&mut self, source: &mut Source<'_>) {
        let from = if source.bool() {
            master()
        } else {
            upid("executor(1)", 7000)
        };
        let message = match source.below(14) {
            0 => source.message().map(Received::SlaveRegistered),
            1 => source.message().map(Received::SlaveReregistered),
            2 => source.message().map(Received::PingSlave),
            3 => source
                .message()
                .map(|message| Received::RunTask(Box::new(message))),
            4 => source
                .message()
                .map(|message| Received::RunTaskGroup(Box::new(message))),
            5 => source.message().map(Received::KillTask),
            6 => source.message().map(Received::ShutdownExecutor),
            7 => source
                .message()
                .map(|message| Received::UpdateFramework(Box::new(message))),
            8 => source.message().map(Received::FrameworkToExecutor),
            9 => source.message().map(Received::RegisterExecutor),
            10 => source
                .message()
                .map(|message| Received::ReregisterExecutor(Box::new(message))),
            11 => source
                .message()
                .map(|message| Received::StatusUpdate(Box::new(message))),
            12 => source.message().map(Received::ExecutorToFramework),
            _ => source.message().map(Received::StatusUpdateAcknowledgement),
        };
        if let Some(message) = message {
            self.hear(from, message);
        }
    }

    pub(super) fn call(&mut self, call: Call) {
        self.requests += 1;
        let stream = StreamId(self.requests);
        if call.r#type() == call::Type::Subscribe {
            self.streams.push(stream);
        }
        self.step(Input::Call {
            request: RequestId(self.requests),
            stream,
            caller: None,
            call: Box::new(call),
        });
    }

    pub(super) fn executor_calls(&mut self, source: &mut Source<'_>) {
        let (launched, tasks) = (self.launched.clone(), self.tasks.clone());
        let Some((_, run)) = source.pick(&launched) else {
            return;
        };
        let mut call = Call {
            framework_id: v1::FrameworkId {
                value: run.framework.as_str().to_owned(),
            },
            executor_id: v1::ExecutorId {
                value: run.executor.as_str().to_owned(),
            },
            ..Call::default()
        };
        if source.bool() {
            call.r#type = Some(call::Type::Subscribe.into());
            let unacknowledged = tasks.iter().take(source.below(3)).cloned();
            call.subscribe = Some(call::Subscribe {
                unacknowledged_tasks: unacknowledged.collect(),
                ..call::Subscribe::default()
            });
        } else {
            call.r#type = Some(call::Type::Update.into());
            let task = source.pick(&tasks).unwrap_or_default();
            let state = v1::TaskState::try_from(i32::from(source.byte() % 14)).unwrap_or_default();
            let status = v1::TaskStatus {
                task_id: task.task_id,
                state: state.into(),
                source: Some(v1::task_status::Source::Executor.into()),
                executor_id: Some(call.executor_id.clone()),
                uuid: Some(bytes::Bytes::copy_from_slice(&[source.byte(); 16])),
                ..v1::TaskStatus::default()
            };
            call.update = Some(call::Update { status });
        }
        self.call(call);
    }

    pub(super) fn raw_call(&mut self, source: &mut Source<'_>) {
        if let Some(call) = source.message::<Call>() {
            self.call(call);
        }
    }

    pub(super) fn container_fares(&mut self, source: &mut Source<'_>) {
        let launched = self.launched.clone();
        let Some((container, _)) = source.pick(&launched) else {
            return;
        };
        let input = match source.below(5) {
            0 | 1 => Input::Launched {
                container,
                pid: source.byte().into(),
            },
            2 => Input::LaunchFailed {
                container,
                cause: "fuzz".to_owned(),
            },
            3 => Input::UpdateFailed {
                container,
                cause: "fuzz".to_owned(),
            },
            _ => Input::Terminated {
                container,
                termination: None,
            },
        };
        self.step(input);
    }

    pub(super) fn driver_registers(&mut self, source: &mut Source<'_>) {
        let launched = self.launched.clone();
        let Some((_, run)) = source.pick(&launched) else {
            return;
        };
        let message = internal::RegisterExecutorMessage {
            framework_id: v1::FrameworkId {
                value: run.framework.as_str().to_owned(),
            },
            executor_id: v1::ExecutorId {
                value: run.executor.as_str().to_owned(),
            },
        };
        self.hear(upid("executor(1)", 7000), Received::RegisterExecutor(message));
    }

    pub(super) fn acknowledge(&mut self, source: &mut Source<'_>) {
        let updates = self.updates.clone();
        let Some(update) = source.pick(&updates) else {
            return;
        };
        let message = internal::StatusUpdateAcknowledgementMessage {
            slave_id: agent_id(),
            framework_id: update.framework_id,
            task_id: update.status.task_id,
            uuid: update.uuid.unwrap_or_default(),
        };
        self.hear(master(), Received::StatusUpdateAcknowledgement(message));
    }

    pub(super) fn kill(&mut self, source: &mut Source<'_>) {
        let message = internal::KillTaskMessage {
            framework_id: framework_id(source.below(2)),
            task_id: v1::TaskId {
                value: format!("t{}", source.below(6)),
            },
            kill_policy: None,
        };
        self.hear(master(), Received::KillTask(message));
    }
}

fn executor(framework: usize) -> v1::ExecutorInfo {
    v1::ExecutorInfo {
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        framework_id: Some(framework_id(framework)),
        r#type: Some(v1::executor_info::Type::Custom.into()),
        command: Some(v1::CommandInfo::default()),
        resources: allocated("cpus:0.1;mem:32"),
        ..v1::ExecutorInfo::default()
    }
}
