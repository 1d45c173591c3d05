//! `tiangong frameworks`: who uses the cluster.

use std::process::ExitCode;

use proto::ContentType;
use proto::v1::master::response::get_frameworks::Framework;

use super::common::{self, Master, Stop};

/// List frameworks.
///
/// Exit codes: 0 when the master answered, 1 when not, 2 for wrong usage.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: Master,
    /// Also list frameworks that have ended
    #[arg(long, short)]
    all: bool,
    /// Print the master's answer (GET_FRAMEWORKS) as JSON
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
    let frameworks = client.frameworks().await.map_err(failure)?;
    if args.json {
        common::print_json(&frameworks)?;
        return Ok(0);
    }
    let mut rows: Vec<Vec<String>> = frameworks
        .frameworks
        .iter()
        .map(|framework| row(framework, state(framework)))
        .collect();
    if args.all {
        rows.extend(
            frameworks
                .completed_frameworks
                .iter()
                .map(|framework| row(framework, "completed")),
        );
    }
    common::print_table(
        &["FRAMEWORK", "NAME", "STATE", "USER", "ROLES", "CPUS", "MEM"],
        &rows,
    )?;
    Ok(0)
}

fn row(framework: &Framework, state: &str) -> Vec<String> {
    let info = &framework.framework_info;
    let roles = if info.roles.is_empty() {
        info.role().to_owned()
    } else {
        info.roles.join(",")
    };
    vec![
        info.id.as_ref().map_or_else(String::new, |id| id.value.clone()),
        info.name.clone(),
        state.to_owned(),
        info.user.clone(),
        roles,
        common::amount(&framework.allocated_resources, "cpus"),
        common::amount(&framework.allocated_resources, "mem"),
    ]
}

fn state(framework: &Framework) -> &'static str {
    if framework.recovered {
        "recovered"
    } else if framework.active {
        "active"
    } else if framework.connected {
        "inactive"
    } else {
        "disconnected"
    }
}
