//! `tiangong bench`: load on a master, and what it stands.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use proto::ContentType;
use proto::v1::TaskState;
use testkit::load::{self, Addresses, Population, Report, Target};

use super::common::{self, Master};

/// Put load on a master: emulated agents, frameworks and subscribers that speak the wire protocols of Mesos
///
/// Works against any Mesos-compatible master. The emulated agents listen on this machine's loopback addresses, so the master must run
/// on this machine. A fresh master for each run: emulated agents stay in its registry, and benches that populate it refuse other
/// agents in their counts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: Master,
    /// The master's process id, to tell what time and memory it used
    #[arg(long, global = true)]
    pid: Option<u32>,
    /// Print the figures as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Seconds that any step may take
    #[arg(long, global = true, default_value_t = 300)]
    limit: u64,
    #[command(subcommand)]
    bench: Bench,
}

/// How emulated agents are addressed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// All at one address
    Shared,
    /// Each at its own, 127.1.x.y
    Distinct,
}

impl From<Mode> for Addresses {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Shared => Self::Shared,
            Mode::Distinct => Self::Distinct,
        }
    }
}

/// The encoding of a stream.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Media {
    /// application/x-protobuf
    Protobuf,
    /// application/json
    Json,
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct Size {
    /// Emulated agents
    #[arg(long, default_value_t = 1000)]
    agents: usize,
    /// Frameworks of the tasks that agents come back with
    #[arg(long, default_value_t = 5)]
    frameworks: usize,
    /// Tasks of each framework on each agent
    #[arg(long, default_value_t = 2)]
    tasks: usize,
}

impl Size {
    const fn population(self) -> Population {
        Population {
            frameworks: self.frameworks,
            tasks: self.tasks,
            state: TaskState::TaskRunning,
            completed: 0,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Tasks a second from ACCEPT to acknowledged update (B10)
    Launch {
        /// Emulated agents
        #[arg(long, default_value_t = 1000)]
        agents: usize,
        /// How they are addressed
        #[arg(long, value_enum, default_value_t = Mode::Shared)]
        addresses: Mode,
        /// Tasks in all
        #[arg(long, default_value_t = 100_000)]
        tasks: usize,
        /// Tasks in one ACCEPT
        #[arg(long, default_value_t = 10)]
        per_accept: usize,
        /// Most tasks launched and not heard of
        #[arg(long, default_value_t = 20_000)]
        window: usize,
        /// ACCEPTs a second, whatever the master does [default: as fast as it goes]
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Agents that come back to a new leader with their tasks, and with tasks that ended (B01, B02)
    Failover {
        #[command(flatten)]
        size: Size,
        /// Tasks that ended on each agent
        #[arg(long, default_value_t = 0)]
        completed: usize,
        /// How agents are addressed
        #[arg(long, value_enum, default_value_t = Mode::Shared)]
        addresses: Mode,
    },
    /// The whole state by /state, for one reader or many (B04, B05)
    State {
        #[command(flatten)]
        size: Size,
        /// Readers at once
        #[arg(long, default_value_t = 1)]
        clients: usize,
        /// Reads of each
        #[arg(long, default_value_t = 10)]
        requests: usize,
    },
    /// The snapshot that begins an operator's subscription (B07)
    Snapshot {
        #[command(flatten)]
        size: Size,
        /// Subscribers at once
        #[arg(long, default_value_t = 1)]
        subscribers: usize,
        /// How often
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// /health and launches while others read the whole state (B06)
    Responsiveness {
        #[command(flatten)]
        size: Size,
        /// Readers of /state
        #[arg(long, default_value_t = 5)]
        readers: usize,
        /// Probes of /health a second
        #[arg(long, default_value_t = 100.0)]
        probes: f64,
        /// Launches a second; 0: none
        #[arg(long, default_value_t = 100.0)]
        launches: f64,
        /// For how many seconds
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// One change told to many subscribers, some of them stuck (B08, B09)
    Events {
        /// Subscribers that read
        #[arg(long, default_value_t = 100)]
        subscribers: usize,
        /// Subscribers that never read
        #[arg(long, default_value_t = 0)]
        stuck: usize,
        /// Changes
        #[arg(long, default_value_t = 10_000)]
        events: usize,
        /// Changes a second [default: as fast as all have them]
        #[arg(long)]
        rate: Option<f64>,
        /// The encoding of the streams
        #[arg(long, value_enum, default_value_t = Media::Protobuf)]
        media: Media,
    },
    /// Memory and time of a master whose agents only answer pings (B17); needs --pid
    Footprint {
        #[command(flatten)]
        size: Size,
        /// For how many seconds
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

/// Runs the bench.
pub(crate) fn main(args: &Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            common::complain(&format!("failed to start: {error}"));
            return ExitCode::from(common::FAILED);
        }
    };
    let report = runtime.block_on(measure(args));
    // Emulated agents need no farewell.
    runtime.shutdown_background();
    let text = match report {
        Ok(report) if args.json => json(&report).to_string(),
        Ok(report) => report.to_string(),
        Err(error) => {
            common::complain(&format!("{:#}", anyhow::Error::from(error)));
            return ExitCode::from(common::FAILED);
        }
    };
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed_pipe) => ExitCode::from(common::FAILED),
    }
}

async fn measure(args: &Args) -> Result<Report, load::Error> {
    let target = Target::new(&args.master.text(), args.pid)?;
    let limit = Duration::from_secs(args.limit);
    match &args.bench {
        Bench::Launch {
            agents,
            addresses,
            tasks,
            per_accept,
            window,
            rate,
        } => {
            let options = load::launch::Options {
                agents: *agents,
                addresses: (*addresses).into(),
                tasks: *tasks,
                per_accept: (*per_accept).max(1),
                window: (*window).max(1),
                rate: *rate,
                limit,
            };
            Box::pin(load::launch::run(&target, &options)).await
        }
        Bench::Failover {
            size,
            completed,
            addresses,
        } => {
            let options = load::failover::Options {
                agents: size.agents,
                addresses: (*addresses).into(),
                population: Population {
                    completed: *completed,
                    ..size.population()
                },
                limit,
            };
            Box::pin(load::failover::run(&target, &options)).await
        }
        Bench::State {
            size,
            clients,
            requests,
        } => {
            let options = load::state::Options {
                agents: size.agents,
                population: size.population(),
                clients: *clients,
                requests: *requests,
                limit,
            };
            Box::pin(load::state::run(&target, &options)).await
        }
        Bench::Snapshot {
            size,
            subscribers,
            rounds,
        } => {
            let options = load::snapshot::Options {
                agents: size.agents,
                population: size.population(),
                subscribers: *subscribers,
                rounds: *rounds,
                limit,
            };
            Box::pin(load::snapshot::run(&target, &options)).await
        }
        Bench::Responsiveness {
            size,
            readers,
            probes,
            launches,
            seconds,
        } => {
            let options = load::responsiveness::Options {
                agents: size.agents,
                population: size.population(),
                readers: *readers,
                probes: *probes,
                launches: *launches,
                time: Duration::from_secs(*seconds),
                limit,
            };
            Box::pin(load::responsiveness::run(&target, &options)).await
        }
        Bench::Events {
            subscribers,
            stuck,
            events,
            rate,
            media,
        } => {
            let options = load::events::Options {
                subscribers: *subscribers,
                stuck: *stuck,
                events: *events,
                rate: *rate,
                content_type: match media {
                    Media::Protobuf => ContentType::Protobuf,
                    Media::Json => ContentType::Json,
                },
                limit,
                ..load::events::Options::default()
            };
            Box::pin(load::events::run(&target, &options)).await
        }
        Bench::Footprint { size, seconds } => {
            let options = load::footprint::Options {
                agents: size.agents,
                population: size.population(),
                time: Duration::from_secs((*seconds).max(1)),
                limit,
            };
            Box::pin(load::footprint::run(&target, &options)).await
        }
    }
}

fn json(report: &Report) -> serde_json::Value {
    let settings = report.settings.iter();
    let settings: serde_json::Map<_, _> = settings
        .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
        .collect();
    let figures = report.figures.iter();
    let figures: serde_json::Map<_, _> = figures
        .map(|figure| {
            let value = serde_json::json!({ "value": figure.value, "unit": figure.unit });
            (figure.name.clone(), value)
        })
        .collect();
    serde_json::json!({ "bench": report.bench, "settings": settings, "figures": figures })
}
