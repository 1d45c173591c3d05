//! Messages on the wire: each is one HTTP/1.1 POST (facts: libprocess-wire, section 2).

mod decode;
mod head;

use bytes::{Bytes, BytesMut};
pub use decode::{Arrived, BadTarget, Decoder, Incoming, Refusal, split_target};

use crate::Upid;

/// Bodies beyond this are handed to the socket as they are; smaller ones are copied behind their head.
pub(crate) const COPY_LIMIT: usize = 16 << 10;

/// Appends the request line and the headers of a message, up to where its body begins.
fn encode_head(from: &Upid, to: &Upid, name: &str, body_len: usize, out: &mut BytesMut) {
    let slash = if to.id().is_empty() { "" } else { "/" };
    let (id, host) = (to.id(), to.address());
    out.reserve(192 + id.len() + name.len() + 2 * from.id().len());
    put!(
        out,
        "POST /{id}{slash}{name} HTTP/1.1\r\nUser-Agent: libprocess/{from}\r\nLibprocess-From: {from}\r\n"
    );
    put!(out, "Connection: Keep-Alive\r\nHost: {host}\r\n");
    // Compat: an empty body has neither a length nor an encoding.
    if body_len == 0 {
        out.extend_from_slice(b"\r\n");
    } else {
        put!(out, "Transfer-Encoding: chunked\r\n\r\n{body_len:x}\r\n");
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
