//! `mesos-execute`: one command, task or task group, with a line for each thing that happens to it.
//!
//! Compat: the flags, the lines on standard output and the exit codes are those of the program of that name (facts:
//! flags.tsv, rows `mesos-execute`); scripts read them. It exits with 0 once every task has ended, however it ended, and
//! with 1 when it could not be run.

mod container;
mod find;
mod flags;
mod follow;
mod lines;
mod work;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use proto::v1;
use scheduler::{Credential, Options, Policy, Registration, Scheduler, Tls};

use crate::cli::common;
use crate::daemon;
use flags::Flags;
use follow::Follow;

/// What to run, and as whom.
#[derive(Debug, Clone)]
struct Plan {
    framework: v1::FrameworkInfo,
    work: work::Work,
}

/// Runs the program with the arguments after its name.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    daemon::finish("mesos-execute", run(arguments))
}

fn run(arguments: &[OsString]) -> anyhow::Result<()> {
    let values = flags::TABLE.parse(daemon::text(arguments)?, daemon::environment())?;
    if values.bool("help") {
        return daemon::say(&flags::TABLE.usage());
    }
    for warning in &values.warnings {
        let _closed_pipe = writeln!(std::io::stderr(), "{warning}");
    }
    let flags = Flags::new(&values)?;
    let plan = Plan {
        framework: flags.framework(user()?),
        work: flags.work()?,
    };
    let mut options = Options::default();
    options.content_type = flags.content_type;
    options.credential = flags
        .credential()
        .map(|(principal, secret)| Credential { principal, secret });
    // Compat: it tries about once a second, for as long as it takes.
    options.policy = Policy::every(std::time::Duration::from_secs(1));
    let tls = common::environment_tls()?;
    let detector = common::masters(&flags.master, tls.is_some())?;
    options.tls = tls.as_ref().map(Tls::load).transpose()?;
    let scheduler = Scheduler::new(detector, Registration::from(plan.framework), &options);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start")?;
    let result = runtime.block_on(Follow::new(scheduler, plan.work, flags.kill_after).run());
    runtime.shutdown_background();
    result
}

/// The name of the user who runs this.
fn user() -> anyhow::Result<String> {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => Ok(user.name),
        Ok(None) => anyhow::bail!("no user has the uid {uid}"),
        Err(error) => Err(error).context("failed to look the user up"),
    }
}
