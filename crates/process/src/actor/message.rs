//! Messages between processes: in memory as they are, on the wire as bytes.

use std::any::{Any, TypeId};
use std::fmt;

use bytes::Bytes;

use crate::Upid;
use crate::filter::Passed;

/// What a message's type must offer: protobuf encoding and a full name.
pub trait Typed: prost::Message + prost::Name + Default + 'static {}
impl<M: prost::Message + prost::Name + Default + 'static> Typed for M {}

/// A typed message of which only the box is known.
pub(crate) trait AnyTyped: Send {
    fn name(&self) -> String;
    fn encode(&self) -> Bytes;
    fn type_id(&self) -> TypeId;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<M: Typed> AnyTyped for M {
    fn name(&self) -> String {
        M::full_name()
    }

    fn encode(&self) -> Bytes {
        Bytes::from(self.encode_to_vec())
    }

    fn type_id(&self) -> TypeId {
        TypeId::of::<M>()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The body of a message: encoded, with its name as it came; or, between processes of one runtime, encoded with its type
/// for a name, or the value itself.
pub(crate) enum Payload {
    Typed {
        of: TypeId,
        name: fn() -> String,
        body: Bytes,
    },
    Encoded {
        name: Box<str>,
        body: Bytes,
    },
    Value(Box<dyn AnyTyped>),
}

/// A message that has arrived, as filters and fallback handlers see it.
pub struct Message {
    pub(crate) from: Upid,
    pub(crate) payload: Payload,
    pub(crate) passed_filters: Passed,
}

impl Payload {
    /// An encoded message for a process of the same runtime.
    pub(crate) fn typed<M: Typed>(message: &M) -> Self {
        Self::Typed {
            of: TypeId::of::<M>(),
            name: M::full_name,
            body: Bytes::from(message.encode_to_vec()),
        }
    }
}

impl Message {
    /// A message from its parts.
    pub fn new(from: Upid, name: impl Into<Box<str>>, body: Bytes) -> Self {
        Self::with_payload(
            from,
            Payload::Encoded {
                name: name.into(),
                body,
            },
        )
    }

    pub(crate) const fn with_payload(from: Upid, payload: Payload) -> Self {
        Self {
            from,
            payload,
            passed_filters: Passed::No,
        }
    }

    /// Who says to have sent it.
    pub const fn from(&self) -> &Upid {
        &self.from
    }

    /// The full protobuf name of its type.
    pub fn name(&self) -> String {
        match &self.payload {
            Payload::Encoded { name, .. } => name.to_string(),
            Payload::Typed { name, .. } => name(),
            Payload::Value(value) => value.name(),
        }
    }

    /// Its protobuf encoding.
    pub fn body(&self) -> Bytes {
        match &self.payload {
            Payload::Encoded { body, .. } | Payload::Typed { body, .. } => body.clone(),
            Payload::Value(value) => value.encode(),
        }
    }

    /// The same message once more, encoded.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::new(self.from.clone(), self.name(), self.body())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("from", &self.from)
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
