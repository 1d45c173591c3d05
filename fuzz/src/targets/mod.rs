//! One file per target.

pub mod agent_core;
pub mod authentication;
pub mod checkpoint;
pub mod executor_calls;
pub mod files;
pub mod flags;
mod folder;
pub mod json_to_message;
pub mod master_core;
pub mod protobuf_to_message;
pub mod recordio;
pub mod registry;
pub mod registry_file;
pub mod security;
mod source;
pub mod text;
pub mod wire;
