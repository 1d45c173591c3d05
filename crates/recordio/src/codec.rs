//! The codec for `tokio_util::codec::{FramedRead, FramedWrite}`.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::decoder::Reading;
use crate::{Error, Head, Limits};

/// Records over a tokio reader or writer. A record read shares the read buffer's memory.
#[derive(Debug)]
pub struct Codec {
    limits: Limits,
    offset: u64,
    /// The length of the record whose head was read.
    length: Option<usize>,
    failed: Option<Error>,
}

impl Codec {
    /// A codec at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            offset: 0,
            length: None,
            failed: None,
        }
    }

    /// Reads a head if it is all there. Its digits are few, so reading them again after more came costs little.
    fn head(&self, source: &BytesMut) -> Result<Option<(usize, usize)>, Error> {
        let mut head = Reading::at(self.offset);
        for (place, byte) in source.iter().enumerate() {
            if let Some(length) = head.push(*byte, self.offset + place as u64, self.limits)? {
                return Ok(Some((place + 1, length)));
            }
        }
        Ok(None)
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl tokio_util::codec::Decoder for Codec {
    type Item = Bytes;
    type Error = Error;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.length.is_none() {
            match self.head(source) {
                Ok(None) => return Ok(None),
                Ok(Some((head, length))) => {
                    source.advance(head);
                    self.offset += head as u64;
                    self.length = Some(length);
                }
                Err(error) => {
                    self.failed = Some(error);
                    return Err(error);
                }
            }
        }
        let Some(length) = self.length.take_if(|length| source.len() >= *length) else {
            return Ok(None);
        };
        self.offset += length as u64;
        Ok(Some(source.split_to(length).freeze()))
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        match self.decode(source)? {
            Some(record) => Ok(Some(record)),
            None if source.is_empty() && self.length.is_none() => Ok(None),
            None => Err(Error::Truncated {
                offset: self.offset + source.len() as u64,
            }),
        }
    }
}

impl<R: AsRef<[u8]>> tokio_util::codec::Encoder<R> for Codec {
    type Error = Error;

    fn encode(&mut self, record: R, out: &mut BytesMut) -> Result<(), Error> {
        let record = record.as_ref();
        out.reserve(record.len() + 21);
        out.extend_from_slice(Head::new(record.len()).as_bytes());
        out.extend_from_slice(record);
        Ok(())
    }
}
