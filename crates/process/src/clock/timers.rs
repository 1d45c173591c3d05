//! Pending calls in the order of their due times.

use std::collections::BTreeMap;

use crate::Time;

pub(super) type Callback = Box<dyn FnOnce() + Send>;

/// Due time, then the order in which timers were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) due: Time,
    sequence: u64,
}

#[derive(Default)]
pub(super) struct Timers {
    pending: BTreeMap<Key, Callback>,
    next: u64,
}

impl Timers {
    pub(super) fn insert(&mut self, due: Time, callback: Callback) -> Key {
        let key = Key {
            due,
            sequence: self.next,
        };
        self.next += 1;
        self.pending.insert(key, callback);
        key
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Callback> {
        self.pending.remove(&key)
    }

    pub(super) fn first(&self) -> Option<Time> {
        self.pending.first_key_value().map(|(key, _)| key.due)
    }

    /// Takes the first timer that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(Time, Callback)> {
        let entry = self.pending.first_entry()?;
        if entry.key().due > now {
            return None;
        }
        let (key, callback) = entry.remove_entry();
        Some((key.due, callback))
    }
}
