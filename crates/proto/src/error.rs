//! Why bytes did not become a message.

use crate::json;

/// Why bytes did not become a message. [`Error::refusal`] is the text an HTTP answer carries.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not JSON, or JSON of another shape.
    #[error(transparent)]
    Json(#[from] json::Error),
    /// Not protobuf, or of another shape.
    #[error("failed to decode protobuf")]
    Protobuf(#[source] prost::DecodeError),
    /// Required fields are absent: their paths, separated by a comma and a space.
    #[error("missing required fields: {0}")]
    Missing(String),
}

impl Error {
    /// What Mesos answers (400) to a body that is not the message called `what`, e.g. `Call`.
    // Compat: golden/http 167, 172 and 181; clients show these lines to people and some match on them.
    pub fn refusal(&self, what: &str) -> String {
        match self {
            Self::Json(error) if error.is_syntax() => format!("Failed to parse body into JSON: {error}"),
            Self::Json(error) => format!("Failed to convert JSON into {what} protobuf: {error}"),
            Self::Protobuf(_) | Self::Missing(_) => format!("Failed to parse body into {what} protobuf"),
        }
    }
}
