//! Frameworks come, change their minds and go.

use super::allocator::Allocator;
use super::options::FrameworkOptions;
use crate::{AgentId, FrameworkId};
use process::Time;
use resources::{Limits, Quantities, Resources};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One framework, as far as offers depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Framework {
    pub(crate) id: FrameworkId,
    /// It subscribed; otherwise only agents told of it.
    pub(crate) known: bool,
    pub(crate) active: bool,
    pub(crate) options: FrameworkOptions,
    /// Agents that it holds something on.
    pub(crate) holds_on: BTreeSet<u32>,
    /// By role, the agents that it refused something of.
    pub(crate) filtered: BTreeMap<u32, BTreeSet<u32>>,
}

impl Allocator {
    /// A framework subscribed. What agents said it holds counts from now on as its own. An inactive one gets
    /// no offers until it is activated.
    pub fn add_framework(&mut self, id: &FrameworkId, options: FrameworkOptions, active: bool, now: Time) {
        let fx = self.ensure_framework(id);
        self.frameworks[fx].known = true;
        self.frameworks[fx].active = active;
        self.subscribe(fx, options);
        if active {
            self.seek_inverse_offers(id, now);
            self.seek_offers(fx, now);
        }
    }

    /// A framework changed its roles, suppressions, capabilities or minimums.
    pub fn update_framework(&mut self, id: &FrameworkId, options: FrameworkOptions, now: Time) {
        let Some(&fx) = self.framework_ids.get(id) else {
            return;
        };
        if self.frameworks[fx].options == options {
            return;
        }
        self.subscribe(fx, options);
        if self.frameworks[fx].active {
            self.marks.all_waiting(now, self.config.allocation_interval);
        }
    }

    /// The framework is connected (again) and gets offers.
    pub fn activate_framework(&mut self, id: &FrameworkId, now: Time) {
        self.set_framework_active(id, true);
        self.seek_inverse_offers(id, now);
        if let Some(&fx) = self.framework_ids.get(id) {
            self.seek_offers(fx, now);
        }
    }

    /// The framework may want whatever is free, in each role that is not suppressed.
    fn seek_offers(&mut self, fx: u32, now: Time) {
        let options = &self.frameworks[fx].options;
        for role in options.roles.difference(&options.suppressed) {
            if let Some(rx) = self.roles.find(role) {
                self.marks.seek(rx, fx, now, self.config.coalesce);
            }
        }
    }

    /// The framework is away: no offers, and its refusals are forgotten. What it holds stays held until it is
    /// recovered.
    pub fn deactivate_framework(&mut self, id: &FrameworkId) {
        self.set_framework_active(id, false);
        if let Some(&fx) = self.framework_ids.get(id) {
            self.drop_framework_filters(fx);
            self.drop_inverse_offers(fx, false);
        }
    }

    /// The framework is gone for good; what it still holds becomes free.
    pub fn remove_framework(&mut self, id: &FrameworkId, now: Time) {
        let Some(&fx) = self.framework_ids.get(id) else {
            return;
        };
        self.drop_framework_filters(fx);
        self.drop_inverse_offers(fx, true);
        for ax in self.frameworks[fx].holds_on.clone() {
            let held = self.agents[ax].held.get(fx).cloned().unwrap_or_default();
            for (role, part) in held.allocations() {
                if let Some(rx) = self.roles.find(&role) {
                    self.release(ax, fx, rx, &part);
                }
            }
            self.marks.prompt(ax, now, self.config.coalesce);
        }
        self.subscribe(fx, FrameworkOptions::default());
        self.frameworks[fx].known = false;
        self.forget_if_idle(fx);
        self.marks.wake_limited(now, self.config.allocation_interval);
    }

    /// The framework wants offers again in `roles` (none = all that it subscribes to), and forgets what it
    /// refused there.
    pub fn revive(&mut self, id: &FrameworkId, roles: &[String], now: Time) {
        let Some(&fx) = self.framework_ids.get(id) else {
            return;
        };
        for role in self.named_roles(fx, roles) {
            let framework = &mut self.frameworks[fx];
            framework.options.suppressed.remove(&role);
            let active = framework.active;
            if let Some(rx) = self.roles.find(&role) {
                self.roles.set_active(rx, fx, active);
                self.drop_role_filters(fx, rx);
                if active {
                    self.marks.seek(rx, fx, now, self.config.coalesce);
                }
            }
        }
        self.inverse.drop_filters(fx);
        if self.frameworks[fx].active {
            self.seek_inverse_offers(id, now);
        }
    }

    /// The framework wants no offers in `roles` (none = all that it subscribes to) until it revives them.
    pub fn suppress(&mut self, id: &FrameworkId, roles: &[String]) {
        let Some(&fx) = self.framework_ids.get(id) else {
            return;
        };
        for role in self.named_roles(fx, roles) {
            if let Some(rx) = self.roles.find(&role) {
                self.roles.set_active(rx, fx, false);
            }
            self.frameworks[fx].options.suppressed.insert(role);
        }
    }

    /// The weights of roles; 1 when never given. What is not a positive number is left out.
    pub fn update_weights(&mut self, weights: &[(String, f64)]) {
        for (role, weight) in weights {
            if weight.is_finite() && *weight > 0.0 {
                self.roles.set_weight(role, *weight);
            }
        }
    }

    /// The quota of a top-level role; both empty = none.
    pub fn update_quota(&mut self, role: &str, guarantees: Quantities, limits: Limits, now: Time) {
        self.quotas.configure(role, guarantees, limits);
        self.marks.all_waiting(now, self.config.allocation_interval);
    }

    /// What a framework holds, by agent.
    pub fn held_by(&self, id: &FrameworkId) -> Vec<(AgentId, Resources)> {
        let Some(&fx) = self.framework_ids.get(id) else {
            return Vec::new();
        };
        self.frameworks[fx]
            .holds_on
            .iter()
            .filter_map(|ax| {
                let agent = &self.agents[*ax];
                Some((agent.id.clone(), agent.held.get(fx)?.clone()))
            })
            .collect()
    }

    /// The roles in which a framework wants no offers at the moment; `None` when it did not subscribe.
    pub fn suppressed(&self, id: &FrameworkId) -> Option<&BTreeSet<String>> {
        let framework = self.framework_ids.get(id).map(|fx| &self.frameworks[*fx])?;
        framework.known.then_some(&framework.options.suppressed)
    }

    /// By role, the agents that a framework's constraints exclude; O(roles × agents).
    pub fn excluded(&self, id: &FrameworkId) -> BTreeMap<&str, Vec<AgentId>> {
        let Some(fx) = self.framework_ids.get(id) else {
            return BTreeMap::new();
        };
        let options = &self.frameworks[*fx].options;
        let of_role = |role: &str| match &options.constraints {
            None => Vec::new(),
            Some(constraints) => {
                let agents = self.agent_ids.values().map(|ax| &self.agents[*ax]);
                agents
                    .filter(|agent| constraints.excludes(role, &agent.options))
                    .map(|agent| agent.id.clone())
                    .collect()
            }
        };
        options
            .roles
            .iter()
            .map(|role| (role.as_str(), of_role(role)))
            .collect()
    }

    pub(crate) fn ensure_framework(&mut self, id: &FrameworkId) -> u32 {
        if let Some(&fx) = self.framework_ids.get(id) {
            return fx;
        }
        let fx = self.frameworks.insert(Framework {
            id: id.clone(),
            known: false,
            active: false,
            options: FrameworkOptions::default(),
            holds_on: BTreeSet::new(),
            filtered: BTreeMap::new(),
        });
        self.framework_ids.insert(id.clone(), fx);
        fx
    }

    /// Forgets a framework that only agents told of, once nothing of it is left.
    pub(crate) fn forget_if_idle(&mut self, fx: u32) {
        let framework = &self.frameworks[fx];
        if !framework.known && framework.holds_on.is_empty() {
            let id = framework.id.clone();
            self.framework_ids.remove(&id);
            self.frameworks.remove(fx);
        }
    }

    pub(crate) fn is_subscribed(&self, fx: u32, rx: u32) -> bool {
        self.roles
            .node(rx)
            .clients
            .get(&fx)
            .is_some_and(|client| client.subscribed)
    }

    fn named_roles(&self, fx: u32, roles: &[String]) -> Vec<String> {
        let subscribed = &self.frameworks[fx].options.roles;
        if roles.is_empty() {
            return subscribed.iter().cloned().collect();
        }
        roles
            .iter()
            .filter(|role| subscribed.contains(*role))
            .cloned()
            .collect()
    }

    fn set_framework_active(&mut self, id: &FrameworkId, active: bool) {
        let Some(&fx) = self.framework_ids.get(id) else {
            return;
        };
        self.frameworks[fx].active = active;
        let options = self.frameworks[fx].options.clone();
        for role in &options.roles {
            if let Some(rx) = self.roles.find(role) {
                self.roles
                    .set_active(rx, fx, active && !options.suppressed.contains(role));
            }
        }
    }

    /// Replaces the options of a framework, and its places in the roles.
    fn subscribe(&mut self, fx: u32, options: FrameworkOptions) {
        let old = std::mem::replace(&mut self.frameworks[fx].options, options.clone());
        let active = self.frameworks[fx].active;
        let id = Arc::clone(&self.frameworks[fx].id.0);
        for role in &options.roles {
            let rx = self.ensure_role(role);
            self.roles.client(rx, fx, &id).subscribed = true;
            self.roles
                .set_active(rx, fx, active && !options.suppressed.contains(role));
        }
        for role in old.roles.difference(&options.roles) {
            let Some(rx) = self.roles.find(role) else { continue };
            self.drop_role_filters(fx, rx);
            self.roles.set_active(rx, fx, false);
            self.roles.client(rx, fx, &id).subscribed = false;
            self.prune_client(rx, fx);
        }
        let (had, has) = (
            !old.min_allocatable.is_empty(),
            !options.min_allocatable.is_empty(),
        );
        self.own_minimums = self.own_minimums + usize::from(has) - usize::from(had);
    }
}
