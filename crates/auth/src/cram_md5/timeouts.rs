//! How long a client waits for the outcome of an attempt.

use std::time::Duration;

/// The range from which each attempt's time is drawn (facts: internal-protocol.md §5).
///
/// From the least time to twice the factor above it at first; that width doubles with every attempt, up to the most.
#[derive(Debug, Clone)]
pub struct Timeouts {
    min: Duration,
    max: Duration,
    width: Duration,
}

impl Timeouts {
    /// By `--authentication_timeout_min`, `--authentication_timeout_max` and `--authentication_backoff_factor`.
    pub fn new(min: Duration, max: Duration, factor: Duration) -> Self {
        Self {
            min,
            max: max.max(min),
            width: factor.saturating_mul(2),
        }
    }

    /// The time of the next attempt; `share`, from 0 to 1, is drawn at random.
    pub fn next(&mut self, share: f64) -> Duration {
        let upper = self.min.saturating_add(self.width).min(self.max);
        self.width = self.width.saturating_mul(2).min(self.max);
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        };
        let range = upper.saturating_sub(self.min);
        let drawn = Duration::try_from_secs_f64(range.as_secs_f64() * share).unwrap_or(range);
        self.min.saturating_add(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_widens_up_to_its_bound() {
        let secs = Duration::from_secs;
        let mut timeouts = Timeouts::new(secs(5), secs(60), secs(1));
        let longest: Vec<u64> = (0..8).map(|_| timeouts.next(1.0).as_secs()).collect();
        assert_eq!(longest, [7, 9, 13, 21, 37, 60, 60, 60]);
        assert_eq!(timeouts.next(0.0), secs(5));
        assert_eq!(timeouts.next(f64::NAN), secs(5));
    }

    #[test]
    fn a_huge_factor_does_not_overflow() {
        let mut timeouts = Timeouts::new(Duration::from_secs(5), Duration::MAX, Duration::MAX);
        assert_eq!(timeouts.next(0.0), Duration::from_secs(5));
        assert!(timeouts.next(0.5) > Duration::from_secs(5));
    }
}
