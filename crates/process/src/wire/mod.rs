//! Messages on the wire: each is one HTTP/1.1 POST (facts: libprocess-wire, section 2).

mod decode;
mod head;

use bytes::{Bytes, BytesMut};
pub use decode::{Arrived, BadTarget, Decoder, Incoming, Refusal, split_target};

use crate::Upid;
use crate::upid::AddressText;

/// Bodies beyond this are handed to the socket as they are; smaller ones are copied behind their head.
pub(crate) const COPY_LIMIT: usize = 16 << 10;

/// Appends the request line and the headers of a message, up to where its body begins.
fn encode_head(from: &Upid, to: &Upid, name: &str, body_len: usize, out: &mut BytesMut) {
    let slash = if to.id().is_empty() { "" } else { "/" };
    let (mine, host) = (AddressText::new(from.address()), AddressText::new(to.address()));
    out.reserve(224 + to.id().len() + name.len() + 2 * from.id().len());
    let mut put = |parts: &[&str]| {
        parts
            .iter()
            .for_each(|part| out.extend_from_slice(part.as_bytes()))
    };
    put(&["POST /", to.id(), slash, name]);
    put(&[
        " HTTP/1.1\r\nUser-Agent: libprocess/",
        from.id(),
        "@",
        mine.as_str(),
    ]);
    put(&["\r\nLibprocess-From: ", from.id(), "@", mine.as_str()]);
    put(&["\r\nConnection: Keep-Alive\r\nHost: ", host.as_str(), "\r\n"]);
    // Compat: an empty body has neither a length nor an encoding.
    if body_len == 0 {
        put(&["\r\n"]);
    } else {
        put(&["Transfer-Encoding: chunked\r\n\r\n"]);
        hexadecimal(body_len, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends a number as chunks tell their sizes: lower case, without leading zeros.
fn hexadecimal(number: usize, out: &mut BytesMut) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place)) & 0xf;
        out.extend_from_slice(b"0123456789abcdef".get(digit..=digit).unwrap_or_default());
    }
}

/// What follows a body that is not empty.
pub(crate) const TAIL: &[u8] = b"\r\n0\r\n\r\n";

/// Appends a whole message.
pub(crate) fn encode_into(from: &Upid, to: &Upid, name: &str, body: &[u8], out: &mut BytesMut) {
    encode_head(from, to, name, body.len(), out);
    if !body.is_empty() {
        out.extend_from_slice(body);
        out.extend_from_slice(TAIL);
    }
}

/// Appends the head of a message whose body, which must not be empty, and [`TAIL`] follow separately.
pub(crate) fn encode_head_into(from: &Upid, to: &Upid, name: &str, body_len: usize, out: &mut BytesMut) {
    encode_head(from, to, name, body_len, out);
}

/// The bytes of one message as a peer gets them.
pub fn encode(from: &Upid, to: &Upid, name: &str, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(256 + body.len());
    encode_into(from, to, name, body, &mut out);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_chunks_are_hexadecimal() {
        for number in [0, 1, 9, 10, 15, 16, 255, 256, 4_095, 4_096, 1 << 20, usize::MAX] {
            let mut out = BytesMut::new();
            hexadecimal(number, &mut out);
            assert_eq!(out, format!("{number:x}"));
        }
    }
}
