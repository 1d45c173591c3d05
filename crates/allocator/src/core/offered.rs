//! What a run decides.

use crate::{AgentId, FrameworkId};
use resources::Resources;
use std::sync::Arc;

/// Resources of one agent for one framework in one role. They are held by the framework from here on.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// For whom.
    pub framework: FrameworkId,
    /// In which role.
    pub role: Arc<str>,
    /// Where.
    pub agent: AgentId,
    /// What, allocated to the role.
    pub resources: Resources,
}
