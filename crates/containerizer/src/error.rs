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
    /// A part of the id cannot be a directory's name, or there are more than [`MAX_DEPTH`](crate::MAX_DEPTH).
    #[error("invalid container id '{0}'")]
    InvalidId(String),
    /// The parent of a container to launch does not run.
    // Compat: the text goes to API clients, as do the next six.
    #[error("Parent container {0} does not exist")]
    UnknownParent(String),
    /// The parent of a container to launch is ending.
    #[error("Parent container {0} is in 'DESTROYING' state")]
    ParentDestroyed(String),
    /// Only what has ended can be removed.
    #[error("Nested container has not terminated yet")]
    NotTerminated,
    /// The root of a container to remove does not run.
    #[error("Unknown root container")]
    UnknownRoot,
    /// The container has neither a terminal nor is it a debug container.
    #[error("I/O switchboard server was disabled for this container")]
    NotAttachable,
    /// Somebody else is attached to the container's input.
    #[error("Multiple input connections are not allowed")]
    InputTaken,
    /// What was sent to an attached container could not be written; `invalid` if it was no input at all.
    #[error("{what}")]
    Input {
        /// What is wrong.
        what: String,
        /// The record made no sense, as opposed to a container that does not take it.
        invalid: bool,
    },
    /// This containerizer cannot do that.
    #[error("{0} is not supported by this containerizer")]
    Unsupported(&'static str),
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
