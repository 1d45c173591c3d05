//! Starting programs: the one place of the workspace that does.

mod status;

pub use status::{describe_status, exit_status, signal_text};
