//! Sums, differences, containment and selections.

use crate::entry::{Entry, Value};
use crate::{Name, Scalar};
use smallvec::SmallVec;
use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::sync::Arc;

/// The entries of [`Resources`]: mostly cpus, mem, disk and ports.
type Entries = SmallVec<[Entry; 4]>;

/// A normalised bag of resources. A clone shares its entries until one of the two is changed.
///
/// **Invariants.** No entry is empty. Entries of one identity are merged, except volumes and disks that are
/// one thing. Entries keep the order in which they came, which is what peers see; equality ignores it.
#[derive(Clone, Default)]
pub struct Resources {
    /// None: nothing.
    entries: Option<Arc<Entries>>,
}

/// Whether what holds resources is a part of what they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Counts,
    Ignored,
}

impl Resources {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn of(entries: Entries) -> Self {
        let entries = (!entries.is_empty()).then(|| Arc::new(entries));
        Self { entries }
    }

    #[inline]
    fn slice(&self) -> &[Entry] {
        self.entries.as_ref().map_or(&[], |entries| entries.as_slice())
    }

    fn entries_mut(&mut self) -> &mut Entries {
        Arc::make_mut(self.entries.get_or_insert_default())
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slice().is_empty()
    }

    /// How many entries there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.slice().len()
    }

    /// The entries, in the order in which they came.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.slice().iter()
    }

    /// Whether both are one value that was cloned and not changed since: equal without a look at the entries. Equal
    /// values need not be one.
    #[inline]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.entries, &other.entries) {
            (Some(mine), Some(other)) => Arc::ptr_eq(mine, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Adds one entry; an empty one leaves no trace.
    pub fn add_entry(&mut self, entry: &Entry) {
        self.add_as(entry, Holder::Counts);
    }

    fn add_as(&mut self, entry: &Entry, holder: Holder) {
        if entry.value.is_empty() || entry.copies == 0 {
            return;
        }
        let found = if entry.is_shared() {
            self.position(|mine| same(mine, entry, holder))
        } else if entry.stays_apart() {
            None
        } else {
            self.position(|mine| same_identity(mine, entry, holder))
        };
        let entries = self.entries_mut();
        match found {
            Some(at) if entry.is_shared() => {
                entries[at].copies = entries[at].copies.saturating_add(entry.copies);
            }
            Some(at) => entries[at].value.add(&entry.value),
            None if holder == Holder::Ignored => entries.push(entry.clone().unallocated()),
            None => entries.push(entry.clone()),
        }
    }

    fn position(&self, fits: impl FnMut(&Entry) -> bool) -> Option<usize> {
        self.slice().iter().position(fits)
    }

    /// Takes one entry away, as far as it is here.
    pub fn subtract_entry(&mut self, entry: &Entry) {
        self.subtract_as(entry, Holder::Counts);
    }

    fn subtract_as(&mut self, entry: &Entry, holder: Holder) {
        if entry.value.is_empty() {
            return;
        }
        let whole = entry.stays_apart() || entry.is_shared();
        let found = self.position(|mine| match whole {
            true => same(mine, entry, holder),
            false => same_identity(mine, entry, holder),
        });
        let Some(at) = found else { return };
        let entries = self.entries_mut();
        let mine = &mut entries[at];
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
            entries.remove(at);
        }
    }

    /// Adds what `other` holds to what nobody holds: as [`Resources::unallocate`] and `+=`, without the copy.
    pub fn add_unallocated(&mut self, other: &Self) {
        for entry in other.iter() {
            self.add_as(entry, Holder::Ignored);
        }
    }

    /// Takes what `other` holds away from what nobody holds: as [`Resources::unallocate`] and `-=`, without the copy.
    pub fn subtract_unallocated(&mut self, other: &Self) {
        for entry in other.iter() {
            self.subtract_as(entry, Holder::Ignored);
        }
    }

    /// Whether one entry could be taken away wholly.
    pub fn contains_entry(&self, entry: &Entry) -> bool {
        if entry.value.is_empty() {
            return true;
        }
        if entry.is_shared() {
            self.iter()
                .any(|mine| mine.same(entry) && mine.copies >= entry.copies)
        } else if entry.stays_apart() {
            self.iter().any(|mine| mine.same(entry))
        } else {
            self.iter()
                .any(|mine| mine.same_identity(entry) && mine.value.contains(&entry.value))
        }
    }

    /// Whether every entry of `other` could be taken away, one after another.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_same(other)
            || other.iter().enumerate().all(|(index, entry)| {
                if !entry.stays_apart() || entry.is_shared() {
                    return self.contains_entry(entry);
                }
                // Equal volumes stay separate entries: there must be as many here as there.
                let earlier = other.iter().take(index).filter(|before| before.same(entry));
                self.iter().filter(|mine| mine.same(entry)).count() > earlier.count()
            })
    }

    /// The entries for which `keep` holds.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&Entry) -> bool) -> Self {
        let all = self.slice();
        let Some(first_gone) = all.iter().position(|entry| !keep(entry)) else {
            return self.clone();
        };
        let (before, after) = (all.iter().take(first_gone), all.iter().skip(first_gone + 1));
        Self::of(before.chain(after.filter(|entry| keep(entry))).cloned().collect())
    }

    /// The entries rewritten one by one, and normalised again.
    #[must_use]
    pub fn map(&self, mut rewrite: impl FnMut(&Entry) -> Entry) -> Self {
        let mut all = Self::new();
        for entry in self.iter() {
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
        if self.iter().all(|entry| entry.allocation.is_none()) {
            return self.allocate_first(role, |_| true);
        }
        self.map(|entry| Entry {
            allocation: Some(Arc::clone(role)),
            ..entry.clone()
        })
    }

    /// What nobody holds, held by `role`: first the entries for which `first` holds, then the others.
    #[must_use]
    pub fn allocate_first(&self, role: &Arc<str>, first: impl Fn(&Entry) -> bool) -> Self {
        let held = |entry: &Entry| Entry {
            allocation: Some(Arc::clone(role)),
            ..entry.clone()
        };
        let mut entries = Entries::with_capacity(self.len());
        entries.extend(self.iter().filter(|entry| first(entry)).map(held));
        if entries.len() < self.len() {
            entries.extend(self.iter().filter(|entry| !first(entry)).map(held));
        }
        Self::of(entries)
    }

    /// The same, held by nobody.
    #[must_use]
    pub fn unallocate(&self) -> Self {
        if self.iter().all(|entry| entry.allocation.is_none()) {
            return self.clone();
        }
        let mut all = Self::new();
        all.add_unallocated(self);
        all
    }

    /// The parts by the role that holds them; what nobody holds comes under the empty name.
    pub fn allocations(&self) -> Vec<(Arc<str>, Self)> {
        let of = |entry: &Entry| entry.allocation.clone().unwrap_or_else(|| Arc::from(""));
        let Some(first) = self.iter().next() else {
            return Vec::new();
        };
        if self.iter().all(|entry| entry.allocation == first.allocation) {
            return vec![(of(first), self.clone())];
        }
        let mut parts: Vec<(Arc<str>, Self)> = Vec::new();
        for entry in self.iter() {
            let role = of(entry);
            match parts.iter_mut().find(|(mine, _)| *mine == role) {
                Some((_, part)) => part.entries_mut().push(entry.clone()),
                None => parts.push((role, Self::of(SmallVec::from_iter([entry.clone()])))),
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
        self.iter()
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
        for entry in self.iter().filter(|entry| entry.name == Name::Ports) {
            if let Value::Ranges(ranges) = &entry.value {
                all.add(ranges);
            }
        }
        all
    }
}

fn same_identity(mine: &Entry, other: &Entry, holder: Holder) -> bool {
    match holder {
        Holder::Counts => mine.same_identity(other),
        Holder::Ignored => mine.same_but_for_holder(other),
    }
}

fn same(mine: &Entry, other: &Entry, holder: Holder) -> bool {
    same_identity(mine, other, holder) && mine.value == other.value
}

impl AddAssign<&Self> for Resources {
    fn add_assign(&mut self, other: &Self) {
        if self.is_empty() {
            self.entries.clone_from(&other.entries);
            return;
        }
        for entry in other.iter() {
            self.add_entry(entry);
        }
    }
}

impl SubAssign<&Self> for Resources {
    fn sub_assign(&mut self, other: &Self) {
        if self.is_same(other) {
            self.entries = None;
            return;
        }
        for entry in other.iter() {
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
        self.is_same(other) || self.len() == other.len() && self.contains(other) && other.contains(self)
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
        if self.is_empty() {
            return f.write_str("{}");
        }
        for (index, entry) in self.iter().enumerate() {
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
