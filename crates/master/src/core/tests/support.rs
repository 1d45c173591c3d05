//! A master to talk to: builders of what peers say, and readings of what it answers.

use std::time::Duration;

use bytes::Bytes;
use process::{Time, Upid};
use proto::internal;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Launch, Type as OperationType};
use proto::v1::scheduler::{self, Call, call, event};
use proto::v1::{self, TaskState, framework_info};

use crate::core::{
    AgentBound, AgentId, AgentMessage, Config, DriverMessage, FrameworkId, Input, Master, OfferId,
    OperatorEvent, Output, Sender, StreamId, TaskId, WriteId,
};

/// The id of the master under test.
pub(super) const MASTER: &str = "m";

/// A master, its clock, and a shell that stores at once.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) master: Master,
    pub(super) now: Time,
    /// Whether writes are reported as stored at once.
    pub(super) stores: bool,
    /// Whether agents answer pings.
    pub(super) alive: bool,
}

impl Bench {
    /// A leading master with an empty registry.
    pub(super) fn new() -> Self {
        Self::with(|_| {}, internal::Registry::default())
    }

    pub(super) fn with(configure: impl FnOnce(&mut Config), registry: internal::Registry) -> Self {
        let info = v1::MasterInfo {
            id: MASTER.to_owned(),
            ip: 16_777_343,
            port: 5050,
            ..v1::MasterInfo::default()
        };
        let mut config = Config::new(info);
        configure(&mut config);
        let mut bench = Self {
            master: Master::new(config),
            now: Time::from_secs(1_000),
            stores: true,
            alive: true,
        };
        bench.step(Input::Recovered(Box::new(registry)));
        bench
    }

    /// Feeds one input, checks the books, and reports writes as stored unless told not to.
    pub(super) fn step(&mut self, input: Input) -> Vec<Output> {
        let mut all = Vec::new();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            self.master.step(self.now, input, &mut out);
            self.master.check().unwrap();
            for output in &out {
                if let Output::Send {
                    from: Sender::Observer(observer),
                    to,
                    ..
                } = output
                    && self.alive
                {
                    inputs.insert(
                        0,
                        Input::Pong {
                            observer: *observer,
                            from: to.clone(),
                        },
                    );
                }
            }
            if self.stores {
                for output in &out {
                    if let Output::Store { write, .. } = output {
                        inputs.insert(0, Input::Stored(*write));
                    }
                }
            }
            all.extend(out);
        }
        all
    }

    /// Lets time pass, stopping wherever the master wants to be woken.
    pub(super) fn advance(&mut self, by: Duration) -> Vec<Output> {
        let end = self.now + by;
        let mut all = Vec::new();
        while let Some(at) = self.master.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            all.extend(self.step(Input::Timeout));
        }
        self.now = end;
        all
    }

    /// As [`Bench::advance`] by so little that only what is due at once happens.
    pub(super) fn settle(&mut self) -> Vec<Output> {
        self.advance(Duration::from_millis(10))
    }

    pub(super) fn agent(&mut self, pid: &str, message: AgentMessage) -> Vec<Output> {
        self.step(Input::Agent {
            from: pid.parse().unwrap(),
            message,
        })
    }

    /// Registers an agent with 4 cpus, 4096 mem and ports, and gives its id.
    pub(super) fn register(&mut self, pid: &str) -> AgentId {
        let out = self.agent(pid, AgentMessage::Register(Box::new(registration())));
        match sent(&out).into_iter().find_map(|(_, message)| match message {
            AgentBound::Registered(message) => Some(AgentId::from(&message.slave_id)),
            _ => None,
        }) {
            Some(id) => id,
            None => panic!("not registered: {out:?}"),
        }
    }

    pub(super) fn subscribe(&mut self, stream: u64, info: v1::FrameworkInfo) -> Vec<Output> {
        let subscribe = call::Subscribe {
            framework_info: info,
            ..call::Subscribe::default()
        };
        self.step(Input::Subscribe {
            stream: StreamId(stream),
            principal: None,
            subscribe: Box::new(subscribe),
        })
    }

    /// Subscribes a framework with all capabilities that matter here, and gives its id.
    pub(super) fn framework(&mut self, stream: u64) -> FrameworkId {
        let out = self.subscribe(stream, framework_info());
        match events(&out).first() {
            Some((
                _,
                scheduler::Event {
                    subscribed: Some(subscribed),
                    ..
                },
            )) => FrameworkId::from(&subscribed.framework_id),
            other => panic!("not subscribed: {other:?}"),
        }
    }

    pub(super) fn call(
        &mut self,
        framework: &FrameworkId,
        kind: call::Type,
        fill: impl FnOnce(&mut Call),
    ) -> Vec<Output> {
        let mut call = Call {
            framework_id: Some(framework.into()),
            r#type: Some(kind as i32),
            ..Call::default()
        };
        fill(&mut call);
        // One with a driver calls by messages.
        let known = self.master.state().frameworks.get(framework);
        if let Some(from) = known.and_then(|known| known.driver()).cloned() {
            let message = DriverMessage::Call(Box::new(driver_form(call)));
            return self.step(Input::Driver { from, message });
        }
        self.step(Input::Call {
            framework: framework.clone(),
            call: Box::new(call),
        })
    }

    /// The offers that stand for a framework.
    pub(super) fn offers(&self, framework: &FrameworkId) -> Vec<OfferId> {
        self.master.state().frameworks[framework]
            .offers
            .keys()
            .cloned()
            .collect()
    }

    pub(super) fn accept(
        &mut self,
        framework: &FrameworkId,
        offers: &[OfferId],
        operations: Vec<Operation>,
    ) -> Vec<Output> {
        let offer_ids = offers.iter().map(Into::into).collect();
        let accept = call::Accept {
            offer_ids,
            operations,
            filters: None,
        };
        self.call(framework, call::Type::Accept, |call| call.accept = Some(accept))
    }

    /// Launches command tasks on all offers that stand, and gives the outputs.
    pub(super) fn launch(&mut self, framework: &FrameworkId, tasks: Vec<v1::TaskInfo>) -> Vec<Output> {
        let offers = self.offers(framework);
        self.accept(framework, &offers, vec![launch(tasks)])
    }

    /// One agent at the usual address, one framework on stream 1, offers made.
    pub(super) fn ready() -> (Self, AgentId, FrameworkId) {
        let mut bench = Self::new();
        let agent = bench.register(PID);
        let framework = bench.framework(1);
        bench.settle();
        assert_eq!(bench.offers(&framework).len(), 1);
        (bench, agent, framework)
    }

    /// As [`Bench::ready`], with one task launched.
    pub(super) fn running(task: &str) -> (Self, AgentId, FrameworkId) {
        let (mut bench, agent, framework) = Self::ready();
        let info = command_task(task, &agent);
        bench.launch(&framework, vec![info]);
        assert_eq!(bench.state_of(&framework, task), Some(TaskState::TaskStaging));
        (bench, agent, framework)
    }

    pub(super) fn state_of(&self, framework: &FrameworkId, task: &str) -> Option<TaskState> {
        let task = TaskId::from(task);
        Some(
            self.master
                .state()
                .frameworks
                .get(framework)?
                .tasks
                .get(&task)?
                .state(),
        )
    }

    /// An update from the usual agent.
    pub(super) fn update(
        &mut self,
        framework: &FrameworkId,
        agent: &AgentId,
        task: &str,
        state: TaskState,
        uuid: u8,
    ) -> Vec<Output> {
        self.agent(
            PID,
            AgentMessage::StatusUpdate(Box::new(status_update(framework, agent, task, state, uuid))),
        )
    }

    pub(super) fn acknowledge(
        &mut self,
        framework: &FrameworkId,
        agent: &AgentId,
        task: &str,
        uuid: u8,
    ) -> Vec<Output> {
        let acknowledge = call::Acknowledge {
            agent_id: agent.into(),
            task_id: task_id(task),
            uuid: uuid_bytes(uuid),
        };
        self.call(framework, call::Type::Acknowledge, |call| {
            call.acknowledge = Some(acknowledge)
        })
    }

    /// What the usual agent says when it comes back with these tasks.
    pub(super) fn reregister(
        &mut self,
        agent: &AgentId,
        tasks: Vec<v1::Task>,
        frameworks: &[&FrameworkId],
    ) -> Vec<Output> {
        let message = reregistration(agent, tasks, frameworks);
        self.agent(PID, AgentMessage::Reregister(Box::new(message)))
    }
}

/// A call of the v1 API, all but SUBSCRIBE, as a driver sends it.
fn driver_form(call: Call) -> proto::scheduler::Call {
    proto::scheduler::Call {
        framework_id: call.framework_id,
        r#type: call.r#type,
        subscribe: None,
        accept: call.accept,
        decline: call.decline,
        accept_inverse_offers: call.accept_inverse_offers,
        decline_inverse_offers: call.decline_inverse_offers,
        revive: call.revive,
        kill: call.kill,
        shutdown: call.shutdown,
        acknowledge: call.acknowledge,
        acknowledge_operation_status: call.acknowledge_operation_status,
        reconcile: call.reconcile,
        reconcile_operations: call.reconcile_operations,
        message: call.message,
        request: call.request,
        suppress: call.suppress,
        update_framework: call.update_framework,
    }
}

/// The usual agent's address.
pub(super) const PID: &str = "slave(1)@127.0.0.1:5051";

pub(super) fn upid(text: &str) -> Upid {
    text.parse().unwrap()
}

pub(super) fn task_id(id: &str) -> v1::TaskId {
    v1::TaskId { value: id.to_owned() }
}

pub(super) fn uuid_bytes(uuid: u8) -> Bytes {
    Bytes::from(vec![uuid; 16])
}

pub(super) fn parse(text: &str) -> Vec<v1::Resource> {
    resources::Resources::parse(text).unwrap().to_proto()
}

pub(super) fn agent_info() -> v1::AgentInfo {
    v1::AgentInfo {
        hostname: "localhost".to_owned(),
        port: Some(5051),
        checkpoint: Some(true),
        resources: parse("cpus:4;mem:4096;disk:1000;ports:[31000-32000]"),
        ..v1::AgentInfo::default()
    }
}

pub(super) fn capabilities() -> Vec<v1::agent_info::Capability> {
    (1..=8)
        .map(|number| v1::agent_info::Capability { r#type: Some(number) })
        .collect()
}

pub(super) fn registration() -> internal::RegisterSlaveMessage {
    internal::RegisterSlaveMessage {
        slave: agent_info(),
        version: Some("1.12.0".to_owned()),
        agent_capabilities: capabilities(),
        resource_version_uuid: Some(v1::Uuid { value: uuid_bytes(9) }),
        ..internal::RegisterSlaveMessage::default()
    }
}

pub(super) fn reregistration(
    agent: &AgentId,
    tasks: Vec<v1::Task>,
    frameworks: &[&FrameworkId],
) -> internal::ReregisterSlaveMessage {
    internal::ReregisterSlaveMessage {
        slave: v1::AgentInfo {
            id: Some(agent.into()),
            ..agent_info()
        },
        version: Some("1.12.0".to_owned()),
        agent_capabilities: capabilities(),
        resource_version_uuid: Some(v1::Uuid { value: uuid_bytes(9) }),
        tasks,
        frameworks: frameworks
            .iter()
            .map(|id| v1::FrameworkInfo {
                id: Some((*id).into()),
                ..framework_info()
            })
            .collect(),
        ..internal::ReregisterSlaveMessage::default()
    }
}

/// MULTI_ROLE, PARTITION_AWARE, RESERVATION_REFINEMENT and SHARED_RESOURCES; checkpoints; may be away for a minute.
pub(super) fn framework_info() -> v1::FrameworkInfo {
    use framework_info::capability::Type;
    let capabilities = [
        Type::MultiRole,
        Type::PartitionAware,
        Type::ReservationRefinement,
        Type::SharedResources,
    ];
    v1::FrameworkInfo {
        user: "root".to_owned(),
        name: "probe".to_owned(),
        roles: vec!["web".to_owned()],
        checkpoint: Some(true),
        failover_timeout: Some(60.0),
        capabilities: capabilities
            .map(|capability| framework_info::Capability {
                r#type: Some(capability as i32),
            })
            .into(),
        ..v1::FrameworkInfo::default()
    }
}

/// The same without capabilities: an old framework.
pub(super) fn old_framework_info() -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        roles: Vec::new(),
        capabilities: Vec::new(),
        ..framework_info()
    }
}

pub(super) fn command_task(id: &str, agent: &AgentId) -> v1::TaskInfo {
    v1::TaskInfo {
        name: id.to_owned(),
        task_id: task_id(id),
        agent_id: agent.into(),
        resources: parse("cpus:1;mem:128"),
        command: Some(v1::CommandInfo {
            value: Some("sleep 1".to_owned()),
            ..v1::CommandInfo::default()
        }),
        ..v1::TaskInfo::default()
    }
}

/// A task as its agent lists it.
pub(super) fn listed_task(framework: &FrameworkId, agent: &AgentId, id: &str, state: TaskState) -> v1::Task {
    let mut resources = parse("cpus:1;mem:128");
    for resource in &mut resources {
        resource.allocation_info = Some(v1::resource::AllocationInfo {
            role: Some("web".to_owned()),
        });
    }
    v1::Task {
        name: id.to_owned(),
        task_id: task_id(id),
        framework_id: framework.into(),
        agent_id: agent.into(),
        state: state as i32,
        resources,
        ..v1::Task::default()
    }
}

pub(super) fn launch(tasks: Vec<v1::TaskInfo>) -> Operation {
    Operation {
        r#type: Some(OperationType::Launch as i32),
        launch: Some(Launch { task_infos: tasks }),
        ..Operation::default()
    }
}

pub(super) fn status_update(
    framework: &FrameworkId,
    agent: &AgentId,
    task: &str,
    state: TaskState,
    uuid: u8,
) -> internal::StatusUpdateMessage {
    internal::StatusUpdateMessage {
        update: internal::StatusUpdate {
            framework_id: framework.into(),
            slave_id: Some(agent.into()),
            executor_id: None,
            status: v1::TaskStatus {
                task_id: task_id(task),
                state: state as i32,
                data: Some(Bytes::from_static(b"data")),
                uuid: Some(uuid_bytes(uuid)),
                agent_id: Some(agent.into()),
                source: Some(v1::task_status::Source::Executor as i32),
                timestamp: Some(1.0),
                ..v1::TaskStatus::default()
            },
            timestamp: 1.0,
            uuid: Some(uuid_bytes(uuid)),
            latest_state: Some(state as i32),
        },
        pid: Some(PID.to_owned()),
    }
}

/// What was sent to agents by `master`, in order.
pub(super) fn sent(out: &[Output]) -> Vec<(String, AgentBound)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send {
                from: Sender::Master,
                to,
                message,
                ..
            } => Some((to.to_string(), (**message).clone())),
            _ => None,
        })
        .collect()
}

/// The pings, in order.
pub(super) fn pings(out: &[Output]) -> Vec<(String, bool)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send {
                from: Sender::Observer(_),
                to,
                message,
                ..
            } => match &**message {
                AgentBound::Ping(ping) => Some((to.to_string(), ping.connected)),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// What schedulers were told, in order.
pub(super) fn events(out: &[Output]) -> Vec<(u64, scheduler::Event)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Event { stream, event, .. } => Some((stream.0, (**event).clone())),
            _ => None,
        })
        .collect()
}

/// The types of what schedulers were told, heartbeats left out.
pub(super) fn kinds(out: &[Output]) -> Vec<event::Type> {
    events(out)
        .into_iter()
        .map(|(_, event)| event.r#type())
        .filter(|kind| *kind != event::Type::Heartbeat)
        .collect()
}

/// The task statuses that schedulers were told.
pub(super) fn statuses(out: &[Output]) -> Vec<v1::TaskStatus> {
    events(out)
        .into_iter()
        .filter_map(|(_, event)| Some(event.update?.status))
        .collect()
}

/// State and reason of the task statuses that schedulers were told.
pub(super) fn fates(out: &[Output]) -> Vec<(String, TaskState, v1::task_status::Reason)> {
    statuses(out)
        .into_iter()
        .map(|status| (status.task_id.value.clone(), status.state(), status.reason()))
        .collect()
}

/// What subscribers of the operator API were told, by type.
pub(super) fn published(out: &[Output]) -> Vec<v1::master::event::Type> {
    out.iter()
        .filter_map(|output| match output {
            Output::Publish(event) => Some(event.to_message().r#type()),
            _ => None,
        })
        .collect()
}

/// The writes asked for.
pub(super) fn writes(out: &[Output]) -> Vec<WriteId> {
    out.iter()
        .filter_map(|output| match output {
            Output::Store { write, .. } => Some(*write),
            _ => None,
        })
        .collect()
}

/// The task updates that were published.
pub(super) fn published_states(out: &[Output]) -> Vec<TaskState> {
    out.iter()
        .filter_map(|output| match output {
            Output::Publish(OperatorEvent::TaskUpdated { state, .. }) => Some(*state),
            _ => None,
        })
        .collect()
}
