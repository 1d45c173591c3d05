//! One file per target.

pub mod agent_core;
pub mod json_to_message;
pub mod master_core;
pub mod protobuf_to_message;
pub mod recordio;
pub mod security;
mod source;
pub mod text;
pub mod wire;
