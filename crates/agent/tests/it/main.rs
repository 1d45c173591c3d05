//! The agent through its public interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent_api;
mod authentication;
mod checkpoint;
mod drivers;
mod executor_api;
mod http_replay;
mod launches;
mod lifecycle;
mod metrics;
mod nested;
mod obedient;
mod operations;
mod random;
mod recording;
mod registration;
mod restart;
mod security;
mod server;
mod session;
mod support;
mod updates;
