//! What drivers decide: when to register, what to keep of offers and updates, what to tell the framework.
//!
//! [`SchedulerDriver`] and [`ExecutorDriver`] take `(now, input)` and append outputs; they open no socket and read no
//! clock. Random delays and ids come from a generator they are given.

mod executor;
mod messages;
mod scheduler;

pub use executor::{ExecutorDriver, ExecutorEvent, ExecutorInput, ExecutorOutput, ExecutorSetup};
pub use messages::{ExecutorHeard, ExecutorSaid, SchedulerHeard, SchedulerSaid};
pub use scheduler::{Ask, SchedulerDriver, SchedulerEvent, SchedulerInput, SchedulerOutput};
