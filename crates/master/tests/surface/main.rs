//! What clients see at a master's ports, and who sees it: one row for each action, and shapes that only a busy cluster
//! shows.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

#[path = "../support/mod.rs"]
mod support;

mod authorization;
mod bounds;
mod cluster;
mod nameless;
mod recorded;
mod shapes;
