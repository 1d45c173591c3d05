//! The wall clock, for what is shown to people.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Seconds since the Unix epoch.
pub(crate) fn seconds() -> f64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0.0, |time| Duration::from(time).as_secs_f64())
}
