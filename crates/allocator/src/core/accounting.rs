//! Who holds what: every change of it passes through here.

use super::allocator::Allocator;
use super::filters::Filter;
use super::order::Change;
use crate::{AgentId, Error, FrameworkId};
use process::Time;
use resources::operation::Conversion;
use resources::{Entry, Quantities, Resources, Value};
use std::sync::Arc;
use std::time::Duration;

impl Allocator {
    /// The framework no longer holds `resources` (allocated to its roles) on the agent.
    ///
    /// `refused` says why: `None` = a task ended or an offer was rescinded, so it is offered again promptly;
    /// `Some(zero)` = declined without a filter, so it waits for the next batch; `Some(time)` = the framework
    /// does not want it for that time (at least for one allocation interval).
    pub fn recover(
        &mut self,
        framework: &FrameworkId,
        agent: &AgentId,
        resources: &Resources,
        refused: Option<Duration>,
        now: Time,
    ) {
        let (Some(&fx), Some(&ax)) = (self.framework_ids.get(framework), self.agent_ids.get(agent)) else {
            return;
        };
        for (role, part) in resources.allocations() {
            let Some(rx) = self.roles.find(&role) else {
                self.anomalies += 1;
                continue;
            };
            if let Some(time) = refused.filter(|time| !time.is_zero())
                && self.is_subscribed(fx, rx)
            {
                let until = now + time.max(self.config.allocation_interval);
                let filter = Filter {
                    until,
                    refused: part.unallocate(),
                };
                self.add_filter(ax, fx, rx, filter);
            }
            self.release(ax, fx, rx, &part);
        }
        match refused {
            None => self.marks.prompt(ax, now, self.config.coalesce),
            Some(_) => self.marks.waiting(ax, now, self.config.allocation_interval),
        }
        self.marks.wake_limited(now, self.config.allocation_interval);
        self.forget_if_idle(fx);
    }

    /// The framework holds `resources` (allocated to its roles) on the agent without having been offered them:
    /// a task that the agent reports later, a further copy of something shared.
    pub fn assign(&mut self, framework: &FrameworkId, agent: &AgentId, resources: &Resources, now: Time) {
        let Some(&ax) = self.agent_ids.get(agent) else {
            return;
        };
        let fx = self.ensure_framework(framework);
        for (role, part) in resources.allocations() {
            let rx = self.ensure_role(&role);
            self.take(ax, fx, rx, &part);
            self.roles.relist(rx, fx);
        }
        self.marks.wake_limited(now, self.config.allocation_interval);
    }

    /// Turns resources that the framework holds on the agent into others (RESERVE, CREATE, ...); the agent's
    /// total changes with them. `conversions` are allocated to roles, as the resources held are.
    ///
    /// # Errors
    /// When something consumed is not held; nothing is changed then.
    pub fn convert(
        &mut self,
        framework: &FrameworkId,
        agent: &AgentId,
        conversions: &[Conversion],
        now: Time,
    ) -> Result<(), Error> {
        let Some(&ax) = self.agent_ids.get(agent) else {
            return Err(Error::UnknownAgent(agent.clone()));
        };
        let nothing = || Error::NothingHeld {
            framework: framework.clone(),
            agent: agent.clone(),
        };
        let fx = *self.framework_ids.get(framework).ok_or_else(nothing)?;
        let before = self.agents[ax].held.get(fx).cloned().ok_or_else(nothing)?;
        let after = before.apply_all(conversions).map_err(Error::Conversion)?;
        let plain: Vec<Conversion> = conversions
            .iter()
            .map(|conversion| Conversion {
                consumed: conversion.consumed.unallocate(),
                converted: conversion.converted.unallocate(),
            })
            .collect();
        let total = self.agents[ax]
            .total
            .apply_all(&plain)
            .map_err(Error::Conversion)?;
        self.replace_held(ax, fx, &before, &after);
        self.set_total(ax, total);
        self.marks.prompt(ax, now, self.config.coalesce);
        self.marks.wake_limited(now, self.config.allocation_interval);
        Ok(())
    }

    /// Turns resources that nobody holds on the agent into others, in the agent's total: an operator's RESERVE, CREATE, ...
    ///
    /// # Errors
    /// When something consumed is not free; nothing is changed then.
    pub fn convert_free(
        &mut self,
        agent: &AgentId,
        conversions: &[Conversion],
        now: Time,
    ) -> Result<(), Error> {
        let Some(&ax) = self.agent_ids.get(agent) else {
            return Err(Error::UnknownAgent(agent.clone()));
        };
        let agent = &self.agents[ax];
        agent.free.apply_all(conversions).map_err(Error::Conversion)?;
        let total = agent.total.apply_all(conversions).map_err(Error::Conversion)?;
        self.set_total(ax, total);
        self.marks.prompt(ax, now, self.config.coalesce);
        self.marks.wake_limited(now, self.config.allocation_interval);
        Ok(())
    }

    /// Nothing is allocated by it, so no event is counted; what comes is added first, so that no client goes between.
    /// Only differences move: ranges and sets do not count how often they were added.
    fn replace_held(&mut self, ax: u32, fx: u32, before: &Resources, after: &Resources) {
        for (role, part) in (after - before).allocations() {
            let rx = self.ensure_role(&role);
            self.put(ax, fx, rx, &part, Change::More);
            self.roles.relist(rx, fx);
        }
        for (role, part) in (before - after).allocations() {
            if let Some(rx) = self.roles.find(&role) {
                self.release(ax, fx, rx, &part);
            }
        }
    }

    /// The number of a role, made when missing.
    pub(crate) fn ensure_role(&mut self, role: &str) -> u32 {
        let quotas = &mut self.quotas;
        self.roles.ensure(role, &mut |top| quotas.ensure_in_use(top))
    }

    /// Accounts `part`, allocated to `role`, to the framework. The orders are left for [`super::roles`]'s
    /// `relist`.
    pub(crate) fn take(&mut self, ax: u32, fx: u32, rx: u32, part: &Resources) {
        self.put(ax, fx, rx, part, Change::Allocate);
    }

    fn put(&mut self, ax: u32, fx: u32, rx: u32, part: &Resources, change: Change) {
        let id = Arc::clone(&self.frameworks[fx].id.0);
        self.roles.client(rx, fx, &id);
        self.charge(ax, fx, rx, part, change);
        self.quotas.hold(self.roles.node(rx).top, &quota_part(part), true);
        let agent = &mut self.agents[ax];
        *agent.held.entry(fx) += part;
        agent.allocated.add_unallocated(part);
        self.frameworks[fx].holds_on.insert(ax);
        if agent.maintenance.is_some() {
            self.inverse.visit(ax);
        }
        self.refresh_agent(ax);
    }

    /// [`Self::take`] of everything that is free, of which nothing is shared: `part`, allocated to `role`.
    pub(crate) fn take_all(&mut self, ax: u32, fx: u32, rx: u32, part: Resources) {
        let id = Arc::clone(&self.frameworks[fx].id.0);
        self.roles.client(rx, fx, &id);
        let agent = &mut self.agents[ax];
        self.roles.charge(rx, fx, &agent.scalars_free, Change::Allocate);
        self.held.add(&agent.scalars_free);
        self.quotas.hold(self.roles.node(rx).top, &agent.quota_free, true);
        self.quotas.headroom.subtract(&agent.quota_free);
        agent.hold_all_free();
        let held = agent.held.entry(fx);
        if held.is_empty() {
            *held = part;
        } else {
            *held += &part;
        }
        self.frameworks[fx].holds_on.insert(ax);
        if agent.maintenance.is_some() {
            self.inverse.visit(ax);
        }
        self.marks.open.remove(ax);
    }

    /// The reverse of [`Self::take`], orders included; what is not held is left out and counted.
    pub(crate) fn release(&mut self, ax: u32, fx: u32, rx: u32, part: &Resources) {
        let Some(held) = self.agents[ax].held.get(fx) else {
            self.anomalies += 1;
            return;
        };
        let actual;
        let part = if held.contains(part) {
            part
        } else {
            self.anomalies += 1;
            actual = part.filter(|entry| held.contains_entry(entry));
            &actual
        };
        self.charge(ax, fx, rx, part, Change::Less);
        self.quotas
            .hold(self.roles.node(rx).top, &quota_part(part), false);
        let agent = &mut self.agents[ax];
        if let Some(held) = agent.held.get_mut(fx) {
            *held -= part;
            if held.is_empty() {
                agent.held.remove(fx);
                self.frameworks[fx].holds_on.remove(&ax);
            }
        }
        agent.allocated.subtract_unallocated(part);
        self.roles.relist(rx, fx);
        self.prune_client(rx, fx);
        self.refresh_agent(ax);
    }

    /// Forgets the framework in the role if it neither subscribes to it nor holds anything in it.
    pub(crate) fn prune_client(&mut self, rx: u32, fx: u32) {
        if !self.roles.is_idle(rx, fx) || self.holds_in(rx, fx) {
            return;
        }
        if let Some(top) = self.roles.forget_client(rx, fx) {
            self.quotas.release(top);
        }
    }

    /// Whether the framework holds anything in the role, be it no scalar.
    fn holds_in(&self, rx: u32, fx: u32) -> bool {
        let path = &*self.roles.node(rx).path;
        let agents = self.frameworks[fx].holds_on.iter().map(|ax| &self.agents[*ax]);
        let mut entries = agents
            .filter_map(|agent| agent.held.get(fx))
            .flat_map(Resources::iter);
        entries.any(|entry| entry.allocation() == Some(path))
    }

    /// Charges shares: of the client, of its role, of all above, of the cluster.
    fn charge(&mut self, ax: u32, fx: u32, rx: u32, part: &Resources, change: Change) {
        let mut amounts = Quantities::new();
        for entry in part.iter() {
            if let Value::Scalar(amount) = entry.value() {
                if entry.is_shared() {
                    self.charge_shared(ax, fx, rx, entry, change);
                } else {
                    amounts.add_one(entry.name(), *amount);
                }
            }
        }
        self.roles.charge(rx, fx, &amounts, change);
        self.charge_cluster(&amounts, change);
    }

    fn charge_cluster(&mut self, amounts: &Quantities, change: Change) {
        match change {
            Change::Allocate | Change::More => self.held.add(amounts),
            Change::Less => self.held.subtract(amounts),
        }
    }

    /// Something shared counts once per agent at each level, however many hold it. The event is counted with the rest of
    /// the allocation.
    fn charge_shared(&mut self, ax: u32, fx: u32, rx: u32, entry: &Entry, change: Change) {
        let change = match change {
            Change::Allocate | Change::More => Change::More,
            Change::Less => Change::Less,
        };
        let mut amounts = Quantities::new();
        amounts.add_one(entry.name(), entry.value().quantity());
        let counts = |held| counts_once(held, entry.copies(), change);
        let path = Arc::clone(&self.roles.node(rx).path);
        if counts(self.shared_copies(ax, entry, |framework, role| framework == fx && role == &*path)) {
            self.roles.charge_client(rx, fx, &amounts, change);
        }
        if counts(self.shared_copies(ax, entry, |_, role| role == &*path)) {
            self.roles.charge_own(rx, &amounts, change);
        }
        let lineage: Vec<u32> = self.roles.lineage(rx).collect();
        for level in lineage {
            let above = Arc::clone(&self.roles.node(level).path);
            let copies = self.shared_copies(ax, entry, |_, role| {
                role == &*above || resources::role::is_strict_subrole(role, &above)
            });
            if counts(copies) {
                self.roles.charge_subtree(level, &amounts, change);
            }
        }
        if counts(self.shared_copies(ax, entry, |_, _| true)) {
            self.charge_cluster(&amounts, change);
        }
    }

    /// How many copies of something shared are held on an agent by those that `counts` picks.
    fn shared_copies(&self, ax: u32, entry: &Entry, counts: impl Fn(u32, &str) -> bool) -> u32 {
        let plain = entry.clone().unallocated();
        self.agents[ax]
            .held
            .iter()
            .flat_map(|(framework, held)| held.iter().map(move |entry| (framework, entry)))
            .filter(|&(framework, held)| {
                held.is_shared()
                    && held.allocation().is_some_and(|role| counts(framework, role))
                    && Entry::clone(held).unallocated().same(&plain)
            })
            .map(|(_, held)| held.copies())
            .sum()
    }

    /// Brings what is free on an agent up to date, and what follows from it.
    pub(crate) fn refresh_agent(&mut self, ax: u32) {
        let agent = &mut self.agents[ax];
        self.quotas.headroom.subtract(&agent.quota_free);
        agent.refresh();
        self.quotas.headroom.add(&agent.quota_free);
        if agent.free.is_empty() {
            self.marks.open.remove(ax);
        } else {
            self.marks.open.insert(ax);
        }
    }

    /// Gives an agent another total.
    pub(crate) fn set_total(&mut self, ax: u32, total: Resources) {
        self.reserve_total(ax, false);
        let before = Quantities::scalars(&self.agents[ax].total);
        let after = Quantities::scalars(&total);
        self.agents[ax].set_total(total);
        self.reserve_total(ax, true);
        if before != after {
            self.roles.cluster.change(&before, false);
            self.roles.cluster.change(&after, true);
        }
        self.refresh_agent(ax);
    }

    fn reserve_total(&mut self, ax: u32, add: bool) {
        for (role, amounts) in self.agents[ax].reservations() {
            self.quotas.reserve(role, &amounts, add);
        }
    }
}

/// Whether a change of the number of copies is the first coming or the last going. `held` is the number
/// before the change.
fn counts_once(held: u32, copies: u32, change: Change) -> bool {
    match change {
        Change::Allocate | Change::More => held == 0,
        Change::Less => held > 0 && held <= copies,
    }
}

/// What quota counts of something held: unreserved, nonrevocable scalars.
pub(crate) fn quota_part(part: &Resources) -> Quantities {
    let mut amounts = Quantities::new();
    for entry in part.iter() {
        if entry.is_scalar() && entry.is_unreserved() && !entry.is_revocable() {
            amounts.add_one(entry.name(), entry.value().quantity());
        }
    }
    amounts
}
