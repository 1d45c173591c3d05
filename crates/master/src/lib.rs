//! The resource manager: agents, frameworks, offers, tasks; the operator and scheduler APIs.
//!
//! | room | what is done there |
//! |---|---|
//! | [`core`] | decides: who may join, what is offered, which task runs where |
//! | `process` | the shell: carries messages, requests and timers in, and what the core says out |
//! | `api` | what clients see: operator and scheduler API, endpoints of before v1 |
//! | [`hub`] | the operator event stream: one ring, any number of readers |
//! | [`flags`] | the command line and the environment |
//!
//! [`Server`] is a running master.

mod api;
pub mod core;
mod error;
pub mod flags;
pub mod hub;
mod metrics;
mod process;
mod registrar;
mod server;

pub use error::Error;
pub use flags::{Flags, Parsed};
pub use registrar::registry_operation;
pub use server::Server;
