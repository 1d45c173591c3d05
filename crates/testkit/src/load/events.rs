//! B08 and B09: one change told to many subscribers, some of which do not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proto::ContentType;
use proto::v1::TaskState;
use proto::v1::master::event;

use super::error::wait_until;
use super::report::mebibytes;
use super::snapshot::{PATH, subscribe};
use super::state::populate;
use super::stream::Stream;
use super::{Error, Latencies, Population, Report, Target};

/// How much load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Subscribers that read.
    pub subscribers: usize,
    /// Subscribers that never read.
    pub stuck: usize,
    /// Changes of tasks.
    pub events: usize,
    /// Changes a second; none: as fast as all who read have them.
    pub rate: Option<f64>,
    /// Most changes under way when there is no rate.
    pub window: usize,
    /// The encoding of the streams.
    pub content_type: ContentType,
    /// How long anything may take.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            subscribers: 100,
            stuck: 0,
            events: 10_000,
            rate: None,
            window: 1_000,
            content_type: ContentType::Protobuf,
            limit: Duration::from_secs(300),
        }
    }
}

/// When changes were sent, and to how many subscribers each has come.
struct Progress {
    sent: Vec<AtomicU64>,
    delivered: Vec<AtomicU64>,
    /// Changes that have come to every subscriber.
    whole: AtomicU64,
    /// From sending to the last subscriber, in microseconds.
    last: Vec<AtomicU64>,
}

/// One emulated agent changes the state of its one task again and again; every change is an event to each subscriber.
///
/// # Errors
/// See [`Error`].
pub async fn run(target: &Target, options: &Options) -> Result<Report, Error> {
    let population = Population {
        frameworks: 1,
        tasks: 1,
        state: TaskState::TaskStarting,
        completed: 0,
    };
    let fleet = populate(target, 1, population, options.limit).await?;
    let call = subscribe(options.content_type);
    let media = options.content_type.as_str();
    let mut stuck = Vec::new();
    for _ in 0..options.stuck {
        stuck.push(Stream::ask(target.address, PATH, media, &call).await?);
    }
    let progress = Arc::new(Progress::new(options.events));
    let mut readers = Vec::new();
    for _ in 0..options.subscribers {
        let mut stream = Stream::open(target.address, &target.clock, PATH, media, &call).await?;
        // The snapshot.
        stream.next().await?;
        readers.push(tokio::spawn(read(
            stream,
            Arc::clone(&progress),
            options.clone(),
            target.clone(),
        )));
    }
    let before = target.sample();
    let begun = target.clock.now();
    let mut ticks = options
        .rate
        .map(|rate| tokio::time::interval(Duration::from_secs_f64(1.0 / rate)));
    for number in 0..options.events {
        match &mut ticks {
            Some(ticks) => drop(ticks.tick().await),
            None => {
                let wanted = (number + 1).saturating_sub(options.window) as u64;
                wait_until("subscribers to keep up", options.limit, || {
                    progress.whole.load(Ordering::Relaxed) >= wanted
                })
                .await?;
            }
        }
        let state = if number.is_multiple_of(2) {
            TaskState::TaskRunning
        } else {
            TaskState::TaskStarting
        };
        progress.sent[number].store(nanos(target), Ordering::Relaxed);
        fleet.report(0, 0, state);
    }
    let mut all = Latencies::new();
    for reader in readers {
        let joined = tokio::time::timeout(options.limit, reader)
            .await
            .map_err(|_| Error::TimedOut {
                what: "all events at all subscribers".to_owned(),
                limit: options.limit,
            })?;
        all.merge(&joined.map_err(|error| Error::Wrong(error.to_string()))??);
    }
    let took = target.clock.now() - begun;
    let after = target.sample();
    let mut slowest = Latencies::new();
    for micros in &progress.last {
        slowest.record(Duration::from_micros(micros.load(Ordering::Relaxed)));
    }
    let mut report = Report::new("events (B08, B09)");
    report.set("subscribers", options.subscribers);
    report.set("stuck", options.stuck);
    report.set("events", options.events);
    report.set("media", media);
    if let Some(rate) = options.rate {
        report.set("events_per_second", rate);
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let delivered = (options.events * options.subscribers) as f64;
    report.add("delivered_per_second", delivered / took.as_secs_f64(), "events/s");
    report.time("took", took);
    report.latencies("each", &all);
    report.latencies("last_subscriber", &slowest);
    report.used(before, after);
    if let (Some(before), Some(after)) = (before, after) {
        let cpu = (after.cpu - before.cpu).as_secs_f64();
        report.add("master_cpu_per_delivery", cpu / delivered * 1e6, "us");
        report.add(
            "peak_growth",
            mebibytes(after.peak) - mebibytes(before.resident),
            "MiB",
        );
    }
    drop(stuck);
    Ok(report)
}

impl Progress {
    fn new(events: usize) -> Self {
        let zeros = || (0..events).map(|_| AtomicU64::new(0)).collect();
        Self {
            sent: zeros(),
            delivered: zeros(),
            whole: AtomicU64::new(0),
            last: zeros(),
        }
    }
}

fn nanos(target: &Target) -> u64 {
    u64::try_from(target.clock.now().as_nanos()).unwrap_or(0)
}

/// Reads until every change has come. Events come in the order in which the agent reported, so the n-th is the n-th
/// change.
async fn read(
    mut stream: Stream,
    progress: Arc<Progress>,
    options: Options,
    target: Target,
) -> Result<Latencies, Error> {
    let mut all = Latencies::new();
    let mut next = 0;
    while next < options.events {
        let record = stream.next().await?;
        if !is_update(options.content_type, &record) {
            continue;
        }
        let took = nanos(&target).saturating_sub(progress.sent[next].load(Ordering::Relaxed));
        all.record(Duration::from_nanos(took));
        let before = progress.delivered[next].fetch_add(1, Ordering::Relaxed);
        if before + 1 == options.subscribers as u64 {
            progress.last[next].store(took / 1_000, Ordering::Relaxed);
            progress.whole.fetch_add(1, Ordering::Relaxed);
        }
        next += 1;
    }
    Ok(all)
}

/// Whether a record is TASK_UPDATED, from its first bytes: the type comes first in both encodings.
fn is_update(content_type: ContentType, record: &[u8]) -> bool {
    match content_type {
        ContentType::Protobuf => {
            let number = u8::try_from(event::Type::TaskUpdated as i32).unwrap_or(0);
            record.starts_with(&[0x08, number])
        }
        ContentType::Json => record.starts_with(br#"{"type":"TASK_UPDATED""#),
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::master::Event;

    use super::*;

    #[test]
    fn updates_are_told_by_their_first_bytes() {
        for content_type in [ContentType::Protobuf, ContentType::Json] {
            for kind in [
                event::Type::TaskUpdated,
                event::Type::TaskAdded,
                event::Type::Heartbeat,
            ] {
                let event = Event {
                    r#type: Some(kind.into()),
                    ..Event::default()
                };
                let record = content_type.encode(&event);
                assert_eq!(
                    is_update(content_type, &record),
                    kind == event::Type::TaskUpdated,
                    "{kind:?}"
                );
            }
        }
    }
}
