//! B01 and B02: agents that come back to a new leader with all they run, and with the history of what they ran.

use std::time::Duration;

use super::http::Getter;
use super::report::mebibytes;
use super::state::{POPULATION, SIZE};
use super::{Addresses, Error, Fleet, Population, Report, Target};

/// How much load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Emulated agents.
    pub agents: usize,
    /// How they are addressed.
    pub addresses: Addresses,
    /// What they come back with.
    pub population: Population,
    /// How long all may take.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            agents: 10_000,
            addresses: Addresses::Shared,
            population: POPULATION,
            limit: Duration::from_secs(300),
        }
    }
}

/// All agents come back at once; the time counts from the second agent's first message to the last answer, since the first
/// agent finds out whether the master leads.
///
/// A master that does not know the agents writes each of them into its registry. One that was started again on the work
/// directory of an earlier run knows them: run the bench twice, starting the master anew in between, for the path of a
/// restart.
///
/// # Errors
/// See [`Error`]; [`Error::Wrong`] when the master counts other agents or tasks than came back, or shows less or more of
/// their history than its limit allows.
pub async fn run(target: &Target, options: &Options) -> Result<Report, Error> {
    let empty = target.sample();
    let fleet = Fleet::start(
        target,
        options.agents,
        SIZE,
        options.addresses,
        Some(options.population),
        options.limit,
    )
    .await?;
    let populated = target.sample();
    check(target, options).await?;
    let mut report = Report::new("failover (B01, B02)");
    report.set("agents", options.agents);
    report.set("tasks", options.agents * options.population.tasks_per_agent());
    report.set("completed_tasks", options.agents * options.population.completed);
    report.set("addresses", format!("{:?}", options.addresses).to_lowercase());
    report.add("sent", mebibytes(fleet.registration_bytes()), "MiB");
    report.time("until_reregistered", fleet.took);
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let agents = options.agents as f64;
    report.add("agents_per_second", agents / fleet.took.as_secs_f64(), "agents/s");
    report.used(empty, populated);
    if let (Some(empty), Some(populated)) = (empty, populated) {
        let cpu = (populated.cpu - empty.cpu).as_secs_f64();
        report.add("master_cpu_per_agent", cpu / agents * 1e6, "us");
        let growth = mebibytes(populated.resident) - mebibytes(empty.resident);
        report.add("master_growth_per_agent", growth * 1024.0 / agents, "KiB");
    }
    Ok(report)
}

/// Whether the master counts what came back.
async fn check(target: &Target, options: &Options) -> Result<(), Error> {
    let metrics = get(target, "/metrics/snapshot").await?;
    let tasks = options.agents * options.population.tasks_per_agent();
    for (name, expected) in [
        ("master/slaves_active", options.agents),
        ("master/tasks_running", tasks),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        let expected = expected as f64;
        let found = metrics.get(name).and_then(serde_json::Value::as_f64);
        if found.is_none_or(|found| (found - expected).abs() > 0.5) {
            return Err(Error::Wrong(format!("{name} is {found:?} instead of {expected}")));
        }
    }
    if options.population.completed > 0 {
        check_history(target, options).await?;
    }
    Ok(())
}

/// Whether the master shows as much of what ended as it remembers of each framework.
async fn check_history(target: &Target, options: &Options) -> Result<(), Error> {
    const FLAG: &str = "max_completed_tasks_per_framework";
    let shown = get(target, "/flags").await?;
    let limit = shown["flags"][FLAG].as_str().and_then(|text| text.parse().ok());
    let limit: usize = limit.ok_or_else(|| Error::answer("/flags lacks a flag", FLAG.to_owned()))?;
    let frameworks = options.population.frameworks.max(1);
    let ended = |framework: usize| {
        let of_agent = (0..options.population.completed).filter(|number| number % frameworks == framework);
        (of_agent.count() * options.agents).min(limit)
    };
    let expected: usize = (0..frameworks).map(ended).sum();
    let state = get(target, "/state").await?;
    let shown = state["frameworks"].as_array().into_iter().flatten();
    let found: usize = shown
        .filter_map(|framework| framework["completed_tasks"].as_array())
        .map(Vec::len)
        .sum();
    if found != expected {
        return Err(Error::Wrong(format!(
            "/state shows {found} completed tasks instead of {expected}"
        )));
    }
    Ok(())
}

async fn get(target: &Target, path: &str) -> Result<serde_json::Value, Error> {
    let answer = Getter::open(target.address, &target.clock)
        .await?
        .get(path, true)
        .await?;
    serde_json::from_slice(&answer.body)
        .map_err(|error| Error::answer("an answer is no JSON", format!("{path}: {error}")))
}
