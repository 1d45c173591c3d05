//! Taking over: what the registry says, and the agents in it that do not come back (internal-protocol §7).

use std::collections::VecDeque;
use std::time::Duration;

use process::Time;
use proto::internal::Registry;

use super::Master;
use super::events::{info, warning};
use super::ids::AgentId;
use super::output::{Output, RegistryOperation};
use super::registry::Pending;
use super::timers::Timer;

/// An agent that is to be marked unreachable as soon as that is permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Removal {
    /// It missed too many pings; called off when it answers.
    Unhealthy(AgentId),
    /// It did not come back after its link broke; called off when it does.
    Away(AgentId),
    /// It did not come back after this master was elected; called off when it does.
    Absent(AgentId),
}

/// Permits to mark agents unreachable, evenly spaced (`--agent_removal_rate_limit`). The queue holds each agent at most
/// once for each kind of [`Removal`], so it is bounded by the agents known.
#[derive(Debug)]
pub(super) struct Removals {
    /// Time between two permits; `None`: no limit.
    spacing: Option<Duration>,
    next: Time,
    queue: VecDeque<Removal>,
}

impl Removals {
    pub(super) fn new(limit: Option<(u32, Duration)>) -> Self {
        let spacing = limit.map(|(permits, period)| period / permits.max(1));
        Self {
            spacing,
            next: Time::EPOCH,
            queue: VecDeque::new(),
        }
    }
}

impl Master {
    pub(super) fn on_recovered(&mut self, mut registry: Registry, out: &mut Vec<Output>) {
        if self.recovered {
            return;
        }
        self.recovered = true;
        self.state.version += 1;
        self.state.elected = Some(self.now);
        self.recover_maintenance(&mut registry);
        for slave in registry.slaves.unwrap_or_default().slaves {
            self.recover_agent(slave);
        }
        for slave in registry.unreachable.unwrap_or_default().slaves {
            let id = AgentId::from(&slave.id);
            self.recover_activation(&id, slave.drain_info, slave.deactivated.unwrap_or(false));
            self.state
                .unreachable_agents
                .insert(id, slave.timestamp, usize::MAX);
        }
        for slave in registry.gone.unwrap_or_default().slaves {
            self.state
                .gone_agents
                .insert(AgentId::from(&slave.id), slave.timestamp, usize::MAX);
        }
        self.gauges.slaves_unreachable = self.state.unreachable_agents.len() as u64;
        let recovered = self.state.recovered_agents.len();
        self.recover_quotas(registry.quotas, registry.quota_configs, recovered, out);
        self.recover_weights(&registry.weights, out);
        if recovered > 0 {
            self.timers
                .set(self.now + self.config.agent_reregister_timeout, Timer::Recovery);
        }
        self.timers
            .set(self.now + self.config.registry_gc_interval, Timer::RegistryGc);
        info(
            out,
            format!(
                "Recovered {recovered} agents from the registry; allowing {:?} for agents to reregister",
                self.config.agent_reregister_timeout
            ),
        );
    }

    /// Marks the recovered agents that stayed away unreachable, unless they are so many that something else is wrong.
    pub(super) fn on_recovery_timeout(&mut self, out: &mut Vec<Output>) {
        let absent: Vec<AgentId> = self.state.recovered_agents.keys().cloned().collect();
        if absent.is_empty() {
            return;
        }
        let known = absent.len() + self.state.agents.len();
        #[expect(clippy::cast_precision_loss, reason = "a share of counts far below 2^52")]
        let share = absent.len() as f64 / known as f64;
        if share > self.config.recovery_agent_removal_limit {
            out.push(Output::Abort(format!(
                "Post-recovery agent removal limit exceeded! After {:?} there were {} ({:.1}%) agents recovered from the \
                 registry that did not reregister; the limit is {:.1}%",
                self.config.agent_reregister_timeout,
                absent.len(),
                share * 100.0,
                self.config.recovery_agent_removal_limit * 100.0
            )));
            return;
        }
        for id in absent {
            self.counters.slave_unreachable_scheduled += 1;
            self.request_removal(Removal::Absent(id), out);
        }
    }

    /// A registered agent's link broke and it has not come back.
    pub(super) fn on_reregister_timeout(&mut self, id: AgentId, out: &mut Vec<Output>) {
        self.reregister_timers.remove(&id);
        if self.state.agents.get(&id).is_some_and(|agent| !agent.connected) {
            self.counters.slave_unreachable_scheduled += 1;
            self.request_removal(Removal::Away(id), out);
        }
    }

    pub(super) fn request_removal(&mut self, removal: Removal, out: &mut Vec<Output>) {
        let Some(spacing) = self.removals.spacing else {
            return self.carry_out(removal, out);
        };
        if self.removals.queue.is_empty() && self.removals.next <= self.now {
            self.removals.next = self.now + spacing;
            return self.carry_out(removal, out);
        }
        if self.removals.queue.is_empty() {
            self.timers.set(self.removals.next, Timer::RemovalPermit);
        }
        self.removals.queue.push_back(removal);
    }

    pub(super) fn on_removal_permit(&mut self, out: &mut Vec<Output>) {
        let Some(removal) = self.removals.queue.pop_front() else {
            return;
        };
        if let Some(spacing) = self.removals.spacing {
            self.removals.next = self.now + spacing;
        }
        if !self.removals.queue.is_empty() {
            self.timers.set(self.removals.next, Timer::RemovalPermit);
        }
        self.carry_out(removal, out);
    }

    /// Marks the agent unreachable, unless it has been heard of since.
    fn carry_out(&mut self, removal: Removal, out: &mut Vec<Output>) {
        let (id, due) = match removal {
            Removal::Unhealthy(id) => {
                let due = self.observers.get(&id).is_some_and(|observer| observer.condemned);
                (id, due)
            }
            Removal::Away(id) => {
                let due = self.state.agents.get(&id).is_some_and(|agent| !agent.connected);
                if !due {
                    self.counters.slave_unreachable_canceled += 1;
                }
                (id, due)
            }
            Removal::Absent(id) => {
                let due = self.state.recovered_agents.contains_key(&id);
                if !due {
                    self.counters.slave_unreachable_canceled += 1;
                }
                (id, due)
            }
        };
        if !due || !self.in_flight.insert(id.clone()) {
            return;
        }
        warning(out, format!("Marking agent {id} unreachable"));
        let at = self.time_info();
        let operation = RegistryOperation::MarkUnreachable { id: id.clone(), at };
        self.store(vec![operation], Pending::Unreachable { id, at }, out);
    }
}
