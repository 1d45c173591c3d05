//! Which entries there are, how much room they take and who uses them: no I/O.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who fetches what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The user's name; empty for the agent's own.
    pub(crate) user: String,
    /// As it was given.
    pub(crate) uri: String,
}

/// What is to be done about something wanted. Files are relative to the cache's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is there, and in use from now on.
    Use(PathBuf),
    /// It is to be downloaded to this file, and in use from now on; these are to be deleted first.
    Download { file: PathBuf, evicted: Vec<PathBuf> },
    /// Its size must be known.
    Ask,
    /// Somebody is downloading it.
    Wait,
    /// It does not fit.
    NoRoom,
}

#[derive(Debug)]
struct Entry {
    file: PathBuf,
    size: u64,
    is_complete: bool,
    users: usize,
    last_used: u64,
}

/// **Invariant.** `used` is the sum of all sizes, and at most `capacity`.
#[derive(Debug)]
pub(super) struct Ledger {
    capacity: u64,
    used: u64,
    entries: BTreeMap<Key, Entry>,
    /// Numbers files.
    serial: u64,
    /// Counts uses.
    tick: u64,
}

impl Ledger {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            used: 0,
            entries: BTreeMap::new(),
            serial: 0,
            tick: 0,
        }
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// `size` is that of what is wanted, once known; `exists` tells whether an entry's file is still there.
    pub(super) fn look(&mut self, key: &Key, size: Option<u64>, exists: impl Fn(&Path) -> bool) -> Look {
        self.tick += 1;
        if let Some(entry) = self.entries.get_mut(key) {
            if !entry.is_complete {
                return Look::Wait;
            }
            if exists(&entry.file) {
                entry.users += 1;
                entry.last_used = self.tick;
                return Look::Use(entry.file.clone());
            }
            // Somebody deleted it: once nobody counts on it any more it is fetched again.
            if entry.users > 0 {
                return Look::NoRoom;
            }
            self.forget(key);
        }
        let Some(size) = size else { return Look::Ask };
        let Some(evicted) = self.make_room(size) else {
            return Look::NoRoom;
        };
        self.serial += 1;
        let user = if key.user.is_empty() { "_" } else { &key.user };
        let file = Path::new(user).join(format!("c{}-{}", self.serial, short_name(&key.uri)));
        self.used += size;
        let entry = Entry {
            file: file.clone(),
            size,
            is_complete: false,
            users: 1,
            last_used: self.tick,
        };
        self.entries.insert(key.clone(), entry);
        Look::Download { file, evicted }
    }

    /// Drops unused entries until `size` fits; none, and nothing dropped, if that cannot be.
    fn make_room(&mut self, size: u64) -> Option<Vec<PathBuf>> {
        let mut unused: Vec<(u64, Key, u64)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.users == 0)
            .map(|(key, entry)| (entry.last_used, key.clone(), entry.size))
            .collect();
        unused.sort_by_key(|(last_used, ..)| *last_used);
        let free = self.capacity.checked_sub(self.used)?;
        let mut missing = size.saturating_sub(free);
        let mut dropped = Vec::new();
        for (_, key, size) in unused {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(size);
            dropped.push(key);
        }
        (missing == 0).then(|| dropped.iter().filter_map(|key| self.forget(key)).collect())
    }

    /// A download has ended with so many bytes; false, and the entry is not good, if there are more than were said.
    pub(super) fn complete(&mut self, key: &Key, length: u64) -> bool {
        match self.entries.get_mut(key) {
            Some(entry) if length <= entry.size => {
                self.used -= entry.size - length;
                entry.size = length;
                entry.is_complete = true;
                true
            }
            _ => false,
        }
    }

    /// One user less. With `failed` the entry was to be downloaded and was not: it goes, and its file is returned.
    pub(super) fn release(&mut self, key: &Key, failed: bool) -> Option<PathBuf> {
        if failed {
            return self.forget(key);
        }
        if let Some(entry) = self.entries.get_mut(key) {
            entry.users = entry.users.saturating_sub(1);
        }
        None
    }

    fn forget(&mut self, key: &Key) -> Option<PathBuf> {
        let entry = self.entries.remove(key)?;
        self.used -= entry.size;
        Some(entry.file)
    }
}

/// The end of a URI, at most 21 characters of it: the first and last ten, if it is longer.
fn short_name(uri: &str) -> String {
    const PART: usize = 10;
    let name: Vec<char> = uri
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .collect();
    match (name.get(..PART), name.len().checked_sub(PART)) {
        (Some(first), Some(rest)) if name.len() > 2 * PART => {
            let last = name.get(rest..).unwrap_or_default();
            format!(
                "{}_{}",
                first.iter().collect::<String>(),
                last.iter().collect::<String>()
            )
        }
        _ => name.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(uri: &str) -> Key {
        Key {
            user: "me".to_owned(),
            uri: uri.to_owned(),
        }
    }

    fn download(look: Look) -> (String, usize) {
        match look {
            Look::Download { file, evicted } => (file.display().to_string(), evicted.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_downloads_others_wait_and_later_ones_use() {
        let mut ledger = Ledger::new(100);
        let a = key("http://h/a.tgz");
        assert_eq!(ledger.look(&a, None, |_| true), Look::Ask);
        assert_eq!(download(ledger.look(&a, Some(60), |_| true)).0, "me/c1-a.tgz");
        assert_eq!(ledger.look(&a, None, |_| true), Look::Wait);
        assert_eq!(ledger.used(), 60);
        assert!(ledger.complete(&a, 50));
        assert_eq!(ledger.release(&a, false), None);
        assert_eq!(ledger.used(), 50, "what it really is");
        assert_eq!(ledger.look(&a, None, |_| true), Look::Use("me/c1-a.tgz".into()));
    }

    #[test]
    fn the_longest_unused_goes_and_what_is_used_stays() {
        let mut ledger = Ledger::new(100);
        for (name, size) in [("a", 40), ("b", 40)] {
            download(ledger.look(&key(name), Some(size), |_| true));
            ledger.complete(&key(name), size);
            ledger.release(&key(name), false);
        }
        assert!(matches!(ledger.look(&key("a"), None, |_| true), Look::Use(_)));
        assert_eq!(
            ledger.look(&key("big"), Some(70), |_| true),
            Look::NoRoom,
            "a is in use"
        );
        assert!(
            matches!(ledger.look(&key("b"), None, |_| true), Look::Use(_)),
            "nothing went in vain"
        );
        ledger.release(&key("b"), false);
        ledger.release(&key("a"), false);
        ledger.look(&key("b"), None, |_| true);
        ledger.release(&key("b"), false);
        assert_eq!(download(ledger.look(&key("c"), Some(50), |_| true)).1, 1);
        assert_eq!(
            ledger.look(&key("a"), None, |_| true),
            Look::Ask,
            "a was the longest unused"
        );
        assert_eq!(ledger.look(&key("d"), Some(101), |_| true), Look::NoRoom);
    }

    #[test]
    fn what_failed_or_lied_or_was_deleted_is_fetched_again() {
        let mut ledger = Ledger::new(100);
        let a = key("a");
        download(ledger.look(&a, Some(10), |_| true));
        assert_eq!(ledger.release(&a, true), Some("me/c1-a".into()));
        assert_eq!(ledger.used(), 0);
        download(ledger.look(&a, Some(10), |_| true));
        assert!(!ledger.complete(&a, 11));
        ledger.release(&a, true);
        download(ledger.look(&a, Some(10), |_| true));
        assert!(ledger.complete(&a, 10));
        ledger.release(&a, false);
        assert_eq!(ledger.look(&a, None, |_| false), Look::Ask);
        assert_eq!(ledger.used(), 0);
    }

    #[test]
    fn names_are_cut_in_the_middle() {
        assert_eq!(short_name("http://h/x.tar.gz"), "x.tar.gz");
        assert_eq!(
            short_name("/a/a-very-long-name-of-1.2.3.tar.gz"),
            "a-very-lon_2.3.tar.gz"
        );
        assert_eq!(short_name("http://h/ü b"), "__b");
    }

    proptest! {
        /// Whatever is asked, completed and released, the sum is right and never above the capacity.
        #[test]
        fn the_capacity_holds(steps in proptest::collection::vec((0..6_u8, 1..60_u64, 0..4_u8), 0..200)) {
            let mut ledger = Ledger::new(100);
            let mut leases: Vec<(Key, bool)> = Vec::new();
            for (name, size, kind) in steps {
                let key = key(&name.to_string());
                match kind {
                    0 | 1 => match ledger.look(&key, Some(size), |_| true) {
                        Look::Use(_) => leases.push((key, false)),
                        Look::Download { .. } => leases.push((key, true)),
                        _ => {}
                    },
                    2 => {
                        if let Some((key, first)) = leases.iter_mut().find(|(_, first)| *first) {
                            *first = !ledger.complete(key, size);
                        }
                    }
                    _ => {
                        if let Some((key, failed)) = leases.pop() {
                            ledger.release(&key, failed);
                        }
                    }
                }
                let sum: u64 = ledger.entries.values().map(|entry| entry.size).sum();
                prop_assert_eq!(sum, ledger.used());
                prop_assert!(ledger.used() <= 100);
                for (key, _) in &leases {
                    prop_assert!(ledger.entries.contains_key(key), "in use and gone");
                }
            }
        }
    }
}
