//! The wall clock, for what is shown to people, and the monotonic one, for ages.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Seconds since the Unix epoch.
pub(crate) fn seconds() -> f64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0.0, |time| Duration::from(time).as_secs_f64())
}

/// Time since some moment before this process, that only goes forward.
pub(crate) fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}
