//! B04 and B05: the whole state by `/state`, for one reader and for many.

use std::time::Duration;

use proto::v1;

use super::http::Getter;
use super::report::mebibytes;
use super::{Addresses, Error, Fleet, Latencies, Population, Report, Target};

/// How much load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Emulated agents.
    pub agents: usize,
    /// Their tasks.
    pub population: Population,
    /// Readers at once.
    pub clients: usize,
    /// Reads of each.
    pub requests: usize,
    /// How long the population may take.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            agents: 1_000,
            population: POPULATION,
            clients: 1,
            requests: 10,
            limit: Duration::from_secs(300),
        }
    }
}

/// Five frameworks with two tasks on each agent.
pub const POPULATION: Population = Population {
    frameworks: 5,
    tasks: 2,
    state: v1::TaskState::TaskRunning,
    completed: 0,
};

/// What agents of populated clusters have.
pub(super) const SIZE: &str = "cpus:40;mem:40960;disk:100000;ports:[31000-32000]";

/// Clients read `/state` of a populated master.
///
/// # Errors
/// See [`Error`]; [`Error::Wrong`] when the state lacks agents or tasks.
pub async fn run(target: &Target, options: &Options) -> Result<Report, Error> {
    let empty = target.sample();
    let fleet = populate(target, options.agents, options.population, options.limit).await?;
    let populated = target.sample();
    check(
        target,
        options.agents,
        options.agents * options.population.tasks_per_agent(),
    )
    .await?;
    let before = target.sample();
    let begun = target.clock.now();
    let mut clients = Vec::new();
    for _ in 0..options.clients {
        clients.push(tokio::spawn(read(target.clone(), options.requests)));
    }
    let (mut first, mut whole, mut bytes) = (Latencies::new(), Latencies::new(), 0);
    for client in clients {
        let read = client.await.map_err(|error| Error::Wrong(error.to_string()))??;
        first.merge(&read.first);
        whole.merge(&read.whole);
        bytes += read.bytes;
    }
    let took = target.clock.now() - begun;
    let after = target.sample();
    let mut report = Report::new("state (B04, B05)");
    report.set("agents", options.agents);
    report.set("tasks", options.agents * options.population.tasks_per_agent());
    report.set("clients", options.clients);
    report.set("requests", options.requests);
    report.time("population", fleet.took);
    if let (Some(empty), Some(populated)) = (empty, populated) {
        report.add("population_cpu", (populated.cpu - empty.cpu).as_secs_f64(), "s");
        report.add(
            "population_growth",
            mebibytes(populated.resident) - mebibytes(empty.resident),
            "MiB",
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let count = (options.clients * options.requests) as f64;
    report.add("size", mebibytes(bytes) / count, "MiB");
    report.add("throughput", mebibytes(bytes) / took.as_secs_f64(), "MiB/s");
    report.latencies("first_byte", &first);
    report.latencies("whole", &whole);
    report.used(before, after);
    if let (Some(before), Some(after)) = (before, after) {
        report.add(
            "master_cpu_per_request",
            (after.cpu - before.cpu).as_secs_f64() * 1e3 / count,
            "ms",
        );
    }
    Ok(report)
}

/// Agents that come back with their tasks.
pub(super) async fn populate(
    target: &Target,
    agents: usize,
    population: Population,
    limit: Duration,
) -> Result<Fleet, Error> {
    Fleet::start(target, agents, SIZE, Addresses::Shared, Some(population), limit).await
}

/// Whether the state holds what the population is.
pub(super) async fn check(target: &Target, agents: usize, tasks: usize) -> Result<(), Error> {
    let answer = Getter::open(target.address, &target.clock)
        .await?
        .get("/state", true)
        .await?;
    let state: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Error::answer("/state is no JSON", error.to_string()))?;
    let count = |list: &serde_json::Value| list.as_array().map_or(0, Vec::len);
    let found = count(&state["slaves"]);
    if found != agents {
        return Err(Error::Wrong(format!(
            "/state has {found} agents instead of {agents}"
        )));
    }
    let frameworks = state["frameworks"].as_array().into_iter().flatten();
    let found: usize = frameworks.map(|framework| count(&framework["tasks"])).sum();
    if found != tasks {
        return Err(Error::Wrong(format!(
            "/state has {found} tasks instead of {tasks}"
        )));
    }
    Ok(())
}

struct Read {
    first: Latencies,
    whole: Latencies,
    bytes: u64,
}

async fn read(target: Target, requests: usize) -> Result<Read, Error> {
    let mut getter = Getter::open(target.address, &target.clock).await?;
    let mut read = Read {
        first: Latencies::new(),
        whole: Latencies::new(),
        bytes: 0,
    };
    for _ in 0..requests {
        let begun = target.clock.now();
        let answer = getter.get("/state", false).await?;
        if answer.status != 200 {
            return Err(Error::answer("/state was refused", answer.status.to_string()));
        }
        read.first.record(answer.first - begun);
        read.whole.record(answer.last - begun);
        read.bytes += answer.size;
    }
    Ok(read)
}
