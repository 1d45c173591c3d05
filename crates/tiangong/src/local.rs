//! `tiangong local`: a master and agents in one process, for a laptop, a test, a first look.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use containerizer::posix::Posix;
use process::{Clock, Time};

use crate::cli::{Style, fail, print};
use crate::machine::Machine;

/// Flags of `tiangong local`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// How many agents; they share this machine's resources in equal parts
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=100))]
    agents: u16,
    /// The master's port; the agents take the ports after it. 0: any free ports
    #[arg(long, default_value_t = 5050)]
    port: u16,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    ip: IpAddr,
    /// Where state and sandboxes are kept [default: ~/.local/state/tiangong/local]
    #[arg(long, alias = "work-dir", value_name = "DIR", conflicts_with = "ephemeral")]
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
