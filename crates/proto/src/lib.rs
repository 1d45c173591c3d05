//! The schema: every message of the Mesos v1 API and of the internal protocol, with their protobuf and JSON encodings.

#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/schema.rs"));
}

pub use generated::mesos::{internal, resource_provider, v1};
pub use prost::{Message, Name};
