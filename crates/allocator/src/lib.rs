//! Who is offered what: weighted DRF over a tree of roles, with quota and filters. A pure value.
//!
//! [`Allocator`] keeps the resources of every agent and who holds them. [`Allocator::allocate`] says who is
//! offered what; [`Allocator::deadline`] says when it should next be asked. It opens no socket, reads no
//! clock, and draws its random orders from the seed that it is given: same inputs, same offers.
//!
//! **Incremental.** A visit to an agent ends when nobody may have any more of what is left on it. So an agent
//! is visited again only when something about it changed, or about somebody who may want it: the inputs mark
//! agents, a run visits marked ones, and a run with nothing marked costs nothing.
//!
//! **Invariants.** Per agent, total = free + held, except while a total shrinks under what is held. Sums kept
//! for shares, quota and headroom equal what a recount gives ([`Allocator::check`]).

mod core;

pub use crate::core::allocator::Allocator;
pub use crate::core::constraints::{Constraints, RegexLimits};
pub use crate::core::explain::{Explainer, Explanation, InRole, Look, Outlook, Place, Reason};
pub use crate::core::ids::{AgentId, FrameworkId};
pub use crate::core::inverse::InverseOffered;
pub use crate::core::offered::Offered;
pub use crate::core::options::{AgentOptions, Capabilities, Config, FrameworkOptions, Sorter, region};

/// Why a change was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The agent was never added, or is removed.
    #[error("agent {0} is unknown")]
    UnknownAgent(AgentId),
    /// The framework holds nothing on the agent.
    #[error("framework {framework} holds nothing on agent {agent}")]
    NothingHeld {
        /// Who.
        framework: FrameworkId,
        /// Where.
        agent: AgentId,
    },
    /// A constraint's regular expression is none, or too large.
    #[error("invalid regular expression '{regex}': {reason}")]
    Regex {
        /// The expression.
        regex: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The conversion consumes what is not there.
    #[error("cannot convert")]
    Conversion(#[source] resources::Error),
}
