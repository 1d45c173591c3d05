//! What an executor must remember to lose nothing: no I/O, no clock.

pub(crate) mod checked;
pub(crate) mod command;
pub(crate) mod default;
mod kill;
mod session;

pub(crate) use session::Session;

/// How many updates, and how many tasks, may wait for their first acknowledgement.
pub const MAX_UNACKNOWLEDGED: usize = 8192;
