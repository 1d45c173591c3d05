//! One machine: executors, status updates, checkpoints and recovery; the agent and executor APIs.
//!
//! [`core`] decides, [`checkpoint`] knows the disk, `process` is the shell that carries messages, calls and timers to
//! the core and its outputs out, [`Server`] starts it all.

mod api;
pub mod checkpoint;
pub mod core;
mod detector;
mod error;
mod flags;
pub mod gc;
pub mod machine;
pub mod outbox;
mod process;
mod security;
mod server;
mod volumes;
mod writer;

pub use error::Error;
pub use flags::{Flags, Parsed, TABLE};
pub use server::Server;
