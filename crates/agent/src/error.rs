//! Why an agent could not start or go on.

use crate::checkpoint;

/// Why an agent could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `--resources` cannot be read.
    #[error("failed to read the agent's resources: {0}")]
    Resources(String),
    /// The machine does not tell what it has.
    #[error("failed to detect this machine's {what}")]
    Machine {
        /// What was asked.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The work directory cannot be used.
    #[error("failed to use the work directory")]
    WorkDir(#[source] std::io::Error),
    /// The checkpoint cannot be read or written.
    #[error("failed to use the checkpoint")]
    Checkpoint(#[source] checkpoint::Error),
    /// The listening socket, or a process on it, cannot be had.
    #[error("failed to start the agent's process")]
    Process(#[source] process::Error),
    /// Masters cannot be detected any more.
    #[error("failed to detect the leading master")]
    Detector(#[source] election::Error),
    /// The containerizer cannot take over what an earlier agent left.
    #[error("failed to recover containers")]
    Containers(#[source] containerizer::Error),
    /// A file of secrets, or a list of who may do what, cannot be used.
    #[error("failed to read what security rests on")]
    Security(#[source] auth::Error),
    /// The agent must not go on.
    #[error("{0}")]
    Failed(String),
}
