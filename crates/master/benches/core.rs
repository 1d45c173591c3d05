//! The core alone: agents that come back to a new leader (B01), and the life of launched tasks (B10). Decoding, sockets and
//! the registry are not part of it.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use master::core::{AgentId, AgentMessage, Config, FrameworkId, Input, Master, OfferId, Output, StreamId};
use process::{Time, Upid};
use proto::internal;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Launch, Type as OperationType};
use proto::v1::scheduler::{Call, call};
use proto::v1::{self, TaskState, framework_info};

fn main() {
    divan::main();
}

fn resources(text: &str) -> Vec<v1::Resource> {
    resources::Resources::parse(text).unwrap().to_proto()
}

fn leader(registry: internal::Registry) -> Master {
    let info = v1::MasterInfo {
        id: "m".to_owned(),
        ..v1::MasterInfo::default()
    };
    let mut master = Master::new(Config::new(info));
    let mut out = Vec::new();
    master.step(Time::from_secs(1), Input::Recovered(Box::new(registry)), &mut out);
    master
}

fn agent_info(id: Option<&AgentId>, size: &str) -> v1::AgentInfo {
    v1::AgentInfo {
        hostname: "host".to_owned(),
        resources: resources(size),
        checkpoint: Some(true),
        id: id.map(Into::into),
        ..v1::AgentInfo::default()
    }
}

fn capabilities() -> Vec<v1::agent_info::Capability> {
    (1..=8)
        .map(|number| v1::agent_info::Capability { r#type: Some(number) })
        .collect()
}

fn framework_info(id: Option<&FrameworkId>) -> v1::FrameworkInfo {
    use framework_info::capability::Type;
    let capabilities = [Type::MultiRole, Type::PartitionAware, Type::ReservationRefinement];
    v1::FrameworkInfo {
        user: "root".to_owned(),
        name: "bench".to_owned(),
        id: id.map(Into::into),
        roles: vec!["web".to_owned()],
        checkpoint: Some(true),
        failover_timeout: Some(1e6),
        capabilities: capabilities
            .map(|capability| framework_info::Capability {
                r#type: Some(capability as i32),
            })
            .into(),
        ..v1::FrameworkInfo::default()
    }
}

fn labels() -> v1::Labels {
    let label = |n: u32| v1::Label {
        key: format!("key-{n}"),
        value: Some(format!("value-{n}")),
    };
    v1::Labels {
        labels: (0..10).map(label).collect(),
    }
}

fn pid(agent: usize) -> Upid {
    format!(
        "slave(1)@10.{}.{}.{}:5051",
        agent / 65536,
        agent / 256 % 256,
        agent % 256
    )
    .parse()
    .unwrap()
}

/// What each of so many agents says to a new leader: 5 frameworks with 2 tasks of 10 labels each.
fn returning(agents: usize) -> (internal::Registry, Vec<(Upid, internal::ReregisterSlaveMessage)>) {
    let mut slaves = Vec::new();
    let mut messages = Vec::new();
    for n in 0..agents {
        let agent = AgentId::from(format!("old-S{n}"));
        let mut message = internal::ReregisterSlaveMessage {
            slave: agent_info(Some(&agent), "cpus:40;mem:40960;disk:1000;ports:[31000-32000]"),
            version: Some("1.12.0".to_owned()),
            agent_capabilities: capabilities(),
            ..internal::ReregisterSlaveMessage::default()
        };
        for framework in 0..5 {
            let framework = FrameworkId::from(format!("old-{framework:04}"));
            message.frameworks.push(framework_info(Some(&framework)));
            for task in 0..2 {
                let mut held = resources("cpus:1;mem:128");
                for resource in &mut held {
                    resource.allocation_info = Some(v1::resource::AllocationInfo {
                        role: Some("web".to_owned()),
                    });
                }
                message.tasks.push(v1::Task {
                    name: "task".to_owned(),
                    task_id: v1::TaskId {
                        value: format!("{framework}-task-{n}-{task}"),
                    },
                    framework_id: (&framework).into(),
                    agent_id: (&agent).into(),
                    state: TaskState::TaskRunning as i32,
                    resources: held,
                    labels: Some(labels()),
                    ..v1::Task::default()
                });
            }
        }
        slaves.push(internal::registry::Slave {
            info: message.slave.clone(),
            ..Default::default()
        });
        messages.push((pid(n), message));
    }
    let registry = internal::Registry {
        slaves: Some(internal::registry::Slaves { slaves }),
        ..internal::Registry::default()
    };
    (registry, messages)
}

/// Agents of 10 tasks each that re-register with a new leader.
#[divan::bench(args = [1_000, 10_000], sample_count = 5, sample_size = 1)]
fn failover(bencher: Bencher<'_, '_>, agents: usize) {
    let (registry, messages) = returning(agents);
    bencher
        .counter(ItemsCount::new(agents))
        .with_inputs(|| (leader(registry.clone()), messages.clone()))
        .bench_values(|(mut master, messages)| {
            let mut out = Vec::new();
            for (from, message) in messages {
                let message = AgentMessage::Reregister(Box::new(message));
                master.step(Time::from_secs(2), Input::Agent { from, message }, &mut out);
                black_box(&out);
                out.clear();
            }
            assert_eq!(master.state().agents.len(), agents);
            master
        });
}

/// A cluster of 1,000 agents with one framework, and all its offers made.
struct Cluster {
    master: Master,
    now: Time,
    framework: FrameworkId,
    tasks: u64,
}

impl Cluster {
    fn new() -> Self {
        let mut master = leader(internal::Registry::default());
        let mut out = Vec::new();
        let now = Time::from_secs(2);
        for n in 0..1_000 {
            let message = internal::RegisterSlaveMessage {
                slave: agent_info(None, "cpus:1000;mem:1000000;disk:1000"),
                version: Some("1.12.0".to_owned()),
                agent_capabilities: capabilities(),
                ..internal::RegisterSlaveMessage::default()
            };
            let message = AgentMessage::Register(Box::new(message));
            master.step(
                now,
                Input::Agent {
                    from: pid(n),
                    message,
                },
                &mut out,
            );
            for output in std::mem::take(&mut out) {
                if let Output::Store { write, .. } = output {
                    master.step(now, Input::Stored(write), &mut out);
                }
            }
        }
        let subscribe = call::Subscribe {
            framework_info: framework_info(None),
            ..call::Subscribe::default()
        };
        let subscribe = Box::new(subscribe);
        master.step(
            now,
            Input::Subscribe {
                stream: StreamId(1),
                principal: None,
                subscribe,
            },
            &mut out,
        );
        let framework = master.state().frameworks.keys().next().unwrap().clone();
        let mut cluster = Self {
            master,
            now,
            framework,
            tasks: 0,
        };
        cluster.offers();
        cluster
    }

    /// Lets a second pass, so that what was given back is offered again.
    fn offers(&mut self) {
        self.now += Duration::from_secs(1);
        let mut out = Vec::new();
        while self.master.deadline().is_some_and(|at| at <= self.now) {
            self.master.step(self.now, Input::Timeout, &mut out);
            out.clear();
        }
    }

    fn call(&mut self, kind: call::Type, fill: impl FnOnce(&mut Call), out: &mut Vec<Output>) {
        let mut call = Call {
            framework_id: Some((&self.framework).into()),
            r#type: Some(kind as i32),
            ..Call::default()
        };
        fill(&mut call);
        self.master.step(
            self.now,
            Input::Call {
                framework: self.framework.clone(),
                call: Box::new(call),
            },
            out,
        );
    }

    /// One ACCEPT of `count` tasks; each runs, is acknowledged, ends, and is acknowledged again.
    fn round(&mut self, offer: &OfferId, count: u64) {
        let mut out = Vec::new();
        let offer = std::sync::Arc::clone(&self.master.state().offers[offer]);
        let names: Vec<String> = (0..count).map(|n| format!("task-{}", self.tasks + n)).collect();
        self.tasks += count;
        let task_infos = names.iter().map(|name| task(name, &offer.agent)).collect();
        let operation = Operation {
            r#type: Some(OperationType::Launch as i32),
            launch: Some(Launch { task_infos }),
            ..Operation::default()
        };
        let accept = call::Accept {
            offer_ids: vec![(&offer.id).into()],
            operations: vec![operation],
            filters: Some(v1::Filters {
                refuse_seconds: Some(0.0),
            }),
        };
        self.call(call::Type::Accept, |call| call.accept = Some(accept), &mut out);
        let from = self.master.state().agents[&offer.agent].pid.clone();
        for (state, uuid) in [(TaskState::TaskRunning, 1), (TaskState::TaskFinished, 2)] {
            for name in &names {
                let update = update(&self.framework, &offer.agent, name, state, uuid);
                let message = AgentMessage::StatusUpdate(Box::new(update));
                self.master.step(
                    self.now,
                    Input::Agent {
                        from: from.clone(),
                        message,
                    },
                    &mut out,
                );
                let acknowledge = call::Acknowledge {
                    agent_id: (&offer.agent).into(),
                    task_id: v1::TaskId { value: name.clone() },
                    uuid: vec![uuid; 16].into(),
                };
                self.call(
                    call::Type::Acknowledge,
                    |call| call.acknowledge = Some(acknowledge),
                    &mut out,
                );
            }
        }
        black_box(out);
    }
}

fn task(name: &str, agent: &AgentId) -> v1::TaskInfo {
    v1::TaskInfo {
        name: "task".to_owned(),
        task_id: v1::TaskId {
            value: name.to_owned(),
        },
        agent_id: agent.into(),
        resources: resources("cpus:1;mem:128"),
        command: Some(v1::CommandInfo {
            value: Some("sleep 1".to_owned()),
            ..v1::CommandInfo::default()
        }),
        labels: Some(labels()),
        ..v1::TaskInfo::default()
    }
}

fn update(
    framework: &FrameworkId,
    agent: &AgentId,
    name: &str,
    state: TaskState,
    uuid: u8,
) -> internal::StatusUpdateMessage {
    let uuid = Some(vec![uuid; 16].into());
    internal::StatusUpdateMessage {
        update: internal::StatusUpdate {
            framework_id: framework.into(),
            slave_id: Some(agent.into()),
            status: v1::TaskStatus {
                task_id: v1::TaskId {
                    value: name.to_owned(),
                },
                state: state as i32,
                uuid: uuid.clone(),
                agent_id: Some(agent.into()),
                source: Some(v1::task_status::Source::Executor as i32),
                ..v1::TaskStatus::default()
            },
            timestamp: 1.0,
            uuid,
            latest_state: Some(state as i32),
            ..internal::StatusUpdate::default()
        },
        pid: Some("slave(1)@10.0.0.1:5051".to_owned()),
    }
}

/// Whole lives of tasks (ACCEPT, two updates, two acknowledgements), so many in each ACCEPT, on 100 offers.
#[divan::bench(args = [1, 10, 100], sample_count = 20, sample_size = 1)]
fn launch(bencher: Bencher<'_, '_>, tasks: u64) {
    let mut cluster = Cluster::new();
    bencher.counter(ItemsCount::new(100 * tasks)).bench_local(|| {
        let offers: Vec<OfferId> = cluster.master.state().offers.keys().take(100).cloned().collect();
        for offer in &offers {
            cluster.round(offer, tasks);
        }
        cluster.offers();
    });
}
