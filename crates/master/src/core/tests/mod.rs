//! Exact outputs of the core, one file for each concern.

mod accept;
mod agents;
mod driver_replay;
mod drivers;
mod frameworks;
mod golden;
mod launches;
mod liveness;
mod properties;
mod reconciliation;
mod reregistration;
mod settings;
mod support;
mod updates;
