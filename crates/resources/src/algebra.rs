//! Sums, differences, containment and selections.

use crate::entry::{Entry, Value};
use crate::{Name, Scalar};
use smallvec::SmallVec;
use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::sync::Arc;

/// A normalised bag of resources.
///
/// **Invariants.** No entry is empty. Entries of one identity are merged, except volumes and disks that are
/// one thing. Entries keep the order in which they came, which is what peers see; equality ignores it.
#[derive(Clone, Default)]
pub struct Resources {
    entries: SmallVec<[Entry; 4]>,
}

impl Resources {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Adds one entry; an empty one leaves no trace.
    pub fn add_entry(&mut self, entry: &Entry) {
        if entry.value.is_empty() || entry.copies == 0 {
            return;
        }
        if entry.is_shared() {
            if let Some(mine) = self.entries.iter_mut().find(|mine| mine.same(entry)) {
                mine.copies = mine.copies.saturating_add(entry.copies);
                return;
            }
        } else if !entry.stays_apart()
            && let Some(mine) = self.entries.iter_mut().find(|mine| mine.same_identity(entry))
        {
            mine.value.add(&entry.value);
            return;
        }
        self.entries.push(entry.clone());
    }

    /// Takes one entry away, as far as it is here.
    pub fn subtract_entry(&mut self, entry: &Entry) {
        if entry.value.is_empty() {
            return;
        }
        let whole = entry.stays_apart() || entry.is_shared();
        let found = self.entries.iter().position(|mine| match whole {
            true => mine.same(entry),
            false => mine.same_identity(entry),
        });
        let Some(at) = found else { return };
        let mine = &mut self.entries[at];
        let gone = if entry.is_shared() {
            mine.copies = mine.copies.saturating_sub(entry.copies);
            mine.copies == 0
        } else if whole {
            true
        } else {
            mine.value.subtract(&entry.value);
            mine.value.is_empty()
        };
        if gone {
            self.entries.remove(at);
        }
    }

    /// Whether one entry could be taken away wholly.
    pub fn contains_entry(&self, entry: &Entry) -> bool {
        if entry.value.is_empty() {
            return true;
        }
        if entry.is_shared() {
            self.entries
                .iter()
                .any(|mine| mine.same(entry) && mine.copies >= entry.copies)
        } else if entry.stays_apart() {
            self.entries.iter().any(|mine| mine.same(entry))
        } else {
            self.entries
                .iter()
                .any(|mine| mine.same_identity(entry) && mine.value.contains(&entry.value))
        }
    }

    /// Whether every entry of `other` could be taken away, one after another.
    pub fn contains(&self, other: &Self) -> bool {
        other.entries.iter().enumerate().all(|(index, entry)| {
            if !entry.stays_apart() || entry.is_shared() {
                return self.contains_entry(entry);
            }
            // Equal volumes stay separate entries: there must be as many here as there.
            let earlier = other
                .entries
                .iter()
                .take(index)
                .filter(|before| before.same(entry))
                .count();
            self.entries.iter().filter(|mine| mine.same(entry)).count() > earlier
        })
    }

    /// The entries for which `keep` holds.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&Entry) -> bool) -> Self {
        Self {
            entries: self.entries.iter().filter(|entry| keep(entry)).cloned().collect(),
        }
    }

    /// The entries rewritten one by one, and normalised again.
    #[must_use]
    pub fn map(&self, mut rewrite: impl FnMut(&Entry) -> Entry) -> Self {
        let mut all = Self::new();
        for entry in &self.entries {
            all.add_entry(&rewrite(entry));
        }
        all
    }

    /// The same, held by `role`.
    #[must_use]
    pub fn allocate(&self, role: &str) -> Self {
        self.allocate_shared(&Arc::from(role))
    }

    /// The same, held by `role`, whose text is shared instead of copied.
    #[must_use]
    pub fn allocate_shared(&self, role: &Arc<str>) -> Self {
        let mut all = self.clone();
        if all.entries.iter().all(|entry| entry.allocation.is_none()) {
            for entry in &mut all.entries {
                entry.allocation = Some(Arc::clone(role));
            }
            return all;
        }
        self.map(|entry| Entry {
            allocation: Some(Arc::clone(role)),
            ..entry.clone()
        })
    }

    /// The same, held by nobody.
    #[must_use]
    pub fn unallocate(&self) -> Self {
        if self.entries.iter().all(|entry| entry.allocation.is_none()) {
            return self.clone();
        }
        self.map(|entry| Entry {
            allocation: None,
            ..entry.clone()
        })
    }

    /// The parts by the role that holds them; what nobody holds comes under the empty name.
    pub fn allocations(&self) -> Vec<(Arc<str>, Self)> {
        let mut parts: Vec<(Arc<str>, Self)> = Vec::new();
        for entry in &self.entries {
            let role = entry.allocation.clone().unwrap_or_else(|| Arc::from(""));
            match parts.iter_mut().find(|(mine, _)| *mine == role) {
                Some((_, part)) => part.entries.push(entry.clone()),
                None => parts.push((
                    role,
                    Self {
                        entries: SmallVec::from_iter([entry.clone()]),
                    },
                )),
            }
        }
        parts
    }

    /// What nobody has reserved.
    #[must_use]
    pub fn unreserved(&self) -> Self {
        self.filter(Entry::is_unreserved)
    }

    /// What is reserved to exactly `role`.
    #[must_use]
    pub fn reserved(&self, role: &str) -> Self {
        self.filter(|entry| entry.reserved_role() == Some(role))
    }

    /// What is reserved to anybody.
    #[must_use]
    pub fn all_reserved(&self) -> Self {
        self.filter(|entry| !entry.is_unreserved())
    }

    /// What `role` may use: unreserved, or reserved to it or to a role above it.
    #[must_use]
    pub fn allocatable_to(&self, role: &str) -> Self {
        self.filter(|entry| entry.is_allocatable_to(role))
    }

    /// What may be taken back at any time.
    #[must_use]
    pub fn revocable(&self) -> Self {
        self.filter(Entry::is_revocable)
    }

    /// What will not be taken back.
    #[must_use]
    pub fn nonrevocable(&self) -> Self {
        self.filter(|entry| !entry.is_revocable())
    }

    /// What several tasks may use.
    #[must_use]
    pub fn shared(&self) -> Self {
        self.filter(Entry::is_shared)
    }

    /// What only one task may use.
    #[must_use]
    pub fn nonshared(&self) -> Self {
        self.filter(|entry| !entry.is_shared())
    }

    /// Persistent volumes.
    #[must_use]
    pub fn persistent_volumes(&self) -> Self {
        self.filter(Entry::is_persistent)
    }

    /// Scalars.
    #[must_use]
    pub fn scalars(&self) -> Self {
        self.filter(Entry::is_scalar)
    }

    /// The sum of the scalars called `name`, whatever their metadata.
    pub fn scalar(&self, name: &Name) -> Scalar {
        self.entries
            .iter()
            .filter(|entry| entry.name == *name)
            .map(|entry| match &entry.value {
                Value::Scalar(amount) => *amount,
                Value::Ranges(_) | Value::Set(_) => Scalar::ZERO,
            })
            .sum()
    }

    /// Cores.
    pub fn cpus(&self) -> Scalar {
        self.scalar(&Name::Cpus)
    }

    /// Memory, in MB.
    pub fn mem(&self) -> Scalar {
        self.scalar(&Name::Mem)
    }

    /// Disk, in MB.
    pub fn disk(&self) -> Scalar {
        self.scalar(&Name::Disk)
    }

    /// Graphics devices.
    pub fn gpus(&self) -> Scalar {
        self.scalar(&Name::Gpus)
    }

    /// All the ports, whatever their metadata.
    pub fn ports(&self) -> crate::Ranges {
        let mut all = crate::Ranges::default();
        for entry in self.entries.iter().filter(|entry| entry.name == Name::Ports) {
            if let Value::Ranges(ranges) = &entry.value {
                all.add(ranges);
            }
        }
        all
    }
}

impl AddAssign<&Self> for Resources {
    fn add_assign(&mut self, other: &Self) {
        if self.entries.is_empty() {
            self.entries.clone_from(&other.entries);
            return;
        }
        for entry in &other.entries {
            self.add_entry(entry);
        }
    }
}

impl SubAssign<&Self> for Resources {
    fn sub_assign(&mut self, other: &Self) {
        for entry in &other.entries {
            self.subtract_entry(entry);
        }
    }
}

impl Add<&Self> for Resources {
    type Output = Self;

    fn add(mut self, other: &Self) -> Self {
        self += other;
        self
    }
}

impl Sub<&Self> for Resources {
    type Output = Self;

    fn sub(mut self, other: &Self) -> Self {
        self -= other;
        self
    }
}

impl Add for &Resources {
    type Output = Resources;

    fn add(self, other: Self) -> Resources {
        self.clone() + other
    }
}

impl Sub for &Resources {
    type Output = Resources;

    fn sub(self, other: Self) -> Resources {
        self.clone() - other
    }
}

impl PartialEq for Resources {
    /// Each contains the other.
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len() && self.contains(other) && other.contains(self)
    }
}

impl FromIterator<Entry> for Resources {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut all = Self::new();
        for entry in entries {
            all.add_entry(&entry);
        }
        all
    }
}

impl<'a> std::iter::Sum<&'a Self> for Resources {
    fn sum<I: Iterator<Item = &'a Self>>(parts: I) -> Self {
        parts.fold(Self::new(), |sum, part| sum + part)
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.entries.is_empty() {
            return f.write_str("{}");
        }
        for (index, entry) in self.entries.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{entry}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
