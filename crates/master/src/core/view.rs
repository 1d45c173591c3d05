//! How state looks in the operator API (master-http.md §7, §8): messages made from values.

use proto::Shared;
use proto::v1::master::response::{get_agents, get_frameworks};
use proto::v1::{self, agent_info, master};

use super::ids::ToWire;
use super::output::OperatorEvent;
use super::state::{Agent, Framework};

impl Agent {
    /// As GET_AGENTS shows it; made at most once for each state of the agent.
    pub fn message(&self) -> &Shared<get_agents::Agent> {
        self.message.get_or_init(|| Shared::new(self.to_message()))
    }

    fn to_message(&self) -> get_agents::Agent {
        let used = self
            .used
            .values()
            .fold(resources::Resources::new(), |sum, each| sum + each);
        get_agents::Agent {
            agent_info: (*self.info).clone(),
            active: self.active,
            deactivated: Some(self.deactivated),
            version: self.version.as_ref().to_owned(),
            pid: Some(self.pid.to_string()),
            registered_time: Some(time(self.registered)),
            reregistered_time: self.reregistered.map(time),
            total_resources: self.total.to_proto_endpoint(),
            allocated_resources: used.to_proto_endpoint(),
            offered_resources: self.offered.to_proto_endpoint(),
            capabilities: self
                .capabilities
                .iter()
                .map(|capability| agent_info::Capability {
                    r#type: Some(capability as i32),
                })
                .collect(),
            resource_providers: Vec::new(),
            drain_info: self.drain,
            estimated_drain_start_time: self.drain_started,
        }
    }
}

impl Framework {
    /// As GET_FRAMEWORKS shows it; made at most once for each state of the framework.
    pub fn message(&self) -> &Shared<get_frameworks::Framework> {
        self.message.get_or_init(|| Shared::new(self.to_message()))
    }

    fn to_message(&self) -> get_frameworks::Framework {
        get_frameworks::Framework {
            framework_info: (*self.info).clone(),
            active: self.active,
            connected: self.connected(),
            recovered: self.recovered(),
            registered_time: Some(time(self.registered)),
            // Compat: time fields are always there; what has not happened yet is 0 (captured events).
            reregistered_time: Some(time(self.reregistered.unwrap_or(self.registered))),
            unregistered_time: Some(time(self.unregistered.unwrap_or(process::Time::EPOCH))),
            offers: self
                .offers
                .values()
                .map(|offer| (*offer.message).clone())
                .collect(),
            inverse_offers: self
                .inverse_offers
                .values()
                .map(|offer| (**offer).clone())
                .collect(),
            allocated_resources: self.total_used().to_proto_endpoint(),
            offered_resources: self.total_offered().to_proto_endpoint(),
            offer_constraints: self.offer_constraints.as_deref().cloned(),
        }
    }
}

impl OperatorEvent {
    /// As subscribers get it.
    pub fn to_message(&self) -> master::Event {
        use master::event;
        use master::event::Type;
        let of = |kind: Type| master::Event {
            r#type: Some(kind as i32),
            ..master::Event::default()
        };
        match self {
            Self::TaskAdded(task) => master::Event {
                task_added: Some(event::TaskAdded { task: task.read() }),
                ..of(Type::TaskAdded)
            },
            Self::TaskUpdated {
                framework,
                status,
                state,
            } => {
                let updated = event::TaskUpdated {
                    framework_id: framework.to_wire(),
                    status: (**status).clone(),
                    state: *state as i32,
                };
                master::Event {
                    task_updated: Some(updated),
                    ..of(Type::TaskUpdated)
                }
            }
            Self::AgentAdded(agent) => {
                let added = event::AgentAdded {
                    agent: (**agent.message()).clone(),
                };
                master::Event {
                    agent_added: Some(added),
                    ..of(Type::AgentAdded)
                }
            }
            Self::AgentRemoved(agent) => {
                let removed = event::AgentRemoved {
                    agent_id: agent.to_wire(),
                };
                master::Event {
                    agent_removed: Some(removed),
                    ..of(Type::AgentRemoved)
                }
            }
            Self::FrameworkAdded(framework) => {
                let added = event::FrameworkAdded {
                    framework: (**framework.message()).clone(),
                };
                master::Event {
                    framework_added: Some(added),
                    ..of(Type::FrameworkAdded)
                }
            }
            Self::FrameworkUpdated(framework) => {
                let updated = event::FrameworkUpdated {
                    framework: (**framework.message()).clone(),
                };
                master::Event {
                    framework_updated: Some(updated),
                    ..of(Type::FrameworkUpdated)
                }
            }
            Self::FrameworkRemoved(info) => {
                let removed = event::FrameworkRemoved {
                    framework_info: (**info).clone(),
                };
                master::Event {
                    framework_removed: Some(removed),
                    ..of(Type::FrameworkRemoved)
                }
            }
        }
    }
}

fn time(at: process::Time) -> v1::TimeInfo {
    v1::TimeInfo {
        nanoseconds: at.as_nanos(),
    }
}
