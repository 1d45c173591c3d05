//! Cuts a stream of bytes at its lengths.

use bytes::{Buf as _, Bytes, BytesMut};

/// Most digits of a length.
const MAX_DIGITS: usize = 20;

/// Why bytes are no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("the length {0:?} is not a number")]
    NoNumber(String),
    #[error("the length has more than {MAX_DIGITS} digits")]
    TooLong,
    #[error("the length {0} exceeds the limit of {1} bytes")]
    TooLarge(u64, usize),
}

/// Bytes in, records out. Memory grows with the bytes that came, not with the length that was announced.
#[derive(Debug)]
pub(crate) struct Decoder {
    max_record: usize,
    buffer: BytesMut,
    /// The length of the record under way, once it is known.
    length: Option<usize>,
}

impl Decoder {
    pub(crate) fn new(max_record: usize) -> Self {
        Self {
            max_record,
            buffer: BytesMut::new(),
            length: None,
        }
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Flaw> {
        let length = match self.length {
            Some(length) => length,
            None => match self.read_length()? {
                Some(length) => *self.length.insert(length),
                None => return Ok(None),
            },
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.length = None;
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Bytes still to come of the record under way (0 inside its length); `None` between records.
    pub(crate) fn missing(&self) -> Option<u64> {
        match self.length {
            Some(length) => Some(u64::try_from(length.saturating_sub(self.buffer.len())).unwrap_or(u64::MAX)),
            None => (!self.buffer.is_empty()).then_some(0),
        }
    }

    fn read_length(&mut self) -> Result<Option<usize>, Flaw> {
        let end = self
            .buffer
            .iter()
            .take(MAX_DIGITS + 1)
            .position(|byte| *byte == b'\n');
        let head = &self.buffer[..end.unwrap_or_else(|| self.buffer.len().min(MAX_DIGITS + 1))];
        if head.iter().any(|byte| !byte.is_ascii_digit()) || (end.is_some() && head.is_empty()) {
            return Err(Flaw::NoNumber(String::from_utf8_lossy(head).into_owned()));
        }
        let Some(end) = end else {
            return if head.len() > MAX_DIGITS {
                Err(Flaw::TooLong)
            } else {
                Ok(None)
            };
        };
        let length = head.iter().try_fold(0_u64, |number, digit| {
            number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        let length = length.unwrap_or(u64::MAX);
        let fits = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.max_record);
        self.buffer.advance(end + 1);
        fits.map(Some).ok_or(Flaw::TooLarge(length, self.max_record))
    }
}
