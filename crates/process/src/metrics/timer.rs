//! How long things take.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::TimeSeries;
use crate::{Clock, Time};

/// The unit of a timer, which is part of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `_ns`
    Nanoseconds,
    /// `_us`
    Microseconds,
    /// `_ms`
    Milliseconds,
    /// `_secs`
    Seconds,
}

impl Unit {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Nanoseconds => "_ns",
            Self::Microseconds => "_us",
            Self::Milliseconds => "_ms",
            Self::Seconds => "_secs",
        }
    }

    fn of(self, duration: Duration) -> f64 {
        let secs = duration.as_secs_f64();
        match self {
            Self::Nanoseconds => secs * 1e9,
            Self::Microseconds => secs * 1e6,
            Self::Milliseconds => secs * 1e3,
            Self::Seconds => secs,
        }
    }
}

/// A timer: its key shows the last duration; with a window, keys below it show count, extremes and percentiles.
#[derive(Clone)]
pub struct TimerMetric {
    shared: Arc<Shared>,
}

struct Shared {
    key: String,
    unit: Unit,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    last: Option<f64>,
    series: Option<TimeSeries>,
}

impl fmt::Debug for TimerMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerMetric")
            .field("key", &self.shared.key)
            .finish_non_exhaustive()
    }
}

impl TimerMetric {
    pub(super) fn new(name: String, unit: Unit, window: Duration, clock: Clock) -> Self {
        let series = (!window.is_zero()).then(|| TimeSeries::new(window));
        let key = format!("{name}{}", unit.suffix());
        Self {
            shared: Arc::new(Shared {
                key,
                unit,
                clock,
                state: Mutex::new(State { last: None, series }),
            }),
        }
    }

    /// Its key: the name and the unit.
    pub fn key(&self) -> &str {
        &self.shared.key
    }

    /// Begins to measure; what is returned ends it.
    pub fn start(&self) -> Running {
        Running {
            timer: self.clone(),
            started: self.shared.clock.now(),
        }
    }

    /// Records a duration measured elsewhere.
    pub fn record(&self, duration: Duration) {
        let value = self.shared.unit.of(duration);
        let now = self.shared.clock.now();
        let mut state = self.shared.state.lock();
        state.last = Some(value);
        if let Some(series) = &mut state.series {
            series.push(now, value);
        }
    }

    pub(super) fn snapshot(&self, values: &mut BTreeMap<String, f64>) {
        let now = self.shared.clock.now();
        let mut state = self.shared.state.lock();
        let key = &self.shared.key;
        values.extend(state.last.map(|last| (key.clone(), last)));
        let Some(found) = state.series.as_mut().and_then(|series| series.percentiles(now)) else {
            return;
        };
        #[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
        let count = found.count as f64;
        let named = [
            ("count", count),
            ("max", found.max),
            ("min", found.min),
            ("p50", found.p50),
            ("p90", found.p90),
            ("p95", found.p95),
            ("p99", found.p99),
            ("p999", found.p999),
            ("p9999", found.p9999),
        ];
        values.extend(named.map(|(name, value)| (format!("{key}/{name}"), value)));
    }
}

/// A measurement under way.
#[derive(Debug)]
#[must_use = "stop it to record the time"]
pub struct Running {
    timer: TimerMetric,
    started: Time,
}

impl Running {
    /// Ends the measurement and gives the time it took.
    #[expect(clippy::must_use_candidate, reason = "recording is the point")]
    pub fn stop(self) -> Duration {
        let duration = self.timer.shared.clock.now() - self.started;
        self.timer.record(duration);
        duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn the_keys_of_a_timer() {
        let clock = Clock::paused(Time::from_secs(100));
        let metrics = Metrics::new();
        let timer = metrics.timer(
            "allocation_run",
            Unit::Milliseconds,
            Duration::from_secs(3_600),
            &clock,
        );
        assert!(metrics.snapshot(&clock, None).await.is_empty());
        let running = timer.start();
        clock.advance(Duration::from_millis(20));
        running.stop();
        let values = metrics.snapshot(&clock, None).await;
        let keys: Vec<&str> = values.keys().map(String::as_str).collect();
        let below = [
            "", "/count", "/max", "/min", "/p50", "/p90", "/p95", "/p99", "/p999", "/p9999",
        ];
        assert_eq!(keys, below.map(|key| format!("allocation_run_ms{key}")));
        assert!((values["allocation_run_ms"] - 20.0).abs() < 1e-9);
    }
}
