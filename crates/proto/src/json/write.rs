//! The small pieces that generated writers are made of.
//!
//! An object starts with no bytes at all; every field brings a comma before its key, and the closing turns the first
//! comma into the brace. So no field needs to know whether it is the first.

use std::collections::BTreeMap;

use super::{Enumeration, Value};
use crate::v1::AgentInfo;

/// Starts an object.
#[inline]
pub fn open(out: &[u8]) -> usize {
    out.len()
}

/// Ends an object that started there.
#[inline]
pub fn close(out: &mut Vec<u8>, start: usize) {
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// A field, `,"key":value`.
#[inline]
pub fn field<V: Value>(out: &mut Vec<u8>, key: &[u8], value: &V) {
    out.extend_from_slice(key);
    value.write(out);
}

/// A field given as text.
#[inline]
pub fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// An enum's field; nothing when the number has no name.
#[inline]
pub fn enumeration<E: Enumeration>(out: &mut Vec<u8>, key: &[u8], number: i32) {
    if let Some(name) = E::name(number) {
        out.extend_from_slice(key);
        quoted(out, name);
    }
}

/// The number, if it has a name.
#[inline]
pub fn named<E: Enumeration>(number: Option<i32>) -> Option<i32> {
    number.filter(|number| E::name(*number).is_some())
}

/// A list, also an empty one.
#[inline]
pub fn list<V: Value>(out: &mut Vec<u8>, key: &[u8], values: &[V]) {
    out.extend_from_slice(key);
    array(out, values, |value, out| value.write(out));
}

/// A list of enums; numbers without a name are left out.
pub fn enumerations<E: Enumeration>(out: &mut Vec<u8>, key: &[u8], numbers: &[i32]) {
    out.extend_from_slice(key);
    let names: Vec<&str> = numbers.iter().filter_map(|number| E::name(*number)).collect();
    array(out, &names, |name, out| quoted(out, name));
}

/// A map as an object.
pub fn map<V: Value>(out: &mut Vec<u8>, key: &[u8], values: &BTreeMap<String, V>) {
    out.extend_from_slice(key);
    let start = open(out);
    for (name, value) in values {
        out.push(b',');
        super::text::write(name, out);
        out.push(b':');
        value.write(out);
    }
    close(out, start);
}

/// The agent without the field that only the v0 type has.
pub fn without_checkpoint(agent: &AgentInfo) -> AgentInfo {
    AgentInfo {
        checkpoint: None,
        ..agent.clone()
    }
}

fn array<T>(out: &mut Vec<u8>, values: &[T], write: impl Fn(&T, &mut Vec<u8>)) {
    let start = out.len();
    for value in values {
        out.push(b',');
        write(value, out);
    }
    match out.get_mut(start) {
        Some(comma) => *comma = b'[',
        None => out.push(b'['),
    }
    out.push(b']');
}

/// A text that needs no escape.
#[inline]
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}
