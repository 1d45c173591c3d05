//! One machine: executors, status updates, checkpoints and recovery; the agent and executor APIs.

pub mod checkpoint;
pub mod core;
pub mod wire;
