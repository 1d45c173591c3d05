//! Guarantees and limits of top-level roles, and the headroom that protects guarantees.

use super::slab::Slab;
use resources::{Limits, Quantities};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A top-level role, as far as quota is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Top {
    pub(crate) name: Arc<str>,
    /// Reservations of all agents to the role and to roles below it.
    pub(crate) reserved: Quantities,
    /// What frameworks hold, unreserved and nonrevocable, in the role and below it.
    pub(crate) unreserved: Quantities,
    pub(crate) guarantees: Quantities,
    pub(crate) limits: Limits,
    /// [`Top::unsatisfied`] as of the last change.
    owed: Quantities,
    /// A node of the role tree refers to it.
    pub(crate) in_use: bool,
}

impl Top {
    pub(crate) fn consumed(&self) -> Quantities {
        let mut sum = self.reserved.clone();
        sum.add(&self.unreserved);
        sum
    }

    /// What is still owed to it, kept.
    pub(crate) fn owed(&self) -> &Quantities {
        &self.owed
    }

    /// What is still owed to it, computed.
    pub(crate) fn unsatisfied(&self) -> Quantities {
        if self.guarantees.is_empty() {
            return Quantities::new();
        }
        self.guarantees.minus_floor(&self.consumed())
    }

    pub(crate) fn has_quota(&self) -> bool {
        !self.guarantees.is_empty() || !self.limits.is_empty()
    }
}

/// All top-level roles that consume something or have a quota.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quotas {
    tops: Slab<Top>,
    by_name: FxHashMap<Arc<str>, u32>,
    /// What must stay free so that every guarantee can still be met.
    pub(crate) required: Quantities,
    /// What is free, unreserved and nonrevocable, on all agents.
    pub(crate) headroom: Quantities,
    /// How many roles have a quota.
    pub(crate) configured: usize,
}

impl Quotas {
    pub(crate) fn top(&self, index: u32) -> &Top {
        &self.tops[index]
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Top> {
        self.tops.iter().map(|(_, top)| top)
    }

    pub(crate) fn ensure(&mut self, name: &str) -> u32 {
        if let Some(index) = self.find(name) {
            return index;
        }
        let name: Arc<str> = name.into();
        let index = self.tops.insert(Top {
            name: Arc::clone(&name),
            reserved: Quantities::new(),
            unreserved: Quantities::new(),
            guarantees: Quantities::new(),
            limits: Limits::default(),
            owed: Quantities::new(),
            in_use: false,
        });
        self.by_name.insert(name, index);
        index
    }

    /// For a node of the role tree.
    pub(crate) fn ensure_in_use(&mut self, name: &str) -> u32 {
        let index = self.ensure(name);
        self.tops[index].in_use = true;
        index
    }

    /// The node of the role tree is gone.
    pub(crate) fn release(&mut self, index: u32) {
        self.tops[index].in_use = false;
        self.prune(index);
    }

    fn prune(&mut self, index: u32) {
        let top = &self.tops[index];
        if !top.in_use && !top.has_quota() && top.reserved.is_empty() && top.unreserved.is_empty() {
            let name = Arc::clone(&top.name);
            self.by_name.remove(&name);
            self.tops.remove(index);
        }
    }

    /// Changes a role and brings the required headroom up to date.
    fn change(&mut self, index: u32, change: impl FnOnce(&mut Top)) {
        let top = &mut self.tops[index];
        let had_quota = top.has_quota();
        change(top);
        let owed = top.unsatisfied();
        if owed != top.owed {
            self.required.subtract(&top.owed);
            self.required.add(&owed);
            top.owed = owed;
        }
        let has_quota = self.tops[index].has_quota();
        self.configured = self.configured + usize::from(has_quota) - usize::from(had_quota);
    }

    pub(crate) fn hold(&mut self, index: u32, amounts: &Quantities, add: bool) {
        if amounts.is_empty() {
            return;
        }
        self.change(index, |top| match add {
            true => top.unreserved.add(amounts),
            false => top.unreserved.subtract(amounts),
        });
    }

    pub(crate) fn reserve(&mut self, name: &str, amounts: &Quantities, add: bool) {
        let index = self.ensure(name);
        self.change(index, |top| match add {
            true => top.reserved.add(amounts),
            false => top.reserved.subtract(amounts),
        });
        self.prune(index);
    }

    pub(crate) fn configure(&mut self, name: &str, guarantees: Quantities, limits: Limits) {
        let index = self.ensure(name);
        self.change(index, |top| {
            top.guarantees = guarantees;
            top.limits = limits;
        });
        self.prune(index);
    }
}
