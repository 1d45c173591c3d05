//! Maps with few keys.

use smallvec::SmallVec;

/// A map from small numbers for few of them: a sorted list, the first in place.
#[derive(Clone, Debug)]
pub(crate) struct SmallMap<V>(SmallVec<[(u32, V); 1]>);

impl<V> Default for SmallMap<V> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<V> SmallMap<V> {
    fn place(&self, key: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |(mine, _)| *mine)
    }

    pub(crate) fn get(&self, key: u32) -> Option<&V> {
        let at = self.place(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut V> {
        let at = self.place(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: u32) -> Option<V> {
        let at = self.place(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Keys and values, by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().map(|(key, _)| *key)
    }
}

impl<V: Default> SmallMap<V> {
    pub(crate) fn entry(&mut self, key: u32) -> &mut V {
        let at = match self.place(key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key, V::default()));
                at
            }
        };
        &mut self.0[at].1
    }
}
