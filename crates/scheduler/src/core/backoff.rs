//! Waiting longer after each failure, never in step with others.

use std::time::Duration;

/// Exponential backoff with jitter: the n-th delay is drawn evenly from the upper half (or another part, see
/// [`with_jitter`](Self::with_jitter)) of `min * 2^n`, which never exceeds `max`.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    state: u64,
    jitter: f64,
}

impl Backoff {
    /// Delays from `min` to `max`; `seed` decides the jitter.
    pub fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self {
            min,
            max: max.max(min),
            failures: 0,
            state: seed,
            jitter: 0.5,
        }
    }

    /// The same, with this part of each delay left to chance: 0 is none of it, 1 all.
    #[must_use]
    pub fn with_jitter(mut self, part: f64) -> Self {
        self.jitter = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
        self
    }

    /// The delay after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        let doubled = self
            .min
            .saturating_mul(2_u32.saturating_pow(self.failures.min(31)));
        self.failures = self.failures.saturating_add(1);
        let top = doubled.min(self.max);
        top - top.mul_f64(self.jitter * self.fraction())
    }

    /// Forgets the failures: the next delay is the shortest again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// An even draw from 0 to 1, by the SplitMix64 generator.
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 32 bits are exact in a double.
        f64::from(u32::try_from(mixed >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let draw = |seed| {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10), seed);
            (0..20).map(|_| backoff.after_failure()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn without_jitter_the_delays_are_what_they_are_called() {
        let pause = Duration::from_secs(2);
        let mut backoff = Backoff::new(pause, pause, 7).with_jitter(0.0);
        assert!((0..50).all(|_| backoff.after_failure() == pause));
    }

    proptest! {
        #[test]
        fn delays_double_within_their_bounds(seed: u64, min in 1u64..1000, factor in 1u64..1000) {
            let (min, max) = (Duration::from_millis(min), Duration::from_millis(min * factor));
            let mut backoff = Backoff::new(min, max, seed);
            for failure in 0..70u32 {
                let top = min.saturating_mul(2u32.saturating_pow(failure.min(31))).min(max);
                let delay = backoff.after_failure();
                prop_assert!(delay >= top / 2 && delay <= top, "{failure}: {delay:?} of {top:?}");
            }
            backoff.reset();
            prop_assert!(backoff.after_failure() <= min);
        }
    }
}
