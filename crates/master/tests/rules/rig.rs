//! A master with one agent and one framework, and the valid things that rows break.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use master::core::{AgentMessage, Config, FrameworkId, Input, Master, OfferId, Output, StreamId};
use process::Time;
use proto::internal::RegisterSlaveMessage;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Launch, LaunchGroup, Type as OperationType};
use proto::v1::scheduler::{Call, Event, call};
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState, framework_info};

pub(super) const AGENT: &str = "m-S0";

/// A master with one agent and one framework that has been offered all of it.
pub(super) struct Rig {
    pub(super) master: Master,
    pub(super) now: Time,
}

impl Rig {
    /// A master without agents.
    pub(super) fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let info = v1::MasterInfo {
            id: "m".to_owned(),
            ..v1::MasterInfo::default()
        };
        let mut config = Config::new(info);
        configure(&mut config);
        let mut rig = Self {
            master: Master::new(config),
            now: Time::from_secs(1_000),
        };
        rig.step(Input::Recovered(Box::default()));
        rig
    }

    pub(super) fn new(agent_capabilities: i32, resources: &str) -> Self {
        let mut rig = Self::with(|_| {});
        rig.add_agent(agent_capabilities, resources, "slave(1)@127.0.0.1:5051");
        rig
    }

    pub(super) fn add_agent(&mut self, agent_capabilities: i32, resources: &str, pid: &str) {
        let register = RegisterSlaveMessage {
            slave: v1::AgentInfo {
                hostname: "localhost".to_owned(),
                checkpoint: Some(true),
                resources: parse(resources),
                ..v1::AgentInfo::default()
            },
            version: Some("1.12.0".to_owned()),
            agent_capabilities: (1..=agent_capabilities)
                .map(|number| v1::agent_info::Capability { r#type: Some(number) })
                .collect(),
            ..RegisterSlaveMessage::default()
        };
        let message = AgentMessage::Register(Box::new(register));
        let from = pid.parse().unwrap();
        self.step(Input::Agent { from, message });
    }

    /// A second passes.
    pub(super) fn advance(&mut self) {
        self.now += std::time::Duration::from_secs(1);
        self.step(Input::Timeout);
    }

    pub(super) fn step(&mut self, input: Input) -> Vec<Output> {
        let mut inputs = vec![input];
        let mut all = Vec::new();
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            self.master.step(self.now, input, &mut out);
            for output in &out {
                if let Output::Store { write, .. } = output {
                    inputs.push(Input::Stored(*write));
                }
            }
            all.extend(out);
        }
        self.master.check().unwrap();
        all
    }

    pub(super) fn subscribe(&mut self, info: v1::FrameworkInfo) -> Vec<Event> {
        let subscribe = call::Subscribe {
            framework_info: info,
            ..call::Subscribe::default()
        };
        let out = self.step(Input::Subscribe {
            stream: StreamId(1),
            principal: None,
            subscribe: Box::new(subscribe),
        });
        events(out)
    }

    pub(super) fn framework(&self) -> FrameworkId {
        self.master.state().frameworks.keys().next().unwrap().clone()
    }

    pub(super) fn offers(&mut self) -> Vec<OfferId> {
        for _ in 0..10 {
            if self.master.state().offers.is_empty() {
                self.advance();
            }
        }
        self.master.state().offers.keys().cloned().collect()
    }

    pub(super) fn accept(&mut self, operation: Operation) -> Vec<v1::TaskStatus> {
        let offer_ids = self.offers().iter().map(Into::into).collect();
        let framework = self.framework();
        let call = Call {
            framework_id: Some((&framework).into()),
            r#type: Some(call::Type::Accept as i32),
            accept: Some(call::Accept {
                offer_ids,
                operations: vec![operation],
                filters: None,
            }),
            ..Call::default()
        };
        let out = self.step(Input::Call {
            framework,
            call: Box::new(call),
        });
        let updates = events(out).into_iter().filter_map(|event| event.update);
        updates.map(|update| update.status).collect()
    }
}

pub(super) fn events(out: Vec<Output>) -> Vec<Event> {
    out.into_iter()
        .filter_map(|output| match output {
            Output::Event { event, .. } => Some(*event),
            _ => None,
        })
        .collect()
}

pub(super) fn parse(text: &str) -> Vec<v1::Resource> {
    resources::Resources::parse(text).unwrap().to_proto()
}

pub(super) fn capabilities(list: &[framework_info::capability::Type]) -> Vec<framework_info::Capability> {
    list.iter()
        .map(|kind| framework_info::Capability {
            r#type: Some(*kind as i32),
        })
        .collect()
}

pub(super) fn description() -> v1::FrameworkInfo {
    use framework_info::capability::Type;
    v1::FrameworkInfo {
        user: "u".to_owned(),
        name: "n".to_owned(),
        roles: vec!["web".to_owned()],
        capabilities: capabilities(&[
            Type::MultiRole,
            Type::ReservationRefinement,
            Type::GpuResources,
            Type::PartitionAware,
        ]),
        ..v1::FrameworkInfo::default()
    }
}

pub(super) const RESOURCES: &str = "cpus:8;mem:4096;disk:1000;gpus:2;ports:[31000-31999]";

pub(super) fn ready(agent_capabilities: i32) -> Rig {
    let mut rig = Rig::new(agent_capabilities, RESOURCES);
    rig.subscribe(description());
    rig
}

pub(super) fn command(value: &str) -> v1::CommandInfo {
    v1::CommandInfo {
        value: Some(value.to_owned()),
        ..v1::CommandInfo::default()
    }
}

pub(super) fn task(id: &str) -> v1::TaskInfo {
    v1::TaskInfo {
        name: id.to_owned(),
        task_id: v1::TaskId { value: id.to_owned() },
        agent_id: v1::AgentId {
            value: AGENT.to_owned(),
        },
        resources: parse("cpus:1;mem:128"),
        command: Some(command("sleep 1")),
        ..v1::TaskInfo::default()
    }
}

pub(super) fn executor() -> v1::ExecutorInfo {
    v1::ExecutorInfo {
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        command: Some(command("./executor")),
        resources: parse("cpus:0.1;mem:64"),
        ..v1::ExecutorInfo::default()
    }
}

pub(super) fn launch(tasks: Vec<v1::TaskInfo>) -> Operation {
    Operation {
        r#type: Some(OperationType::Launch as i32),
        launch: Some(Launch { task_infos: tasks }),
        ..Operation::default()
    }
}

pub(super) type Row<T> = (&'static str, fn(&mut T), &'static str);

/// What a task that breaks a rule is answered, with its reason.
pub(super) fn refusal(rig: &mut Rig, operation: Operation, reason: Reason, rule: &str) -> String {
    let statuses = rig.accept(operation);
    let Some(status) = statuses.first() else {
        panic!("{rule}: it was launched")
    };
    assert_eq!(status.state(), TaskState::TaskError, "{rule}");
    assert_eq!(status.reason(), reason, "{rule}");
    assert_eq!(status.source(), v1::task_status::Source::Master, "{rule}");
    assert_eq!(status.uuid, None, "{rule}");
    status.message.clone().unwrap()
}

pub(super) fn nanoseconds(value: i64) -> Option<v1::DurationInfo> {
    Some(v1::DurationInfo { nanoseconds: value })
}

pub(super) fn check(kind: Option<v1::check_info::Type>) -> v1::CheckInfo {
    v1::CheckInfo {
        r#type: kind.map(|kind| kind as i32),
        ..v1::CheckInfo::default()
    }
}

pub(super) fn health(kind: Option<v1::health_check::Type>) -> v1::HealthCheck {
    v1::HealthCheck {
        r#type: kind.map(|kind| kind as i32),
        ..v1::HealthCheck::default()
    }
}

pub(super) fn variable(kind: v1::environment::variable::Type) -> v1::environment::Variable {
    v1::environment::Variable {
        name: "V".to_owned(),
        r#type: Some(kind as i32),
        ..v1::environment::Variable::default()
    }
}

pub(super) fn with_variable(task: &mut v1::TaskInfo, variable: v1::environment::Variable) {
    let command = task.command.as_mut().unwrap();
    command.environment = Some(v1::Environment {
        variables: vec![variable],
    });
}

pub(super) fn container(kind: v1::container_info::Type) -> v1::ContainerInfo {
    v1::ContainerInfo {
        r#type: kind as i32,
        ..v1::ContainerInfo::default()
    }
}

pub(super) fn sharing(wish: bool) -> v1::ContainerInfo {
    v1::ContainerInfo {
        linux_info: Some(v1::LinuxInfo {
            share_cgroups: Some(wish),
            ..v1::LinuxInfo::default()
        }),
        ..container(v1::container_info::Type::Mesos)
    }
}

pub(super) fn limit(task: &mut v1::TaskInfo, name: &str, value: f64) {
    task.limits.insert(name.to_owned(), v1::value::Scalar { value });
}

pub(super) fn volume_of(persistence: Option<&str>, reserved: bool) -> v1::Resource {
    let mut resource = parse(if reserved { "disk(web):64" } else { "disk:64" }).remove(0);
    resource.disk = Some(Box::new(v1::resource::DiskInfo {
        persistence: persistence.map(|id| v1::resource::disk_info::Persistence {
            id: id.to_owned(),
            principal: None,
        }),
        volume: Some(v1::Volume {
            container_path: "data".to_owned(),
            mode: v1::volume::Mode::Rw as i32,
            ..v1::Volume::default()
        }),
        ..v1::resource::DiskInfo::default()
    }));
    resource
}

pub(super) fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value }),
        ..v1::Resource::default()
    }
}

pub(super) fn allocated(mut resource: v1::Resource, role: &str) -> v1::Resource {
    resource.allocation_info = Some(v1::resource::AllocationInfo {
        role: Some(role.to_owned()),
    });
    resource
}

pub(super) fn provided(mut resource: v1::Resource, provider: &str) -> v1::Resource {
    resource.provider_id = Some(v1::ResourceProviderId {
        value: provider.to_owned(),
    });
    resource
}

#[track_caller]
pub(super) fn expect(told: &str, text: &str, rule: &str) {
    assert!(
        !text.is_empty() && told.contains(text),
        "{rule}: told {told:?}, not {text:?}"
    );
}

pub(super) fn group() -> LaunchGroup {
    let executor = v1::ExecutorInfo {
        r#type: Some(v1::executor_info::Type::Default as i32),
        command: None,
        resources: parse("cpus:0.1;mem:64;disk:1"),
        ..executor()
    };
    LaunchGroup {
        executor,
        task_group: v1::TaskGroupInfo {
            tasks: vec![task("a"), task("b")],
        },
    }
}

pub(super) fn launch_group(group: LaunchGroup) -> Operation {
    Operation {
        r#type: Some(OperationType::LaunchGroup as i32),
        launch_group: Some(group),
        ..Operation::default()
    }
}
