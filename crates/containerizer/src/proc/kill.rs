//! Signals that hit the process meant, and only that; killing what keeps forking.

use std::collections::BTreeMap;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{Identity, Stat};

/// How often a set is looked at again, while it still grows, before it is killed as it is.
const FREEZE_ROUNDS: usize = 16;

/// Sends a signal; false if the process is gone (also if its pid is another process now) or may not be
/// signalled by us. `signal` is a number of `signal(7)`; unknown ones are not sent.
pub fn signal(process: Identity, signal: i32) -> bool {
    let Some(signal) = Signal::from_named_raw(signal) else {
        return false;
    };
    let Some(pid) = Pid::from_raw(process.pid) else {
        return false;
    };
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    // From here on the descriptor cannot change to another process; was it the right one?
    Identity::of(process.pid) == Some(process) && pidfd_send_signal(&fd, signal).is_ok()
}

/// Kills everything `find` returns and everything that appears while that goes on. Members are stopped first,
/// until a look finds no new one, so that they cannot fork away; then all get `SIGKILL`. Returns what was found
/// in the last look. To be called again until that is nothing, since killed processes take a moment to go.
pub fn kill_members(mut find: impl FnMut() -> BTreeMap<i32, Stat>) -> Vec<Identity> {
    let mut stopped = BTreeMap::new();
    let mut members = find();
    if members.len() > 1 {
        for _ in 0..FREEZE_ROUNDS {
            let fresh: Vec<Identity> = members
                .values()
                .map(Stat::identity)
                .filter(|id| !stopped.contains_key(id))
                .collect();
            if fresh.is_empty() {
                break;
            }
            for process in fresh {
                stopped.insert(process, signal(process, nix::libc::SIGSTOP));
            }
            members = find();
        }
    }
    let members: Vec<Identity> = members.values().map(Stat::identity).collect();
    for member in &members {
        signal(*member, nix::libc::SIGKILL);
    }
    members
}
