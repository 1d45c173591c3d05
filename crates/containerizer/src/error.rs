//! Why something about a container could not be done.

use std::io;
use std::path::{Path, PathBuf};

/// Why a containerizer refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No container of this id runs.
    #[error("unknown container {0}")]
    UnknownContainer(String),
    /// The id cannot be a directory's name, or has a parent.
    #[error("invalid container id '{0}'")]
    InvalidId(String),
    /// The configuration cannot be run; the text says what is wrong with it.
    #[error("invalid container: {0}")]
    InvalidConfig(String),
    /// The container was destroyed while it was being launched.
    #[error("container destroyed during {0}")]
    DestroyedDuring(&'static str),
    /// The named user does not exist, or this agent may not act as it.
    #[error("failed to run as user '{user}': {cause}")]
    User {
        /// The user's name.
        user: String,
        /// What is wrong.
        cause: String,
    },
    /// URIs could not be fetched; the fetcher's own words are in the sandbox's `stderr`.
    #[error("Failed to fetch all URIs for container '{container}': {cause}")]
    Fetch {
        /// The container's id.
        container: String,
        /// `exited with status N` or what kept the fetcher from running.
        cause: String,
    },
    /// A file or directory of the container could not be read or written.
    #[error("{path}: {what}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried: `failed to create`.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A process could not be started, signalled or awaited.
    #[error("failed to {what}")]
    Process {
        /// What was tried: `start the launch helper`.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Processes of the container could not be killed within the time allowed.
    #[error("{count} processes of container {id} survive SIGKILL")]
    Undead {
        /// The container's id.
        id: String,
        /// How many are left.
        count: usize,
    },
}

impl Error {
    /// For `map_err` after an operation on a file.
    pub(crate) fn file(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { path, what, source }
    }

    /// For `map_err` after an operation on a process.
    pub(crate) fn process<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Process {
            what,
            source: source.into(),
        }
    }
}
