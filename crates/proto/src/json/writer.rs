//! JSON whose shape is no message: v0 endpoints, and answers put together from encodings made before.

use super::{Json, Value, number, text};

/// Writes one JSON value into a buffer.
///
/// ```
/// use proto::json::Writer;
///
/// let mut out = Vec::new();
/// Writer::new(&mut out).object(|object| {
///     object.text("version", "1.12.0");
///     object.array("tasks", |array| array.raw(b"{}"));
/// });
/// assert_eq!(out, br#"{"version":"1.12.0","tasks":[{}]}"#);
/// ```
#[derive(Debug)]
#[must_use]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to a buffer.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// An object with the fields that `fill` adds.
    pub fn object(self, fill: impl FnOnce(&mut Object<'_>)) {
        self.out.push(b'{');
        fill(&mut Object {
            out: &mut *self.out,
            first: true,
        });
        self.out.push(b'}');
    }

    /// A list with the elements that `fill` adds.
    pub fn array(self, fill: impl FnOnce(&mut Array<'_>)) {
        self.out.push(b'[');
        fill(&mut Array {
            out: &mut *self.out,
            first: true,
        });
        self.out.push(b']');
    }

    /// A scalar or a message.
    pub fn value<V: Value>(self, value: &V) {
        value.write(self.out);
    }

    /// A message.
    pub fn message<M: Json>(self, message: &M) {
        message.write(self.out);
    }

    /// A text.
    pub fn text(self, value: &str) {
        text::write(value, self.out);
    }

    /// A double.
    pub fn double(self, value: f64) {
        number::write_double(value, self.out);
    }

    /// `null`.
    pub fn null(self) {
        self.raw(b"null");
    }

    /// A value that is JSON already, such as [`Shared::json`](crate::Shared::json); copied unseen.
    pub fn raw(self, json: &[u8]) {
        self.out.extend_from_slice(json);
    }
}

/// The inside of an object.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    /// A key; what is written into the [`Writer`] is its value.
    pub fn key(&mut self, key: &str) -> Writer<'_> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        text::write(key, self.out);
        self.out.push(b':');
        Writer::new(self.out)
    }

    /// A scalar or a message.
    pub fn value<V: Value>(&mut self, key: &str, value: &V) {
        self.key(key).value(value);
    }

    /// A scalar or a message, left out when there is none.
    pub fn optional<V: Value>(&mut self, key: &str, value: Option<&V>) {
        if let Some(value) = value {
            self.value(key, value);
        }
    }

    /// A text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key).text(value);
    }

    /// An object.
    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key).object(fill);
    }

    /// A list.
    pub fn array(&mut self, key: &str, fill: impl FnOnce(&mut Array<'_>)) {
        self.key(key).array(fill);
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, key: &str, json: &[u8]) {
        self.key(key).raw(json);
    }
}

/// The inside of a list.
#[derive(Debug)]
pub struct Array<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Array<'_> {
    /// The next element is what is written into the [`Writer`].
    pub fn element(&mut self) -> Writer<'_> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        Writer::new(self.out)
    }

    /// A scalar or a message.
    pub fn value<V: Value>(&mut self, value: &V) {
        self.element().value(value);
    }

    /// A text.
    pub fn text(&mut self, value: &str) {
        self.element().text(value);
    }

    /// An object.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        self.element().object(fill);
    }

    /// A list.
    pub fn array(&mut self, fill: impl FnOnce(&mut Array<'_>)) {
        self.element().array(fill);
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, json: &[u8]) {
        self.element().raw(json);
    }
}
