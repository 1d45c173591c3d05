//! The world and what moves in it: one master, agents with their disks, executors of commands, of groups of tasks and of
//! frameworks' own (over the v1 API and through drivers), frameworks of both kinds that launch, kill, reconcile and operate
//! on resources, and operators that drain, deactivate, mark gone, set quotas and weights, maintain machines and tear down.
//!
//! Faults: processes and machines that crash, disks that are lost or slow, connections that break, hosts that are cut off,
//! messages that come late, twice or out of order, clocks that jump ahead, a second scheduler with the id of a first, agents
//! that come back with more resources. What must hold is in `invariants`; [`Plant`] puts mistakes in that they must find.

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
mod operation;
mod operator;
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
pub use operation::SeenOperation;
pub use options::{Options, Plant};
pub use seeds::{seed_count, seeds};
pub use world::{Failure, World};
