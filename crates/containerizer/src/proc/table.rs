//! All processes of the machine at one moment, and who belongs to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Stat;

/// All processes at (about) one moment, by pid.
#[derive(Clone, Debug, Default)]
pub struct Table {
    processes: BTreeMap<i32, Stat>,
}

impl Table {
    /// Reads `/proc`. What starts or ends meanwhile may or may not be in it.
    #[must_use]
    pub fn read() -> Self {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Self::default();
        };
        entries
            .flatten()
            .filter_map(|entry| Stat::read(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }

    /// Every process, zombies included, by pid.
    pub fn iter(&self) -> impl Iterator<Item = &Stat> {
        self.processes.values()
    }

    /// The process with this pid.
    #[must_use]
    pub fn get(&self, pid: i32) -> Option<&Stat> {
        self.processes.get(&pid)
    }

    /// Children of `roots`, their children and so on; the roots only where one is below another. Zombies
    /// are left out, their living children are not.
    #[must_use]
    pub fn descendants(&self, roots: &[i32]) -> BTreeMap<i32, Stat> {
        let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for stat in self.iter() {
            children.entry(stat.parent).or_default().push(stat.pid);
        }
        let mut seen = BTreeSet::new();
        let mut todo = roots.to_vec();
        while let Some(pid) = todo.pop() {
            for &child in children.get(&pid).into_iter().flatten() {
                if seen.insert(child) {
                    todo.push(child);
                }
            }
        }
        seen.iter()
            .filter_map(|pid| Some((*pid, *self.get(*pid)?)))
            .filter(|(_, stat)| stat.is_alive())
            .collect()
    }

    /// The processes of a tree as one that wants to signal all of it sees them: `root`, its descendants, and
    /// whoever shares a session with one of these, with their descendants. Only sessions that a member leads
    /// count, so that the session `root` was started in is not drawn in.
    #[must_use]
    pub fn tree(&self, root: i32) -> BTreeMap<i32, Stat> {
        let mut members = self.descendants(&[root]);
        members.extend(
            self.get(root)
                .filter(|stat| stat.is_alive())
                .map(|stat| (root, *stat)),
        );
        loop {
            let before = members.len();
            let led: BTreeSet<i32> = members
                .values()
                .filter(|s| s.session == s.pid)
                .map(|s| s.pid)
                .collect();
            let mates: Vec<Stat> = self
                .iter()
                .filter(|s| led.contains(&s.session) && s.is_alive())
                .copied()
                .collect();
            let roots: Vec<i32> = mates.iter().map(|stat| stat.pid).collect();
            members.extend(mates.into_iter().map(|stat| (stat.pid, stat)));
            members.extend(self.descendants(&roots));
            if members.len() == before {
                return members;
            }
        }
    }
}

impl FromIterator<Stat> for Table {
    fn from_iter<I: IntoIterator<Item = Stat>>(iter: I) -> Self {
        Self {
            processes: iter.into_iter().map(|stat| (stat.pid, stat)).collect(),
        }
    }
}

/// The variable that marks the processes of a debug container, whose `MESOS_SANDBOX` is that of its parent.
pub(crate) const DEBUG_MARK: &str = "TIANGONG_DEBUG_SANDBOX";

/// The sandboxes a process is marked with: the values `MESOS_SANDBOX`, `MESOS_DIRECTORY` and, in a debug container,
/// `TIANGONG_DEBUG_SANDBOX` had when it was started. Every process of a container inherits them, whatever session it goes to and whoever adopts it, unless
/// it clears its environment. Zombies and processes of others (without root) have none that can be read.
#[must_use]
pub fn marks(pid: i32) -> Vec<PathBuf> {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .filter_map(|variable| {
            variable
                .strip_prefix(b"MESOS_SANDBOX=")
                .or_else(|| variable.strip_prefix(b"MESOS_DIRECTORY="))
                .or_else(|| variable.strip_prefix(DEBUG_MARK.as_bytes())?.strip_prefix(b"="))
        })
        .filter(|value| !value.is_empty())
        .map(|value| PathBuf::from(OsStr::from_bytes(value)))
        .collect()
}

/// Whether a process bears the mark of this sandbox.
#[must_use]
pub fn has_mark(pid: i32, sandbox: &Path) -> bool {
    marks(pid).iter().any(|mark| mark == sandbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, session: i32, state: char) -> Stat {
        Stat {
            pid,
            state,
            parent,
            group: session,
            session,
            user_ticks: 0,
            system_ticks: 0,
            threads: 1,
            start: 1,
            resident_pages: 0,
        }
    }

    fn pids(members: BTreeMap<i32, Stat>) -> Vec<i32> {
        members.into_keys().collect()
    }

    #[test]
    fn descendants_pass_through_zombies() {
        let table: Table = [
            process(1, 0, 1, 'S'),
            process(10, 1, 10, 'S'),
            process(11, 10, 10, 'Z'),
            process(12, 11, 10, 'S'),
        ]
        .into_iter()
        .collect();
        assert_eq!(pids(table.descendants(&[10])), [12]);
        assert_eq!(pids(table.descendants(&[1])), [10, 12]);
    }

    #[test]
    fn a_tree_takes_in_sessions_its_members_lead_and_no_others() {
        let table: Table = [
            process(1, 0, 1, 'S'),
            process(5, 1, 5, 'S'),
            process(10, 5, 5, 'S'), // the root, in the session of whoever started it
            process(11, 10, 11, 'S'),
            process(12, 1, 11, 'S'), // orphaned, but in the session of 11
            process(13, 12, 13, 'S'),
            process(14, 1, 13, 'S'), // orphaned, in a session found only through 12
            process(20, 1, 20, 'S'),
        ]
        .into_iter()
        .collect();
        assert_eq!(pids(table.tree(10)), [10, 11, 12, 13, 14]);
    }

    #[test]
    fn the_table_has_this_process_below_its_parent() {
        let me = i32::try_from(std::process::id()).unwrap();
        let table = Table::read();
        let parent = table.get(me).unwrap().parent;
        assert!(table.descendants(&[parent]).contains_key(&me));
    }
}
