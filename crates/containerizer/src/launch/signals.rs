//! Signals as a program expects to find them.

use std::{fs, io};

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The numbers of signals that can be ignored: the kernel's 64, but for those that cannot be handled (SIGKILL,
/// SIGSTOP), those of a fault, which kill whoever ignores them (SIGILL, SIGFPE, SIGSEGV), those that the C library
/// keeps (32 and 33), and SIGPIPE, which Rust ignores at its start and restores before it executes a program.
const EXEMPT: [i32; 8] = [4, 8, 9, 11, 13, 19, 32, 33];

/// Has signals that whoever started this process had told it to ignore, as `nohup` and shells' `&` do, act as usual
/// on the program that this process is about to become: ignored ones stay ignored across an exec, handled ones do not.
pub(super) fn heed_ignored() -> io::Result<()> {
    let ignored = ignored(&fs::read_to_string("/proc/self/status")?);
    if ignored.is_empty() {
        return Ok(());
    }
    // What is received in the moment that is left goes nowhere, just as before.
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    for number in ignored {
        // Dropped at once: what counts is that it was asked for.
        let _heeded = signal(SignalKind::from_raw(number))?;
    }
    Ok(())
}

/// The numbers in the mask `SigIgn` of a process's status, without [`EXEMPT`].
fn ignored(status: &str) -> Vec<i32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.unwrap_or_default();
    (1..=64)
        .filter(|number| mask & (1 << (number - 1)) != 0 && !EXEMPT.contains(number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_mask() {
        let status =
            "Name:\tcat\nSigBlk:\tffffffffffffffff\nSigIgn:\t8000000000011007\nSigCgt:\t0000000000000001\n";
        assert_eq!(ignored(status), [1, 2, 3, 17, 64]);
        assert_eq!(ignored("SigIgn:\tffffffffffffffff\n").len(), 64 - EXEMPT.len());
        assert_eq!(ignored("SigIgn:\tmany\n"), Vec::<i32>::new());
    }
}
