//! One test program for the whole crate, because the kinds of messages in `support` take their time to compile.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod dialect;
mod events;
mod golden;
mod properties;
mod required;
mod schema;
mod support;
