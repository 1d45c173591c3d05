//! Why a framework gets what it gets: what no scheduler of this family tells.

use super::allocator::Allocator;
use super::run::{Stage, is_allocatable, is_quota_part};
use crate::{AgentId, FrameworkId};
use process::Time;
use resources::{Limits, Quantities, Resources, Scalar};
use std::collections::BTreeMap;

/// Why an agent is not offered to a framework in a role, in the order in which a run looks (facts: allocator.md §5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The agent is disconnected, deactivated or draining.
    AgentInactive,
    /// The agent's host is not on the whitelist.
    NotWhitelisted,
    /// The framework's offer constraints exclude it.
    Constraints,
    /// All of it is offered or allocated.
    NothingFree,
    /// What is free is reserved to other roles.
    ReservedToOthers,
    /// It has GPUs, and the framework lacks GPU_RESOURCES.
    Gpus,
    /// It is in another region, and the framework lacks REGION_AWARE.
    Region,
    /// The framework has MULTI_ROLE and the agent lacks it, or the role has a `/` and the agent lacks HIERARCHICAL_ROLE.
    AgentTooOld,
    /// What is free is only revocable, shared or refined, and the framework lacks the capability for it.
    Capabilities,
    /// Less is free than the minimum of an offer.
    TooSmall,
    /// The limit of the role's quota leaves less than the minimum of an offer.
    Limit,
    /// What is free is kept for guarantees of other roles.
    Headroom,
    /// The framework refused it until then.
    Refused(Time),
    /// Nothing: others come first as long as their share is lower.
    Available,
}

impl Reason {
    /// The name of the reason, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AgentInactive => "AGENT_INACTIVE",
            Self::NotWhitelisted => "NOT_WHITELISTED",
            Self::Constraints => "OFFER_CONSTRAINTS",
            Self::NothingFree => "NOTHING_FREE",
            Self::ReservedToOthers => "RESERVED_TO_OTHERS",
            Self::Gpus => "GPU_AGENT",
            Self::Region => "OTHER_REGION",
            Self::AgentTooOld => "AGENT_LACKS_CAPABILITY",
            Self::Capabilities => "FRAMEWORK_LACKS_CAPABILITY",
            Self::TooSmall => "TOO_SMALL",
            Self::Limit => "QUOTA_LIMIT",
            Self::Headroom => "QUOTA_HEADROOM",
            Self::Refused(_) => "REFUSED",
            Self::Available => "AVAILABLE",
        }
    }
}

/// A framework's chances in one of its roles.
#[derive(Clone, Debug, PartialEq)]
pub struct InRole {
    /// The role.
    pub role: String,
    /// The framework wants no offers in it.
    pub suppressed: bool,
    /// The weight of the role among its siblings.
    pub weight: f64,
    /// The dominant share of the role and those below it, divided by its weight.
    pub role_share: f64,
    /// The framework's dominant share within the role.
    pub framework_share: f64,
    /// How many roles are served before it, and how many want offers.
    pub place: Option<(usize, usize)>,
    /// How many frameworks of the role are served before it, and how many want offers.
    pub place_in_role: Option<(usize, usize)>,
    /// The top-level role that quota is counted for.
    pub quota_role: String,
    /// What the quota role is guaranteed.
    pub guarantees: Quantities,
    /// What the quota role may consume at most; a role below the top is not bound by it.
    pub limits: Limits,
    /// What the quota role and those below it consume.
    pub consumed: Quantities,
    /// Every agent, with the first reason that keeps it from this framework, in the order of their ids.
    pub agents: Vec<(AgentId, Reason)>,
}

impl InRole {
    /// How many agents there are for each reason.
    pub fn summary(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (_, reason) in &self.agents {
            *counts.entry(reason.name()).or_insert(0) += 1;
        }
        counts
    }
}

/// Why a framework gets what it gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// It is subscribed and connected; otherwise it gets nothing.
    pub active: bool,
    /// Until when nobody gets offers, since after a failover too few agents are known.
    pub held_until: Option<Time>,
    /// What must stay free for guarantees that are not met yet.
    pub required_headroom: Quantities,
    /// What is free, unreserved and nonrevocable on all agents.
    pub available_headroom: Quantities,
    /// By role, in the order of their names.
    pub roles: Vec<InRole>,
}

impl Allocator {
    /// Says why a framework gets what it gets; `None` when it did not subscribe. Work proportional to roles × agents;
    /// nothing changes by it.
    pub fn explain(&self, id: &FrameworkId) -> Option<Explanation> {
        let fx = *self.framework_ids.get(id)?;
        let framework = &self.frameworks[fx];
        if !framework.known {
            return None;
        }
        let roles = framework.options.roles.iter();
        Some(Explanation {
            active: framework.active,
            held_until: self.hold.map(|(_, until)| until),
            required_headroom: self.quotas.required.clone(),
            available_headroom: self.quotas.headroom.clone(),
            roles: roles.filter_map(|role| self.explain_role(fx, role)).collect(),
        })
    }

    fn explain_role(&self, fx: u32, role: &str) -> Option<InRole> {
        let rx = self.roles.find(role)?;
        let node = self.roles.node(rx);
        let top = self.quotas.top(node.top);
        let mut agents: Vec<(AgentId, Reason)> = self
            .agents
            .iter()
            .map(|(ax, agent)| (agent.id.clone(), self.explain_agent(ax, rx, fx)))
            .collect();
        agents.sort_unstable();
        // Reading the orders may sort them anew: a copy is sorted instead.
        let mut orders = self.roles.clone();
        let (mut leaves, mut frameworks) = (Vec::new(), Vec::new());
        orders.leaves(usize::MAX, &mut leaves);
        orders.frameworks(rx, usize::MAX, &mut frameworks);
        let place = |order: &[u32], index| Some((order.iter().position(|at| *at == index)?, order.len()));
        Some(InRole {
            role: role.to_owned(),
            suppressed: self.frameworks[fx].options.suppressed.contains(role),
            weight: self.roles.weight(role),
            role_share: self.roles.share(rx),
            framework_share: self.roles.client_share(rx, fx),
            place: place(&leaves, rx),
            place_in_role: place(&frameworks, fx),
            quota_role: top.name.to_string(),
            guarantees: top.guarantees.clone(),
            limits: top.limits.clone(),
            consumed: top.consumed(),
            agents,
        })
    }

    fn explain_agent(&self, ax: u32, rx: u32, fx: u32) -> Reason {
        let agent = &self.agents[ax];
        let framework = &self.frameworks[fx];
        let role = &self.roles.node(rx).path;
        if !agent.active {
            return Reason::AgentInactive;
        }
        if !self.is_whitelisted(ax) {
            return Reason::NotWhitelisted;
        }
        let constraints = framework.options.constraints.as_ref();
        if constraints.is_some_and(|constraints| constraints.excludes(role, &agent.options)) {
            return Reason::Constraints;
        }
        if agent.free.is_empty() {
            return Reason::NothingFree;
        }
        let available = agent.free.allocatable_to(role);
        if available.is_empty() {
            return Reason::ReservedToOthers;
        }
        if !self.meets_minimum(rx, fx, &available) {
            return Reason::TooSmall;
        }
        let capabilities = framework.options.capabilities;
        if agent.has_gpus && self.config.filter_gpu_resources && !capabilities.gpu_resources {
            return Reason::Gpus;
        }
        if self.is_remote(ax) && !capabilities.region_aware {
            return Reason::Region;
        }
        if !self.may_have(ax, rx, fx) {
            return Reason::AgentTooOld;
        }
        let usable = self.strip(ax, fx, available);
        if !self.meets_minimum(rx, fx, &usable) {
            return Reason::Capabilities;
        }
        self.explain_offer(ax, rx, fx, &usable)
    }

    /// What quota leaves of what is usable, and whether that is refused.
    fn explain_offer(&self, ax: u32, rx: u32, fx: u32, usable: &Resources) -> Reason {
        let mut rng = self.rng.clone();
        let cut = self.cut(usable, rx, Stage::FairShare, &mut rng);
        let offer = cut.map_or_else(Resources::new, |cut| cut.resources);
        if self.meets_minimum(rx, fx, &offer) {
            return match self.refused_until(ax, fx, rx, &offer) {
                Some(until) => Reason::Refused(until),
                None => Reason::Available,
            };
        }
        let quota_part = usable.filter(is_quota_part);
        let top = self.quotas.top(self.roles.node(rx).top);
        let below_top = *top.name != *self.roles.node(rx).path;
        let left = top.limits.minus_floor(&top.consumed());
        let within: Resources = quota_part
            .iter()
            .filter(|entry| below_top || left.get(entry.name()).is_none_or(Scalar::is_positive))
            .cloned()
            .collect();
        if is_allocatable(&within, &[]) {
            Reason::Headroom
        } else {
            Reason::Limit
        }
    }
}
