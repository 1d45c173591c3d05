//! The command line: subcommands, help, completions, exit codes.

mod agents;
mod bench;
pub(crate) mod common;
mod events;
mod explain;
mod frameworks;
mod ps;
mod run;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{daemon, local};

/// A cluster manager: a drop-in successor of Apache Mesos.
#[derive(Debug, Parser)]
#[command(name = "tiangong", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a whole cluster in this process: a master and agents
    Local(local::Args),
    /// Run a master; takes the flags of mesos-master
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Master(Flags),
    /// Run an agent; takes the flags of mesos-agent
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Agent(Flags),
    /// Run a command on the cluster, with its output here, and exit as it exits
    Run(run::Args),
    /// Follow what happens in the cluster
    Events(events::Args),
    /// List tasks
    Ps(ps::Args),
    /// List agents
    Agents(agents::Args),
    /// List frameworks
    Frameworks(frameworks::Args),
    Explain(explain::Args),
    Bench(bench::Args),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Flags that are parsed by Mesos's rules, not by clap's.
#[derive(Debug, clap::Args)]
struct Flags {
    /// See --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    flags: Vec<OsString>,
}

/// Parses `arguments` (the program's name first) and runs what they ask for.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(refused) => {
            // Help and version go to stdout with status 0, mistakes to stderr with 2.
            let _closed_pipe = refused.print();
            return ExitCode::from(u8::try_from(refused.exit_code()).unwrap_or(2));
        }
    };
    match cli.command {
        Command::Local(arguments) => local::main(&arguments),
        Command::Master(arguments) => daemon::master(&arguments.flags),
        Command::Agent(arguments) => daemon::agent(&arguments.flags),
        Command::Run(arguments) => run::main(&arguments),
        Command::Events(arguments) => events::main(&arguments),
        Command::Ps(arguments) => ps::main(&arguments),
        Command::Agents(arguments) => agents::main(&arguments),
        Command::Frameworks(arguments) => frameworks::main(&arguments),
        Command::Explain(arguments) => explain::main(&arguments),
        Command::Bench(arguments) => bench::main(&arguments),
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tiangong", &mut script);
    match std::io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed_pipe) => ExitCode::FAILURE,
    }
}
