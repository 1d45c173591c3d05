//! What may happen to the registry.

use proto::v1;

/// One change of the registry, as small as what happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// An agent registers for the first time. Refused when the id exists.
    AdmitAgent {
        /// With its id.
        info: v1::AgentInfo,
    },
    /// An admitted agent came back with another info. Refused when it is not admitted.
    UpdateAgent {
        /// With its id.
        info: v1::AgentInfo,
    },
    /// An admitted agent does not answer. Refused when it is not admitted.
    MarkUnreachable {
        /// Which.
        id: v1::AgentId,
        /// Since when.
        at: v1::TimeInfo,
    },
    /// An agent that was unreachable, or is not known any more, is back. Nothing changes when it is admitted.
    MarkReachable {
        /// With its id.
        info: v1::AgentInfo,
    },
    /// An admitted agent left in order. Refused when it is not admitted.
    RemoveAgent {
        /// Which.
        id: v1::AgentId,
    },
    /// An operator declared an agent gone for good. Refused when it is not known or gone already.
    MarkGone {
        /// Which.
        id: v1::AgentId,
        /// Since when.
        at: v1::TimeInfo,
    },
    /// Old unreachable and gone agents are forgotten; those not there are skipped.
    Prune {
        /// To be forgotten as unreachable.
        unreachable: Vec<v1::AgentId>,
        /// To be forgotten as gone.
        gone: Vec<v1::AgentId>,
    },
    /// An operator drains an agent, which is deactivated with it. Refused when it is neither admitted nor
    /// unreachable.
    DrainAgent {
        /// Which.
        id: v1::AgentId,
        /// How.
        config: v1::DrainConfig,
    },
    /// All work of a draining agent is gone. Refused when it is not draining.
    MarkAgentDrained {
        /// Which.
        id: v1::AgentId,
    },
    /// An operator wants no offers of an agent. Refused when it is neither admitted nor unreachable.
    DeactivateAgent {
        /// Which.
        id: v1::AgentId,
    },
    /// An operator wants offers of an agent again. Refused when it is neither admitted nor unreachable.
    ReactivateAgent {
        /// Which.
        id: v1::AgentId,
    },
    /// Quotas of roles; one without guarantees and limits is removed.
    UpdateQuota {
        /// By role.
        configs: Vec<v1::quota::QuotaConfig>,
    },
    /// Weights of roles.
    UpdateWeights {
        /// By role.
        weights: Vec<v1::WeightInfo>,
    },
    /// The maintenance schedule, whole.
    UpdateSchedule {
        /// Replaces the one before.
        schedule: v1::maintenance::Schedule,
    },
    /// Machines of the schedule are down. Refused when one is not scheduled.
    StartMaintenance {
        /// Which.
        machines: Vec<v1::MachineId>,
    },
    /// Machines are up again, and out of the schedule.
    StopMaintenance {
        /// Which.
        machines: Vec<v1::MachineId>,
    },
}

/// Why an operation does not fit the registry. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The info carries no id.
    #[error("the agent has no id")]
    NoId,
    /// It is admitted already.
    #[error("agent {0} is already admitted")]
    AlreadyAdmitted(String),
    /// It is not admitted (or, where that counts as well, unreachable).
    #[error("agent {0} is not admitted")]
    NotAdmitted(String),
    /// It is gone already.
    #[error("agent {0} is already gone")]
    AlreadyGone(String),
    /// It is not draining.
    #[error("agent {0} is not draining")]
    NotDraining(String),
    /// The machine is not in the schedule.
    #[error("machine {0} is not scheduled for maintenance")]
    NotScheduled(String),
}
