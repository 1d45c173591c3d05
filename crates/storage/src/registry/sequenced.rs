//! Entries by key that remember the order in which they came.

use std::collections::BTreeMap;

/// A map whose entries are listed in the order in which they were first put in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sequenced<V> {
    by_key: BTreeMap<String, (u64, V)>,
    order: BTreeMap<u64, String>,
}

impl<V> Default for Sequenced<V> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            order: BTreeMap::new(),
        }
    }
}

impl<V> Sequenced<V> {
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.by_key.get(key).map(|(_, value)| value)
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// Puts an entry in (an old one keeps its place) and returns its number.
    pub(crate) fn put(&mut self, key: &str, value: V) -> u64 {
        if let Some((number, old)) = self.by_key.get_mut(key) {
            *old = value;
            return *number;
        }
        let number = self.order.last_key_value().map_or(0, |(last, _)| last + 1);
        self.load(key, number, value);
        number
    }

    /// Puts an entry in at a place known before.
    pub(crate) fn load(&mut self, key: &str, number: u64, value: V) {
        if let Some((old, _)) = self.by_key.insert(key.to_owned(), (number, value)) {
            self.order.remove(&old);
        }
        self.order.insert(number, key.to_owned());
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        let (number, value) = self.by_key.remove(key)?;
        self.order.remove(&number);
        Some(value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.order
            .values()
            .filter_map(|key| Some((key.as_str(), self.get(key)?)))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}
