//! One allocation run.

use super::allocator::Allocator;
use super::marks::Seekers;
use super::offered::Offered;
use super::options::{FrameworkOptions, Sorter};
use super::shrink::shrink;
use process::Time;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use resources::{Entry, Quantities, Resources};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many of an order are looked at before all of it is: mostly the first takes everything.
const FIRST_LOOK: usize = 4;

/// The two passes over the agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Guarantees that are not met yet.
    Guarantees,
    /// Everything else, by share.
    FairShare,
}

/// What a run has done so far.
#[derive(Debug, Default)]
struct Run {
    offers: Vec<Offered>,
    /// Shared resources are offered once per run and agent.
    shared: BTreeMap<u32, Resources>,
    /// Places in the orders that are out of date until the visit ends.
    charged: Vec<(u32, u32)>,
    roles: Vec<u32>,
    frameworks: Vec<u32>,
}

/// What a visit offers one framework.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) resources: Resources,
    /// Something was kept back for a quota.
    limited: bool,
}

impl Allocator {
    /// Decides who is offered what. Only agents about which something changed are visited, at most
    /// [`crate::Config::agents_per_run`] of them; [`Allocator::deadline`] is then now.
    pub fn allocate(&mut self, now: Time) -> Vec<Offered> {
        self.expire_filters(now);
        if self.hold.is_some_and(|(_, until)| now < until) {
            return Vec::new();
        }
        self.hold = None;
        let mut due = self.marks.take_due(now);
        due.retain(|(ax, _)| self.is_offerable(*ax));
        if due.is_empty() {
            return Vec::new();
        }
        due.shuffle(&mut self.rng);
        let rest = due.split_off(due.len().min(self.config.agents_per_run.max(1)));
        self.marks.put_back(rest, now);
        let mut run = Run {
            offers: Vec::with_capacity(due.len()),
            ..Run::default()
        };
        let required = self.quotas.required.clone();
        if !self.quotas.required.is_empty() {
            for (ax, wanted) in &due {
                self.visit(*ax, wanted.as_deref(), Stage::Guarantees, &mut run);
            }
            due.shuffle(&mut self.rng);
        }
        for (ax, wanted) in &due {
            self.visit(*ax, wanted.as_deref(), Stage::FairShare, &mut run);
        }
        if self.quotas.required != required {
            // This run gave some of what was kept back for it: the rest is free for the next.
            self.marks.wake_limited(now, self.config.allocation_interval);
        }
        run.offers
    }

    /// Offers what can be offered of one agent, to anybody or to those wanted.
    fn visit(&mut self, ax: u32, wanted: Option<&Seekers>, stage: Stage, run: &mut Run) {
        if !self.worth_a_visit(ax, stage) {
            return;
        }
        let mut looked = 0;
        let mut limit = FIRST_LOOK;
        loop {
            let mut roles = std::mem::take(&mut run.roles);
            if stage == Stage::Guarantees && wanted.is_none() && self.config.role_sorter == Sorter::Drf {
                let quotas = &self.quotas;
                let owing = |top| !quotas.top(top).owed().is_empty();
                self.roles.top_leaves(limit, owing, &mut roles);
            } else {
                self.list_roles(wanted, limit, &mut roles);
            }
            let known = roles.len();
            let go_on = roles
                .iter()
                .skip(looked)
                .all(|rx| self.visit_role(ax, *rx, wanted, stage, run));
            run.roles = roles;
            if !go_on || known < limit {
                break;
            }
            looked = known;
            limit = self.further(self.config.role_sorter, limit);
        }
        for (rx, fx) in run.charged.drain(..) {
            self.roles.relist(rx, fx);
        }
    }

    /// How many to list after `limit` of them got nothing. A random order must not be drawn again, so its first look is
    /// complete.
    fn further(&self, sorter: Sorter, limit: usize) -> usize {
        match sorter {
            Sorter::Drf => limit.saturating_mul(8),
            Sorter::Random => usize::MAX,
        }
    }

    fn worth_a_visit(&self, ax: u32, stage: Stage) -> bool {
        let agent = &self.agents[ax];
        if stage == Stage::Guarantees && (agent.quota_free.is_empty() || self.quotas.required.is_empty()) {
            return false;
        }
        !agent.free.is_empty()
            && (self.own_minimums > 0 || is_allocatable(&agent.free, &self.config.min_allocatable))
    }

    fn list_roles(&mut self, wanted: Option<&Seekers>, limit: usize, out: &mut Vec<u32>) {
        if let Some(wanted) = wanted {
            let (first, last) = (wanted.first(), wanted.last());
            if let (Some(&(rx, _)), Some(&(other, _))) = (first, last)
                && rx == other
            {
                out.clear();
                out.extend(self.roles.is_active(rx).then_some(rx));
                return;
            }
        }
        let limit = if wanted.is_some() { usize::MAX } else { limit };
        match self.config.role_sorter {
            Sorter::Drf => self.roles.leaves(limit, out),
            Sorter::Random => self.roles.leaves_at_random(&mut self.rng, out),
        }
        if let Some(wanted) = wanted {
            out.retain(|rx| wanted.range((*rx, 0)..=(*rx, u32::MAX)).next().is_some());
        }
    }

    fn list_frameworks(&mut self, rx: u32, wanted: Option<&Seekers>, limit: usize, out: &mut Vec<u32>) {
        match self.config.framework_sorter {
            Sorter::Drf => match wanted {
                Some(wanted) => self.roles.wanted_frameworks(rx, wanted, out),
                None => self.roles.frameworks(rx, limit, out),
            },
            Sorter::Random => {
                self.roles.frameworks_at_random(rx, &mut self.rng, out);
                if let Some(wanted) = wanted {
                    out.retain(|fx| wanted.contains(&(rx, *fx)));
                }
            }
        }
    }

    /// Returns whether further roles may still get something.
    fn visit_role(
        &mut self,
        ax: u32,
        rx: u32,
        wanted: Option<&Seekers>,
        stage: Stage,
        run: &mut Run,
    ) -> bool {
        if stage == Stage::Guarantees {
            let node = self.roles.node(rx);
            let top = self.quotas.top(node.top);
            // Quota is for top-level roles only.
            if *top.name != *node.path || top.owed().is_empty() {
                return true;
            }
        } else if self.quotas.configured > 0 && self.own_minimums == 0 && !self.leaves_enough(ax, rx) {
            return true;
        }
        let mut looked = 0;
        let mut limit = FIRST_LOOK;
        loop {
            let mut frameworks = std::mem::take(&mut run.frameworks);
            self.list_frameworks(rx, wanted, limit, &mut frameworks);
            let known = frameworks.len();
            let mut go_on = true;
            for &fx in frameworks.iter().skip(looked) {
                if !self.visit_framework(ax, rx, fx, stage, run) {
                    go_on = false;
                    break;
                }
            }
            run.frameworks = frameworks;
            if !go_on || known < limit {
                break;
            }
            looked = known;
            limit = self.further(self.config.framework_sorter, limit);
        }
        self.worth_a_visit(ax, stage)
    }

    /// Whether quota leaves a role enough of an agent for an offer to any framework in it; if not, the agent is looked at
    /// again when quota may allow more.
    fn leaves_enough(&mut self, ax: u32, rx: u32) -> bool {
        let agent = &self.agents[ax];
        let node = self.roles.node(rx);
        let top = self.quotas.top(node.top);
        let bound = !top.limits.is_empty() && *top.name == *node.path;
        let (mut limited, mut most) = (false, Quantities::new());
        for (name, free) in agent.quota_free.iter() {
            let mut left = free;
            if bound && let Some(limit) = top.limits.get(name) {
                let consumed = top.reserved.get(name) + top.unreserved.get(name);
                left = left.min(limit.minus_floor(consumed));
            }
            if !self.quotas.required.is_empty() {
                let headroom = self.quotas.headroom.get(name);
                left = left.min(headroom.minus_floor(self.quotas.required.get(name)));
            }
            limited |= left < free;
            most.add_one(name, left);
        }
        if !limited {
            return true;
        }
        for entry in agent.free.iter().filter(|entry| !is_quota_part(entry)) {
            if entry.is_allocatable_to(&node.path) {
                most.add_one(entry.name(), entry.value().quantity());
            }
        }
        let enough = |sets: &[Quantities]| sets.is_empty() || sets.iter().any(|set| most.contains(set));
        let enough = enough(&self.config.min_allocatable);
        if !enough {
            self.marks.limit(ax);
        }
        enough
    }

    /// Returns whether further frameworks of the role may still get something.
    fn visit_framework(&mut self, ax: u32, rx: u32, fx: u32, stage: Stage, run: &mut Run) -> bool {
        let Some(available) = self.available(ax, rx, run) else {
            return false;
        };
        if stage == Stage::Guarantees && self.quotas.top(self.roles.node(rx).top).owed().is_empty() {
            return false;
        }
        if !self.may_have(ax, rx, fx) || !self.meets_minimum(rx, fx, &available) {
            return true;
        }
        let available = self.strip(ax, fx, available);
        let mut rng = std::mem::replace(&mut self.rng, ChaCha8Rng::from_seed([0; 32]));
        let cut = self.cut(&available, rx, stage, &mut rng);
        self.rng = rng;
        let Some(cut) = cut else { return true };
        if cut.limited {
            self.marks.limit(ax);
        }
        if cut.resources.is_empty()
            || !self.meets_minimum(rx, fx, &cut.resources)
            || self.is_filtered(ax, fx, rx, &cut.resources)
        {
            return true;
        }
        self.offer(ax, rx, fx, &cut.resources, run);
        !self.agents[ax].free.is_empty()
    }

    /// What the role may use of the agent; `None` when nothing.
    fn available(&self, ax: u32, rx: u32, run: &Run) -> Option<Resources> {
        let agent = &self.agents[ax];
        let mut available = if agent.traits.reserved {
            agent.free.allocatable_to(&self.roles.node(rx).path)
        } else {
            agent.free.clone()
        };
        if let Some(offered) = run.shared.get(&ax) {
            available = available.filter(|entry| !entry.is_shared() || !offered.contains_entry(entry));
        }
        (!available.is_empty()).then_some(available)
    }

    /// What does not depend on the amounts: capabilities, regions and constraints.
    pub(crate) fn may_have(&self, ax: u32, rx: u32, fx: u32) -> bool {
        let agent = &self.agents[ax];
        let FrameworkOptions {
            capabilities,
            constraints,
            ..
        } = &self.frameworks[fx].options;
        if agent.has_gpus && self.config.filter_gpu_resources && !capabilities.gpu_resources {
            return false;
        }
        if self.is_remote(ax) && !capabilities.region_aware {
            return false;
        }
        if capabilities.multi_role && !agent.options.multi_role {
            return false;
        }
        let role = &self.roles.node(rx).path;
        if constraints
            .as_ref()
            .is_some_and(|constraints| constraints.excludes(role, &agent.options))
        {
            return false;
        }
        agent.options.hierarchical_role || !role.contains('/')
    }

    /// Whether the agent is in another region than the master.
    pub(crate) fn is_remote(&self, ax: u32) -> bool {
        match (&self.config.region, &self.agents[ax].options.region) {
            (Some(mine), Some(other)) => mine != other,
            _ => false,
        }
    }

    /// The framework's own minimum for the role, or else the cluster's.
    pub(crate) fn meets_minimum(&self, rx: u32, fx: u32, offer: &Resources) -> bool {
        let own = &self.frameworks[fx].options.min_allocatable;
        if own.is_empty() {
            return is_allocatable(offer, &self.config.min_allocatable);
        }
        let sets = own
            .get(&*self.roles.node(rx).path)
            .unwrap_or(&self.config.min_allocatable);
        is_allocatable(offer, sets)
    }

    /// Leaves out what the framework cannot deal with.
    pub(crate) fn strip(&self, ax: u32, fx: u32, available: Resources) -> Resources {
        let traits = self.agents[ax].traits;
        let capabilities = self.frameworks[fx].options.capabilities;
        let shared = traits.shared && !capabilities.shared_resources;
        let revocable = traits.revocable && !capabilities.revocable_resources;
        let refined = traits.refined && !capabilities.reservation_refinement;
        if !shared && !revocable && !refined {
            return available;
        }
        available.filter(|entry| {
            !(shared && entry.is_shared()
                || revocable && entry.is_revocable()
                || refined && entry.is_refined())
        })
    }

    /// How much of what is available may be offered, given the quotas. `None` when the stage is not about
    /// this role at all.
    pub(crate) fn cut(
        &self,
        available: &Resources,
        rx: u32,
        stage: Stage,
        rng: &mut impl Rng,
    ) -> Option<Cut> {
        if self.quotas.configured == 0 {
            return Some(Cut {
                resources: available.clone(),
                limited: false,
            });
        }
        let (quota, other) = (
            available.filter(is_quota_part),
            available.filter(|e| !is_quota_part(e)),
        );
        match stage {
            Stage::Guarantees => self.cut_guaranteed(&quota, &other, rx, rng),
            Stage::FairShare => {
                let (extra, limited) = self.cut_extra(&quota, &Quantities::new(), rx, rng);
                Some(Cut {
                    resources: other + &extra,
                    limited,
                })
            }
        }
    }

    fn cut_guaranteed(
        &self,
        quota: &Resources,
        other: &Resources,
        rx: u32,
        rng: &mut impl Rng,
    ) -> Option<Cut> {
        let mut owed = self.quotas.top(self.roles.node(rx).top).owed().clone();
        let guaranteed = shrink(quota, &mut owed, rng);
        if guaranteed.is_empty() {
            return None;
        }
        let path = Arc::clone(&self.roles.node(rx).path);
        // Reservations of roles above are left to the second stage.
        let other = other.filter(|entry| {
            !entry.is_scalar() || entry.is_revocable() || entry.reserved_role() == Some(&*path)
        });
        let (extra, limited) =
            self.cut_extra(&(quota - &guaranteed), &Quantities::scalars(&guaranteed), rx, rng);
        Some(Cut {
            resources: other + &guaranteed + &extra,
            limited,
        })
    }

    /// What may be given beyond a guarantee: within the role's limits, and without touching what others are
    /// still owed.
    fn cut_extra(
        &self,
        extra: &Resources,
        guaranteed: &Quantities,
        rx: u32,
        rng: &mut impl Rng,
    ) -> (Resources, bool) {
        let before = Quantities::scalars(extra);
        let node = self.roles.node(rx);
        let top = self.quotas.top(node.top);
        let mut extra = extra.clone();
        // Compat: a role below the top has no limits of its own, though it counts for those of its top.
        if !top.limits.is_empty() && *top.name == *node.path {
            let mut left = top.limits.minus_floor(&top.consumed()).minus_floor(guaranteed);
            extra = shrink(&extra, &mut left, rng);
        }
        if !self.quotas.required.is_empty() {
            // The guaranteed part leaves the headroom and what is required of it alike.
            let mut left = self.quotas.headroom.minus_floor(&self.quotas.required);
            extra = shrink(&extra, &mut left, rng);
        }
        let limited = Quantities::scalars(&extra) != before;
        (extra, limited)
    }

    fn offer(&mut self, ax: u32, rx: u32, fx: u32, resources: &Resources, run: &mut Run) {
        let role = Arc::clone(&self.roles.node(rx).path);
        // As they are counted: what quota is not about comes first.
        let allocated = resources.allocate_first(&role, |entry| !is_quota_part(entry));
        let agent = &self.agents[ax];
        if agent.traits.shared {
            *run.shared.entry(ax).or_default() += &resources.shared();
        }
        run.offers.push(Offered {
            framework: self.frameworks[fx].id.clone(),
            role,
            agent: agent.id.clone(),
            resources: allocated.clone(),
        });
        if resources.is_same(&agent.free) && !agent.traits.shared {
            self.take_all(ax, fx, rx, allocated);
        } else {
            self.take(ax, fx, rx, &allocated);
        }
        run.charged.push((rx, fx));
    }
}

/// Unreserved, nonrevocable scalars: what quota is about.
pub(crate) fn is_quota_part(entry: &Entry) -> bool {
    entry.is_scalar() && entry.is_unreserved() && !entry.is_revocable()
}

/// Whether one of the sets of amounts is there. No set at all = no minimum; an empty offer is none.
pub(crate) fn is_allocatable(offer: &Resources, sets: &[Quantities]) -> bool {
    if sets.is_empty() {
        return !offer.is_empty();
    }
    sets.iter().any(|set| {
        set.iter().all(|(name, least)| {
            let there: resources::Scalar = offer
                .iter()
                .filter(|entry| entry.name() == name)
                .map(|entry| entry.value().quantity())
                .sum();
            there >= least
        })
    })
}
