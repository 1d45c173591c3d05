//! Refusals: what a framework does not want of an agent for a while.

use super::allocator::Allocator;
use process::Time;
use resources::Resources;
use std::collections::btree_map::Entry;

/// How many refusals of one framework, role and agent are remembered; beyond that the one that would end
/// first is dropped.
const MAX_REFUSALS: usize = 16;

/// Offers that lie within `refused` are not made before `until`.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) until: Time,
    pub(crate) refused: Resources,
}

impl Allocator {
    /// Whether an offer lies within something refused.
    pub(crate) fn is_filtered(&self, agent: u32, framework: u32, role: u32, offer: &Resources) -> bool {
        let filters = &self.agents[agent].filters;
        if filters.is_empty() {
            return false;
        }
        filters
            .get(&(framework, role))
            .is_some_and(|all| all.iter().any(|filter| filter.refused.contains(offer)))
    }

    /// Until when an offer lies within something refused.
    pub(crate) fn refused_until(
        &self,
        agent: u32,
        framework: u32,
        role: u32,
        offer: &Resources,
    ) -> Option<Time> {
        let filters = self.agents[agent].filters.get(&(framework, role))?;
        let refusals = filters.iter().filter(|filter| filter.refused.contains(offer));
        refusals.map(|filter| filter.until).max()
    }

    /// Remembers a refusal.
    pub(crate) fn add_filter(&mut self, agent: u32, framework: u32, role: u32, filter: Filter) {
        let key = (framework, role);
        let all = self.agents[agent].filters.entry(key).or_default();
        if all
            .iter()
            .any(|other| other.until >= filter.until && other.refused.contains(&filter.refused))
        {
            return;
        }
        let before = all.len();
        let expiries = &mut self.expiries;
        all.retain(|other| {
            let covered = other.until <= filter.until && filter.refused.contains(&other.refused);
            if covered {
                expiries.remove(&(other.until, agent, framework, role));
            }
            !covered
        });
        if all.len() >= MAX_REFUSALS
            && let Some(first) = (0..all.len()).min_by_key(|at| all[*at].until)
        {
            let gone = all.remove(first);
            expiries.remove(&(gone.until, agent, framework, role));
        }
        // Two refusals of one key that end together share one expiry, which may just have been removed.
        expiries.extend(all.iter().map(|other| (other.until, agent, framework, role)));
        expiries.insert((filter.until, agent, framework, role));
        all.push(filter);
        if before == 0 {
            self.frameworks[framework]
                .filtered
                .entry(role)
                .or_default()
                .insert(agent);
            self.roles.node_mut(role).filters += 1;
        }
    }

    /// Drops the refusals that have ended; their agents are visited again.
    pub(crate) fn expire_filters(&mut self, now: Time) {
        while let Some(&(until, agent, framework, role)) = self.expiries.first() {
            if until > now {
                return;
            }
            self.expiries.pop_first();
            if let Some(all) = self.agents[agent].filters.get_mut(&(framework, role)) {
                all.retain(|filter| filter.until > now);
                if all.is_empty() {
                    self.drop_filters(agent, framework, role);
                }
            }
            self.marks.prompt_for(agent, role, framework, now);
        }
    }

    /// Drops all refusals of one framework, role and agent.
    pub(crate) fn drop_filters(&mut self, agent: u32, framework: u32, role: u32) {
        let Some(all) = self.agents[agent].filters.remove(&(framework, role)) else {
            return;
        };
        for filter in all {
            self.expiries.remove(&(filter.until, agent, framework, role));
        }
        if let Entry::Occupied(mut entry) = self.frameworks[framework].filtered.entry(role) {
            entry.get_mut().remove(&agent);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        self.roles.node_mut(role).filters -= 1;
    }

    /// Drops all refusals of a framework in a role. Returns whether there were any.
    pub(crate) fn drop_role_filters(&mut self, framework: u32, role: u32) -> bool {
        let Some(agents) = self.frameworks[framework].filtered.get(&role).cloned() else {
            return false;
        };
        for agent in agents {
            self.drop_filters(agent, framework, role);
        }
        true
    }

    /// Drops all refusals of a framework.
    pub(crate) fn drop_framework_filters(&mut self, framework: u32) {
        let roles: Vec<u32> = self.frameworks[framework].filtered.keys().copied().collect();
        for role in roles {
            self.drop_role_filters(framework, role);
        }
    }

    /// Drops all refusals of an agent.
    pub(crate) fn drop_agent_filters(&mut self, agent: u32) {
        let mut keys: Vec<(u32, u32)> = self.agents[agent].filters.keys().copied().collect();
        keys.sort_unstable();
        for (framework, role) in keys {
            self.drop_filters(agent, framework, role);
        }
    }
}
