//! What calls and descriptions must look like: pure functions that answer with the text the peer is told
//! (scheduler-http.md §2, §7, §8; texts as recorded where a recording exists).

pub mod agent;
pub mod call;
pub mod constraints;
pub mod executor;
pub mod framework;
pub mod group;
pub mod health;
pub mod offers;
pub mod operation;
pub mod resources;
pub mod role;
pub mod task;

pub use ::validation::{Invalid, command, container, id};

/// The most bytes that one entry of the registry may have, encoded: 16 MB. The store takes more; what a peer says must
/// never be more than it takes, for a master that cannot write its registry has to end.
pub const LARGEST_ENTRY: usize = 16 << 20;

/// Checks that a message fits into an entry of the registry; `what` it is.
pub fn entry(what: &str, message: &impl proto::Message) -> Result<(), Invalid> {
    let size = message.encoded_len();
    if size > LARGEST_ENTRY {
        return Err(format!("{what} of {size} bytes is larger than {LARGEST_ENTRY}"));
    }
    Ok(())
}
