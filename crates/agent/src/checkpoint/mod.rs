//! The checkpoint on disk: Mesos's layout and encodings, byte for byte (facts: agent-disk, sections 1, 2 and 4).
//!
//! [`Disk::write`] carries out one [`core::Checkpoint`](crate::core::Checkpoint); [`Disk::recover`] reads all of
//! it back as a [`core::RecoveredState`](crate::core::RecoveredState). Where things lie says
//! [`core::paths`](crate::core::paths).
//!
//! Whole files are written beside their place under a name of six random characters and renamed; logs are
//! appended to, one record per write. None of it is synced to the medium, as with Mesos, but for the mark of
//! generated executors: the checkpoint is there for a crash of the agent, and a reboot ends all tasks anyway.

mod discard;
mod read;
mod records;
mod resources;
mod write;

use std::path::{Path, PathBuf};

pub use records::{MAX_RECORD, append_record, decode_records};

/// Why the checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be handled.
    #[error("failed to {what} {path}", path = path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} is not valid: {reason}", path = path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { what, path, source }
    }
}

/// The work directory of one agent.
#[derive(Clone, Debug)]
pub struct Disk {
    work_dir: PathBuf,
    meta: PathBuf,
    boot_id: String,
}

impl Disk {
    /// The work directory `work_dir`, which is made when something is written; `boot_id` is that of the running
    /// kernel.
    pub fn new(work_dir: impl Into<PathBuf>, boot_id: impl Into<String>) -> Self {
        let work_dir = work_dir.into();
        Self {
            meta: crate::core::paths::meta(&work_dir),
            work_dir,
            boot_id: boot_id.into(),
        }
    }

    /// The work directory.
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// The boot id of the running kernel.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn current_boot_id() -> Result<String, Error> {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        Ok(text.trim().to_owned())
    }
}
