//! `tiangong local`: a master and agents in one process, for a laptop, a test, a first look.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use containerizer::posix::Posix;
use process::logging;

use crate::daemon;

/// How long the start may take before it is given up.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Ports that tasks may be offered, divided among the agents.
const TASK_PORTS: std::ops::RangeInclusive<u32> = 31_000..=32_000;

/// Flags of `tiangong local`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// How many agents; they share this machine's resources in equal parts
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    agents: u16,
    /// The master's port; the agents take the ports after it. 0: any free ports
    #[arg(long, default_value_t = 5050)]
    port: u16,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    ip: Ipv4Addr,
    /// Where state and sandboxes are kept [default: ~/.local/state/tiangong/local]
    #[arg(
        long = "work_dir",
        alias = "work-dir",
        value_name = "DIR",
        conflicts_with = "ephemeral"
    )]
    work_dir: Option<PathBuf>,
    /// Keep nothing: state and sandboxes live in a temporary folder that is removed at the end
    #[arg(long)]
    ephemeral: bool,
    /// Print the ready line as JSON
    #[arg(long)]
    json: bool,
    /// Log what master and agents do to stderr
    #[arg(long, short)]
    verbose: bool,
}

/// Runs the cluster until Ctrl-C.
pub(crate) fn main(arguments: &Args) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed_pipe = writeln!(std::io::stderr(), "tiangong: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Args) -> anyhow::Result<()> {
    let started = process::Clock::real().now();
    let folder = Folder::open(arguments)?;
    logging::init(&logging(arguments)).context("failed to set the log up")?;
    daemon::block_on(async {
        let cluster = tokio::time::timeout(START_LIMIT, Cluster::start(arguments, folder.path()))
            .await
            .with_context(|| format!("the cluster was not ready after {} s", START_LIMIT.as_secs()))??;
        let took = process::Clock::real().now() - started;
        announce(arguments, &cluster, folder.path(), took)?;
        let ended = tokio::select! {
            ended = cluster.failed() => ended,
            stopped = daemon::told_to_stop() => stopped,
        };
        cluster.stop().await;
        ended
    })
}

fn logging(arguments: &Args) -> logging::Options {
    let severity = if arguments.verbose {
        logging::Severity::Info
    } else {
        logging::Severity::Warning
    };
    logging::Options {
        severity,
        ..logging::Options::default()
    }
}

/// Where a cluster keeps its state; a temporary one is removed on drop.
#[derive(Debug)]
enum Folder {
    Kept(PathBuf),
    Temporary(PathBuf),
}

impl Folder {
    fn open(arguments: &Args) -> anyhow::Result<Self> {
        if arguments.ephemeral {
            let path = std::env::temp_dir().join(format!("tiangong-{}", uuid::Uuid::new_v4()));
            std::fs::create_dir(&path).with_context(|| format!("failed to make {}", path.display()))?;
            return Ok(Self::Temporary(path));
        }
        let path = match &arguments.work_dir {
            Some(path) => path.clone(),
            None => default_folder()?,
        };
        std::fs::create_dir_all(&path).with_context(|| format!("failed to make {}", path.display()))?;
        path.canonicalize()
            .map(Self::Kept)
            .with_context(|| format!("failed to open {}", path.display()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Temporary(path) => path,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self
            && let Err(error) = std::fs::remove_dir_all(&*path)
        {
            let _closed_pipe = writeln!(
                std::io::stderr(),
                "tiangong: failed to remove {}: {error}",
                path.display()
            );
        }
    }
}

fn default_folder() -> anyhow::Result<PathBuf> {
    if let Some(state) = std::env::var_os("XDG_STATE_HOME").filter(|state| Path::new(state).is_absolute()) {
        return Ok(PathBuf::from(state).join("tiangong/local"));
    }
    let home = std::env::var_os("HOME")
        .context("HOME is not set; name a folder with --work_dir, or use --ephemeral")?;
    Ok(PathBuf::from(home).join(".local/state/tiangong/local"))
}

/// A running cluster.
struct Cluster {
    master: master::Server,
    agents: Vec<agent::Server>,
}

impl Cluster {
    async fn start(arguments: &Args, folder: &Path) -> anyhow::Result<Self> {
        let master = master::Server::start(master_flags(arguments, folder)?)
            .await
            .with_context(|| {
                format!(
                    "failed to start the master on port {}; choose another with --port",
                    arguments.port
                )
            })?;
        let machine = agent::machine::detect(folder).context("failed to see what this machine has")?;
        let mut agents = Vec::new();
        for index in 0..arguments.agents {
            let resources = share(&machine, index, arguments.agents);
            let flags = agent_flags(arguments, folder, master.address(), index, &resources)?;
            let containerizer = Arc::new(Posix::new(daemon::containers(&flags)));
            let agent = agent::Server::start(flags, containerizer)
                .await
                .with_context(|| {
                    format!(
                        "failed to start agent {}; choose another port with --port",
                        index + 1
                    )
                })?;
            agents.push(agent);
        }
        for agent in &agents {
            agent.registered().await;
        }
        Ok(Self { master, agents })
    }

    /// Resolves when one of them cannot go on.
    async fn failed(&self) -> anyhow::Result<()> {
        let agents =
            futures_util::future::select_all(self.agents.iter().map(|agent| Box::pin(agent.finished())));
        tokio::select! {
            ended = self.master.finished() => ended.context("the master ended"),
            (ended, index, _) = agents => ended.with_context(|| format!("agent {} ended", index + 1)),
        }
    }

    /// Ends the tasks, then the agents, then the master.
    async fn stop(self) {
        for agent in self.agents {
            agent.shutdown().await;
        }
        self.master.stop().await;
    }
}

fn master_flags(arguments: &Args, folder: &Path) -> anyhow::Result<master::Flags> {
    let flags = [
        format!("--ip={}", arguments.ip),
        format!("--port={}", arguments.port),
        "--hostname=localhost".to_owned(),
        format!("--work_dir={}", folder.join("master").display()),
        "--allocation_interval=100ms".to_owned(),
    ];
    match master::Flags::parse(flags, std::iter::empty())? {
        master::Parsed::Run(flags) => Ok(*flags),
        master::Parsed::Help(text) | master::Parsed::Version(text) => anyhow::bail!("{text}"),
    }
}

fn agent_flags(
    arguments: &Args,
    folder: &Path,
    master: SocketAddr,
    index: u16,
    resources: &str,
) -> anyhow::Result<agent::Flags> {
    let (port, home) = if arguments.port == 0 {
        // An agent on another port is another agent: nothing on disk fits it.
        (
            0,
            folder.join(format!("agent-{}-{}", index + 1, uuid::Uuid::new_v4())),
        )
    } else {
        // So is one with another part of the machine.
        let port = arguments
            .port
            .checked_add(1 + index)
            .context("the agents' ports end past 65535; choose a lower --port")?;
        (
            port,
            folder.join(format!("agent-{}-of-{}-port-{port}", index + 1, arguments.agents)),
        )
    };
    let flags = [
        format!("--ip={}", arguments.ip),
        format!("--port={port}"),
        "--hostname=localhost".to_owned(),
        format!("--master={master}"),
        format!("--work_dir={}", home.display()),
        format!("--runtime_dir={}", home.join("run").display()),
        format!("--resources={resources}"),
        "--registration_backoff_factor=10ms".to_owned(),
        // The machine may have changed between two runs.
        "--reconfiguration_policy=additive".to_owned(),
    ];
    match agent::Flags::parse(flags, std::iter::empty())? {
        agent::Parsed::Run(flags) => Ok(*flags),
        agent::Parsed::Help(text) | agent::Parsed::Version(text) => anyhow::bail!("{text}"),
    }
}

/// One agent's part of the machine, as `--resources` takes it.
fn share(machine: &agent::machine::Machine, index: u16, agents: u16) -> String {
    let count = u64::from(agents);
    let ports = u32::from(agents);
    let width = (TASK_PORTS.end() - TASK_PORTS.start() + 1) / ports;
    let first = TASK_PORTS.start() + u32::from(index) * width;
    format!(
        "cpus:{:.3};mem:{};disk:{};ports:[{first}-{}]",
        machine.cpus / f64::from(agents),
        machine.mem_mb / count,
        machine.disk_mb / count,
        first + width - 1,
    )
}

fn announce(arguments: &Args, cluster: &Cluster, folder: &Path, took: Duration) -> anyhow::Result<()> {
    let agents: Vec<String> = cluster
        .agents
        .iter()
        .map(|agent| agent.address().to_string())
        .collect();
    let master = cluster.master.address();
    let mut out = anstream::stdout().lock();
    if arguments.json {
        let ready = serde_json::json!({
            "master": master.to_string(),
            "agents": agents,
            "work_dir": folder,
            "ready_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
        writeln!(out, "{ready}")?;
    } else {
        writeln!(out, "ready in {} ms", took.as_millis())?;
        writeln!(out, "  master   http://{master}")?;
        for (index, agent) in agents.iter().enumerate() {
            writeln!(out, "  agent {}  http://{agent}", index + 1)?;
        }
        let kept = if arguments.ephemeral {
            "removed at the end"
        } else {
            "kept"
        };
        writeln!(out, "  folder   {} ({kept})", folder.display())?;
        let master_flag = if arguments.port == 5050 {
            String::new()
        } else {
            format!(" --master {master}")
        };
        writeln!(
            out,
            "try: tiangong run{master_flag} -- echo hello; Ctrl-C stops the cluster and its tasks"
        )?;
    }
    out.flush().context("failed to write to stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_get_equal_parts_and_ports_of_their_own() {
        let machine = agent::machine::Machine {
            cpus: 4.0,
            mem_mb: 1001,
            disk_mb: 500,
        };
        assert_eq!(
            share(&machine, 0, 2),
            "cpus:2.000;mem:500;disk:250;ports:[31000-31499]"
        );
        assert_eq!(
            share(&machine, 1, 2),
            "cpus:2.000;mem:500;disk:250;ports:[31500-31999]"
        );
        assert_eq!(
            share(&machine, 0, 1),
            "cpus:4.000;mem:1001;disk:500;ports:[31000-32000]"
        );
    }
}
