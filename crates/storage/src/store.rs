//! What a store does, whatever keeps it.

use crate::Error;
use bytes::Bytes;
use std::fmt;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 4 * 1024;
/// The largest value, in bytes.
pub const MAX_VALUE: usize = 64 * 1024 * 1024;

/// Counts leaders of a store; a later leader has a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One key's part of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value from now on.
    Put {
        /// At most [`MAX_KEY`] bytes.
        key: String,
        /// At most [`MAX_VALUE`] bytes.
        value: Bytes,
    },
    /// The key has no value from now on.
    Delete {
        /// At most [`MAX_KEY`] bytes.
        key: String,
    },
}

/// A key with its value.
pub type Pair = (String, Bytes);

/// A small keyed store, led by one writer at a time.
pub trait Store: Send + Sync + fmt::Debug {
    /// Makes the caller the leader: every earlier epoch is over when this returns.
    ///
    /// # Errors
    /// [`Error::Backend`].
    fn acquire(&self) -> Result<Epoch, Error>;

    /// The value of a key, if it has one.
    ///
    /// # Errors
    /// [`Error::Backend`].
    fn get(&self, key: &str) -> Result<Option<Bytes>, Error>;

    /// Every key that starts with `prefix`, with its value, ascending by key; all of one moment.
    ///
    /// # Errors
    /// [`Error::Backend`].
    fn scan(&self, prefix: &str) -> Result<Vec<Pair>, Error>;

    /// Makes all of `changes` or none, in order, and returns when they would survive a loss of power.
    ///
    /// # Errors
    /// [`Error::Deposed`], [`Error::TooLarge`], [`Error::Backend`].
    fn write(&self, epoch: Epoch, changes: Vec<Change>) -> Result<(), Error>;
}

/// Refuses what is too large, before anything is done.
pub(crate) fn check_sizes(changes: &[Change]) -> Result<(), Error> {
    let check = |what, size, limit| match size > limit {
        true => Err(Error::TooLarge { what, size, limit }),
        false => Ok(()),
    };
    changes.iter().try_for_each(|change| match change {
        Change::Put { key, value } => {
            check("key", key.len(), MAX_KEY)?;
            check("value", value.len(), MAX_VALUE)
        }
        Change::Delete { key } => check("key", key.len(), MAX_KEY),
    })
}
