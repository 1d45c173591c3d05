//! What clients see: the operator API, the scheduler API and the endpoints of before v1.
//!
//! Handlers run in the master's process only as long as they must: to check the request against the state of the
//! moment, or to take a snapshot. Whatever grows with the cluster is made from the snapshot elsewhere
//! ([`Batcher`](batch::Batcher)).

mod batch;
mod constraints;
mod explain;
mod files;
mod info;
pub(crate) mod messages;
mod negotiate;
mod operator;
mod registry;
mod scheduler;
mod shape;
mod sight;
mod snapshot;
mod v0;
mod v0_routes;
mod v0_writes;
mod wire;
mod writes;

pub(crate) use batch::Batcher;
pub(crate) use constraints::{ALLOCATOR, Allocator};
pub(crate) use info::{Build, Info};
pub(crate) use registry::{REGISTRAR, Registry};
pub(crate) use scheduler::Stream;
pub(crate) use sight::Sight;
pub(crate) use snapshot::subscribed;
pub(crate) use v0_routes::View;
