//! Why a framework gets what it gets: what no scheduler of this family tells.

use super::allocator::Allocator;
use super::options::Sorter;
use super::roles::Roles;
use super::run::{Stage, is_allocatable, is_quota_part};
use crate::{AgentId, FrameworkId};
use process::Time;
use resources::{Limits, Quantities, Resources, Scalar};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why an agent is not offered to a framework in a role, in the order in which a run looks (facts: allocator.md §5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The agent is disconnected, deactivated or draining; the caller knows which.
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

/// How many of those that are served earlier are named.
const NAMED_AHEAD: usize = 3;

/// One agent, as a framework stands to it in one role.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The agent.
    pub agent: AgentId,
    /// The first reason that keeps it from the framework.
    pub reason: Reason,
    /// What nobody holds.
    pub free: Resources,
    /// What of that the role may use: unreserved, or reserved to it or to a role above.
    pub available: Resources,
    /// What of that the framework could be offered, given its capabilities and the quotas. Empty when the reason is an
    /// earlier one.
    pub offerable: Resources,
    /// What the framework holds there in any role, in offers and for tasks.
    pub held: Resources,
}

/// A place in an order: how many are served before, and how many want offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Place<T> {
    /// How many are served before; 0 = the first.
    pub before: usize,
    /// How many there are.
    pub of: usize,
    /// The first three of those before, with their shares.
    pub ahead: Vec<(T, f64)>,
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
    /// Its role among all roles in which offers are wanted; none when nobody wants any in it, or at random.
    pub place: Option<Place<Arc<str>>>,
    /// Among the frameworks of the role; none when it wants no offers, or at random.
    pub place_in_role: Option<Place<FrameworkId>>,
    /// Amounts of which any is enough to make an offer; none at all = no minimum.
    pub minimum: Vec<Quantities>,
    /// The top-level role that quota is counted for.
    pub quota_role: String,
    /// What the quota role is guaranteed.
    pub guarantees: Quantities,
    /// What the quota role may consume at most; a role below the top is not bound by it.
    pub limits: Limits,
    /// What the quota role and those below it consume.
    pub consumed: Quantities,
    /// Every agent, in the order of their ids.
    pub agents: Vec<Look>,
}

impl InRole {
    /// How many agents there are for each reason.
    pub fn summary(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for look in &self.agents {
            *counts.entry(look.reason.name()).or_insert(0) += 1;
        }
        counts
    }
}

/// Why a framework gets what it gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// It is subscribed and connected; otherwise it gets nothing.
    pub active: bool,
    /// Its roles, as far as asked for, in the order of their names.
    pub roles: Vec<InRole>,
}

/// What keeps offers from everybody, or may: the same for all frameworks.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// How many agents are to be known before anybody gets offers, and until when at most: after a failover with quotas.
    pub hold: Option<(usize, Time)>,
    /// How many agents are known, active or not.
    pub agents: usize,
    /// What one framework in one role costs to explain: the most of agents, roles in which offers are wanted, and
    /// frameworks of one role.
    pub breadth: usize,
    /// What must stay free for guarantees that are not met yet.
    pub required_headroom: Quantities,
    /// What is free, unreserved and nonrevocable on all agents.
    pub available_headroom: Quantities,
}

/// Explains the allocator's decisions of one moment; see [`Allocator::explainer`].
#[derive(Debug)]
pub struct Explainer<'a> {
    allocator: &'a Allocator,
    /// Reading the orders may sort them anew: a copy is sorted instead.
    orders: Roles,
    leaves: Vec<u32>,
}

impl Allocator {
    /// What explains this moment's decisions; O(roles). Nothing changes by it.
    pub fn explainer(&self) -> Explainer<'_> {
        let mut orders = self.roles.clone();
        let mut leaves = Vec::new();
        orders.leaves(usize::MAX, &mut leaves);
        Explainer {
            allocator: self,
            orders,
            leaves,
        }
    }
}

impl Explainer<'_> {
    /// What keeps offers from everybody; O(roles).
    pub fn outlook(&self) -> Outlook {
        let quotas = &self.allocator.quotas;
        let agents = self.allocator.agent_ids.len();
        let frameworks = self.orders.iter().map(|(_, role)| role.clients.len()).max();
        Outlook {
            hold: self.allocator.hold,
            agents,
            breadth: agents.max(self.leaves.len()).max(frameworks.unwrap_or(0)),
            required_headroom: quotas.required.clone(),
            available_headroom: quotas.headroom.clone(),
        }
    }

    /// The frameworks that subscribe to a role: those that want offers as they are served, then the others by id.
    pub fn frameworks_of(&mut self, role: &str) -> Vec<FrameworkId> {
        let Some(rx) = self.orders.find(role) else {
            return Vec::new();
        };
        let mut order = Vec::new();
        self.orders.frameworks(rx, usize::MAX, &mut order);
        let listed: BTreeSet<u32> = order.iter().copied().collect();
        let clients = self.orders.node(rx).clients.iter();
        let mut others: Vec<(&str, u32)> = clients
            .filter(|(fx, client)| client.subscribed && !listed.contains(fx))
            .map(|(fx, client)| (&*client.id, *fx))
            .collect();
        others.sort_unstable();
        order.extend(others.into_iter().map(|(_, fx)| fx));
        let frameworks = &self.allocator.frameworks;
        order.into_iter().map(|fx| frameworks[fx].id.clone()).collect()
    }

    /// The roles that a framework subscribes to; none when it did not subscribe.
    pub fn roles_of(&self, id: &FrameworkId) -> Vec<String> {
        let known = self
            .find(id)
            .map(|fx| &self.allocator.frameworks[fx].options.roles);
        known.into_iter().flatten().cloned().collect()
    }

    /// Says why a framework gets what it gets in those of its roles that `wanted` picks; none when it did not
    /// subscribe. Work proportional to roles × agents.
    pub fn framework(&mut self, id: &FrameworkId, wanted: impl Fn(&str) -> bool) -> Option<Explanation> {
        let fx = self.find(id)?;
        let framework = &self.allocator.frameworks[fx];
        let roles: Vec<&String> = framework
            .options
            .roles
            .iter()
            .filter(|role| wanted(role))
            .collect();
        Some(Explanation {
            active: framework.active,
            roles: roles.into_iter().filter_map(|role| self.role(fx, role)).collect(),
        })
    }

    fn find(&self, id: &FrameworkId) -> Option<u32> {
        let fx = *self.allocator.framework_ids.get(id)?;
        self.allocator.frameworks[fx].known.then_some(fx)
    }

    fn role(&mut self, fx: u32, role: &str) -> Option<InRole> {
        let allocator = self.allocator;
        let rx = allocator.roles.find(role)?;
        let top = allocator.quotas.top(allocator.roles.node(rx).top);
        let framework = &allocator.frameworks[fx];
        let agents = allocator.agents.iter();
        let mut agents: Vec<Look> = agents.map(|(ax, _)| allocator.look(ax, rx, fx)).collect();
        agents.sort_unstable_by(|one, other| one.agent.cmp(&other.agent));
        let own_minimum = framework.options.min_allocatable.get(role);
        Some(InRole {
            role: role.to_owned(),
            suppressed: framework.options.suppressed.contains(role),
            weight: allocator.roles.weight(role),
            role_share: allocator.roles.share(rx),
            framework_share: allocator.roles.client_share(rx, fx),
            place: self.place(rx),
            place_in_role: self.place_in_role(rx, fx),
            minimum: own_minimum.unwrap_or(&allocator.config.min_allocatable).clone(),
            quota_role: top.name.to_string(),
            guarantees: top.guarantees.clone(),
            limits: top.limits.clone(),
            consumed: top.consumed(),
            agents,
        })
    }

    fn place(&self, rx: u32) -> Option<Place<Arc<str>>> {
        if self.allocator.config.role_sorter == Sorter::Random {
            return None;
        }
        let named = |at: u32| (Arc::clone(&self.orders.node(at).path), self.orders.share(at));
        place(&self.leaves, rx, named)
    }

    fn place_in_role(&mut self, rx: u32, fx: u32) -> Option<Place<FrameworkId>> {
        if self.allocator.config.framework_sorter == Sorter::Random {
            return None;
        }
        let mut order = Vec::new();
        self.orders.frameworks(rx, usize::MAX, &mut order);
        let frameworks = &self.allocator.frameworks;
        let named = |at: u32| (frameworks[at].id.clone(), self.orders.client_share(rx, at));
        place(&order, fx, named)
    }
}

fn place<T>(order: &[u32], index: u32, named: impl Fn(u32) -> (T, f64)) -> Option<Place<T>> {
    let before = order.iter().position(|at| *at == index)?;
    Some(Place {
        before,
        of: order.len(),
        ahead: order
            .iter()
            .take(before.min(NAMED_AHEAD))
            .map(|at| named(*at))
            .collect(),
    })
}

impl Allocator {
    fn look(&self, ax: u32, rx: u32, fx: u32) -> Look {
        let agent = &self.agents[ax];
        let available = agent.free.allocatable_to(&self.roles.node(rx).path);
        let (reason, offerable) = match self.obstacle(ax, rx, fx, &available) {
            Some(reason) => (reason, Resources::new()),
            None => self.chance(ax, rx, fx, available.clone()),
        };
        Look {
            agent: agent.id.clone(),
            reason,
            free: agent.free.clone(),
            available,
            offerable,
            held: agent.held.get(fx).cloned().unwrap_or_default(),
        }
    }

    /// What does not depend on what the framework can deal with of what is free, nor on quota.
    fn obstacle(&self, ax: u32, rx: u32, fx: u32, available: &Resources) -> Option<Reason> {
        let agent = &self.agents[ax];
        let framework = &self.frameworks[fx];
        let constraints = framework.options.constraints.as_ref();
        let capabilities = framework.options.capabilities;
        let role = &self.roles.node(rx).path;
        let obstacles = [
            (!agent.active, Reason::AgentInactive),
            (!self.is_whitelisted(ax), Reason::NotWhitelisted),
            (
                constraints.is_some_and(|constraints| constraints.excludes(role, &agent.options)),
                Reason::Constraints,
            ),
            (agent.free.is_empty(), Reason::NothingFree),
            (available.is_empty(), Reason::ReservedToOthers),
            (!self.meets_minimum(rx, fx, available), Reason::TooSmall),
            (
                agent.has_gpus && self.config.filter_gpu_resources && !capabilities.gpu_resources,
                Reason::Gpus,
            ),
            (self.is_remote(ax) && !capabilities.region_aware, Reason::Region),
            (!self.may_have(ax, rx, fx), Reason::AgentTooOld),
        ];
        let mut found = obstacles.into_iter();
        found.find_map(|(there, reason)| there.then_some(reason))
    }

    /// What capabilities and quota leave of what is available, and whether that is refused.
    fn chance(&self, ax: u32, rx: u32, fx: u32, available: Resources) -> (Reason, Resources) {
        let usable = self.strip(ax, fx, available);
        if !self.meets_minimum(rx, fx, &usable) {
            return (Reason::Capabilities, usable);
        }
        let mut rng = self.rng.clone();
        let cut = self.cut(&usable, rx, Stage::FairShare, &mut rng);
        let offer = cut.map_or_else(Resources::new, |cut| cut.resources);
        let reason = if !self.meets_minimum(rx, fx, &offer) {
            self.quota_reason(rx, &usable)
        } else if let Some(until) = self.refused_until(ax, fx, rx, &offer) {
            Reason::Refused(until)
        } else {
            Reason::Available
        };
        (reason, offer)
    }

    /// Whether it is the role's limit or what others are owed that leaves too little of what is usable.
    fn quota_reason(&self, rx: u32, usable: &Resources) -> Reason {
        let top = self.quotas.top(self.roles.node(rx).top);
        let below_top = *top.name != *self.roles.node(rx).path;
        let left = top.limits.minus_floor(&top.consumed());
        let within = usable.filter(|entry| {
            is_quota_part(entry) && (below_top || left.get(entry.name()).is_none_or(Scalar::is_positive))
        });
        if is_allocatable(&within, &[]) {
            Reason::Headroom
        } else {
            Reason::Limit
        }
    }
}
