//! The SDK against an agent that misbehaves, and the built-in executors with real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agent;
mod checks;
mod command;
mod faults;
mod groups;
mod nested;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = containerizer::dispatch(&arguments) {
        return code;
    }
    if arguments[0] == executor::command::NAME {
        return executor::command::main(&arguments[1..]);
    }
    if arguments[0] == executor::default::NAME {
        return executor::default::main(&arguments[1..]);
    }
    let trials = [
        faults::trials(),
        command::trials(),
        checks::trials(),
        groups::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test with a runtime of its own, of at most a minute.
fn trial<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), test())
                .await
                .expect("done in time");
        });
        Ok(())
    })
}
