//! Siblings in the order in which they are served.

use resources::{Name, Quantities};
use std::collections::{BTreeSet, btree_set};

/// A place in an [`Order`]: lowest share first, then fewest allocations, then by name. Numbers alone, so that
/// comparing two reads no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The bits of a non-negative double, which sort as the double does.
    share: u64,
    events: u64,
    /// Sorts as the name does.
    rank: u64,
    pub(crate) index: u32,
}

/// What a node of the tree holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Share {
    /// Scalars held.
    pub(crate) allocated: Quantities,
    /// How often something was added.
    pub(crate) events: u64,
}

/// How what a node holds changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// An allocation: an event that is counted.
    Allocate,
    /// More, without an event: what was held became something else.
    More,
    /// Less.
    Less,
}

impl Share {
    pub(crate) fn charge(&mut self, amounts: &Quantities, change: Change) {
        match change {
            Change::Allocate => {
                self.allocated.add(amounts);
                self.events += 1;
            }
            Change::More => self.allocated.add(amounts),
            Change::Less => self.allocated.subtract(amounts),
        }
    }

    pub(crate) fn key(&self, cluster: &Cluster, weight: f64, rank: u64, index: u32) -> Key {
        let share = cluster.dominant_share(&self.allocated) / weight;
        Key {
            share: share.to_bits(),
            events: self.events,
            rank,
            index,
        }
    }
}

/// What shares are parts of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    /// Scalars of all agents.
    pub(crate) totals: Quantities,
    /// Names that do not count.
    pub(crate) excluded: BTreeSet<Name>,
    /// Grows whenever the totals change: orders made before are stale.
    pub(crate) epoch: u64,
}

impl Cluster {
    pub(crate) fn dominant_share(&self, allocated: &Quantities) -> f64 {
        let mut most = 0.0f64;
        for (name, amount) in allocated.iter() {
            let total = self.totals.get(name);
            let counts = self.excluded.is_empty() || !self.excluded.contains(name);
            if total.is_positive() && amount.is_positive() && counts {
                most = most.max(amount.as_f64() / total.as_f64());
            }
        }
        most
    }

    pub(crate) fn change(&mut self, amounts: &Quantities, add: bool) {
        if amounts.is_empty() {
            return;
        }
        if add {
            self.totals.add(amounts);
        } else {
            self.totals.subtract(amounts);
        }
        self.stale();
    }

    /// All orders are to be sorted anew.
    pub(crate) fn stale(&mut self) {
        self.epoch += 1;
    }
}

/// Active siblings, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    set: BTreeSet<Key>,
    /// The cluster's epoch that the keys were made in.
    pub(crate) epoch: u64,
}

impl Order {
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            set: BTreeSet::new(),
            epoch,
        }
    }

    pub(crate) fn insert(&mut self, key: Key) {
        self.set.insert(key);
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.set.remove(key);
    }

    pub(crate) fn iter(&self) -> btree_set::Iter<'_, Key> {
        self.set.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }

    /// The members, to be inserted again under new keys.
    pub(crate) fn take(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.set)
            .into_iter()
            .map(|key| key.index)
            .collect()
    }
}
