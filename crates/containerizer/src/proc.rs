//! What `/proc` says of processes, and signals that cannot hit the wrong one.
//!
//! A process is named by pid and start time together ([`Identity`]): a pid alone may be another process by
//! now. Signals go through a pidfd whose start time was checked after it was opened.

mod kill;
mod table;

pub use kill::{kill_members, signal};
pub(crate) use table::DEBUG_MARK;
pub use table::{Table, has_mark, marks};

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

/// A process, for as long as the machine is up: the pair is never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Its number, free for others once it has been reaped.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start: u64,
}

impl Identity {
    /// The process that has this pid now, if it is not a zombie.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        Stat::read(pid).filter(Stat::is_alive).map(|stat| stat.identity())
    }

    /// Whether the process still runs (zombies do not).
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// The part of `/proc/<pid>/stat` that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The process.
    pub pid: i32,
    /// `R`, `S`, `Z` and so on.
    pub state: char,
    /// Its parent, or who adopted it.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// User time of itself and of the children it reaped, in ticks.
    pub user_ticks: u64,
    /// System time of the same, in ticks.
    pub system_ticks: u64,
    /// Threads.
    pub threads: u32,
    /// When it started, in ticks since boot.
    pub start: u64,
    /// Resident pages.
    pub resident_pages: u64,
}

impl Stat {
    /// Reads it; none if there is no such process (or it went while being read).
    #[must_use]
    pub fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name, in parentheses, may hold anything, parentheses and spaces included: fields count from the last one.
    fn parse(text: &str) -> Option<Self> {
        let (head, tail) = text.rsplit_once(')')?;
        let pid = head.split_once(" (")?.0.parse().ok()?;
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        // Field n of proc(5) stands at n - 3.
        let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
        let id = |n: usize| fields.get(n - 3)?.parse::<i32>().ok();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: id(4)?,
            group: id(5)?,
            session: id(6)?,
            user_ticks: number(14)? + number(16)?,
            system_ticks: number(15)? + number(17)?,
            threads: u32::try_from(number(20)?).ok()?,
            start: number(22)?,
            resident_pages: number(24)?,
        })
    }

    /// Which process this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            start: self.start,
        }
    }

    /// Neither a zombie nor on the way to be reaped.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Clock ticks per second, the unit of times in [`Stat`].
#[must_use]
pub fn ticks_per_second() -> u64 {
    sysconf(SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(100)
}

/// Bytes of a page, the unit of [`Stat::resident_pages`].
#[must_use]
pub fn page_size() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = "1234 (a) R 1 (b) S 77 88 99 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 4242 1000000 321 184467 1 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            (stat.pid, stat.state, stat.parent, stat.group, stat.session),
            (1234, 'S', 77, 88, 99)
        );
        assert_eq!((stat.user_ticks, stat.system_ticks, stat.threads), (40, 60, 5));
        assert_eq!((stat.start, stat.resident_pages), (4242, 321));
    }

    #[test]
    fn cut_lines_are_refused() {
        let line = "1234 (sh) S 77 88 99 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 4242 1000000 321";
        assert!(Stat::parse(line).is_some());
        let end = line.rfind(' ').unwrap();
        for (cut, _) in line.char_indices().take_while(|(cut, _)| *cut < end) {
            assert_eq!(Stat::parse(line.split_at(cut).0), None, "{cut}");
        }
    }

    #[test]
    fn this_process_is_alive_and_another_start_time_is_another_process() {
        let me = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(me.is_alive());
        assert!(
            !Identity {
                start: me.start + 1,
                ..me
            }
            .is_alive()
        );
    }
}
