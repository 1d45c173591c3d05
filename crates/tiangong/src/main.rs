//! The one binary: master, agent, built-in executors and the command line.
//!
//! Called as `mesos-master`, `mesos-agent`, `mesos-execute`, `mesos-executor` or `mesos-containerizer` it is that program;
//! called by its own name it takes a subcommand (`cli`).

mod applets;
mod cli;
mod daemon;
mod execute;
mod local;

use std::process::ExitCode;

/// A master's work is mostly small values that come and go between threads: this takes a seventh off its time (see
/// `docs/performance/load.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    // The helpers of containers come first: they must run before any thread is made.
    if let Some(code) = containerizer::dispatch(&arguments) {
        return code;
    }
    match applets::called_as(&arguments) {
        Some(applet) => applets::run(applet, &arguments),
        None => cli::main(arguments),
    }
}
