//! The schema: every message of the Mesos v1 API and of the internal protocol, with their protobuf and JSON encodings.
//!
//! The `.proto` files lie in `proto/`; one generation of types serves everywhere. [`v1`] is what clients see,
//! [`internal`] what masters, agents and v0 drivers say to each other, under the old full names (they are on the wire)
//! but with v1 types inside: the two generations are the same bytes.
//!
//! [`scheduler`] is the driver's call and [`slave`] what a containerizer keeps on disk, likewise.
//!
//! | to do this | use |
//! |---|---|
//! | encode or decode by content type | [`ContentType`] |
//! | decode protobuf, refusing what lacks a required field | [`decode`] |
//! | Mesos's JSON, both ways | [`json`] |
//! | encode a value once and share it | [`Shared`] |
//!
//! prost generates the types; what it has not (JSON, required fields) `build/` writes beside them from the same
//! descriptors. Other crates name prost only through [`Message`] and [`Name`].

mod content_type;
mod error;
pub mod json;
pub mod required;
mod shared;

pub use content_type::ContentType;
pub use error::Error;
pub use generated::mesos::{internal, resource_provider, scheduler, slave, v1};
pub use json::Json;
pub use prost::{Message, Name};
/// `google.protobuf.Duration`, used by `DRAIN_AGENT`.
pub use prost_types::Duration;
pub use required::{Required, decode};
pub use shared::Shared;

/// The compiled `.proto` files as an encoded `google.protobuf.FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[allow(
    missing_docs,
    unreachable_code,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
#[allow(clippy::large_enum_variant, clippy::use_self, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/schema.rs"));
}
