//! A value whose encodings are made once.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{ContentType, Json, Message};

/// An immutable message whose protobuf and JSON encodings are made at most once, when first asked for, and shared by all
/// clones. Cloning costs a reference count.
pub struct Shared<M>(Arc<Inner<M>>);

struct Inner<M> {
    value: M,
    protobuf: OnceLock<Bytes>,
    json: OnceLock<Bytes>,
}

impl<M> Shared<M> {
    /// Wraps a message; nothing is encoded yet.
    pub fn new(value: M) -> Self {
        Self(Arc::new(Inner {
            value,
            protobuf: OnceLock::new(),
            json: OnceLock::new(),
        }))
    }

    /// Whether both are the same value in memory, not merely equal ones.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<M: Clone> Shared<M> {
    /// The message, to be changed: encodings made before are dropped, and other clones keep the old message.
    pub fn modify(&mut self) -> &mut M {
        if Arc::get_mut(&mut self.0).is_none() {
            *self = Self::new(self.0.value.clone());
        }
        let inner = Arc::get_mut(&mut self.0).expect("the only clone: it was, or it was made just now");
        inner.protobuf.take();
        inner.json.take();
        &mut inner.value
    }
}

impl<M: Message + Json> Shared<M> {
    /// The protobuf encoding, without length prefix.
    pub fn protobuf(&self) -> &Bytes {
        self.0
            .protobuf
            .get_or_init(|| ContentType::Protobuf.encode(&self.0.value))
    }

    /// The JSON encoding.
    pub fn json(&self) -> &Bytes {
        self.0
            .json
            .get_or_init(|| ContentType::Json.encode(&self.0.value))
    }

    /// The encoding of that content type.
    pub fn encoded(&self, content_type: ContentType) -> &Bytes {
        match content_type {
            ContentType::Protobuf => self.protobuf(),
            ContentType::Json => self.json(),
        }
    }
}

impl<M> Clone for Shared<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Default> Default for Shared<M> {
    fn default() -> Self {
        Self::new(M::default())
    }
}

impl<M> Deref for Shared<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0.value
    }
}

impl<M> From<M> for Shared<M> {
    fn from(value: M) -> Self {
        Self::new(value)
    }
}

impl<M: fmt::Debug> fmt::Debug for Shared<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

impl<M: PartialEq> PartialEq for Shared<M> {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.0.value == other.0.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::FrameworkId;

    #[test]
    fn encodings_are_made_once_and_shared() {
        let first = Shared::new(FrameworkId {
            value: "f".to_owned(),
        });
        let second = first.clone();
        assert_eq!(first.json(), r#"{"value":"f"}"#);
        assert_eq!(first.json().as_ptr(), second.json().as_ptr());
        assert_eq!(
            first.protobuf().as_ptr(),
            second.encoded(ContentType::Protobuf).as_ptr()
        );
    }

    #[test]
    fn a_change_leaves_clones_alone_and_forgets_encodings() {
        let mut first = Shared::new(FrameworkId {
            value: "old".to_owned(),
        });
        let second = first.clone();
        assert_eq!(first.json(), second.json());
        first.modify().value = "new".to_owned();
        assert_eq!(first.json(), r#"{"value":"new"}"#);
        assert_eq!(second.json(), r#"{"value":"old"}"#);
        first.modify().value = "newer".to_owned();
        assert_eq!(first.json(), r#"{"value":"newer"}"#);
        assert!(!first.same(&second));
    }
}
