//! Protobuf put together from parts that are encoded already.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use proto::Message;

/// Appends field `number`, whose content is the encoded message `bytes`.
pub(crate) fn nested(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    nested_from(out, number, bytes.len(), |out| out.extend_from_slice(bytes));
}

/// Appends field `number`, whose content `write` appends; it must be `len` bytes.
pub(crate) fn nested_from(out: &mut Vec<u8>, number: u32, len: usize, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
    let start = out.len();
    write(out);
    debug_assert_eq!(out.len() - start, len);
}

/// Appends field `number`, a message.
pub(crate) fn message<M: Message>(out: &mut Vec<u8>, number: u32, message: &M) {
    nested_from(out, number, message.encoded_len(), |out| message.encode_raw(out));
}

/// How long a field is whose content has `len` bytes.
pub(crate) fn nested_len(number: u32, len: usize) -> usize {
    key_len(number) + encoded_len_varint(len as u64) + len
}
