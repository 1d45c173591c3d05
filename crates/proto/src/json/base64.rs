//! Bytes as base64: standard alphabet, padded when written, padding optional when read.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};

/// Clients of many ages leave padding out or leave bits over; neither changes the bytes.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Appends the bytes as base64 in quotes.
pub(super) fn write(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    let length = base64::encoded_len(bytes.len(), true).unwrap_or(usize::MAX);
    out.resize(start.saturating_add(length), 0);
    general_purpose::STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("the slice has the length that base64 asked for");
    out.push(b'"');
}

/// The bytes that the text stands for.
pub(super) fn read(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}
