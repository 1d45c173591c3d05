//! Mesos's JSON, both ways (master-http.md §7.2, and what a real Mesos was seen to write).
//!
//! **Writing.** Field names as in the `.proto` files, in declaration order, no blanks. 64-bit integers are numbers,
//! doubles carry a decimal point or an exponent (`4.0`, `1e30`), infinities are the bare words `Infinity` and
//! `-Infinity`. Enums are names, bytes are base64 with padding, maps are objects ordered by key. An unset optional field
//! with a default in the schema is written with it, unless the field is deprecated; other unset fields and empty lists are
//! left out.
//!
//! **Lists that are written even when empty.** Mesos composes a few answers by hand and writes their empty lists as `[]`:
//! master and agent `Response.GetExecutors`, `GetFrameworks`, `GetTasks` and master `GetAgents`, wherever they occur (so
//! also inside `GET_STATE` and the `SUBSCRIBED` snapshot). The generated writer does that (`ALWAYS_LISTED` in
//! `build/json.rs`; deprecated lists stay out): fill the message and encode it. Nothing more is to be done by hand.
//! For the v0 endpoints, whose shapes are no messages, and for snapshots put together from encodings made before, there
//! is [`Writer`], into which ready encodings go with [`Writer::raw`].
//!
//! **Reading.** Keys are the same names, unknown ones are ignored. `null` is as if absent. Numbers and booleans may be
//! given as text, integers for doubles, fractions for integers (the fraction is dropped), one value where a list is
//! meant. An enum name that the schema does not know counts as absent; a number for an enum is refused. Infinities may
//! be bare words or text. Of a key given twice the last counts. What is not JSON, has the wrong kind of value, lacks a
//! required field, or nests deeper than [`DEPTH`] is an [`Error`].

mod base64;
mod double;
mod error;
mod number;
mod reader;
mod text;
mod value;
#[doc(hidden)]
pub mod write;
mod writer;

pub use error::Error;
pub use reader::Reader;
pub use value::Value;
pub use writer::{Array, Object, Writer};

/// How deep objects and lists may lie in one another in what is read; protobuf's own limit.
pub const DEPTH: u32 = 100;

/// A message with Mesos's JSON mapping; implemented for every message of the schema by generated code.
pub trait Json: Default {
    /// The names of required fields; the place of one is its bit in `seen`.
    const REQUIRED: &'static [&'static str];

    /// Appends this message as a JSON object.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the value of the field named `key`; false when there is no such field (the value is then still unread).
    ///
    /// # Errors
    /// When the value is not JSON or of the wrong kind.
    fn read_field(&mut self, key: &str, reader: &mut Reader<'_>, seen: &mut u64) -> Result<bool, Error>;
}

/// An enum of the schema: names and numbers.
pub trait Enumeration {
    /// The name of a number.
    fn name(number: i32) -> Option<&'static str>;
    /// The number of a name.
    fn number(name: &str) -> Option<i32>;
}

/// The message as JSON.
pub fn to_vec<M: Json>(message: &M) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    message.write(&mut out);
    out
}

/// Appends the message as JSON.
pub fn write<M: Json>(message: &M, out: &mut Vec<u8>) {
    message.write(out);
}

/// Reads a message from JSON that has nothing but white space around it.
///
/// # Errors
/// Says what is wrong, where in the text (offset) and in which field (path).
pub fn from_slice<M: Json>(bytes: &[u8]) -> Result<M, Error> {
    Reader::read_whole(bytes)
}

#[allow(
    clippy::all,
    clippy::use_self,
    unreachable_code,
    unreachable_pub,
    unused_qualifications,
    unused_variables,
    reason = "generated"
)]
mod generated {
    use super::write;
    use crate::json;

    include!(concat!(env!("OUT_DIR"), "/json.rs"));
}

/// Recursive messages are boxed.
impl<M: Json> Json for Box<M> {
    const REQUIRED: &'static [&'static str] = M::REQUIRED;

    fn write(&self, out: &mut Vec<u8>) {
        Json::write(&**self, out);
    }

    fn read_field(&mut self, key: &str, reader: &mut Reader<'_>, seen: &mut u64) -> Result<bool, Error> {
        (**self).read_field(key, reader, seen)
    }
}

/// `google.protobuf.Duration`, as a plain message: proto3, so a zero is left out.
impl Json for prost_types::Duration {
    const REQUIRED: &'static [&'static str] = &[];

    fn write(&self, out: &mut Vec<u8>) {
        let start = write::open(out);
        if self.seconds != 0 {
            write::field(out, b",\"seconds\":", &self.seconds);
        }
        if self.nanos != 0 {
            write::field(out, b",\"nanos\":", &self.nanos);
        }
        write::close(out, start);
    }

    fn read_field(&mut self, key: &str, reader: &mut Reader<'_>, seen: &mut u64) -> Result<bool, Error> {
        match key {
            "seconds" => reader.required("seconds", &mut self.seconds, seen, 0)?,
            "nanos" => reader.required("nanos", &mut self.nanos, seen, 1)?,
            _ => return Ok(false),
        }
        *seen = 0;
        Ok(true)
    }
}
