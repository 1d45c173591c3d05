//! Time and memory of a process, from `/proc`.

use std::fs;
use std::time::Duration;

/// Ticks in a second of what `/proc/<pid>/stat` counts; fixed for programs on Linux.
const TICKS: u64 = 100;

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Time on processors, to the hundredth of a second.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// The most there ever was, in bytes.
    pub peak: u64,
}

impl Sample {
    /// The process with that id; `None` when it is gone.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Self::parse(&stat, &status)
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name before the parenthesis may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let ticks = ticks(11)? + ticks(12)?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        Some(Self {
            cpu: Duration::from_millis(ticks * 1000 / TICKS),
            resident: kib("VmRSS:")? * 1024,
            peak: kib("VmHWM:")? * 1024,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_counted_behind_the_name() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        let status = "Name:\ta\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        let expected = Sample {
            cpu: Duration::from_secs(2),
            resident: 1024 * 1024,
            peak: 2048 * 1024,
        };
        assert_eq!(Sample::parse(stat, status), Some(expected));
        assert_eq!(Sample::parse("", status), None);
    }

    #[test]
    fn this_process_has_memory() {
        let sample = Sample::of(std::process::id()).expect("it lives");
        assert!(sample.resident > 0 && sample.peak >= sample.resident);
    }
}
