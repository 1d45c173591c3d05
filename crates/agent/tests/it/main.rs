//! The agent through its public interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkpoint;
mod launches;
mod lifecycle;
mod random;
mod registration;
mod restart;
mod server;
mod support;
mod updates;
