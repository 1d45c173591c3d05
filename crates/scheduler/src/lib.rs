//! The SDK for frameworks, and the client of the operator API.
//!
//! | to do this | use |
//! |---|---|
//! | write a framework: subscribe, take offers, launch and follow tasks | [`Scheduler`] and [`Calls`] |
//! | watch a cluster: its state, then each change | [`operator::Client::subscribe`] |
//! | ask a master something | [`operator::Client`] |
//! | read a task's files from its agent | [`operator::Agent`] |
//! | find masters in a way of your own | [`MasterDetector`] |
//!
//! Both streams are followed by one machine without I/O, [`core::Subscription`]: it reconnects with growing,
//! jittered pauses, follows the leader's redirects, watches heartbeats, and checks what comes: status, content type,
//! framing, size, schema, and that the first event is SUBSCRIBED. What goes wrong is an [`Error`] with a name; what may
//! get better by waiting is tried again, the rest ends the stream.
//!
//! Times are those of tokio's clock, so a test that pauses it needs no patience.

#![warn(missing_docs)]

mod address;
mod calls;
pub mod core;
mod detector;
mod error;
mod follower;
mod framework;
pub mod operator;
mod options;
mod records;
mod transport;

pub use crate::core::Policy;
pub use address::{Address, DEFAULT_PORT, parse_list};
pub use detector::{MasterDetector, Masters, StaticMasters};
pub use error::{Error, Wait};
pub use framework::{Calls, Registration, Scheduler, Signal};
pub use options::Options;
pub use transport::Credential;
