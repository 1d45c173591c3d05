//! The agent's decisions: which executors live, what happens to their tasks, what the master is told.
//!
//! [`Agent`] takes `(now, Input)` and appends [`Output`]s. It opens no socket, reads no file and no clock, draws
//! no random number of its own and never waits; the shell does that (`process.rs`).
//!
//! How to drive it: feed [`Input::Recovered`] first, then inputs in the order in which they came, and carry the
//! outputs out in order; when [`Agent::deadline`] has passed, feed [`Input::Timeout`].
//!
//! **Invariants.** Of a checkpointing framework, an update is on disk before its executor hears that it was
//! taken and before the master hears of it: both outputs name the write. A task has one terminal state: later
//! ones are acknowledged and ignored. At most one update per task is under way. Whatever is remembered has a
//! limit: [`executor::MAX_COMPLETED_TASKS`], [`framework::MAX_COMPLETED_FRAMEWORKS`], [`operations::MAX_OPERATIONS`],
//! [`status_updates::MAX_PENDING`] and the flags. Maps that are iterated are ordered: same inputs, same outputs.
//!
//! Absent here: resource providers, oversubscription.

mod acknowledgements;
mod agent;
mod apply;
mod authentication;
mod calls;
pub mod command_executor;
mod config;
mod counters;
pub mod default_executor;
mod drain;
mod driver;
pub mod environment;
pub mod executor;
pub mod framework;
mod ids;
mod input;
mod kill;
mod launch;
pub mod operations;
mod output;
pub mod paths;
mod recovered;
mod recovery;
mod registration;
mod shutdown;
mod start;
pub mod states;
pub mod status_updates;
mod termination;
mod timers;
mod updates;
pub mod volumes;

pub use agent::{Agent, Phase};
pub use authentication::{Challenge, Proof};
pub use config::{CAPABILITIES, Config, ReconfigurationPolicy, RecoverMode};
pub use counters::Counters;
pub use executor::Executor;
pub use framework::Framework;
pub use ids::{AgentId, ContainerId, ExecutorId, FrameworkId, RequestId, Run, StreamId, TaskId, WriteId};
pub use input::{Input, Received};
pub use operations::Operations;
pub use output::{Checkpoint, Discarded, Exit, Output, Reply, Sent};
pub use recovered::{
    RecoveredAgent, RecoveredExecutor, RecoveredFramework, RecoveredOperation, RecoveredRun, RecoveredState,
    RecoveredTask,
};
pub use status_updates::StatusUpdates;
