//! One file per target.

pub mod agent_core;
pub mod agent_orders;
pub mod authentication;
pub mod checkpoint;
pub mod command_executor;
pub mod default_executor;
pub mod documents;
pub mod executor_calls;
pub mod files;
pub mod flags;
mod folder;
pub mod json_to_message;
pub mod master_core;
mod pieces;
pub mod protobuf_to_message;
pub mod recordio;
pub mod registry;
pub mod registry_file;
pub mod security;
mod source;
pub mod subscription;
pub mod text;
pub mod wire;
