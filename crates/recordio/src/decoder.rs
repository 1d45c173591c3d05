//! Reading records from chunks.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::{Error, Limits};

/// Takes chunks in any cut and gives records. Between calls it holds at most one unfinished record.
///
/// ```
/// use bytes::Bytes;
/// use recordio::{Decoder, Limits};
///
/// let mut decoder = Decoder::new(Limits::default());
/// let mut records = Vec::new();
/// for chunk in ["5\nhel", "lo2\nhi", "0\n"] {
///     let mut chunk = Bytes::from(chunk);
///     while let Some(record) = decoder.decode(&mut chunk)? {
///         records.push(record);
///     }
/// }
/// decoder.finish()?;
/// assert_eq!(records, ["hello", "hi", ""]);
/// # Ok::<(), recordio::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// How many bytes were taken so far.
    offset: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Reading),
    Body { missing: usize, partial: BytesMut },
    Failed(Error),
}

/// A head of which some digits were read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    /// Where it starts, in bytes from the start of the stream.
    start: u64,
    digits: usize,
    length: usize,
}

impl Reading {
    /// A head that starts there.
    pub(crate) fn at(start: u64) -> Self {
        Self {
            start,
            ..Self::default()
        }
    }

    /// Takes the next byte; gives the length after the newline.
    pub(crate) fn push(&mut self, byte: u8, offset: u64, limits: Limits) -> Result<Option<usize>, Error> {
        match byte {
            b'\n' if self.digits > 0 => return Ok(Some(self.length)),
            b'0'..=b'9' => {}
            _ => return Err(Error::Head { offset, byte }),
        }
        if self.digits == limits.digits {
            return Err(Error::Digits {
                offset: self.start,
                limit: limits.digits,
            });
        }
        self.digits += 1;
        let longer = self
            .length
            .checked_mul(10)
            .and_then(|length| length.checked_add(usize::from(byte - b'0')));
        match longer {
            Some(length) if length <= limits.record => self.length = length,
            _ => {
                return Err(Error::Size {
                    offset: self.start,
                    limit: limits.record,
                });
            }
        }
        Ok(None)
    }
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            offset: 0,
            state: State::Head(Reading::at(0)),
        }
    }

    /// Takes bytes off the front of `chunk` until a record is complete, and gives it; `None` when the chunk is used up.
    /// The record shares the chunk's memory when it lies wholly inside it, and is put together by copying otherwise.
    ///
    /// # Errors
    /// When the bytes are no RecordIO or beyond the limits; the same error again on every later call.
    pub fn decode(&mut self, chunk: &mut Bytes) -> Result<Option<Bytes>, Error> {
        loop {
            match &mut self.state {
                State::Failed(error) => return Err(*error),
                State::Head(head) => {
                    if chunk.is_empty() {
                        return Ok(None);
                    }
                    let byte = chunk.get_u8();
                    match head.push(byte, self.offset, self.limits) {
                        Ok(None) => {}
                        Ok(Some(missing)) => {
                            self.state = State::Body {
                                missing,
                                partial: BytesMut::new(),
                            }
                        }
                        Err(error) => self.state = State::Failed(error),
                    }
                    self.offset += 1;
                }
                State::Body { missing, partial } => {
                    let taken = chunk.split_to(chunk.len().min(*missing));
                    *missing -= taken.len();
                    self.offset += taken.len() as u64;
                    let whole = *missing == 0;
                    let record = match (whole, partial.is_empty()) {
                        (true, true) => taken,
                        (true, false) => {
                            partial.extend_from_slice(&taken);
                            std::mem::take(partial).freeze()
                        }
                        (false, _) => {
                            partial.extend_from_slice(&taken);
                            return Ok(None);
                        }
                    };
                    self.state = State::Head(Reading::at(self.offset));
                    return Ok(Some(record));
                }
            }
        }
    }

    /// `None` between two records; inside one, how many of its bytes are still to come (0 inside its head).
    pub fn missing(&self) -> Option<u64> {
        match &self.state {
            State::Head(head) if head.digits == 0 => None,
            State::Head(_) | State::Failed(_) => Some(0),
            State::Body { missing, .. } => Some(*missing as u64),
        }
    }

    /// To be asked at the end of the stream.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it ended inside a record, and the error that came before, if one did.
    pub fn finish(&self) -> Result<(), Error> {
        match &self.state {
            State::Head(head) if head.digits == 0 => Ok(()),
            State::Head(_) | State::Body { .. } => Err(Error::Truncated { offset: self.offset }),
            State::Failed(error) => Err(*error),
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}
