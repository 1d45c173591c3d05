//! Clients of the v0 protocol, as libmesos's scheduler and executor drivers speak it (facts: internal-protocol, sections
//! 9 and 11), to test masters and agents with.
//!
//! The decisions are in [`core`], values without I/O that the simulation runs as they are; [`SchedulerClient`] and
//! [`ExecutorClient`] put them on sockets as libprocess processes.

mod authentication;
pub mod core;
mod executor;
mod scheduler;

pub use executor::ExecutorClient;
pub use scheduler::{SchedulerClient, SchedulerSettings};

/// Events that may wait for the test to read them; a client whose test does not read ends, rather than grow.
pub const EVENT_LIMIT: usize = 100_000;
