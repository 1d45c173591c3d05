//! B17: what a large cluster costs while nothing happens.

use std::time::Duration;

use super::report::mebibytes;
use super::state::{POPULATION, check, populate};
use super::{Error, Population, Report, Target};

/// How much load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Emulated agents.
    pub agents: usize,
    /// Their tasks.
    pub population: Population,
    /// How long nothing happens.
    pub time: Duration,
    /// How long the population may take.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            agents: 10_000,
            population: POPULATION,
            time: Duration::from_secs(60),
            limit: Duration::from_secs(300),
        }
    }
}

/// The memory of a populated master, and its time while agents only answer pings.
///
/// # Errors
/// See [`Error`]; without the master's process id there is nothing to measure.
pub async fn run(target: &Target, options: &Options) -> Result<Report, Error> {
    let nothing = || Error::Wrong("the master's process cannot be looked at: its id is needed".to_owned());
    let empty = target.sample().ok_or_else(nothing)?;
    let fleet = populate(target, options.agents, options.population, options.limit).await?;
    let populated = target.sample().ok_or_else(nothing)?;
    let pings = fleet.pings();
    let mut idle = tokio::time::interval(options.time);
    idle.tick().await;
    idle.tick().await;
    let after = target.sample().ok_or_else(nothing)?;
    let pings = fleet.pings() - pings;
    check(
        target,
        options.agents,
        options.agents * options.population.tasks_per_agent(),
    )
    .await?;
    let mut report = Report::new("footprint (B17)");
    report.set("agents", options.agents);
    report.set("tasks", options.agents * options.population.tasks_per_agent());
    report.set("seconds", options.time.as_secs());
    report.time("population", fleet.took);
    report.add("population_cpu", (populated.cpu - empty.cpu).as_secs_f64(), "s");
    report.add("empty", mebibytes(empty.resident), "MiB");
    report.add("populated", mebibytes(populated.resident), "MiB");
    report.add("idle", mebibytes(after.resident), "MiB");
    report.add("peak", mebibytes(after.peak), "MiB");
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let agents = options.agents as f64;
    let growth = mebibytes(after.resident) - mebibytes(empty.resident);
    report.add("per_agent", growth * 1024.0 / agents, "KiB");
    let busy = (after.cpu - populated.cpu).as_secs_f64() / options.time.as_secs_f64();
    report.add("idle_cpu", busy * 100.0, "% of a core");
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    report.add(
        "pings_per_second",
        pings as f64 / options.time.as_secs_f64(),
        "/s",
    );
    Ok(report)
}
