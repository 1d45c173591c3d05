//! Agents come, change and go.

use super::agent::Agent;
use super::allocator::Allocator;
use super::options::AgentOptions;
use crate::{AgentId, FrameworkId};
use process::Time;
use resources::Resources;
use std::collections::BTreeSet;

impl Allocator {
    /// An agent came, with `total` resources, of which frameworks (known or not) hold `used` (allocated to
    /// their roles). It is active. Replaces what was known under the id.
    pub fn add_agent(
        &mut self,
        id: &AgentId,
        options: AgentOptions,
        total: Resources,
        used: &[(FrameworkId, Resources)],
        now: Time,
    ) {
        if self.agent_ids.contains_key(id) {
            self.remove_agent(id, now);
        }
        let ax = self.agents.insert(Agent::new(id.clone(), options));
        self.agent_ids.insert(id.clone(), ax);
        self.set_total(ax, total.unallocate());
        for (framework, resources) in used {
            self.assign(framework, id, resources, now);
        }
        self.marks.prompt(ax, now, self.config.coalesce);
        self.marks.wake_limited(now, self.config.allocation_interval);
        if self
            .hold
            .is_some_and(|(expected, _)| self.agent_ids.len() >= expected)
        {
            self.hold = None;
        }
    }

    /// An agent has other resources or another description. What is held on it stays held, even when the new
    /// total has no room for it. Refusals are forgotten.
    pub fn update_agent(&mut self, id: &AgentId, options: AgentOptions, total: Resources, now: Time) {
        let Some(&ax) = self.agent_ids.get(id) else { return };
        if self.agents[ax].options != options {
            self.drop_agent_filters(ax);
            self.agents[ax].options = options;
        }
        self.set_total(ax, total.unallocate());
        self.marks.prompt(ax, now, self.config.coalesce);
        self.marks.wake_limited(now, self.config.allocation_interval);
    }

    /// Attributes of the agent changed: those who refused it may want it now.
    pub fn forget_refusals(&mut self, id: &AgentId, now: Time) {
        let Some(&ax) = self.agent_ids.get(id) else { return };
        self.drop_agent_filters(ax);
        self.marks.prompt(ax, now, self.config.coalesce);
    }

    /// An agent is gone, with everything held on it: nothing of it is to be recovered any more.
    pub fn remove_agent(&mut self, id: &AgentId, now: Time) {
        let Some(&ax) = self.agent_ids.get(id) else { return };
        self.drop_agent_filters(ax);
        let held: Vec<(u32, Resources)> = self.agents[ax]
            .held
            .iter()
            .map(|(fx, resources)| (fx, resources.clone()))
            .collect();
        for (fx, resources) in held {
            for (role, part) in resources.allocations() {
                if let Some(rx) = self.roles.find(&role) {
                    self.release(ax, fx, rx, &part);
                }
            }
            self.forget_if_idle(fx);
        }
        self.set_total(ax, Resources::new());
        self.inverse.forget_agent(ax);
        self.agents.remove(ax);
        self.agent_ids.remove(id);
        self.marks.forget(ax);
        self.marks.wake_limited(now, self.config.allocation_interval);
    }

    /// Offers of the agent may be made (again).
    pub fn activate_agent(&mut self, id: &AgentId, now: Time) {
        let Some(&ax) = self.agent_ids.get(id) else { return };
        self.agents[ax].active = true;
        self.marks.waiting(ax, now, self.config.allocation_interval);
    }

    /// No offers of the agent are made until it is activated.
    pub fn deactivate_agent(&mut self, id: &AgentId) {
        let Some(&ax) = self.agent_ids.get(id) else { return };
        self.agents[ax].active = false;
    }

    /// Only agents on these hosts are offered; `None` = all.
    pub fn set_whitelist(&mut self, hosts: Option<BTreeSet<String>>, now: Time) {
        self.whitelist = hosts;
        self.marks.all_waiting(now, self.config.allocation_interval);
    }

    /// Whether offers of the agent may be made at all.
    pub(crate) fn is_offerable(&self, ax: u32) -> bool {
        let agent = &self.agents[ax];
        agent.active && self.is_whitelisted(ax) && !agent.free.is_empty()
    }

    pub(crate) fn is_whitelisted(&self, ax: u32) -> bool {
        self.whitelist
            .as_ref()
            .is_none_or(|hosts| hosts.contains(&self.agents[ax].options.hostname))
    }
}
