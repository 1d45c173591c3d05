//! B06: what others wait for while clients read the whole state in a loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::http::Getter;
use super::launch::{self, Launcher};
use super::state::{check, populate};
use super::{Addresses, Error, Latencies, Population, Report, Target};

/// How much load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Emulated agents.
    pub agents: usize,
    /// Their tasks.
    pub population: Population,
    /// Readers of `/state`, one read after the other.
    pub readers: usize,
    /// Probes of `/health` a second, sent whether or not the one before was answered.
    pub probes: f64,
    /// Launches a second of one task each; 0: none.
    pub launches: f64,
    /// For how long.
    pub time: Duration,
    /// How long the population may take.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            agents: 1_000,
            population: Population {
                frameworks: 10,
                tasks: 10,
                ..super::state::POPULATION
            },
            readers: 5,
            probes: 100.0,
            launches: 100.0,
            time: Duration::from_secs(10),
            limit: Duration::from_secs(300),
        }
    }
}

/// Readers loop over `/state` while `/health` is probed and tasks are launched.
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
    let over = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU64::new(0));
    let before = target.sample();
    let readers: Vec<_> = (0..options.readers)
        .map(|_| tokio::spawn(read(target.clone(), Arc::clone(&over), Arc::clone(&reads))))
        .collect();
    let launches = match options.launches > 0.0 {
        true => Some(tokio::spawn(launch(target.clone(), options.clone()))),
        false => None,
    };
    let health = probe(target, options).await;
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.map_err(|error| Error::Wrong(error.to_string()))??;
    }
    let after = target.sample();
    let mut report = Report::new("responsiveness (B06)");
    report.set("agents", options.agents);
    report.set("tasks", options.agents * options.population.tasks_per_agent());
    report.set("readers", options.readers);
    report.set("probes", options.probes);
    report.set("launches", options.launches);
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let reads = reads.load(Ordering::Relaxed) as f64;
    report.add("reads_per_second", reads / options.time.as_secs_f64(), "/s");
    report.latencies("health", &health?);
    if let Some(launches) = launches {
        let launches = launches
            .await
            .map_err(|error| Error::Wrong(error.to_string()))??;
        report.latencies("accept_to_update", &launches);
    }
    report.used(before, after);
    Ok(report)
}

async fn read(target: Target, over: Arc<AtomicBool>, reads: Arc<AtomicU64>) -> Result<(), Error> {
    let mut getter = Getter::open(target.address, &target.clock).await?;
    while !over.load(Ordering::Relaxed) {
        getter.get("/state", false).await?;
        reads.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Each probe has a connection for itself while it waits; times count from when it was due.
async fn probe(target: &Target, options: &Options) -> Result<Latencies, Error> {
    let count = (options.probes * options.time.as_secs_f64()).max(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of probes: not negative, and small"
    )]
    let count = count as usize;
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / options.probes));
    let mut probes = tokio::task::JoinSet::new();
    for _ in 0..count {
        let due = ticks.tick().await;
        let target = target.clone();
        probes.spawn(async move {
            let late = tokio::time::Instant::now().saturating_duration_since(due);
            let begun = target.clock.now();
            let mut getter = Getter::open(target.address, &target.clock).await?;
            let answer = getter.get("/health", false).await?;
            if answer.status != 200 {
                return Err(Error::answer("/health was refused", answer.status.to_string()));
            }
            Ok(late + (answer.last - begun))
        });
    }
    let mut all = Latencies::new();
    while let Some(probe) = probes.join_next().await {
        all.record(probe.map_err(|error| Error::Wrong(error.to_string()))??);
    }
    Ok(all)
}

async fn launch(target: Target, options: Options) -> Result<Latencies, Error> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of tasks: not negative, and small"
    )]
    let tasks = (options.launches * options.time.as_secs_f64()).max(1.0) as usize;
    let launch = launch::Options {
        agents: options.agents,
        addresses: Addresses::Shared,
        tasks,
        per_accept: 1,
        window: tasks,
        rate: Some(options.launches),
        limit: options.limit,
    };
    let mut launcher = Launcher::subscribe(&target, &launch).await?;
    launcher.run(options.limit).await?;
    launcher.teardown().await;
    Ok(launcher.latencies.clone())
}
