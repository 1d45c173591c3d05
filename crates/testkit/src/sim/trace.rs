//! A number that stands for everything that happened.

use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// Grows with every event; equal traces are equal runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
}

impl Trace {
    pub(crate) fn note(&mut self, what: impl Hash) {
        let mut hasher = FxHasher::default();
        self.hash.hash(&mut hasher);
        what.hash(&mut hasher);
        self.hash = hasher.finish();
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}
