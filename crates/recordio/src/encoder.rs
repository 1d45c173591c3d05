//! Writing records.

use bytes::Bytes;

/// As many digits as a length can have.
const DIGITS: usize = 20;

/// The head of a record: its length in digits, and the newline. Lies on the stack, for vectored writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; DIGITS + 1],
    start: usize,
}

impl Head {
    /// The head of a record of that many bytes.
    pub const fn new(length: usize) -> Self {
        let mut bytes = [b'\n'; DIGITS + 1];
        let mut start = DIGITS;
        let mut rest = length;
        loop {
            start -= 1;
            #[expect(clippy::cast_possible_truncation, reason = "one decimal digit")]
            let digit = (rest % 10) as u8;
            bytes[start] = b'0' + digit;
            rest /= 10;
            if rest == 0 {
                return Self { bytes, start };
            }
        }
    }

    /// The bytes to send before the record.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl AsRef<[u8]> for Head {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Head and record in one piece.
pub fn encode(record: &[u8]) -> Bytes {
    let head = Head::new(record.len());
    let mut out = Vec::with_capacity(head.as_bytes().len() + record.len());
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(record);
    out.into()
}
