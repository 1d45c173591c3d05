//! The first process of a container.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, chdir, dup2_stdin, setsid};
use rustix::process::{WaitOptions, wait};

use super::{CANNOT_PREPARE, say};
use crate::posix::paths;
use crate::proc::{Table, kill_members};
use crate::program::Program;

pub(super) fn main(runtime_directory: &Path) -> ExitCode {
    match run(runtime_directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("Failed to launch the container: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(runtime_directory: &Path) -> io::Result<()> {
    setsid()?;
    set_child_subreaper(true)?;
    // No working directory of ours shall keep a file system busy.
    chdir("/")?;
    // Signals are read one at a time from a descriptor, not handled; nothing is lost before we are ready.
    let all = SigSet::all();
    all.thread_set_mask()?;
    let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC)?;
    wait_for_release()?;
    let program: Program = serde_json::from_slice(&fs::read(paths::launch_info(runtime_directory))?)?;
    let status = match program.start(Stdio::inherit(), Stdio::inherit()) {
        Ok(child) => {
            let status = tend(&signals, i32::try_from(child.id()).map_err(io::Error::other)?)?;
            kill_the_rest()?;
            status
        }
        Err(error) => {
            say(&format!("Failed to start the executor: {error}"));
            i32::from(CANNOT_PREPARE) << 8
        }
    };
    paths::write_atomically(&paths::status(runtime_directory), status.to_string().as_bytes())
}

/// The agent sends one byte once the pid is checkpointed. End of file instead means that it died or gave up.
fn wait_for_release() -> io::Result<()> {
    io::stdin().lock().read_exact(&mut [0])?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(())
}

/// Reaps and forwards until the executor has ended; returns its wait status.
fn tend(signals: &SignalFd, executor: i32) -> io::Result<i32> {
    loop {
        let signal = match signals.read_signal() {
            Ok(Some(info)) => i32::try_from(info.ssi_signo).unwrap_or(0),
            Ok(None) | Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        if signal == nix::libc::SIGCHLD {
            // One signal may stand for many children.
            while let Some((pid, status)) = reap(WaitOptions::NOHANG)? {
                if pid == executor {
                    return Ok(status);
                }
            }
        } else if let Ok(signal) = Signal::try_from(signal) {
            // Real-time signals have no name and are not handed on. An executor that ends in this moment is
            // a zombie until we reap it, so its pid is still its own.
            let _gone = kill(Pid::from_raw(executor), signal);
        }
    }
}

/// Kills descendants until there is none: what they orphan becomes our child, so when no child is left,
/// nothing is, whatever sessions and groups were used to hide.
fn kill_the_rest() -> io::Result<()> {
    let me = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    loop {
        while reap(WaitOptions::NOHANG)?.is_some() {}
        kill_members(|| Table::read().descendants(&[me]));
        if reap(WaitOptions::empty())?.is_none() {
            return Ok(());
        }
    }
}

/// The next child that has ended, with its wait status; none if there is none (yet, with `NOHANG`).
fn reap(options: WaitOptions) -> io::Result<Option<(i32, i32)>> {
    loop {
        match wait(options) {
            Ok(ended) => return Ok(ended.map(|(pid, status)| (pid.as_raw_nonzero().get(), status.as_raw()))),
            Err(rustix::io::Errno::CHILD) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
