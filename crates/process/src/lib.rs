//! Processes that own their state and talk by messages; libprocess's wire protocol, HTTP server and clock.

pub mod build;
pub mod flags;
