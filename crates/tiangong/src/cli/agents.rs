//! `tiangong agents`: the machines of the cluster.

use std::process::ExitCode;

use proto::ContentType;
use proto::v1::master::response::get_agents::Agent;
use proto::v1::{DrainInfo, DrainState};

use super::common::{self, Master, Stop};

/// List agents.
///
/// Exit codes: 0 when the master answered, 1 when not, 2 for wrong usage.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: Master,
    /// Print the master's answer (GET_AGENTS) as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    common::run(list(args), common::FAILED)
}

async fn list(args: &Args) -> Result<u8, Stop> {
    let failure = |error| common::failure(&error, &args.master);
    let client = args.master.client(ContentType::Protobuf).map_err(failure)?;
    let agents = client.agents().await.map_err(failure)?;
    if args.json {
        common::print_json(&agents)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = agents.agents.iter().map(row).collect();
    common::print_table(
        &["AGENT", "HOST", "STATE", "CPUS", "MEM", "DISK", "VERSION"],
        &rows,
    )?;
    Ok(0)
}

fn row(agent: &Agent) -> Vec<String> {
    let info = &agent.agent_info;
    let used = |name| {
        let (used, total) = (
            common::amount(&agent.allocated_resources, name),
            common::amount(&agent.total_resources, name),
        );
        format!("{used}/{total}")
    };
    vec![
        info.id.as_ref().map_or_else(String::new, |id| id.value.clone()),
        format!("{}:{}", info.hostname, info.port()),
        state(agent).to_owned(),
        used("cpus"),
        used("mem"),
        used("disk"),
        agent.version.clone(),
    ]
}

fn state(agent: &Agent) -> &'static str {
    match agent.drain_info.as_ref().map(DrainInfo::state) {
        Some(DrainState::Drained) => "drained",
        Some(DrainState::Draining | DrainState::Unknown) => "draining",
        None if agent.deactivated() => "deactivated",
        None if agent.active => "active",
        None => "disconnected",
    }
}
