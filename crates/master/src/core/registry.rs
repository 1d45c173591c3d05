//! Writes to the registry, and what goes on when they are stored (zookeeper.md §6). A transition and all that is told
//! about it happen only then; until then the agent is `in_flight` and what it asks meanwhile waits for its retry.

use process::Upid;
use proto::internal::{RegisterSlaveMessage, ReregisterSlaveMessage};
use proto::v1;
use proto::v1::quota::QuotaConfig;

use super::Master;
use super::ids::{AgentId, RequestId, WriteId};
use super::maintenance::Maintenance;
use super::operator::Change;
use super::output::{Output, RegistryOperation};
use super::quota::Rescinding;
use super::timers::Timer;

/// What goes on when a write is stored.
#[derive(Debug)]
pub(super) enum Pending {
    /// A new agent, maybe in the place of an old one.
    Admit {
        id: AgentId,
        from: Upid,
        message: Box<RegisterSlaveMessage>,
        replaced: Option<AgentId>,
    },
    /// An agent that is unreachable, unknown, or recovered and changed.
    Readmit {
        id: AgentId,
        from: Upid,
        message: Box<ReregisterSlaveMessage>,
    },
    /// A registered agent that changed.
    Update {
        id: AgentId,
        from: Upid,
        message: Box<ReregisterSlaveMessage>,
    },
    /// An agent that does not answer.
    Unreachable { id: AgentId, at: v1::TimeInfo },
    /// An agent that will not return.
    Gone {
        id: AgentId,
        at: v1::TimeInfo,
        request: Option<RequestId>,
    },
    /// An agent that asked to leave.
    Remove { id: AgentId },
    /// Quotas of roles.
    Quota {
        configs: Vec<QuotaConfig>,
        rescinding: Rescinding,
        request: RequestId,
    },
    /// Weights of roles.
    Weights {
        weights: Vec<v1::WeightInfo>,
        request: RequestId,
    },
    /// The schedule, and machines in it.
    Maintenance { order: Maintenance, request: RequestId },
    /// Draining, deactivation, reactivation; without a request, what follows from one.
    Activation {
        request: Option<RequestId>,
        change: Change,
    },
    /// An agent whose machine is down.
    Down { id: AgentId },
    /// What is in force already and only had to be kept.
    Kept,
    /// Forgotten agents.
    Prune {
        unreachable: Vec<AgentId>,
        gone: Vec<AgentId>,
    },
}

impl Master {
    /// Asks for operations to be stored, and remembers what goes on then.
    pub(super) fn store(
        &mut self,
        operations: Vec<RegistryOperation>,
        pending: Pending,
        out: &mut Vec<Output>,
    ) {
        let write = WriteId(self.next_write);
        self.next_write += 1;
        self.pending.insert(write, pending);
        out.push(Output::Store { write, operations });
    }

    pub(super) fn on_stored(&mut self, write: WriteId, out: &mut Vec<Output>) {
        let Some(pending) = self.pending.remove(&write) else {
            return;
        };
        match pending {
            Pending::Admit {
                id,
                from,
                message,
                replaced,
            } => {
                self.admitting.remove(&from);
                if let Some(old) = replaced {
                    self.in_flight.remove(&old);
                    self.finish_replaced(&old, write, out);
                }
                self.finish_admission(id, from, *message, write, out);
            }
            Pending::Readmit { id, from, message } => {
                self.in_flight.remove(&id);
                self.finish_readmission(&id, from, *message, Some(write), out);
            }
            Pending::Update { id, from, message } => {
                self.in_flight.remove(&id);
                self.finish_update(&id, from, *message, Some(write), out);
            }
            Pending::Unreachable { id, at } => {
                self.in_flight.remove(&id);
                self.finish_unreachable(&id, at, write, out);
            }
            Pending::Gone { id, at, request } => {
                self.in_flight.remove(&id);
                self.finish_gone(&id, at, request, write, out);
            }
            Pending::Remove { id } => {
                self.in_flight.remove(&id);
                self.finish_unregistered(&id, write, out);
            }
            Pending::Quota {
                configs,
                rescinding,
                request,
            } => self.finish_quotas(configs, rescinding, request, write, out),
            Pending::Weights { weights, request } => self.finish_weights(weights, request, write, out),
            Pending::Maintenance { order, request } => {
                self.finish_maintenance(order, request, write, out);
            }
            Pending::Down { id } => {
                self.in_flight.remove(&id);
                self.finish_down(&id, write, out);
            }
            Pending::Kept => {}
            Pending::Activation { request, change } => self.finish_change(request, change, write, out),
            Pending::Prune { unreachable, gone } => {
                for id in unreachable.iter().chain(&gone) {
                    if !self.state.agents.contains_key(id) {
                        self.forget_deactivation(id);
                    }
                }
                self.state.version += 1;
                for id in &unreachable {
                    self.state.unreachable_agents.remove(id);
                }
                for id in &gone {
                    self.state.gone_agents.remove(id);
                }
                self.gauges.slaves_unreachable = self.state.unreachable_agents.len() as u64;
            }
        }
    }

    /// Forgets unreachable and gone agents that are too many or too old, the longest there first.
    pub(super) fn on_registry_gc(&mut self, out: &mut Vec<Output>) {
        self.timers
            .set(self.now + self.config.registry_gc_interval, Timer::RegistryGc);
        let unreachable = self.prunable(&self.state.unreachable_agents);
        let gone = self.prunable(&self.state.gone_agents);
        if unreachable.is_empty() && gone.is_empty() {
            return;
        }
        let operation = RegistryOperation::Prune {
            unreachable: unreachable.clone(),
            gone: gone.clone(),
        };
        self.store(vec![operation], Pending::Prune { unreachable, gone }, out);
    }

    fn prunable(&self, agents: &super::History<AgentId, v1::TimeInfo>) -> Vec<AgentId> {
        let surplus = agents.len().saturating_sub(self.config.registry_max_agent_count);
        let oldest = (self.now - self.config.registry_max_agent_age).as_nanos();
        let old = |at: &v1::TimeInfo| at.nanoseconds < oldest;
        let chosen = agents
            .iter()
            .enumerate()
            .filter(|(index, (_, at))| *index < surplus || old(at));
        chosen
            .map(|(_, (id, _))| id)
            .filter(|id| !self.in_flight.contains(*id))
            .cloned()
            .collect()
    }
}
