//! The two encodings a client may ask for.

use bytes::Bytes;

use crate::{Error, Json, Message, Required, decode, json};

/// How a message is encoded in an HTTP body or a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentType {
    /// Binary protobuf, `application/x-protobuf`.
    Protobuf,
    /// Mesos's JSON, `application/json`.
    Json,
}

impl ContentType {
    /// The media type, as it stands in `Content-Type` and `Accept`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// The encoding whose media type this is, to the letter: no parameters, case matters (master-http.md §7.1).
    pub fn from_media_type(text: &str) -> Option<Self> {
        [Self::Protobuf, Self::Json]
            .into_iter()
            .find(|content_type| content_type.as_str() == text)
    }

    /// Encodes a message.
    pub fn encode<M: Message + Json>(self, message: &M) -> Bytes {
        match self {
            Self::Protobuf => message.encode_to_vec().into(),
            Self::Json => json::to_vec(message).into(),
        }
    }

    /// Decodes a whole body.
    ///
    /// # Errors
    /// When the bytes are not such a message, or lack a required field.
    pub fn decode<M: Message + Json + Required + Default>(self, bytes: Bytes) -> Result<M, Error> {
        match self {
            Self::Protobuf => decode(bytes),
            Self::Json => Ok(json::from_slice(&bytes)?),
        }
    }
}

impl std::fmt::Display for ContentType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
