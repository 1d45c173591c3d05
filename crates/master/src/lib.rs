//! The resource manager: agents, frameworks, offers, tasks; the operator and scheduler APIs.

pub mod core;
