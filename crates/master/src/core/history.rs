//! A bounded map that forgets its oldest entries.

use std::fmt;

use imbl::OrdMap;

/// At most `limit` entries, told at each insertion; the oldest goes first. Cloning is O(1).
#[derive(Clone)]
pub struct History<K, V> {
    next: u64,
    order: OrdMap<u64, K>,
    entries: OrdMap<K, (u64, V)>,
}

impl<K, V> Default for History<K, V> {
    fn default() -> Self {
        Self {
            next: 0,
            order: OrdMap::new(),
            entries: OrdMap::new(),
        }
    }
}

impl<K: Ord + Clone, V: Clone> History<K, V> {
    /// Adds as the newest, replacing what had this key; gives what was forgotten for it.
    pub fn insert(&mut self, key: K, value: V, limit: usize) -> Option<(K, V)> {
        self.remove(&key);
        if limit == 0 {
            return Some((key, value));
        }
        let evicted = if self.entries.len() >= limit {
            self.pop_oldest()
        } else {
            None
        };
        self.order.insert(self.next, key.clone());
        self.entries.insert(key, (self.next, value));
        self.next += 1;
        evicted
    }

    /// Takes out what has this key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (sequence, value) = self.entries.remove(key)?;
        self.order.remove(&sequence);
        Some(value)
    }

    /// What has this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// What has this key, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Whether something has this key.
    pub fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.order
            .values()
            .filter_map(|key| Some((key, &self.entries.get(key)?.1)))
    }

    fn pop_oldest(&mut self) -> Option<(K, V)> {
        let (sequence, key) = self.order.get_min().cloned()?;
        self.order.remove(&sequence);
        let (_, value) = self.entries.remove(&key)?;
        Some((key, value))
    }
}

impl<K: fmt::Debug + Ord + Clone, V: fmt::Debug + Clone> fmt::Debug for History<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut history = History::default();
        assert_eq!(history.insert("a", 1, 2), None);
        assert_eq!(history.insert("b", 2, 2), None);
        assert_eq!(history.insert("a", 3, 2), None, "replacing does not evict");
        assert_eq!(
            history.insert("c", 4, 2),
            Some(("b", 2)),
            "a was renewed, so b is oldest"
        );
        assert_eq!(history.iter().collect::<Vec<_>>(), [(&"a", &3), (&"c", &4)]);
    }

    #[test]
    fn a_limit_of_zero_keeps_nothing() {
        let mut history = History::default();
        assert_eq!(history.insert("a", 1, 0), Some(("a", 1)));
        assert!(history.is_empty());
    }
}
