//! Why a master does not start, or cannot go on.

use std::sync::Arc;

/// Why a master does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line or the environment is wrong.
    #[error(transparent)]
    Flags(#[from] ::process::flags::Error),
    /// The address is taken, a process could not be started, and the like.
    #[error("failed to start a process")]
    Process(#[source] Arc<::process::Error>),
    /// The registry's file cannot be opened.
    #[error("failed to open the registry")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The registry cannot be read.
    #[error("failed to read the registry")]
    Read(#[source] storage::Error),
    /// A write to the registry failed, or another master leads by now.
    #[error("failed to write the registry")]
    Write(#[source] storage::Error),
    /// Reading or writing the registry took longer than its flag allows.
    #[error("{0} took longer than allowed")]
    TimedOut(&'static str),
    /// Masters cannot be elected any more.
    #[error("failed to take part in the election")]
    Election(#[source] election::Error),
    /// It led and does not any more. Another start makes it a candidate again.
    #[error("lost the leadership: {0}")]
    Deposed(&'static str),
    /// The leader is of another region, which the fault domains do not allow.
    #[error("the leading master {0} is in another region than this master's --domain")]
    Region(String),
    /// The core found that this master must not go on.
    #[error("{0}")]
    Aborted(String),
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
