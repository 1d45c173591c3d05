//! What is to happen later: at most one deadline per key, due in order of time.

use std::collections::{BTreeMap, BTreeSet};

use process::Time;

/// Deadlines by key; setting one that exists moves it.
#[derive(Clone, Debug)]
pub(super) struct Timers<K> {
    by_key: BTreeMap<K, Time>,
    by_time: BTreeSet<(Time, K)>,
}

impl<K: Ord + Clone> Timers<K> {
    pub(super) const fn new() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// Sets or moves the deadline of `key`.
    pub(super) fn set(&mut self, key: K, at: Time) {
        self.cancel(&key);
        self.by_time.insert((at, key.clone()));
        self.by_key.insert(key, at);
    }

    /// Forgets the deadline of `key`, if there is one.
    pub(super) fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    /// Forgets all deadlines whose key is refused by `keep`.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.by_key.retain(|key, _| keep(key));
        self.by_time.retain(|(_, key)| self.by_key.contains_key(key));
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the earliest key whose deadline is not after `now`.
    pub(super) fn take_due(&mut self, now: Time) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_in_order_of_time_and_moved_when_set_again() {
        let mut timers = Timers::new();
        timers.set("a", Time::from_secs(3));
        timers.set("b", Time::from_secs(2));
        timers.set("a", Time::from_secs(1));
        timers.set("c", Time::from_secs(1));
        timers.cancel(&"c");
        assert_eq!(timers.next(), Some(Time::from_secs(1)));
        assert_eq!(timers.take_due(Time::from_secs(2)), Some("a"));
        assert_eq!(timers.take_due(Time::from_secs(2)), Some("b"));
        assert_eq!(timers.take_due(Time::from_secs(9)), None);
        assert_eq!(timers.next(), None);
    }
}
