//! What can go wrong.

use crate::Epoch;

/// Why a read or a write failed. After any error but [`Error::TooLarge`] nothing of the write is visible, now
/// or after a restart; only [`Error::Backend`] may leave that to be found out by reading.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else leads since.
    #[error("epoch {mine} is over, the store is led in epoch {current}")]
    Deposed {
        /// The epoch of the write.
        mine: Epoch,
        /// The epoch of the store.
        current: Epoch,
    },
    /// A key or a value is larger than allowed.
    #[error("{what} of {size} bytes is larger than {limit}")]
    TooLarge {
        /// "key" or "value".
        what: &'static str,
        /// Its size.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// What is stored cannot be read as what it should be.
    #[error("{key} is not readable")]
    Corrupt {
        /// Under which key.
        key: String,
        /// Why.
        #[source]
        source: proto::Error,
    },
    /// What is stored is under a key that this version does not know.
    #[error("{0} is of an unknown kind")]
    UnknownKey(String),
    /// The registry needs capabilities that this master does not have.
    #[error("the registry needs unsupported capabilities: {0}")]
    MissingCapabilities(String),
    /// An older or newer version wrote the store.
    #[error(
        "the store holds '{found}' where this version writes '{expected}'; start the version that wrote it, or give another place"
    )]
    Format {
        /// What says so.
        found: String,
        /// What this version writes.
        expected: String,
    },
    /// The file or the disk under it, or the servers.
    #[error("the store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn backend(error: impl Into<redb::Error>) -> Self {
        Self::Backend(Box::new(error.into()))
    }
}
