//! Exact outputs of the core, one file for each concern.

mod accept;
mod agents;
mod draining;
mod driver_authentication;
mod driver_messages;
mod drivers;
mod frameworks;
mod golden;
mod gone;
mod launches;
mod liveness;
mod maintenance;
mod operations;
mod pacing;
mod permissions;
mod properties;
mod quota;
mod reconciliation;
mod reregistration;
mod scheduler_replay;
mod settings;
mod support;
mod updates;
mod weights;
