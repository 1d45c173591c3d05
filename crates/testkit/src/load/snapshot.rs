//! B07: the snapshot that begins an operator's subscription.

use std::time::Duration;

use proto::ContentType;

use super::report::mebibytes;
use super::state::{POPULATION, check, populate};
use super::stream::Stream;
use super::{Error, Latencies, Population, Report, Target};

/// Where operators call.
pub(super) const PATH: &str = "/api/v1";

/// How much load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Emulated agents.
    pub agents: usize,
    /// Their tasks.
    pub population: Population,
    /// Subscribers at once.
    pub subscribers: usize,
    /// How often, one after the other.
    pub rounds: usize,
    /// How long anything may take.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            agents: 1_000,
            population: POPULATION,
            subscribers: 1,
            rounds: 5,
            limit: Duration::from_secs(300),
        }
    }
}

/// Subscribers read the SUBSCRIBED event of a populated master, in protobuf and in JSON.
///
/// # Errors
/// See [`Error`].
pub async fn run(target: &Target, options: &Options) -> Result<Report, Error> {
    let _fleet = populate(target, options.agents, options.population, options.limit).await?;
    check(
        target,
        options.agents,
        options.agents * options.population.tasks_per_agent(),
    )
    .await?;
    let mut report = Report::new("snapshot (B07)");
    report.set("agents", options.agents);
    report.set("tasks", options.agents * options.population.tasks_per_agent());
    report.set("subscribers", options.subscribers);
    report.set("rounds", options.rounds);
    let before = target.sample();
    for (name, content_type) in [("protobuf", ContentType::Protobuf), ("json", ContentType::Json)] {
        let mut all = Latencies::new();
        let mut size = 0;
        for _ in 0..options.rounds {
            let round =
                (0..options.subscribers).map(|_| tokio::spawn(subscribed(target.clone(), content_type)));
            for one in round.collect::<Vec<_>>() {
                let (took, bytes) = one.await.map_err(|error| Error::Wrong(error.to_string()))??;
                all.record(took);
                size = bytes;
            }
        }
        report.add(format!("{name}_size"), mebibytes(size), "MiB");
        report.latencies(name, &all);
    }
    report.used(before, target.sample());
    Ok(report)
}

/// The time from the request to the whole first event, and its size.
async fn subscribed(target: Target, content_type: ContentType) -> Result<(Duration, u64), Error> {
    let call = subscribe(content_type);
    let begun = target.clock.now();
    let mut stream = Stream::open(target.address, &target.clock, PATH, content_type.as_str(), &call).await?;
    let record = stream.next().await?;
    Ok((stream.last - begun, record.len() as u64))
}

/// SUBSCRIBE of the operator API.
pub(super) fn subscribe(content_type: ContentType) -> bytes::Bytes {
    use proto::v1::master::{Call, call};
    content_type.encode(&Call {
        r#type: Some(call::Type::Subscribe.into()),
        ..Call::default()
    })
}
