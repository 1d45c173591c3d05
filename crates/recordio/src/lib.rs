//! RecordIO framing: a decimal length, a newline, that many bytes; no newline after them.
//!
//! | side | use |
//! |---|---|
//! | bytes come in chunks (an HTTP body) | [`Decoder`]: a record inside one chunk is a slice of it, not a copy |
//! | bytes go out, several slices in one write | [`Head`] before the record's own bytes |
//! | a record as one piece | [`encode`] |
//! | a tokio reader or writer | [`Codec`] |
//!
//! A length may have leading zeros, as long as it has no more digits than [`Limits::digits`]; a record may be empty.
//! Whoever reads sets [`Limits`]: nothing is kept for a record whose length is beyond them.

#![warn(missing_docs)]

mod codec;
mod decoder;
mod encoder;
mod error;

pub use codec::Codec;
pub use decoder::Decoder;
pub use encoder::{Head, encode};
pub use error::Error;

/// What a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest record, in bytes.
    pub record: usize,
    /// The longest head, in digits.
    pub digits: usize,
}

impl Default for Limits {
    /// Records of 64 MiB (a large cluster's snapshot as JSON) and heads of 20 digits (any 64-bit number).
    fn default() -> Self {
        Self {
            record: 64 << 20,
            digits: 20,
        }
    }
}
