//! `tiangong master` and `tiangong agent`: one daemon in the foreground, until it fails or is told to stop.

use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use containerizer::posix::{Options, Posix};
use tokio::signal::unix::{SignalKind, signal};

/// Exit status of a daemon that could not start or could not go on, as Mesos's.
const FAILURE: u8 = 1;

/// Runs a master with Mesos's flags.
pub(crate) fn master(arguments: &[OsString]) -> ExitCode {
    finish("mesos-master", run_master(arguments))
}

/// Runs an agent with Mesos's flags.
pub(crate) fn agent(arguments: &[OsString]) -> ExitCode {
    finish("mesos-agent", run_agent(arguments))
}

fn run_master(arguments: &[OsString]) -> anyhow::Result<()> {
    let flags = match master::Flags::parse(text(arguments)?, environment())? {
        master::Parsed::Run(flags) => *flags,
        master::Parsed::Help(text) | master::Parsed::Version(text) => return say(&text),
    };
    let logging = flags.logging();
    process::logging::init(&logging).context("failed to set the log up")?;
    block_on(async move {
        let server = master::Server::start(flags).await?;
        tokio::select! {
            ended = server.finished() => ended?,
            stopped = told_to_stop() => stopped?,
        }
        server.stop().await;
        Ok(())
    })
}

fn run_agent(arguments: &[OsString]) -> anyhow::Result<()> {
    let flags = match agent::Flags::parse(text(arguments)?, environment())? {
        agent::Parsed::Run(flags) => *flags,
        agent::Parsed::Help(text) | agent::Parsed::Version(text) => return say(&text),
    };
    let logging = flags.logging();
    process::logging::init(&logging).context("failed to set the log up")?;
    block_on(async move {
        let containerizer = Arc::new(Posix::new(containers(&flags)));
        let server = agent::Server::start(flags, containerizer).await?;
        let mut leave = signal(SignalKind::user_defined1()).context("failed to wait for SIGUSR1")?;
        tokio::select! {
            ended = server.finished() => ended?,
            stopped = told_to_stop() => stopped?,
            // Compat: SIGUSR1 takes the agent out of the cluster for good (internal-protocol, UnregisterSlaveMessage).
            _ = leave.recv() => {
                server.shutdown().await;
                return Ok(());
            }
        }
        // Executors go on: the next agent on this work directory finds them again.
        server.stop().await;
        Ok(())
    })
}

/// The containerizer's part of an agent's flags.
pub(crate) fn containers(flags: &agent::Flags) -> Options {
    let mut options = Options::new(flags.runtime_dir.clone().unwrap_or_else(default_runtime_dir));
    options.frameworks_home = flags.values.text("frameworks_home").map(PathBuf::from);
    options.fetcher_cache_dir = flags.values.text("fetcher_cache_dir").map(|parent| {
        // A part for this agent alone: whose runtime directory it is.
        let part = options.runtime_dir.to_string_lossy().replace('/', "_");
        PathBuf::from(parent).join(part)
    });
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Ok(value) = std::env::var(name) {
            options.fetcher_environment.insert(name.to_owned(), value);
        }
    }
    if let Some(size) = flags.values.bytes("fetcher_cache_size") {
        options.fetcher_cache_size = size;
    }
    if let Some(timeout) = flags.values.duration("fetcher_stall_timeout") {
        options.fetcher_stall_timeout = timeout;
    }
    options
}

/// Where state lies that survives the agent but not a reboot (`--runtime_dir`).
fn default_runtime_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        PathBuf::from("/var/run/mesos")
    } else {
        std::env::temp_dir().join("mesos/runtime")
    }
}

/// Runs `work` on a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start threads")?;
    let result = runtime.block_on(work);
    // Reads of files on helper threads must not hold the exit up.
    runtime.shutdown_background();
    result
}

/// Resolves at SIGTERM or SIGINT.
pub(crate) async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Arguments as text.
pub(crate) fn text(arguments: &[OsString]) -> anyhow::Result<Vec<String>> {
    arguments
        .iter()
        .map(|argument| {
            argument
                .to_str()
                .map(str::to_owned)
                .with_context(|| format!("{} is not UTF-8", argument.display()))
        })
        .collect()
}

/// The environment as far as it is text; flags are.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// One text on standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", text.trim_end()).context("failed to write to stdout")
}

/// The exit code of a program, its error told on standard error.
pub(crate) fn finish(program: &str, result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed_pipe = writeln!(std::io::stderr(), "{program}: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}
