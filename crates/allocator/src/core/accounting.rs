//! Who holds what: every change of it passes through here.

use super::allocator::Allocator;
use super::filters::Filter;
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
        let before = self.agents[ax].held.get(&fx).cloned().ok_or_else(nothing)?;
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

    fn replace_held(&mut self, ax: u32, fx: u32, before: &Resources, after: &Resources) {
        for (role, part) in before.allocations() {
            if let Some(rx) = self.roles.find(&role) {
                self.release(ax, fx, rx, &part);
            }
        }
        for (role, part) in after.allocations() {
            let rx = self.ensure_role(&role);
            self.take(ax, fx, rx, &part);
            self.roles.relist(rx, fx);
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
        let id = Arc::clone(&self.frameworks[fx].id.0);
        self.roles.client(rx, fx, &id);
        self.charge(ax, fx, rx, part, true);
        self.quotas.hold(self.roles.node(rx).top, &quota_part(part), true);
        let agent = &mut self.agents[ax];
        *agent.held.entry(fx).or_default() += part;
        agent.allocated += &part.unallocate();
        self.frameworks[fx].holds_on.insert(ax);
        if agent.maintenance.is_some() {
            self.inverse.visit(ax);
        }
        self.refresh_agent(ax);
    }

    /// The reverse of [`Self::take`], orders included; what is not held is left out and counted.
    pub(crate) fn release(&mut self, ax: u32, fx: u32, rx: u32, part: &Resources) {
        let Some(held) = self.agents[ax].held.get(&fx) else {
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
        self.charge(ax, fx, rx, part, false);
        self.quotas
            .hold(self.roles.node(rx).top, &quota_part(part), false);
        let agent = &mut self.agents[ax];
        if let Some(held) = agent.held.get_mut(&fx) {
            *held -= part;
            if held.is_empty() {
                agent.held.remove(&fx);
                self.frameworks[fx].holds_on.remove(&ax);
            }
        }
        agent.allocated -= &part.unallocate();
        self.roles.relist(rx, fx);
        if let Some(top) = self.roles.prune_client(rx, fx) {
            self.quotas.release(top);
        }
        self.refresh_agent(ax);
    }

    /// Charges shares: of the client, of its role, of all above, of the cluster.
    fn charge(&mut self, ax: u32, fx: u32, rx: u32, part: &Resources, add: bool) {
        let mut amounts = Quantities::new();
        for entry in part.iter() {
            if let Value::Scalar(amount) = entry.value() {
                if entry.is_shared() {
                    self.charge_shared(ax, fx, rx, entry, add);
                } else {
                    amounts.add_one(entry.name(), *amount);
                }
            }
        }
        self.roles.charge(rx, fx, &amounts, add);
        if add {
            self.held.add(&amounts);
        } else {
            self.held.subtract(&amounts);
        }
    }

    /// Something shared counts once per agent at each level, however many hold it.
    fn charge_shared(&mut self, ax: u32, fx: u32, rx: u32, entry: &Entry, add: bool) {
        let mut amounts = Quantities::new();
        amounts.add_one(entry.name(), entry.value().quantity());
        let path = Arc::clone(&self.roles.node(rx).path);
        let mine = self.shared_copies(ax, entry, |framework, role| framework == fx && role == &*path);
        if counts_once(mine, entry.copies(), add) {
            self.roles.charge_client(rx, fx, &amounts, add);
        }
        let own = self.shared_copies(ax, entry, |_, role| role == &*path);
        if counts_once(own, entry.copies(), add) {
            self.roles.charge_own(rx, &amounts, add);
        }
        let lineage: Vec<u32> = self.roles.lineage(rx).collect();
        for level in lineage {
            let above = Arc::clone(&self.roles.node(level).path);
            let copies = self.shared_copies(ax, entry, |_, role| {
                role == &*above || resources::role::is_strict_subrole(role, &above)
            });
            if counts_once(copies, entry.copies(), add) {
                self.roles.charge_subtree(level, &amounts, add);
            }
        }
        let all = self.shared_copies(ax, entry, |_, _| true);
        if counts_once(all, entry.copies(), add) {
            if add {
                self.held.add(&amounts);
            } else {
                self.held.subtract(&amounts);
            }
        }
    }

    /// How many copies of something shared are held on an agent by those that `counts` picks.
    fn shared_copies(&self, ax: u32, entry: &Entry, counts: impl Fn(u32, &str) -> bool) -> u32 {
        let plain = entry.clone().unallocated();
        self.agents[ax]
            .held
            .iter()
            .flat_map(|(framework, held)| held.iter().map(move |entry| (*framework, entry)))
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
            self.marks.open.remove(&ax);
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
fn counts_once(held: u32, change: u32, add: bool) -> bool {
    if add {
        held == 0
    } else {
        held > 0 && held <= change
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
