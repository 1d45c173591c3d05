//! Durable state: a small keyed store with fenced, atomic multi-key writes, and the master's registry on top.
//!
//! A [`Store`] is written by one leader at a time. [`Store::acquire`] makes the caller that leader and returns
//! an [`Epoch`]; each write names its epoch, and a write of an earlier one fails ([`Error::Deposed`]) whoever
//! sends it and whenever it arrives. Three backends pass the same suite: [`Embedded`] (one file, synced before a
//! write returns), [`ZooKeeper`] (for masters on several machines) and [`Memory`] (`--registry=in_memory`).
//!
//! Calls block; the shells make them on a thread of their own. [`registry`] is pure.

mod embedded;
mod error;
mod memory;
pub mod registrar;
pub mod registry;
mod store;
mod zookeeper;

pub use embedded::Embedded;
pub use error::Error;
pub use memory::Memory;
pub use registrar::Registrar;
pub use registry::Registry;
pub use store::{Change, Epoch, MAX_KEY, MAX_VALUE, Pair, Store};
pub use zookeeper::ZooKeeper;
