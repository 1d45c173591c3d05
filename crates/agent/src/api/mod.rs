//! What the agent answers over HTTP: the v1 agent API, the executor API, and the v0 endpoints.

mod call;
mod containers;
mod executor;
mod files;
mod input;
mod media;
mod metrics;
mod nested;
mod permission;
mod providers;
mod session;
mod sight;
mod state;
mod tasks;
mod v0;
mod validation;

use ::process::Time;
use ::process::flags::Values;
pub(crate) use metrics::publish;
use parking_lot::Mutex;

/// What the endpoints tell that is not the core's to know.
#[derive(Debug)]
pub(crate) struct Info {
    /// The flags in force.
    pub(crate) flags: Values,
    /// Who may do what.
    pub(crate) authorizer: auth::Authorizer,
    /// Whether an error in the checkpoint ends the start.
    pub(crate) strict: bool,
    /// When the agent was started.
    pub(crate) started: Time,
    /// When recovery was over.
    recovered: Mutex<Option<Time>>,
}

impl Info {
    pub(crate) const fn new(
        flags: Values,
        authorizer: auth::Authorizer,
        strict: bool,
        started: Time,
    ) -> Self {
        Self {
            flags,
            authorizer,
            strict,
            started,
            recovered: Mutex::new(None),
        }
    }

    /// Recovery is over.
    pub(crate) fn recovered(&self, now: Time) {
        *self.recovered.lock() = Some(now);
    }

    /// How long recovery took.
    pub(crate) fn recovery_time(&self) -> Option<std::time::Duration> {
        self.recovered.lock().map(|at| at.since(self.started))
    }
}
