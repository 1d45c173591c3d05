//! The registry: what a master must not forget. A pure value, changed by operations.
//!
//! [`Registry::apply`] applies one [`Operation`] and appends the keys that changed, so that a write is as large
//! as what changed and not as the registry. [`Registry::load`] reads the keys back; [`Registry::to_proto`]
//! shows all of it as the message that masters have always stored (facts: registry content).
//!
//! Frameworks and tasks are not in it: a new leader learns them from those who register again.

mod agents;
mod keys;
mod maintenance;
mod operation;
mod sequenced;
mod settings;
mod value;

pub(crate) use keys::ROOT;
pub use operation::{Operation, Refused};
pub use value::Registry;
