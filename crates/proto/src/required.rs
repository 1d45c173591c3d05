//! Required fields of protobuf messages.
//!
//! prost gives a required field its default when it is absent and says nothing, and a struct cannot tell afterwards. So
//! [`decode`] walks the encoded bytes once more, by tables that `build/required.rs` wrote. Only the parts in which
//! something can be missing are visited; text, bytes and the rest are stepped over.

use bytes::{Buf as _, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use smallvec::SmallVec;

use crate::{Error, Message};

/// How deep messages may lie in one another; prost's own limit.
const DEPTH: u32 = 100;
/// How many paths an error names.
const NAMED: usize = 16;

/// A message whose required fields can be checked.
pub trait Required {
    /// What to look for.
    const SHAPE: &'static Shape;

    /// The paths of absent required fields in an encoded message (`framework_info.user, framework_info.name`), at most
    /// 16 of them. A required enum with a number that the schema does not know counts as absent. `None` when all is
    /// there, and for bytes that are no message at all.
    fn missing(bytes: &[u8]) -> Option<String> {
        let mut found = Vec::new();
        walk(Self::SHAPE, bytes, &mut found, DEPTH);
        (!found.is_empty()).then(|| found.join(", "))
    }
}

/// Decodes a message and checks its required fields.
///
/// Nothing in the message shares memory with `bytes`: what is kept of a message does not keep all of it, and reading from
/// a plain slice is faster.
///
/// # Errors
/// [`Error::Protobuf`] and [`Error::Missing`].
pub fn decode<M: Message + Required + Default>(bytes: Bytes) -> Result<M, Error> {
    let message = M::decode(&*bytes).map_err(Error::Protobuf)?;
    match M::missing(&bytes) {
        None => Ok(message),
        Some(paths) => Err(Error::Missing(paths)),
    }
}

/// The part of a message that matters for required fields.
#[derive(Debug)]
pub struct Shape {
    /// All marks that must have been seen.
    required: u64,
    /// Ordered by number.
    fields: &'static [Field],
}

#[derive(Debug)]
struct Field {
    number: u32,
    name: &'static str,
    /// One bit, or none for a field that is only a way down.
    mark: u64,
    below: Below,
}

#[derive(Debug)]
enum Below {
    Nothing,
    Enum(fn(i32) -> Option<&'static str>),
    Message(&'static Shape),
    Messages(&'static Shape),
    Map(&'static Shape),
}

/// Steps over one message and appends the paths of what it lacks, its own first. `None` when the bytes are not a
/// message, which the decoder has then reported.
fn walk(shape: &Shape, bytes: &[u8], found: &mut Vec<String>, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let before = found.len();
    let mut seen = 0;
    let mut singles: SmallVec<[(&Field, &[u8]); 8]> = SmallVec::new();
    let mut in_pieces = false;
    let mut rest = bytes;
    let mut at = 0;
    while rest.has_remaining() {
        let start = rest.len();
        let (number, wire) = decode_key(&mut rest).ok()?;
        let Some(field) = find(shape.fields, number, &mut at) else {
            skip(wire, number, &mut rest)?;
            continue;
        };
        match (&field.below, wire) {
            (Below::Enum(name), WireType::Varint) => {
                let value = decode_varint(&mut rest).ok()?;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "an enum is the low 32 bits of its varint"
                )]
                let known = name(value as i32).is_some();
                // prost keeps the last number, whether it has a name or not.
                seen = if known {
                    seen | field.mark
                } else {
                    seen & !field.mark
                };
            }
            (Below::Message(_), WireType::LengthDelimited) => {
                seen |= field.mark;
                in_pieces = in_pieces || singles.iter().any(|(other, _)| std::ptr::eq(*other, field));
                singles.push((field, take(&mut rest)?));
            }
            (Below::Messages(below), WireType::LengthDelimited) => {
                let index = || nth(number, bytes.get(..bytes.len() - start).unwrap_or_default());
                below_named(
                    below,
                    take(&mut rest)?,
                    || format!("{}[{}].", field.name, index()),
                    found,
                    depth,
                )?;
            }
            (Below::Map(below), WireType::LengthDelimited) => {
                let index = || nth(number, bytes.get(..bytes.len() - start).unwrap_or_default());
                if let Some(value) = map_value(take(&mut rest)?)? {
                    below_named(
                        below,
                        value,
                        || format!("{}[{}].value.", field.name, index()),
                        found,
                        depth,
                    )?;
                }
            }
            _ => {
                seen |= field.mark;
                skip(wire, number, &mut rest)?;
            }
        }
    }
    if seen != shape.required {
        let absent = shape.fields.iter().filter(|field| field.mark & !seen != 0);
        let own: SmallVec<[String; 4]> = absent.map(|field| field.name.to_owned()).collect();
        found.splice(before..before, own);
        found.truncate(NAMED);
    }
    if !in_pieces {
        for (field, piece) in singles {
            if let Below::Message(below) = field.below {
                below_named(below, piece, || format!("{}.", field.name), found, depth)?;
            }
        }
        return Some(());
    }
    // A message that comes in several pieces is their merger, which is how their concatenation decodes.
    for field in shape.fields {
        let pieces = singles.iter().filter(|(other, _)| std::ptr::eq(*other, field));
        let whole: Vec<u8> = pieces.flat_map(|(_, piece)| piece.iter().copied()).collect();
        if let (Below::Message(below), true) = (
            &field.below,
            singles.iter().any(|(other, _)| std::ptr::eq(*other, field)),
        ) {
            below_named(below, &whole, || format!("{}.", field.name), found, depth)?;
        }
    }
    Some(())
}

/// The field of that number. `at` is where the last one was found: most encoders write fields in the order of their
/// numbers, so the next is seldom far.
fn find(fields: &'static [Field], number: u32, at: &mut usize) -> Option<&'static Field> {
    if fields.get(*at).is_none_or(|field| field.number > number) {
        *at = 0;
    }
    while fields.get(*at).is_some_and(|field| field.number < number) {
        *at += 1;
    }
    fields.get(*at).filter(|field| field.number == number)
}

/// Walks a message further down; its path is only put together when something in it is missing.
fn below_named(
    shape: &Shape,
    bytes: &[u8],
    path: impl Fn() -> String,
    found: &mut Vec<String>,
    depth: u32,
) -> Option<()> {
    let before = found.len();
    if before >= NAMED {
        return Some(());
    }
    walk(shape, bytes, found, depth)?;
    if found.len() > before {
        let path = path();
        for name in found.iter_mut().skip(before) {
            name.insert_str(0, &path);
        }
    }
    Some(())
}

/// How many fields of that number stand in a message's bytes.
fn nth(number: u32, mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Ok((found, wire)) = decode_key(&mut bytes) {
        count += usize::from(found == number);
        if skip(wire, found, &mut bytes).is_none() {
            break;
        }
    }
    count
}

/// The value of a map's entry.
fn map_value(mut entry: &[u8]) -> Option<Option<&[u8]>> {
    let mut value = None;
    while entry.has_remaining() {
        match decode_key(&mut entry).ok()? {
            (2, WireType::LengthDelimited) => value = Some(take(&mut entry)?),
            (number, wire) => skip(wire, number, &mut entry)?,
        }
    }
    Some(value)
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn skip(wire: WireType, number: u32, rest: &mut &[u8]) -> Option<()> {
    match wire {
        WireType::LengthDelimited => take(rest).map(drop),
        _ => skip_field(wire, number, rest, DecodeContext::default()).ok(),
    }
}

#[allow(clippy::all, unused_qualifications, reason = "generated")]
mod tables {
    use super::{Below, Field, Required, Shape};
    use crate::json;

    include!(concat!(env!("OUT_DIR"), "/required.rs"));
}
