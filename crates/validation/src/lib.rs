//! What identifiers, commands and containers must look like, whoever is asked to run them: a master looks at those of
//! tasks, an agent at those of its own containers (facts: scheduler-http section 8.4, agent-http section 3.3).
//!
//! Pure functions. They answer with the text that the peer is told.

pub mod command;
pub mod container;
pub mod id;

/// What is wrong, in words for whoever sent it.
pub type Invalid = String;
