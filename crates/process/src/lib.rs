//! Processes that own their state and talk by messages, local or remote, and the HTTP server they hang on.
//!
//! The model and the wire protocol are libprocess's: a [`Runtime`] is one instance with its listener, sockets and
//! [`Clock`]; a [`Process`] handles one event at a time; messages go to a [`Upid`], whether it is in this runtime, on
//! this host or elsewhere. Peers built on libprocess cannot tell the difference (facts: libprocess-wire).

#![warn(missing_docs)]

/// Appends formatted text to a buffer in memory, which cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        std::fmt::Write::write_fmt(&mut *$out, format_args!($($text)*)).unwrap_or_default()
    };
}

mod actor;
pub mod build;
mod builtin;
mod clock;
mod duration;
mod environment;
mod error;
pub mod filter;
pub mod flags;
mod hostname;
pub mod http;
pub mod logging;
pub mod metrics;
mod net;
mod runtime;
mod server;
mod time;
pub mod tls;
mod upid;
pub mod wire;

pub use actor::{
    Context, Handle, INBOUND_HIGH_WATER, INBOUND_HIGH_WATER_EVENTS, LinkMode, Message, Process, QueueCounts,
    Typed,
};
pub use builtin::{Files, Version, files};
pub use clock::{Clock, Elapsed, Timer};
pub use duration::{format_duration, parse_duration};
pub use environment::{Environment, VARIABLES, Variable};
pub use error::Error;
pub use hostname::hostname;
pub use net::SEND_QUEUE_LIMIT;
pub use runtime::{Runtime, Settings};
pub use server::HttpLimits;
pub use time::Time;
pub use upid::Upid;
