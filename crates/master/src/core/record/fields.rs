//! The fields of an encoded message, one after the other, without reading what is in them.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    /// Key and content, as they stand in the message.
    pub(super) whole: &'a [u8],
    pub(super) content: Content<'a>,
}

/// What stands behind a field's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// Numbers, booleans and enums.
    Number(u64),
    /// Texts, bytes and messages, without their length.
    Bytes(&'a [u8]),
    /// Of a fixed length, or of a kind that is no longer used.
    Other,
}

/// Walks over the fields of a message. What is no message ends the walk where it stops being one.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The content of the first field of that number, if it is a text, bytes or a message.
    pub(super) fn bytes(mut self, number: u32) -> Option<&'a [u8]> {
        self.find_map(|field| match field.content {
            Content::Bytes(bytes) if field.number == number => Some(bytes),
            _ => None,
        })
    }

    /// The first field of that number, if it is a number.
    pub(super) fn number(mut self, number: u32) -> Option<u64> {
        self.find_map(|field| match field.content {
            Content::Number(value) if field.number == number => Some(value),
            _ => None,
        })
    }

    /// The first field of that number, if it is a text.
    pub(super) fn text(self, number: u32) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(number)?).ok()
    }

    fn take(&mut self) -> Option<Field<'a>> {
        let start = self.rest;
        let mut rest = start;
        let (number, wire) = decode_key(&mut rest).ok()?;
        let content = match wire {
            WireType::Varint => Content::Number(decode_varint(&mut rest).ok()?),
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let (bytes, left) = rest.split_at_checked(length)?;
                rest = left;
                Content::Bytes(bytes)
            }
            _ => {
                skip_field(wire, number, &mut rest, DecodeContext::default()).ok()?;
                Content::Other
            }
        };
        self.rest = rest;
        let whole = start.get(..start.len() - rest.len())?;
        Some(Field {
            number,
            whole,
            content,
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_none() {
            self.rest = &[];
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_come_in_the_order_in_which_they_stand() {
        // 1: 5; 2: "ab"; 3: four bytes.
        let message = b"\x08\x05\x12\x02ab\x1d\x01\x02\x03\x04";
        let fields: Vec<_> = Fields::of(message)
            .map(|field| (field.number, field.whole, field.content))
            .collect();
        assert_eq!(
            fields,
            [
                (1, &b"\x08\x05"[..], Content::Number(5)),
                (2, &b"\x12\x02ab"[..], Content::Bytes(b"ab")),
                (3, &b"\x1d\x01\x02\x03\x04"[..], Content::Other),
            ]
        );
        assert_eq!(Fields::of(message).text(2), Some("ab"));
        assert_eq!(Fields::of(message).number(1), Some(5));
        assert_eq!(Fields::of(message).number(2), None);
    }

    #[test]
    fn a_field_that_is_cut_off_is_not_there() {
        assert_eq!(Fields::of(b"\x08\x05\x12\x03ab").count(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_to_an_end(bytes: Vec<u8>) {
            let walked: usize = Fields::of(&bytes).map(|field| field.whole.len()).sum();
            prop_assert!(walked <= bytes.len());
        }
    }
}
