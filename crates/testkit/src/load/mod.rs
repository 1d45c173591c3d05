//! Load on a master, real or ours: emulated agents, schedulers and subscribers that speak the wire protocols, and what
//! they measure. `tiangong bench` is its command line.
//!
//! | part | what it is |
//! |---|---|
//! | [`Target`] | the master under test, and the process whose time and memory count |
//! | [`Fleet`] | emulated agents: they register or come back with tasks, answer pings, run what they are told at once |
//! | [`launch`], [`failover`], [`state`], [`snapshot`], [`responsiveness`], [`events`], [`footprint`] | one bench each |
//! | [`Report`] | figures with their units |
//!
//! Every bench checks what the master says at the end: a fast wrong answer is an error.

mod error;
pub mod events;
pub mod failover;
mod fleet;
pub mod footprint;
mod http;
mod identity;
pub mod launch;
mod pipeline;
mod report;
pub mod responsiveness;
mod sample;
pub mod snapshot;
pub mod state;
mod stream;
mod target;

pub use error::Error;
pub use fleet::{Addresses, Fleet, Population};
pub use report::{Figure, Latencies, Report};
pub use sample::Sample;
pub use target::Target;
