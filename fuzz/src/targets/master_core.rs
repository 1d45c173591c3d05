//! Any sequence of registrations, calls, updates and losses leaves the master's books right.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use master::core::{
    AgentBound, AgentMessage, Config, DriverBound, DriverMessage, FrameworkId, Input, Master, OperatorAction,
    Output, RequestId, StreamId, WriteId,
};
use process::{Time, Upid};
use proto::v1::offer::{Operation, operation};
use proto::v1::scheduler::{Call, call, event};
use proto::{internal, v1};
use resources::Resources;

use super::source::Source;

/// Steps of one run.
const STEPS: usize = 300;
/// Agents, frameworks and drivers there may be.
const PEERS: usize = 4;

/// A master and what the world knows of it.
struct World {
    master: Master,
    now: Time,
    writes: VecDeque<WriteId>,
    streams: u64,
    requests: u64,
    offers: Vec<v1::Offer>,
    agents: Vec<(Upid, v1::AgentId)>,
    frameworks: Vec<v1::FrameworkId>,
    tasks: Vec<(Upid, v1::FrameworkId, v1::TaskInfo)>,
    launched: u32,
}

/// The bytes are a script; after every step everything is recounted.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut world = World::new();
    for _ in 0..STEPS {
        if source.is_empty() {
            break;
        }
        world.act(&mut source);
        if let Err(violation) = world.master.check() {
            panic!("{violation}");
        }
    }
}

fn upid(id: &str, host: u8, port: u16) -> Upid {
    Upid::new(id, SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port))
}

fn agent_upid(source: &mut Source<'_>) -> Upid {
    let host = u8::try_from(source.below(PEERS)).unwrap_or(0);
    upid("slave(1)", 10 + host, 5051)
}

fn driver_upid(source: &mut Source<'_>) -> Upid {
    let host = u8::try_from(source.below(PEERS)).unwrap_or(0);
    upid("scheduler-1", 50 + host, 7000)
}

fn parse(text: &str) -> Vec<v1::Resource> {
    Resources::parse(text)
        .map(|resources| resources.to_proto())
        .unwrap_or_default()
}

impl World {
    fn new() -> Self {
        let info = v1::MasterInfo {
            id: "m".to_owned(),
            ..v1::MasterInfo::default()
        };
        let mut world = Self {
            master: Master::new(Config::new(info)),
            now: Time::from_secs(1_700_000_000),
            writes: VecDeque::new(),
            streams: 0,
            requests: 0,
            offers: Vec::new(),
            agents: Vec::new(),
            frameworks: Vec::new(),
            tasks: Vec::new(),
            launched: 0,
        };
        world.step(Input::Recovered(Box::default()));
        world
    }

    fn step(&mut self, input: Input) {
        let mut out = Vec::new();
        self.master.step(self.now, input, &mut out);
        for output in out {
            self.note(output);
        }
    }

    /// Remembers what peers would.
    fn note(&mut self, output: Output) {
        match output {
            Output::Store { write, .. } => self.writes.push_back(write),
            Output::Event { event, .. } => {
                assert_ne!(event.r#type(), event::Type::Unknown, "an event has a type");
                let event = *event;
                if let Some(offers) = event.offers {
                    self.offers.extend(offers.offers);
                }
                if let Some(subscribed) = event.subscribed {
                    self.frameworks.push(subscribed.framework_id);
                }
            }
            Output::ToDriver { message, .. } => match *message {
                DriverBound::Offers(message) => {
                    assert_eq!(
                        message.offers.len(),
                        message.pids.len(),
                        "each offer has its agent's address"
                    );
                    self.offers.extend(message.offers);
                }
                DriverBound::Registered(message) => self.frameworks.push(message.framework_id),
                _ => {}
            },
            Output::Send { to, message, .. } => match *message {
                AgentBound::Registered(message) => self.agents.push((to, message.slave_id)),
                AgentBound::Reregistered(message) => self.agents.push((to, message.slave_id)),
                AgentBound::RunTask(message) => {
                    let task = &message.task;
                    // What a real agent would abort at.
                    assert!(
                        task.executor.is_some() != task.command.is_some(),
                        "an executor or a command"
                    );
                    if let Some(id) = message.framework.id.clone() {
                        self.tasks.push((to, id, message.task));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn act(&mut self, source: &mut Source<'_>) {
        match source.below(18) {
            0 => self.pass(source),
            1 => self.register_agent(source),
            2 => self.reregister_agent(source),
            3 => self.subscribe(source),
            4 => self.register_driver(source),
            5 | 6 => self.launch(source),
            7 => self.simple_call(source),
            8 => self.raw_call(source),
            9 => self.raw_driver(source),
            10 => self.raw_agent(source),
            11 | 12 => self.update(source),
            13 => {
                let peer = if source.bool() {
                    agent_upid(source)
                } else {
                    driver_upid(source)
                };
                self.step(Input::Exited(peer));
            }
            14 => {
                let stream = StreamId(source.byte().into());
                self.step(Input::StreamClosed(stream));
            }
            15 | 16 => {
                if let Some(write) = self.writes.pop_front() {
                    self.step(Input::Stored(write));
                }
            }
            _ => self.operate(source),
        }
    }

    /// Time passes, and what is due happens.
    fn pass(&mut self, source: &mut Source<'_>) {
        self.now += Duration::from_millis(1 << source.below(21));
        for _ in 0..100 {
            match self.master.deadline() {
                Some(due) if due <= self.now => self.step(Input::Timeout),
                _ => return,
            }
        }
    }

    fn agent_info(&self, from: &Upid) -> v1::AgentInfo {
        v1::AgentInfo {
            hostname: from.address().ip().to_string(),
            port: Some(5051),
            resources: parse("cpus:4;mem:1024;disk:1024;ports:[31000-31010]"),
            checkpoint: Some(true),
            ..v1::AgentInfo::default()
        }
    }

    fn register_agent(&mut self, source: &mut Source<'_>) {
        let from = agent_upid(source);
        let message = internal::RegisterSlaveMessage {
            slave: self.agent_info(&from),
            version: Some("1.12.0".to_owned()),
            agent_capabilities: capabilities(source),
            ..internal::RegisterSlaveMessage::default()
        };
        let message = AgentMessage::Register(Box::new(message));
        self.step(Input::Agent { from, message });
    }

    fn reregister_agent(&mut self, source: &mut Source<'_>) {
        let from = agent_upid(source);
        let known = self.agents.clone();
        let id = source.pick(&known).map_or_else(
            || v1::AgentId {
                value: "other-S0".to_owned(),
            },
            |(_, id)| id,
        );
        let keep = source.bool();
        let tasks = self
            .tasks
            .iter()
            .filter(|(_, _, task)| keep && task.agent_id == id);
        let tasks: Vec<v1::Task> = tasks
            .take(8)
            .map(|(_, framework, task)| as_task(framework, task))
            .collect();
        let frameworks = tasks.iter().map(|task| v1::FrameworkInfo {
            id: Some(task.framework_id.clone()),
            ..framework_info(false)
        });
        let message = internal::ReregisterSlaveMessage {
            slave: v1::AgentInfo {
                id: Some(id),
                ..self.agent_info(&from)
            },
            version: Some("1.12.0".to_owned()),
            agent_capabilities: capabilities(source),
            frameworks: frameworks.collect(),
            tasks,
            ..internal::ReregisterSlaveMessage::default()
        };
        let message = AgentMessage::Reregister(Box::new(message));
        self.step(Input::Agent { from, message });
    }

    fn subscribe(&mut self, source: &mut Source<'_>) {
        let known = self.frameworks.clone();
        let id = if source.bool() { source.pick(&known) } else { None };
        self.streams += 1;
        let subscribe = call::Subscribe {
            framework_info: v1::FrameworkInfo {
                id,
                ..framework_info(source.bool())
            },
            ..call::Subscribe::default()
        };
        let stream = StreamId(self.streams);
        self.step(Input::Subscribe {
            stream,
            principal: None,
            subscribe: Box::new(subscribe),
        });
    }

    fn register_driver(&mut self, source: &mut Source<'_>) {
        let from = driver_upid(source);
        let known = self.frameworks.clone();
        let id = if source.bool() { source.pick(&known) } else { None };
        let call = proto::scheduler::Call {
            framework_id: id.clone(),
            r#type: Some(call::Type::Subscribe.into()),
            subscribe: Some(proto::scheduler::call::Subscribe {
                framework_info: v1::FrameworkInfo {
                    id,
                    ..framework_info(source.bool())
                },
                force: Some(source.bool()),
                ..proto::scheduler::call::Subscribe::default()
            }),
            ..proto::scheduler::Call::default()
        };
        let message = DriverMessage::Call(Box::new(call));
        self.step(Input::Driver { from, message });
    }

    /// A call in the name of a framework, as from its stream when it is the present one.
    fn call(&mut self, framework: v1::FrameworkId, call: Call) {
        let id = FrameworkId::from(&framework);
        if self.master.admit(&id, None).is_ok() {
            self.step(Input::Call {
                framework: id,
                call: Box::new(Call {
                    framework_id: Some(framework),
                    ..call
                }),
            });
        }
    }

    fn launch(&mut self, source: &mut Source<'_>) {
        let (offers, frameworks) = (self.offers.clone(), self.frameworks.clone());
        let (Some(offer), Some(framework)) = (source.pick(&offers), source.pick(&frameworks)) else {
            return;
        };
        let framework = if source.byte() < 230 {
            offer.framework_id.clone()
        } else {
            framework
        };
        let cpus = ["0.5", "1", "4", "100"][source.below(4)];
        let mut tasks = Vec::new();
        for _ in 0..=source.below(3) {
            self.launched += u32::from(source.byte() < 240);
            let mut resources = parse(&format!("cpus:{cpus};mem:64"));
            for resource in &mut resources {
                resource.allocation_info.clone_from(&offer.allocation_info);
            }
            tasks.push(v1::TaskInfo {
                name: "t".to_owned(),
                task_id: v1::TaskId {
                    value: format!("t{}", self.launched),
                },
                agent_id: offer.agent_id.clone(),
                resources,
                command: (source.byte() < 240).then(v1::CommandInfo::default),
                executor: (source.byte() < 30).then(|| executor(&framework)),
                ..v1::TaskInfo::default()
            });
        }
        let group = source.byte() < 50;
        let operation = if group {
            Operation {
                r#type: Some(operation::Type::LaunchGroup.into()),
                launch_group: Some(operation::LaunchGroup {
                    executor: executor(&framework),
                    task_group: v1::TaskGroupInfo { tasks },
                }),
                ..Operation::default()
            }
        } else {
            Operation {
                r#type: Some(operation::Type::Launch.into()),
                launch: Some(operation::Launch { task_infos: tasks }),
                ..Operation::default()
            }
        };
        let accept = call::Accept {
            offer_ids: vec![offer.id],
            operations: vec![operation],
            filters: Some(v1::Filters {
                refuse_seconds: Some(f64::from(source.byte())),
            }),
        };
        let call = Call {
            r#type: Some(call::Type::Accept.into()),
            accept: Some(accept),
            ..Call::default()
        };
        self.call(framework, call);
    }

    fn simple_call(&mut self, source: &mut Source<'_>) {
        let (frameworks, offers, tasks) = (self.frameworks.clone(), self.offers.clone(), self.tasks.clone());
        let Some(framework) = source.pick(&frameworks) else {
            return;
        };
        let task = source.pick(&tasks).map(|(_, _, task)| task).unwrap_or_default();
        let mut call = Call::default();
        let kind = match source.below(9) {
            0 => {
                let offer_ids = source.pick(&offers).into_iter().map(|offer| offer.id).collect();
                call.decline = Some(call::Decline {
                    offer_ids,
                    filters: None,
                });
                call::Type::Decline
            }
            1 => {
                call.kill = Some(call::Kill {
                    task_id: task.task_id,
                    agent_id: source.bool().then_some(task.agent_id),
                    kill_policy: None,
                });
                call::Type::Kill
            }
            2 => {
                let tasks = if source.bool() {
                    Vec::new()
                } else {
                    vec![call::reconcile::Task {
                        task_id: task.task_id,
                        agent_id: source.bool().then_some(task.agent_id),
                    }]
                };
                call.reconcile = Some(call::Reconcile { tasks });
                call::Type::Reconcile
            }
            3 => call::Type::Revive,
            4 => call::Type::Suppress,
            5 => {
                call.acknowledge = Some(call::Acknowledge {
                    agent_id: task.agent_id,
                    task_id: task.task_id,
                    uuid: uuid(source.byte()),
                });
                call::Type::Acknowledge
            }
            6 => {
                call.shutdown = Some(call::Shutdown {
                    executor_id: executor(&framework).executor_id,
                    agent_id: task.agent_id,
                });
                call::Type::Shutdown
            }
            7 => {
                call.message = Some(call::Message {
                    agent_id: task.agent_id,
                    executor_id: executor(&framework).executor_id,
                    data: source.bytes(),
                });
                call::Type::Message
            }
            _ => call::Type::Teardown,
        };
        call.r#type = Some(kind.into());
        self.call(framework, call);
    }

    /// A call that only has the form of one.
    fn raw_call(&mut self, source: &mut Source<'_>) {
        let frameworks = self.frameworks.clone();
        if let (Some(framework), Some(call)) = (source.pick(&frameworks), source.message::<Call>())
            && call.r#type() != call::Type::Subscribe
        {
            self.call(framework, call);
        }
    }

    fn raw_driver(&mut self, source: &mut Source<'_>) {
        let from = driver_upid(source);
        let message = match source.below(12) {
            0 => source
                .message()
                .map(|message| DriverMessage::Register(Box::new(message))),
            1 => source
                .message()
                .map(|message| DriverMessage::Reregister(Box::new(message))),
            2 => source.message().map(DriverMessage::Unregister),
            3 => source.message().map(DriverMessage::Deactivate),
            4 => source.message().map(DriverMessage::ResourceRequest),
            5 => source
                .message()
                .map(|message| DriverMessage::LaunchTasks(Box::new(message))),
            6 => source.message().map(DriverMessage::ReviveOffers),
            7 => source.message().map(DriverMessage::KillTask),
            8 => source.message().map(DriverMessage::Acknowledge),
            9 => source.message().map(DriverMessage::FrameworkToExecutor),
            10 => source
                .message()
                .map(|message| DriverMessage::ReconcileTasks(Box::new(message))),
            _ => source
                .message()
                .map(|message| DriverMessage::Call(Box::new(message))),
        };
        if let Some(message) = message {
            self.step(Input::Driver { from, message });
        }
    }

    fn raw_agent(&mut self, source: &mut Source<'_>) {
        let from = agent_upid(source);
        let message = match source.below(8) {
            0 => source
                .message()
                .map(|message| AgentMessage::Register(Box::new(message))),
            1 => source
                .message()
                .map(|message| AgentMessage::Reregister(Box::new(message))),
            2 => source.message().map(AgentMessage::Unregister),
            3 => source
                .message()
                .map(|message| AgentMessage::UpdateAgent(Box::new(message))),
            4 => source
                .message()
                .map(|message| AgentMessage::StatusUpdate(Box::new(message))),
            5 => source.message().map(AgentMessage::ExitedExecutor),
            6 => source.message().map(AgentMessage::ExecutorToFramework),
            _ => source
                .message()
                .map(|message| AgentMessage::UpdateOperationStatus(Box::new(message))),
        };
        if let Some(message) = message {
            self.step(Input::Agent { from, message });
        }
    }

    /// An update of a task by its agent, in any order of states.
    fn update(&mut self, source: &mut Source<'_>) {
        let tasks = self.tasks.clone();
        let Some((from, framework, task)) = source.pick(&tasks) else {
            return;
        };
        let state = v1::TaskState::try_from(i32::from(source.byte() % 14)).unwrap_or_default();
        let uuid = uuid(source.byte());
        let status = v1::TaskStatus {
            task_id: task.task_id,
            state: state.into(),
            agent_id: Some(task.agent_id.clone()),
            uuid: Some(uuid.clone()),
            ..v1::TaskStatus::default()
        };
        let message = internal::StatusUpdateMessage {
            update: internal::StatusUpdate {
                framework_id: framework,
                slave_id: Some(task.agent_id),
                status,
                timestamp: self.now.as_secs_f64(),
                uuid: Some(uuid),
                latest_state: source.bool().then(|| state.into()),
                ..internal::StatusUpdate::default()
            },
            pid: Some(from.to_string()),
        };
        let message = AgentMessage::StatusUpdate(Box::new(message));
        self.step(Input::Agent { from, message });
    }

    fn operate(&mut self, source: &mut Source<'_>) {
        let frameworks = self.frameworks.clone();
        if let Some(framework) = source.pick(&frameworks) {
            self.requests += 1;
            self.step(Input::Operator {
                request: RequestId(self.requests),
                action: OperatorAction::Teardown(FrameworkId::from(&framework)),
            });
        }
    }
}

fn capabilities(source: &mut Source<'_>) -> Vec<v1::agent_info::Capability> {
    let most = if source.byte() < 200 { 8 } else { 2 };
    (1..=most)
        .map(|number| v1::agent_info::Capability { r#type: Some(number) })
        .collect()
}

fn framework_info(aware: bool) -> v1::FrameworkInfo {
    use v1::framework_info::capability::Type;
    let mut kinds = vec![Type::MultiRole, Type::ReservationRefinement];
    if aware {
        kinds.push(Type::PartitionAware);
    }
    v1::FrameworkInfo {
        user: "root".to_owned(),
        name: "fuzz".to_owned(),
        roles: vec!["web".to_owned()],
        checkpoint: Some(aware),
        failover_timeout: aware.then_some(100.0),
        capabilities: kinds
            .into_iter()
            .map(|kind| v1::framework_info::Capability {
                r#type: Some(kind.into()),
            })
            .collect(),
        ..v1::FrameworkInfo::default()
    }
}

fn executor(framework: &v1::FrameworkId) -> v1::ExecutorInfo {
    v1::ExecutorInfo {
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        framework_id: Some(framework.clone()),
        command: Some(v1::CommandInfo::default()),
        resources: Vec::new(),
        ..v1::ExecutorInfo::default()
    }
}

fn as_task(framework: &v1::FrameworkId, task: &v1::TaskInfo) -> v1::Task {
    v1::Task {
        name: task.name.clone(),
        task_id: task.task_id.clone(),
        framework_id: framework.clone(),
        agent_id: task.agent_id.clone(),
        state: v1::TaskState::TaskRunning.into(),
        resources: task.resources.clone(),
        ..v1::Task::default()
    }
}

fn uuid(number: u8) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&[number; 16])
}
