//! The allocator itself: its parts, and what can be read from it.

use super::agent::Agent;
use super::frameworks::Framework;
use super::inverse::Inverse;
use super::marks::Marks;
use super::options::Config;
use super::quota::Quotas;
use super::roles::Roles;
use super::slab::Slab;
use crate::{AgentId, FrameworkId};
use process::Time;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use resources::{Limits, Quantities, Resources};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Who is offered what. See the crate's documentation for how it is driven.
///
/// Methods given an id that is not known have no effect, since an agent or a framework may go while a
/// message about it is on its way.
#[derive(Clone, Debug)]
pub struct Allocator {
    pub(crate) config: Config,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) frameworks: Slab<Framework>,
    pub(crate) framework_ids: FxHashMap<FrameworkId, u32>,
    pub(crate) agents: Slab<Agent>,
    pub(crate) agent_ids: FxHashMap<AgentId, u32>,
    pub(crate) roles: Roles,
    pub(crate) quotas: Quotas,
    pub(crate) marks: Marks,
    /// When, agent, framework, role.
    pub(crate) expiries: BTreeSet<(Time, u32, u32, u32)>,
    pub(crate) inverse: Inverse,
    pub(crate) whitelist: Option<BTreeSet<String>>,
    /// Scalars held by anybody, of all agents.
    pub(crate) held: Quantities,
    /// Frameworks with a minimum of their own: with them no agent is too small to look at.
    pub(crate) own_minimums: usize,
    /// Agents still to come, and when to go on without them.
    pub(crate) hold: Option<(usize, Time)>,
    /// Recoveries of what was not held.
    pub(crate) anomalies: u64,
}

impl Allocator {
    /// An allocator that knows no agent and no framework.
    pub fn new(config: Config) -> Self {
        let mut roles = Roles::default();
        roles.cluster.excluded.clone_from(&config.fair_sharing_excluded);
        Self {
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            config,
            frameworks: Slab::default(),
            framework_ids: FxHashMap::default(),
            agents: Slab::default(),
            agent_ids: FxHashMap::default(),
            roles,
            quotas: Quotas::default(),
            marks: Marks::default(),
            expiries: BTreeSet::new(),
            inverse: Inverse::default(),
            whitelist: None,
            held: Quantities::new(),
            own_minimums: 0,
            hold: None,
            anomalies: 0,
        }
    }

    /// When [`Allocator::allocate`] and then [`Allocator::inverse_offers`] should next be called; `None` = when something
    /// has changed.
    pub fn deadline(&self) -> Option<Time> {
        let expiry = self.expiries.first().map(|(at, ..)| *at);
        let run = [self.marks.deadline(), expiry, self.inverse.deadline()]
            .into_iter()
            .flatten()
            .min();
        match self.hold {
            Some((_, until)) => run.map(|run| run.max(until)),
            None => run,
        }
    }

    /// Makes no offers until `expected` agents are known, but at most until `until`: after a failover with
    /// quotas, since what is not known yet cannot be set aside.
    pub fn hold_for_recovery(&mut self, expected: usize, until: Time) {
        self.hold = (expected > 0).then_some((expected, until));
    }

    /// Scalars of all agents.
    pub fn totals(&self) -> &Quantities {
        &self.roles.cluster.totals
    }

    /// Scalars that frameworks hold, be it in offers or for tasks.
    pub fn offered_or_allocated(&self) -> &Quantities {
        &self.held
    }

    /// The dominant share of a role and those below it, divided by its weight.
    pub fn role_share(&self, role: &str) -> Option<f64> {
        self.roles.find(role).map(|index| self.roles.share(index))
    }

    /// How many (framework, agent) pairs have refusals in the role.
    pub fn active_filters(&self, role: &str) -> usize {
        self.roles
            .find(role)
            .map_or(0, |index| self.roles.node(index).filters)
    }

    /// What a top-level role and those below it consume: reservations and what is held unreserved.
    pub fn consumed(&self, role: &str) -> Quantities {
        self.quotas
            .find(role)
            .map_or_else(Quantities::new, |index| self.quotas.top(index).consumed())
    }

    /// What is reserved to a top-level role and those below it, on all agents.
    pub fn reserved(&self, role: &str) -> Quantities {
        self.quotas
            .find(role)
            .map_or_else(Quantities::new, |index| self.quotas.top(index).reserved.clone())
    }

    /// The guarantees and limits of a top-level role; `None` when it has neither.
    pub fn quota(&self, role: &str) -> Option<(&Quantities, &Limits)> {
        let top = self.quotas.find(role).map(|index| self.quotas.top(index))?;
        top.has_quota().then_some((&top.guarantees, &top.limits))
    }

    /// The guarantees of all roles together: what the overcommit check compares with
    /// [`Allocator::nonrevocable_total`].
    pub fn guarantees(&self) -> Quantities {
        let mut sum = Quantities::new();
        self.quotas.iter().for_each(|top| sum.add(&top.guarantees));
        sum
    }

    /// Nonrevocable scalars of all agents, deactivated ones included; O(agents).
    pub fn nonrevocable_total(&self) -> Quantities {
        let mut sum = Quantities::new();
        for (_, agent) in self.agents.iter() {
            let counted = agent.total.iter().filter(|entry| !entry.is_revocable());
            for entry in counted.filter(|entry| entry.is_scalar()) {
                sum.add_one(entry.name(), entry.value().quantity());
            }
        }
        sum
    }

    /// What of the agent nobody holds.
    pub fn free(&self, agent: &AgentId) -> Option<&Resources> {
        self.agent_ids.get(agent).map(|index| &self.agents[*index].free)
    }

    /// What the agent has in all.
    pub fn total(&self, agent: &AgentId) -> Option<&Resources> {
        self.agent_ids.get(agent).map(|index| &self.agents[*index].total)
    }

    /// What of the agent frameworks hold together, allocated to no role.
    pub fn allocated(&self, agent: &AgentId) -> Option<&Resources> {
        let index = self.agent_ids.get(agent)?;
        Some(&self.agents[*index].allocated)
    }

    /// What the framework holds on the agent.
    pub fn held(&self, framework: &FrameworkId, agent: &AgentId) -> Option<&Resources> {
        let framework = self.framework_ids.get(framework)?;
        self.agents[*self.agent_ids.get(agent)?].held.get(*framework)
    }
}
