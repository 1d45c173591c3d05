//! The launch helper: what the binary does when it is called as `mesos-containerizer`.
//!
//! `launch --runtime_directory=<dir>` is the first process of a container (facts: containerizer.md, section 2).
//! It leads a session, adopts what its descendants orphan (child subreaper), waits for the agent's word, starts
//! the executor as its child, hands every signal on to it, reaps, and when the executor has ended kills what is
//! left. Only then, with no descendant alive, does it write `<dir>/status`. The executor dies with it.
//!
//! `exec` is the second step of starting a [`Program`]: it becomes the program, with no signal blocked or ignored.
//!
//! Both run before any thread or runtime exists.

mod exec;
mod init;
mod signals;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::program::Program;

/// The name under which the binary is the launch helper.
pub const NAME: &str = "mesos-containerizer";

/// The option that tells the helper where the container's runtime directory is.
pub(crate) const RUNTIME_DIRECTORY: &str = "--runtime_directory=";

/// What `exec` reads from its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) program: Program,
    /// Who gave it; a program that dies with its parent checks that this one still lives.
    pub(crate) parent: u32,
}

/// Exit code when directory, user or limits of a program could not be had, or the order made no sense.
pub(crate) const CANNOT_PREPARE: u8 = 125;
/// Exit code when the file may not or cannot be executed, as in shells.
pub(crate) const CANNOT_EXECUTE: u8 = 126;
/// Exit code when there is no such file, as in shells.
pub(crate) const NOT_FOUND: u8 = 127;

/// Runs the helper; `arguments` without the program's name. To be called first thing in `main`, with no other
/// thread alive.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    let arguments: Vec<&str> = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .collect();
    match arguments.as_slice() {
        ["launch", option] if option.starts_with(RUNTIME_DIRECTORY) => {
            init::main(option.trim_start_matches(RUNTIME_DIRECTORY).as_ref())
        }
        ["exec"] => exec::main(),
        _ => {
            say(&format!("usage: {NAME} launch {RUNTIME_DIRECTORY}<dir>"));
            ExitCode::FAILURE
        }
    }
}

/// A line on standard error, which is the container's `stderr`; if that is gone there is nobody to tell.
pub(crate) fn say(line: &str) {
    let _gone = writeln!(io::stderr(), "{line}");
}
