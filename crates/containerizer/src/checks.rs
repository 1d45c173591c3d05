//! Checks and health checks of tasks (facts: containerizer.md, section 10).
//!
//! [`Checker`] is when to ask and what an answer means, without I/O: whoever runs a task steps it and carries its
//! outputs out. [`probe`] asks: over HTTP, by TCP, or by a command on this machine.
//!
//! | kind | says |
//! |---|---|
//! | check | the answer itself, whenever it differs from the last |
//! | health check | healthy once, unhealthy every time; and that the task is to be killed after too many in a row |

mod core;
pub mod probe;

pub use core::{Answer, Checker, Finding, HttpProbe, Output, Probe};
