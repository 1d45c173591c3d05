//! All that can happen to a master, on one screen.

use std::collections::BTreeSet;

use process::Upid;
use proto::internal;
use proto::v1::quota::QuotaConfig;
use proto::v1::{self, WeightInfo, scheduler};

use super::ids::{AgentId, FrameworkId, ObserverId, RequestId, StreamId, WriteId};
use super::maintenance::Maintenance;
use super::quota::Rescinding;

/// One thing that happened. The shell feeds them one at a time, in the order they arrived.
#[derive(Debug, Clone)]
pub enum Input {
    /// This master leads and has read the registry. Everything but this is dropped before it.
    Recovered(Box<internal::Registry>),
    /// A write of [`Output::Store`](super::Output::Store) is durable. (A failed write ends the process, so there is no
    /// input for it.)
    Stored(WriteId),
    /// A libprocess message to `master` from an agent.
    Agent { from: Upid, message: AgentMessage },
    /// A libprocess message to `master` from a scheduler's driver, registered or not.
    Driver { from: Upid, message: DriverMessage },
    /// How the CRAM-MD5 authentication of an agent or a driver fares (internal-protocol §5).
    Authentication { pid: Upid, step: Authentication },
    /// A `PongSlaveMessage` to the observer's own UPID.
    Pong { observer: ObserverId, from: Upid },
    /// The link to this UPID broke.
    Exited(Upid),
    /// A valid SUBSCRIBE call; `stream` is open and waits for events.
    Subscribe {
        stream: StreamId,
        principal: Option<String>,
        subscribe: Box<scheduler::call::Subscribe>,
    },
    /// Any other valid call of the v1 scheduler API that [`Master::admit`](super::Master::admit) let pass.
    Call {
        framework: FrameworkId,
        call: Box<scheduler::Call>,
    },
    /// The scheduler's side of the stream is gone, or it read too slowly and was cut off.
    StreamClosed(StreamId),
    /// UPDATE_FRAMEWORK: unlike other calls it is answered, with [`Reply`](super::Reply).
    UpdateFramework {
        request: RequestId,
        framework: FrameworkId,
        update: Box<scheduler::call::UpdateFramework>,
    },
    /// A call of the operator API that changes something.
    Operator {
        request: RequestId,
        action: OperatorAction,
    },
    /// Only agents on these hosts are to be offered; `None`: all.
    Whitelist(Option<BTreeSet<String>>),
    /// The time of [`Master::deadline`](super::Master::deadline) has come.
    Timeout,
}

/// What agents say (internal-protocol §4).
#[derive(Debug, Clone, PartialEq)]
pub enum AgentMessage {
    Register(Box<internal::RegisterSlaveMessage>),
    Reregister(Box<internal::ReregisterSlaveMessage>),
    Unregister(internal::UnregisterSlaveMessage),
    UpdateAgent(Box<internal::UpdateSlaveMessage>),
    StatusUpdate(Box<internal::StatusUpdateMessage>),
    ExitedExecutor(internal::ExitedExecutorMessage),
    ExecutorToFramework(internal::ExecutorToFrameworkMessage),
    UpdateOperationStatus(Box<internal::UpdateOperationStatusMessage>),
}

/// What drivers say (internal-protocol §4, §9): the modern call, and the messages of before it.
#[derive(Debug, Clone, PartialEq)]
pub enum DriverMessage {
    Call(Box<proto::scheduler::Call>),
    Register(Box<internal::RegisterFrameworkMessage>),
    Reregister(Box<internal::ReregisterFrameworkMessage>),
    Unregister(internal::UnregisterFrameworkMessage),
    /// What `abort()` of every driver sends.
    Deactivate(internal::DeactivateFrameworkMessage),
    ResourceRequest(internal::ResourceRequestMessage),
    LaunchTasks(Box<internal::LaunchTasksMessage>),
    ReviveOffers(internal::ReviveOffersMessage),
    KillTask(internal::KillTaskMessage),
    Acknowledge(internal::StatusUpdateAcknowledgementMessage),
    FrameworkToExecutor(internal::FrameworkToExecutorMessage),
    ReconcileTasks(Box<internal::ReconcileTasksMessage>),
    SubmitScheduler(internal::SubmitSchedulerRequest),
}

/// A step in the authentication of a UPID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// It asked to be authenticated: what it was before is forgotten, and its registrations wait.
    Began,
    /// It is this principal.
    Succeeded(String),
    /// It gave wrong credentials.
    Refused,
    /// It broke off, was late, or spoke out of turn.
    Failed,
}

/// What operators may order.
#[derive(Debug, Clone, PartialEq)]
pub enum OperatorAction {
    /// TEARDOWN: ends a framework and all it runs.
    Teardown(FrameworkId),
    /// MARK_AGENT_GONE: an agent will not return.
    MarkGone(AgentId),
    /// RESERVE_RESOURCES, UNRESERVE_RESOURCES, CREATE_VOLUMES, DESTROY_VOLUMES, GROW_VOLUME, SHRINK_VOLUME.
    Operate {
        agent: AgentId,
        operation: Box<v1::offer::Operation>,
        /// Of the operator.
        principal: Option<String>,
    },
    /// DRAIN_AGENT: kill what an agent runs and offer no more of it.
    Drain { agent: AgentId, config: v1::DrainConfig },
    /// DEACTIVATE_AGENT: offer no more of an agent.
    Deactivate(AgentId),
    /// REACTIVATE_AGENT: offer it again.
    Reactivate(AgentId),
    /// UPDATE_QUOTA, SET_QUOTA, REMOVE_QUOTA: quotas of roles, all or none; checked with
    /// [`Master::beyond_limits`](super::Master::beyond_limits) and [`Master::overcommit`](super::Master::overcommit).
    UpdateQuota {
        configs: Vec<QuotaConfig>,
        rescinding: Rescinding,
    },
    /// UPDATE_WEIGHTS: weights of roles.
    UpdateWeights(Vec<WeightInfo>),
    /// UPDATE_MAINTENANCE_SCHEDULE, START_MAINTENANCE, STOP_MAINTENANCE.
    Maintain(Maintenance),
}
