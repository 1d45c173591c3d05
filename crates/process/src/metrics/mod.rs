//! Counters, gauges and timers, by Mesos's names (facts: libprocess-wire, section 6; metrics.tsv).

pub(crate) mod openmetrics;
mod rules;
mod series;
mod timer;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
pub use series::{Percentiles, TimeSeries};
pub use timer::{Running, TimerMetric, Unit};

use crate::Clock;

/// So many permits in so long a time, evenly spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Permits.
    pub permits: u32,
    /// In which time.
    pub per: Duration,
}

impl RateLimit {
    /// Two a second, which is what `/metrics/snapshot` allows unless told otherwise.
    pub const DEFAULT: Self = Self {
        permits: 2,
        per: Duration::from_secs(1),
    };

    /// The time between two permits.
    pub fn spacing(self) -> Duration {
        self.per / self.permits.max(1)
    }
}

type Values = Vec<(String, f64)>;
type PullGroup = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Values> + Send>> + Send + Sync>;
type Pull = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<f64>> + Send>> + Send + Sync>;

#[derive(Clone)]
enum Source {
    Counter(Counter),
    Gauge(Gauge),
    Read(Arc<dyn Fn() -> Option<f64> + Send + Sync>),
    Pull(Pull),
    Group(Arc<dyn Fn() -> Values + Send + Sync>),
    PullGroup(PullGroup),
    Timer(TimerMetric),
}

/// The metrics of one runtime, by name; clones are the same set. A name that is added twice is replaced.
#[derive(Clone, Default)]
pub struct Metrics {
    sources: Arc<Mutex<BTreeMap<String, Source>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("sources", &self.sources.lock().len())
            .finish()
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a counter, which starts at zero.
    pub fn counter(&self, name: impl Into<String>) -> Counter {
        let counter = Counter::default();
        self.insert(name, Source::Counter(counter.clone()));
        counter
    }

    /// Adds a gauge that is set.
    pub fn gauge(&self, name: impl Into<String>) -> Gauge {
        let gauge = Gauge::default();
        self.insert(name, Source::Gauge(gauge.clone()));
        gauge
    }

    /// Adds a gauge that is computed when asked for; `None` leaves it out. The function must be quick.
    pub fn read(&self, name: impl Into<String>, read: impl Fn() -> Option<f64> + Send + Sync + 'static) {
        self.insert(name, Source::Read(Arc::new(read)));
    }

    /// Adds a gauge that is asked for; it is left out when it gives `None` or takes longer than the asker waits.
    pub fn pull<F>(&self, name: impl Into<String>, pull: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Option<f64>> + Send + 'static,
    {
        self.insert(name, Source::Pull(Arc::new(move || Box::pin(pull()))));
    }

    /// Adds many metrics that are read at once; `name` only serves to replace or remove the group.
    pub fn group(&self, name: impl Into<String>, read: impl Fn() -> Values + Send + Sync + 'static) {
        self.insert(name, Source::Group(Arc::new(read)));
    }

    /// Adds many metrics that are asked for at once; all are left out when they take longer than the asker waits.
    pub fn pull_group<F>(&self, name: impl Into<String>, pull: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Values> + Send + 'static,
    {
        self.insert(name, Source::PullGroup(Arc::new(move || Box::pin(pull()))));
    }

    /// Adds a timer, whose key is the name with the unit appended. A window of zero keeps no percentiles.
    pub fn timer(&self, name: impl Into<String>, unit: Unit, window: Duration, clock: &Clock) -> TimerMetric {
        let timer = TimerMetric::new(name.into(), unit, window, clock.clone());
        self.insert(timer.key().to_owned(), Source::Timer(timer.clone()));
        timer
    }

    /// Takes a metric (or group) off.
    pub fn remove(&self, name: &str) {
        self.sources.lock().remove(name);
    }

    fn insert(&self, name: impl Into<String>, source: Source) {
        self.sources.lock().insert(name.into(), source);
    }

    /// All values, by name. Waits for slow ones at most `timeout`, if that is given; what fails or is late is missing.
    pub async fn snapshot(&self, clock: &Clock, timeout: Option<Duration>) -> BTreeMap<String, f64> {
        let sources = self.sources.lock().clone();
        let mut values = BTreeMap::new();
        let mut pulls: FuturesUnordered<Pin<Box<dyn Future<Output = Values> + Send>>> =
            FuturesUnordered::new();
        for (name, source) in sources {
            match source {
                Source::Counter(counter) => drop(values.insert(name, counter.value())),
                Source::Gauge(gauge) => drop(values.insert(name, gauge.value())),
                Source::Read(read) => values.extend(read().map(|value| (name, value))),
                Source::Pull(pull) => {
                    pulls.push(Box::pin(async move {
                        pull().await.map(|value| (name, value)).into_iter().collect()
                    }));
                }
                Source::PullGroup(pull) => pulls.push(pull()),
                Source::Group(read) => values.extend(read()),
                Source::Timer(timer) => timer.snapshot(&mut values),
            }
        }
        let collect = async {
            while let Some(pulled) = pulls.next().await {
                values.extend(pulled);
            }
        };
        match timeout {
            // What is late is missing.
            Some(timeout) => drop(clock.timeout(timeout, collect).await),
            None => collect.await,
        }
        values
    }
}

/// A count that only grows (until its process restarts).
#[derive(Clone, Debug, Default)]
pub struct Counter {
    value: Arc<AtomicU64>,
}

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.value.fetch_add(count, Ordering::Relaxed);
    }

    /// The count so far.
    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
    pub fn value(&self) -> f64 {
        self.value.load(Ordering::Relaxed) as f64
    }
}

/// A value that is set.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    bits: Arc<AtomicU64>,
}

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.bits.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds to it.
    pub fn add(&self, delta: f64) {
        let add = |bits| Some((f64::from_bits(bits) + delta).to_bits());
        // The closure always gives a value, so this does not fail.
        let _before = self.bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// What it was set to; zero at first.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_snapshot_has_every_kind() {
        let (metrics, clock) = (Metrics::new(), Clock::paused(crate::Time::from_secs(100)));
        metrics.counter("c").add(2);
        metrics.gauge("g").set(1.5);
        metrics.read("r", || Some(3.0));
        metrics.read("missing", || None);
        metrics.pull("p", || async { Some(4.0) });
        metrics.pull_group("some", || async { vec![("y".to_owned(), 7.0)] });
        metrics.group("all", || vec![("x/a".to_owned(), 5.0), ("x/b".to_owned(), 6.0)]);
        let values = metrics.snapshot(&clock, None).await;
        let expected = [
            ("c", 2.0),
            ("g", 1.5),
            ("p", 4.0),
            ("r", 3.0),
            ("x/a", 5.0),
            ("x/b", 6.0),
            ("y", 7.0),
        ];
        assert_eq!(
            values,
            expected.map(|(name, value)| (name.to_owned(), value)).into()
        );
        metrics.remove("all");
        assert_eq!(metrics.snapshot(&clock, None).await.len(), 5);
    }

    #[tokio::test]
    async fn what_is_late_is_left_out() {
        let (metrics, clock) = (Metrics::new(), Clock::paused(crate::Time::from_secs(100)));
        metrics.counter("c");
        metrics.pull("never", std::future::pending);
        let asked = {
            let (metrics, clock) = (metrics.clone(), clock.clone());
            tokio::spawn(async move { metrics.snapshot(&clock, Some(Duration::from_secs(5))).await })
        };
        while clock.next_due().is_none() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(5));
        assert_eq!(asked.await.unwrap().into_keys().collect::<Vec<_>>(), ["c"]);
    }
}
