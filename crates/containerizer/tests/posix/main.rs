//! The POSIX containerizer with real processes: what starts, what is seen, and that nothing is left.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; one that is skipped says so"
)]

mod attaches;
mod ends;
mod fetches;
mod fixture;
mod launches;
mod nests;
mod recovers;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = containerizer::dispatch(&arguments) {
        return code;
    }
    if std::env::args().nth(1).as_deref() == Some(fixture::STAND_IN) {
        return fixture::stand_in();
    }
    let trials: Vec<Trial> = [
        launches::trials(),
        ends::trials(),
        recovers::trials(),
        fetches::trials(),
        nests::trials(),
        attaches::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
