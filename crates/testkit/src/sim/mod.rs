//! The world and what moves in it.

mod agent;
mod disk;
mod driver;
mod event;
mod executor;
mod executor_driver;
mod faults;
mod framework;
mod master;
mod messages;
mod network;
mod options;
mod seeds;
mod trace;
mod world;

pub use agent::AgentHost;
pub use disk::{Disk, Recorded};
pub use event::{Fault, Host};
pub(crate) use framework::is_terminal;
pub use framework::{Scheduler, SeenTask};
pub use master::MasterHost;
pub use options::{Options, Plant};
pub use seeds::{seed_count, seeds};
pub use world::{Failure, World};
