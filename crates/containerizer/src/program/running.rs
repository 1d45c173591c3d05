//! A started program, waited for through its pidfd.

use std::os::unix::process::ExitStatusExt;
use std::process::Child;

use super::Watch;
use crate::Error;
use crate::proc::Identity;

/// A program started by [`Program::spawn`](super::Program::spawn). Dropping it leaves it running.
#[derive(Debug)]
pub struct Running {
    child: Child,
    identity: Identity,
    watch: Watch,
    status: Option<i32>,
}

impl Running {
    pub(crate) fn new(child: Child) -> Result<Self, Error> {
        let pid = i32::try_from(child.id()).map_err(|error| Error::Process {
            what: "start a program",
            source: std::io::Error::other(error),
        })?;
        // An unreaped child keeps its pid, so both of these see the right process. One that has ended already
        // is a zombie, which `Identity::of` does not report.
        let watch = Watch::new(pid)?;
        let start = crate::proc::Stat::read(pid).map_or(0, |stat| stat.start);
        Ok(Self {
            child,
            identity: Identity { pid, start },
            watch,
            status: None,
        })
    }

    /// Its pid; the number stays taken until [`wait`](Self::wait) has returned.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// Which process it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Resolves with the wait status, as often as it is asked. Cancellation is harmless.
    ///
    /// # Errors
    /// The child was reaped by somebody else.
    pub async fn wait(&mut self) -> Result<i32, Error> {
        loop {
            if let Some(status) = self.status {
                return Ok(status);
            }
            self.watch.ended().await?;
            self.status = self
                .child
                .try_wait()
                .map_err(Error::process("wait for a program"))?
                .map(ExitStatusExt::into_raw);
        }
    }
}
