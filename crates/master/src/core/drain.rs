//! Draining, deactivation and reactivation of agents (master-http.md §7.3, internal-protocol §10). All of it is in the
//! registry, so it holds for agents that are away as well.

use proto::internal::DrainSlaveMessage;
use proto::internal::registry::Slave;
use proto::v1::agent_info::capability::Type as Capability;
use proto::v1::{DrainConfig, DrainInfo, DrainState};

use super::Master;
use super::events::{info, send};
use super::ids::AgentId;
use super::operator::Change;
use super::output::{AgentBound, Output, Reply};
use super::registry::Pending;

impl Master {
    /// An agent that is neither registered, recovered nor unreachable.
    pub(super) fn check_known(&self, id: &AgentId) -> Result<(), Reply> {
        let known = self.state.agents.contains_key(id)
            || self.state.recovered_agents.contains_key(id)
            || self.state.unreachable_agents.contains(id);
        if known {
            return Ok(());
        }
        Err(Reply::BadRequest("Unknown agent".to_owned()))
    }

    pub(super) fn check_drain(&self, id: &AgentId) -> Result<(), Reply> {
        if let Some(agent) = self.state.agents.get(id) {
            if !agent.capabilities.has(Capability::AgentDraining) {
                return Err(Reply::BadRequest(format!(
                    "Agent {id} is not capable of draining"
                )));
            }
            if self.state.machine_of(agent).is_some() {
                return Err(Reply::BadRequest(format!(
                    "Agent {id} is part of a maintenance schedule"
                )));
            }
        }
        self.check_known(id)?;
        let going = |pending: &Pending| matches!(pending, Pending::Gone { id: other, .. } if other == id);
        if self.pending.values().any(going) {
            return Err(Reply::Conflict(format!(
                "Agent {id} is currently being marked gone"
            )));
        }
        Ok(())
    }

    pub(super) fn check_reactivation(&self, id: &AgentId) -> Result<(), Reply> {
        if !self.state.deactivated.contains(id) {
            return Err(Reply::BadRequest("Agent is not deactivated".to_owned()));
        }
        let draining = self.state.draining.get(id);
        if draining.is_some_and(|info| info.state() == DrainState::Draining) {
            return Err(Reply::BadRequest(
                "Agent is still in the DRAINING state".to_owned(),
            ));
        }
        Ok(())
    }

    pub(super) fn drain(&mut self, id: &AgentId, config: DrainConfig, out: &mut Vec<Output>) -> Reply {
        info(out, format!("Draining agent {id}"));
        let draining = DrainInfo {
            state: DrainState::Draining as i32,
            config,
        };
        self.state.draining.insert(id.clone(), draining);
        let now = self.time_info();
        if let Some(agent) = self.state.agent_mut(id) {
            agent.drain = Some(draining);
            agent.drain_started = Some(now);
        }
        self.deactivate(id, out);
        self.tell_of_draining(id, out);
        Reply::Done
    }

    /// Tells a connected agent that it is to drain.
    pub(super) fn tell_of_draining(&self, id: &AgentId, out: &mut Vec<Output>) {
        let draining = self.state.draining.get(id);
        let Some(draining) = draining.filter(|info| info.state() == DrainState::Draining) else {
            return;
        };
        if let Some(agent) = self.state.agents.get(id).filter(|agent| agent.connected) {
            let message = DrainSlaveMessage {
                config: draining.config,
            };
            send(&agent.pid, AgentBound::Drain(message), out);
        }
    }

    /// Makes no offers of an agent any more; those that stand are rescinded, and tasks run on.
    pub(super) fn deactivate(&mut self, id: &AgentId, out: &mut Vec<Output>) {
        self.state.deactivated.insert(id.clone());
        let Some(agent) = self.state.agent_mut(id) else {
            return;
        };
        agent.deactivated = true;
        if std::mem::replace(&mut agent.active, false) {
            self.gauges.slaves_active -= 1;
            self.gauges.slaves_inactive += 1;
        }
        self.allocator.deactivate_agent(id);
        self.rescind_offers_of_agent(id, None, out);
    }

    pub(super) fn reactivate(&mut self, id: &AgentId, out: &mut Vec<Output>) -> Reply {
        info(out, format!("Agent {id} is reactivated"));
        self.forget_deactivation(id);
        let Some(agent) = self.state.agent_mut(id) else {
            return Reply::Conflict("Agent is not currently registered".to_owned());
        };
        agent.deactivated = false;
        agent.drain = None;
        agent.drain_started = None;
        if agent.connected && !std::mem::replace(&mut agent.active, true) {
            self.gauges.slaves_active += 1;
            self.gauges.slaves_inactive -= 1;
            self.allocator.activate_agent(id, self.now);
        }
        Reply::Done
    }

    /// The agent is gone or reactivated.
    pub(super) fn forget_deactivation(&mut self, id: &AgentId) {
        self.state.draining.remove(id);
        self.state.deactivated.remove(id);
        self.drained.remove(id);
    }

    /// An agent that came back is as it was before: deactivated, and told to drain.
    pub(super) fn deactivate_again(&mut self, id: &AgentId, out: &mut Vec<Output>) {
        if !self.state.deactivated.contains(id) {
            return;
        }
        let draining = self.state.draining.get(id).copied();
        if let Some(agent) = self.state.agent_mut(id) {
            agent.drain = draining;
        }
        self.deactivate(id, out);
        self.tell_of_draining(id, out);
    }

    /// Has every agent marked drained on which neither tasks nor operations are left.
    pub(super) fn progress_draining(&mut self, out: &mut Vec<Output>) {
        let idle = |id: &AgentId| {
            let agent = self.state.agents.get(id);
            agent
                .is_some_and(|agent| agent.connected && agent.tasks.is_empty() && agent.operations.is_empty())
        };
        let done: Vec<AgentId> = self
            .state
            .draining
            .iter()
            .filter(|(id, draining)| {
                draining.state() == DrainState::Draining && !self.drained.contains(*id) && idle(id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in done {
            self.drained.insert(id.clone());
            self.change(None, Change::Drained(id), out);
        }
    }

    pub(super) fn finish_draining(&mut self, id: &AgentId, out: &mut Vec<Output>) -> Reply {
        self.drained.remove(id);
        let Some(draining) = self.state.draining.get_mut(id) else {
            return Reply::Done;
        };
        draining.set_state(DrainState::Drained);
        let draining = *draining;
        info(out, format!("Agent {id} is drained"));
        if let Some(agent) = self.state.agent_mut(id) {
            agent.drain = Some(draining);
        }
        if draining.config.mark_gone() {
            // Nobody waits for the answer.
            drop(self.mark_gone(None, id.clone(), out));
        }
        Reply::Done
    }

    /// What the registry says of one agent.
    pub(super) fn recover_activation(&mut self, id: &AgentId, drain: Option<DrainInfo>, deactivated: bool) {
        if let Some(drain) = drain {
            self.state.draining.insert(id.clone(), drain);
        }
        if deactivated || drain.is_some() {
            self.state.deactivated.insert(id.clone());
        }
    }

    pub(super) fn recover_agent(&mut self, slave: Slave) {
        let mut agent = slave.info;
        resources::format::upgrade(&mut agent.resources);
        if let Some(id) = agent.id.as_ref().map(AgentId::from) {
            self.recover_activation(&id, slave.drain_info, slave.deactivated.unwrap_or(false));
            self.state.recovered_agents.insert(id, agent.into());
        }
    }
}
