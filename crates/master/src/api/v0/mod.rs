//! The read endpoints of before v1: `/state`, `/state-summary`, `/slaves`, `/frameworks`, `/tasks`, `/roles`.
//!
//! Each is a function from a [`State`](crate::core::State) (and what does not change) to JSON, run off the master's
//! thread. Old names (`slave`) live here and nowhere above.

mod agent;
mod amounts;
mod framework;
mod lists;
mod roles;
mod state;
mod state_summary;
mod task;

pub(crate) use lists::{TaskQuery, frameworks, slaves, tasks};
pub(crate) use roles::{roles, roles_json};
pub(crate) use state::state;
pub(crate) use state_summary::state_summary;
