//! Why a stream is not RecordIO.

/// Why a stream is not RecordIO. Offsets count bytes from the start of the stream. There is no way on after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A byte in the head that is neither a digit nor the newline after at least one digit.
    #[error("byte {byte:#04x} at offset {offset} in the head of a record")]
    Head {
        /// Where it stands.
        offset: u64,
        /// What it is.
        byte: u8,
    },
    /// More digits than the limit.
    #[error("more than {limit} digits in the head of the record at offset {offset}")]
    Digits {
        /// Where the head starts.
        offset: u64,
        /// [`Limits::digits`](crate::Limits::digits).
        limit: usize,
    },
    /// A record longer than the limit.
    #[error("the record at offset {offset} is longer than {limit} bytes")]
    Size {
        /// Where the head starts.
        offset: u64,
        /// [`Limits::record`](crate::Limits::record).
        limit: usize,
    },
    /// The stream ended inside a record.
    #[error("the stream ended at offset {offset}, inside a record")]
    Truncated {
        /// How many bytes there were.
        offset: u64,
    },
    /// The transport of a [`Codec`](crate::Codec) failed.
    #[error("failed to read or write: {0}")]
    Transport(std::io::ErrorKind),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Transport(error.kind())
    }
}
