//! A slow allocator, read off the rules: everything is counted anew for every decision, nothing is kept but what was
//! said. It decides one agent at a time, in the order in which the fast one visited them, so that chance is no difference.

use crate::wishes::Wishes;
use allocator::{AgentOptions, Config, FrameworkOptions};
use process::Time;
use resources::operation::Conversion;
use resources::{Entry, Limits, Quantities, Resources, Scalar, role};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The two stages of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Guarantees,
    FairShare,
}

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) framework: String,
    pub(crate) role: String,
    pub(crate) agent: String,
    /// Allocated to nobody.
    pub(crate) resources: Resources,
}

#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) options: AgentOptions,
    pub(crate) active: bool,
    pub(crate) total: Resources,
    /// By framework and role: until when, what.
    pub(crate) filters: BTreeMap<(String, String), Vec<(Time, Resources)>>,
    pub(crate) unavailable: bool,
    /// Frameworks that are asked to leave.
    pub(crate) asked: BTreeSet<String>,
    /// By framework: not to be asked before.
    pub(crate) not_asked: BTreeMap<String, Time>,
}

#[derive(Clone, Debug)]
pub(crate) struct Framework {
    pub(crate) known: bool,
    pub(crate) active: bool,
    pub(crate) options: FrameworkOptions,
    /// Its offer constraints, which are not read from the options.
    pub(crate) wishes: Wishes,
}

/// Agent, framework, role.
type Place = (String, String, String);

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) config: Config,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) frameworks: BTreeMap<String, Framework>,
    pub(crate) held: BTreeMap<Place, Resources>,
    pub(crate) weights: BTreeMap<String, f64>,
    pub(crate) quotas: BTreeMap<String, (Quantities, Limits)>,
    pub(crate) whitelist: Option<BTreeSet<String>>,
    /// How many agents are to be known before anybody gets offers, and until when at most.
    pub(crate) hold: Option<(usize, Time)>,
    /// Allocations counted: of a framework in a role, of a role by itself, of a role with all below it.
    pub(crate) client_events: BTreeMap<(String, String), u64>,
    pub(crate) own_events: BTreeMap<String, u64>,
    pub(crate) tree_events: BTreeMap<String, u64>,
}

fn is_quota_part(entry: &Entry) -> bool {
    entry.is_scalar() && entry.is_unreserved() && !entry.is_revocable()
}

fn is_below(path: &str, above: &str) -> bool {
    path == above || role::is_strict_subrole(path, above)
}

/// A place in an order.
type Key = (f64, u64, String);

fn sort<T>(keyed: &mut [(Key, T)]) {
    keyed.sort_by(|(a, _), (b, _)| {
        a.0.total_cmp(&b.0)
            .then(a.1.cmp(&b.1))
            .then_with(|| a.2.cmp(&b.2))
    });
}

impl Model {
    // What is said.

    pub(crate) fn is_subscribed(&self, framework: &str, role: &str) -> bool {
        let known = self.frameworks.get(framework);
        known.is_some_and(|known| known.known && known.options.roles.contains(role))
    }

    fn wants_offers(&self, framework: &str, role: &str) -> bool {
        self.is_subscribed(framework, role) && {
            let known = &self.frameworks[framework];
            known.active && !known.options.suppressed.contains(role)
        }
    }

    /// Roles that somebody subscribes to or holds something in, and those above them.
    fn roles(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for (_, role) in self.clients() {
            let mut at = Some(role.as_str());
            while let Some(path) = at {
                all.insert(path.to_owned());
                at = role::parent(path);
            }
        }
        all
    }

    /// Framework and role, of all that subscribe or hold something.
    fn clients(&self) -> BTreeSet<(String, String)> {
        let holding = self
            .held
            .keys()
            .map(|(_, framework, role)| (framework.clone(), role.clone()));
        let known = self.frameworks.iter().filter(|(_, framework)| framework.known);
        let subscribed = known.flat_map(|(id, framework)| {
            framework
                .options
                .roles
                .iter()
                .map(move |role| (id.clone(), role.clone()))
        });
        holding.chain(subscribed).collect()
    }

    /// Whoever is gone starts again with no allocations counted.
    pub(crate) fn prune(&mut self) {
        self.held.retain(|_, held| !held.is_empty());
        let (clients, roles) = (self.clients(), self.roles());
        self.client_events.retain(|client, _| clients.contains(client));
        self.own_events.retain(|role, _| roles.contains(role));
        self.tree_events.retain(|role, _| roles.contains(role));
        let holding: BTreeSet<String> = self
            .held
            .keys()
            .map(|(_, framework, _)| framework.clone())
            .collect();
        self.frameworks
            .retain(|id, framework| framework.known || holding.contains(id));
    }

    pub(crate) fn allocate(&mut self, agent: &str, framework: &str, role: &str, resources: &Resources) {
        let place = (agent.to_owned(), framework.to_owned(), role.to_owned());
        *self.held.entry(place).or_default() += resources;
        *self
            .client_events
            .entry((framework.to_owned(), role.to_owned()))
            .or_default() += 1;
        *self.own_events.entry(role.to_owned()).or_default() += 1;
        let mut at = Some(role);
        while let Some(path) = at {
            *self.tree_events.entry(path.to_owned()).or_default() += 1;
            at = role::parent(path);
        }
    }

    pub(crate) fn recover(
        &mut self,
        (agent, framework, role): (&str, &str, &str),
        resources: &Resources,
        refused: Option<Duration>,
        now: Time,
    ) {
        let place = (agent.to_owned(), framework.to_owned(), role.to_owned());
        if let Some(held) = self.held.get_mut(&place) {
            *held -= resources;
        }
        if let Some(time) = refused.filter(|time| !time.is_zero())
            && self.is_subscribed(framework, role)
        {
            let until = now + time.max(self.config.allocation_interval);
            let filters = &mut self.agents.get_mut(agent).unwrap().filters;
            let refusals = filters
                .entry((framework.to_owned(), role.to_owned()))
                .or_default();
            refusals.push((until, resources.clone()));
        }
        self.prune();
    }

    pub(crate) fn convert(
        &mut self,
        (agent, framework, role): (&str, &str, &str),
        conversion: &Conversion,
    ) -> bool {
        let place = (agent.to_owned(), framework.to_owned(), role.to_owned());
        let Some(held) = self.held.get(&place) else {
            return false;
        };
        let total = self.agents[agent].total.apply(conversion);
        let (Ok(held), Ok(total)) = (held.apply(conversion), total) else {
            return false;
        };
        self.held.insert(place, held);
        self.agents.get_mut(agent).unwrap().total = total;
        true
    }

    /// Whether nobody gets offers yet.
    pub(crate) fn is_held(&self, now: Time) -> bool {
        self.hold.is_some_and(|(_, until)| now < until)
    }

    /// An agent has been added.
    pub(crate) fn count_agents(&mut self) {
        let known = self.agents.len();
        self.hold = self.hold.filter(|(expected, _)| known < *expected);
    }

    pub(crate) fn expire(&mut self, now: Time) {
        for agent in self.agents.values_mut() {
            agent
                .filters
                .values_mut()
                .for_each(|refusals| refusals.retain(|(until, _)| *until > now));
            agent.filters.retain(|_, refusals| !refusals.is_empty());
            agent.not_asked.retain(|_, until| *until > now);
        }
    }

    pub(crate) fn drop_filters(&mut self, framework: &str, role: Option<&str>) {
        for agent in self.agents.values_mut() {
            agent
                .filters
                .retain(|(by, of), _| by != framework || role.is_some_and(|role| role != of));
        }
    }

    // What follows.

    /// What all frameworks, or those that count, hold on an agent.
    fn held_on(&self, agent: &str, counts: impl Fn(&str, &str) -> bool) -> Resources {
        let there = self
            .held
            .iter()
            .filter(|((at, framework, role), _)| at == agent && counts(framework, role));
        there.fold(Resources::new(), |sum, (_, held)| sum + held)
    }

    pub(crate) fn free(&self, agent: &str) -> Resources {
        let known = &self.agents[agent];
        &known.total - &self.held_on(agent, |_, _| true).nonshared()
    }

    pub(crate) fn totals(&self) -> Quantities {
        let mut sum = Quantities::new();
        for agent in self.agents.values() {
            sum.add(&Quantities::scalars(&agent.total));
        }
        sum
    }

    /// Scalars held; something shared counts once on each agent.
    fn allocation(&self, counts: impl Fn(&str, &str) -> bool) -> Quantities {
        let mut sum = Quantities::new();
        for agent in self.agents.keys() {
            sum.add(&Quantities::scalars(&self.held_on(agent, &counts)));
        }
        sum
    }

    fn share(&self, allocation: &Quantities, weight: f64) -> f64 {
        let totals = self.totals();
        let mut most = 0.0f64;
        for (name, total) in totals.iter() {
            let amount = allocation.get(name);
            if total.is_positive() && amount.is_positive() {
                most = most.max(amount.as_f64() / total.as_f64());
            }
        }
        most / weight
    }

    pub(crate) fn role_share(&self, path: &str) -> f64 {
        let weight = self.weights.get(path).copied().unwrap_or(1.0);
        self.share(&self.allocation(|_, role| is_below(role, path)), weight)
    }

    /// Active roles, in the order in which they are served.
    fn role_order(&self) -> Vec<String> {
        let active: BTreeSet<String> = self
            .clients()
            .into_iter()
            .filter(|(framework, role)| self.wants_offers(framework, role))
            .map(|(_, role)| role)
            .collect();
        let mut order = Vec::new();
        self.descend(None, &active, &mut order);
        order
    }

    fn descend(&self, at: Option<&str>, active: &BTreeSet<String>, order: &mut Vec<String>) {
        let mut members: Vec<(Key, String)> = Vec::new();
        for path in self.roles() {
            if role::parent(&path) == at && active.iter().any(|leaf| is_below(leaf, &path)) {
                let events = self.tree_events.get(&path).copied().unwrap_or(0);
                members.push(((self.role_share(&path), events, path.clone()), path));
            }
        }
        if let Some(path) = at.filter(|path| active.contains(*path)) {
            let own = self.share(&self.allocation(|_, role| role == path), 1.0);
            let events = self.own_events.get(path).copied().unwrap_or(0);
            members.push(((own, events, format!("{path}/.")), path.to_owned()));
        }
        sort(&mut members);
        for (_, member) in members {
            if at == Some(member.as_str()) {
                order.push(member);
            } else {
                self.descend(Some(&member), active, order);
            }
        }
    }

    fn framework_order(&self, role: &str) -> Vec<String> {
        let mut members = Vec::new();
        for id in self.frameworks.keys().filter(|id| self.wants_offers(id, role)) {
            let allocation = self.allocation(|framework, of| framework == id && of == role);
            let events = self.client_events.get(&(id.clone(), role.to_owned()));
            let key = (
                self.share(&allocation, 1.0),
                events.copied().unwrap_or(0),
                id.clone(),
            );
            members.push((key, id.clone()));
        }
        sort(&mut members);
        members.into_iter().map(|(_, id)| id).collect()
    }

    // Quota.

    pub(crate) fn consumed(&self, top: &str) -> Quantities {
        let mut sum = Quantities::new();
        for agent in self.agents.values() {
            for entry in agent.total.iter() {
                if entry
                    .reserved_role()
                    .is_some_and(|reserved| is_below(reserved, top))
                {
                    sum.add_one(entry.name(), entry.value().quantity());
                }
            }
        }
        for ((_, _, role), held) in &self.held {
            if is_below(role, top) {
                sum.add(&Quantities::scalars(&held.filter(is_quota_part)));
            }
        }
        sum
    }

    fn owed(&self, top: &str) -> Quantities {
        let guarantees = self.quotas.get(top).map(|quota| quota.0.clone());
        guarantees.unwrap_or_default().minus_floor(&self.consumed(top))
    }

    fn required_headroom(&self) -> Quantities {
        let mut sum = Quantities::new();
        self.quotas.keys().for_each(|top| sum.add(&self.owed(top)));
        sum
    }

    fn available_headroom(&self) -> Quantities {
        let mut sum = Quantities::new();
        for id in self.agents.keys() {
            sum.add(&Quantities::scalars(&self.free(id).filter(is_quota_part)));
        }
        sum
    }

    /// What quota lets a role have beyond its guarantee.
    fn extra(&self, extra: &Resources, guaranteed: &Quantities, role: &str) -> Resources {
        let mut extra = extra.clone();
        if let Some((_, limits)) = self.quotas.get(role) {
            let left = limits.minus_floor(&self.consumed(role)).minus_floor(guaranteed);
            extra = shrink(&extra, |entry| left.get(entry.name()));
        }
        let required = self.required_headroom();
        if !required.is_empty() {
            let left = self.available_headroom().minus_floor(&required);
            extra = shrink(&extra, |entry| Some(left.get(entry.name())));
        }
        extra
    }

    // A run.

    /// Whether this may be decided next in a stage, and if so decides it: with a random order anybody may be next.
    pub(crate) fn permit(&mut self, next: &Decision, stage: Stage, shown: &mut Resources) -> bool {
        let (id, role, framework) = (next.agent.as_str(), next.role.as_str(), next.framework.as_str());
        let owed = !self.owed(role).is_empty();
        if !self.is_offered(id) || !self.wants_offers(framework, role) || stage == Stage::Guarantees && !owed
        {
            return false;
        }
        let free = self.free(id).allocatable_to(role);
        let available = free.filter(|entry| !entry.is_shared() || !shown.contains_entry(entry));
        if self.decide(id, role, framework, stage, &available).as_ref() != Some(&next.resources) {
            return false;
        }
        *shown += &next.resources.shared();
        self.allocate(id, framework, role, &next.resources);
        true
    }

    /// Whether the agent is active and listed.
    fn is_offered(&self, id: &str) -> bool {
        let agent = &self.agents[id];
        let listed = self.whitelist.as_ref();
        agent.active && listed.is_none_or(|hosts| hosts.contains(&agent.options.hostname))
    }

    /// What one agent gives in one stage. `shown`: shared resources that this run offered already.
    pub(crate) fn visit(&mut self, id: &str, stage: Stage, shown: &mut Resources) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if !self.is_offered(id) {
            return decisions;
        }
        for role in self.role_order() {
            let guaranteed = self.quotas.get(&role).is_some_and(|quota| !quota.0.is_empty());
            if stage == Stage::Guarantees && (!guaranteed || self.owed(&role).is_empty()) {
                continue;
            }
            for framework in self.framework_order(&role) {
                if stage == Stage::Guarantees && self.owed(&role).is_empty() {
                    break;
                }
                let free = self.free(id).allocatable_to(&role);
                let available = free.filter(|entry| !entry.is_shared() || !shown.contains_entry(entry));
                if available.is_empty() {
                    break;
                }
                let Some(resources) = self.decide(id, &role, &framework, stage, &available) else {
                    continue;
                };
                *shown += &resources.shared();
                self.allocate(id, &framework, &role, &resources);
                decisions.push(Decision {
                    framework,
                    role: role.clone(),
                    agent: id.to_owned(),
                    resources,
                });
            }
        }
        decisions
    }

    fn decide(
        &self,
        id: &str,
        role: &str,
        framework: &str,
        stage: Stage,
        available: &Resources,
    ) -> Option<Resources> {
        let (agent, options) = (&self.agents[id], &self.frameworks[framework].options);
        if self.frameworks[framework].wishes.exclude(role, &agent.options) {
            return None;
        }
        let can = options.capabilities;
        let minimum = options
            .min_allocatable
            .get(role)
            .unwrap_or(&self.config.min_allocatable);
        if !is_enough(available, minimum) {
            return None;
        }
        if agent.total.gpus().is_positive() && self.config.filter_gpu_resources && !can.gpu_resources {
            return None;
        }
        let remote = match (&self.config.region, &agent.options.region) {
            (Some(mine), Some(other)) => mine != other,
            _ => false,
        };
        if remote && !can.region_aware {
            return None;
        }
        let usable = available.filter(|entry| {
            (can.shared_resources || !entry.is_shared())
                && (can.revocable_resources || !entry.is_revocable())
                && (can.reservation_refinement || entry.reservations().len() < 2)
        });
        let offer = self.amounts(&usable, role, stage)?;
        if !is_enough(&offer, minimum) {
            return None;
        }
        let too_old = can.multi_role && !agent.options.multi_role
            || role.contains('/') && !agent.options.hierarchical_role;
        let refusals = agent.filters.get(&(framework.to_owned(), role.to_owned()));
        let refused = refusals.is_some_and(|all| all.iter().any(|(_, refused)| refused.contains(&offer)));
        (!too_old && !refused).then_some(offer)
    }

    fn amounts(&self, usable: &Resources, role: &str, stage: Stage) -> Option<Resources> {
        let quota_part = usable.filter(is_quota_part);
        let rest = usable.filter(|entry| !is_quota_part(entry));
        match stage {
            Stage::FairShare => Some(rest + &self.extra(&quota_part, &Quantities::new(), role)),
            Stage::Guarantees => {
                let owed = self.owed(role);
                let guaranteed = shrink(&quota_part, |entry| Some(owed.get(entry.name())));
                if guaranteed.is_empty() {
                    return None;
                }
                let rest = rest.filter(|entry| {
                    !entry.is_scalar() || entry.is_revocable() || entry.reserved_role() == Some(role)
                });
                let beyond = &quota_part - &guaranteed;
                let extra = self.extra(&beyond, &Quantities::scalars(&guaranteed), role);
                Some(rest + &guaranteed + &extra)
            }
        }
    }

    /// Whom an agent's next run asks to leave.
    pub(crate) fn to_ask(&self, id: &str) -> BTreeSet<String> {
        let agent = &self.agents[id];
        if !agent.unavailable {
            return BTreeSet::new();
        }
        let holding = self
            .held
            .keys()
            .filter(|(at, _, _)| at == id)
            .map(|(_, framework, _)| framework);
        holding
            .filter(|framework| self.frameworks[*framework].active)
            .filter(|framework| {
                !agent.asked.contains(*framework) && !agent.not_asked.contains_key(*framework)
            })
            .cloned()
            .collect()
    }
}

/// No name is there twice, so one pass in any order is right.
fn shrink(resources: &Resources, left: impl Fn(&Entry) -> Option<Scalar>) -> Resources {
    let mut kept = Resources::new();
    for entry in resources.iter() {
        let amount = entry.value().quantity();
        match left(entry) {
            Some(left) if left < amount => {
                if left.is_positive() && entry.is_divisible() {
                    kept.add_entry(&entry.with_value(resources::Value::Scalar(left)));
                }
            }
            _ => kept.add_entry(entry),
        }
    }
    kept
}

fn is_enough(offer: &Resources, sets: &[Quantities]) -> bool {
    let amounts = Quantities::of(offer);
    !offer.is_empty() && (sets.is_empty() || sets.iter().any(|set| amounts.contains(set)))
}
