//! Values over time, and their percentiles.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Time;

/// Samples kept: 1,000. When there are more, every second one of the older half goes.
const CAPACITY: usize = 1_000;

/// The values of a window of time, thinned when there are too many.
#[derive(Clone, Debug)]
pub struct TimeSeries {
    window: Duration,
    samples: VecDeque<(Time, f64)>,
}

/// What is known of the values in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    /// How many there are.
    pub count: usize,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// 99.99 %.
    pub p9999: f64,
}

impl TimeSeries {
    /// An empty series that keeps values for `window`.
    pub const fn new(window: Duration) -> Self {
        Self {
            window,
            samples: VecDeque::new(),
        }
    }

    /// Adds a value.
    pub fn push(&mut self, now: Time, value: f64) {
        self.expire(now);
        if self.samples.len() >= CAPACITY {
            self.thin();
        }
        self.samples.push_back((now, value));
    }

    fn expire(&mut self, now: Time) {
        while self
            .samples
            .front()
            .is_some_and(|(at, _)| now - *at > self.window)
        {
            self.samples.pop_front();
        }
    }

    /// Drops every second sample of the older half, so that the recent past stays exact.
    fn thin(&mut self) {
        let mut index = 0;
        self.samples.retain(|_| {
            index += 1;
            index > CAPACITY / 2 || index % 2 == 0
        });
    }

    /// The percentiles of what is in the window at `now`; `None` when nothing is.
    pub fn percentiles(&mut self, now: Time) -> Option<Percentiles> {
        self.expire(now);
        let mut values: Vec<f64> = self.samples.iter().map(|(_, value)| *value).collect();
        values.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let at = |fraction| percentile(&values, fraction);
        Some(Percentiles {
            count: values.len(),
            min,
            max,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
        })
    }
}

/// The value below which a fraction of the sorted values lies, interpolated linearly between neighbours.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions lie between zero and a thousand"
)]
fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let position = fraction * (sorted.len().saturating_sub(1)) as f64;
    let below = position.floor() as usize;
    let (Some(low), high) = (sorted.get(below), sorted.get(below + 1)) else {
        return 0.0;
    };
    high.map_or(*low, |high| low + (position - position.floor()) * (high - low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn percentiles_are_interpolated() {
        let mut series = TimeSeries::new(Duration::from_secs(1_000));
        for value in 1..=5 {
            series.push(Time::from_secs(value), f64::from(i32::try_from(value).unwrap()));
        }
        let found = series.percentiles(Time::from_secs(5)).unwrap();
        assert_eq!(found.count, 5);
        assert!(
            close(found.min, 1.0) && close(found.max, 5.0) && close(found.p50, 3.0) && close(found.p90, 4.6)
        );
    }

    #[test]
    fn old_values_leave_the_window() {
        let mut series = TimeSeries::new(Duration::from_secs(10));
        series.push(Time::from_secs(0), 1.0);
        series.push(Time::from_secs(9), 2.0);
        assert_eq!(series.percentiles(Time::from_secs(15)).unwrap().count, 1);
        assert_eq!(series.percentiles(Time::from_secs(30)), None);
    }

    #[test]
    fn the_number_of_samples_is_bounded() {
        let mut series = TimeSeries::new(Duration::from_secs(1_000_000));
        for second in 0..10_000 {
            series.push(Time::from_secs(second), 1.0);
        }
        assert!(series.percentiles(Time::from_secs(10_000)).unwrap().count <= CAPACITY);
    }
}
