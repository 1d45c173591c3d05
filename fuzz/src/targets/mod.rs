//! One file per target.

pub mod json_to_message;
pub mod protobuf_to_message;
pub mod recordio;
pub mod text;
pub mod wire;
