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
