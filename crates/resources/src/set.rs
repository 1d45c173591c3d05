//! Sets of strings.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Unique strings, kept sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Set(BTreeSet<Arc<str>>);

impl Set {
    /// The strings given; repeated ones count once.
    pub fn new<'a>(items: impl IntoIterator<Item = &'a str>) -> Self {
        Self(items.into_iter().map(Arc::from).collect())
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many strings it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The strings, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether every string of `other` is here.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Adds the strings of `other`.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Takes the strings of `other` away.
    pub fn subtract(&mut self, other: &Self) {
        self.0.retain(|item| !other.0.contains(item));
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, item) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        f.write_str("}")
    }
}
