//! Waiting for the end of a process that need not be a child. The one module of the crate with `unsafe`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Error;

/// Resolves when a process, a child or not, has ended (a zombie has).
#[derive(Debug)]
pub(crate) struct Watch {
    fd: AsyncFd<OwnedFd>,
}

impl Watch {
    /// Watches whatever has this pid now; the caller checks afterwards that it was the right one. Needs a
    /// tokio runtime and Linux 5.3.
    pub(crate) fn new(pid: i32) -> Result<Self, Error> {
        let open = || {
            let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
            register(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
        };
        Ok(Self {
            fd: open().map_err(Error::process("watch a process"))?,
        })
    }

    pub(crate) async fn ended(&self) -> Result<(), Error> {
        // The descriptor stays readable, so readiness needs no clearing.
        self.fd
            .readable()
            .await
            .map(|_| ())
            .map_err(Error::process("watch a process"))
    }
}

#[expect(
    unsafe_code,
    reason = "tokio has no safe way to register a descriptor of a kind it does not know"
)]
fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is open and owned; it moves into the `AsyncFd`, which alone closes it, and nobody
    // duplicates over it.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(Into::into)
}
