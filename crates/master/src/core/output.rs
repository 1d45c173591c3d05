//! All that a master does, on one screen.

use std::sync::Arc;

use process::Upid;
use proto::internal;
use proto::v1::{self, scheduler};
use proto::{Message as _, Shared};

use super::described::{RunTask, UpdateFramework};
use super::driver_bound::DriverBound;
use super::ids::{AgentId, FrameworkId, ObserverId, RequestId, StreamId, WriteId};
use super::record::Record;
use super::state::{Agent, Framework};

/// One thing the shell must do. Outputs of one step are carried out in order.
///
/// `after` names the write an output rests on. The core emits such an output only once that write has been reported
/// with [`Input::Stored`](super::Input::Stored); the name is kept so that shell and tests can hold the core to it.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a libprocess message.
    Send {
        from: Sender,
        to: Upid,
        message: Box<AgentBound>,
        after: Option<WriteId>,
    },
    /// Link to an agent (a new connection if there is one already), to learn when it is gone.
    Link(Upid),
    /// Send a libprocess message from `master` to a scheduler's driver.
    ToDriver {
        /// Whose driver it is; none if it has not been let in.
        framework: Option<FrameworkId>,
        to: Upid,
        message: Box<DriverBound>,
        after: Option<WriteId>,
    },
    /// Link to a driver (sharing the connection, if there is one), to learn when it is gone.
    LinkDriver(Upid),
    /// Receive messages sent to `slave-observer(N)`: they come back as [`Input::Pong`](super::Input::Pong).
    OpenObserver(ObserverId),
    /// Stop receiving for this observer.
    CloseObserver(ObserverId),
    /// Write one event to a scheduler's stream.
    Event {
        stream: StreamId,
        event: Box<scheduler::Event>,
        after: Option<WriteId>,
    },
    /// End a scheduler's stream, after what was written to it.
    CloseStream(StreamId),
    /// Tell the subscribers of the operator API.
    Publish(OperatorEvent),
    /// Apply these operations to the registry in order and store them together; then feed
    /// [`Input::Stored`](super::Input::Stored).
    Store {
        write: WriteId,
        operations: Vec<RegistryOperation>,
    },
    /// Answer a request.
    Reply {
        request: RequestId,
        reply: Reply,
        after: Option<WriteId>,
    },
    /// Tell the operator of this process.
    Log(Level, String),
    /// This master must not go on; end the process with this message.
    Abort(String),
}

/// Which of the master's processes speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// `master`.
    Master,
    /// `slave-observer(N)`.
    Observer(ObserverId),
}

/// What a master says to agents (internal-protocol §4).
#[derive(Debug, Clone, PartialEq)]
pub enum AgentBound {
    Registered(internal::SlaveRegisteredMessage),
    Reregistered(internal::SlaveReregisteredMessage),
    Ping(internal::PingSlaveMessage),
    Shutdown(internal::ShutdownMessage),
    UpdateFramework(UpdateFramework),
    ShutdownFramework(internal::ShutdownFrameworkMessage),
    RunTask(RunTask),
    RunTaskGroup(internal::RunTaskGroupMessage),
    KillTask(internal::KillTaskMessage),
    ShutdownExecutor(internal::ShutdownExecutorMessage),
    Acknowledge(internal::StatusUpdateAcknowledgementMessage),
    FrameworkToExecutor(internal::FrameworkToExecutorMessage),
    ApplyOperation(internal::ApplyOperationMessage),
    AcknowledgeOperation(internal::AcknowledgeOperationStatusMessage),
    ReconcileOperations(internal::ReconcileOperationsMessage),
    CheckpointResources(internal::CheckpointResourcesMessage),
    Drain(internal::DrainSlaveMessage),
}

impl AgentBound {
    /// Full name of the message and its protobuf bytes, ready for the wire.
    pub fn encode(&self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Registered(message) => ("mesos.internal.SlaveRegisteredMessage", message.encode_to_vec()),
            Self::Reregistered(message) => {
                ("mesos.internal.SlaveReregisteredMessage", message.encode_to_vec())
            }
            Self::Ping(message) => ("mesos.internal.PingSlaveMessage", message.encode_to_vec()),
            Self::Shutdown(message) => ("mesos.internal.ShutdownMessage", message.encode_to_vec()),
            Self::UpdateFramework(message) => ("mesos.internal.UpdateFrameworkMessage", message.encode()),
            Self::ShutdownFramework(message) => {
                ("mesos.internal.ShutdownFrameworkMessage", message.encode_to_vec())
            }
            Self::RunTask(message) => ("mesos.internal.RunTaskMessage", message.encode()),
            Self::RunTaskGroup(message) => ("mesos.internal.RunTaskGroupMessage", message.encode_to_vec()),
            Self::KillTask(message) => ("mesos.internal.KillTaskMessage", message.encode_to_vec()),
            Self::ShutdownExecutor(message) => {
                ("mesos.internal.ShutdownExecutorMessage", message.encode_to_vec())
            }
            Self::Acknowledge(message) => (
                "mesos.internal.StatusUpdateAcknowledgementMessage",
                message.encode_to_vec(),
            ),
            Self::FrameworkToExecutor(message) => (
                "mesos.internal.FrameworkToExecutorMessage",
                message.encode_to_vec(),
            ),
            Self::ApplyOperation(message) => {
                ("mesos.internal.ApplyOperationMessage", message.encode_to_vec())
            }
            Self::AcknowledgeOperation(message) => (
                "mesos.internal.AcknowledgeOperationStatusMessage",
                message.encode_to_vec(),
            ),
            Self::ReconcileOperations(message) => (
                "mesos.internal.ReconcileOperationsMessage",
                message.encode_to_vec(),
            ),
            Self::CheckpointResources(message) => (
                "mesos.internal.CheckpointResourcesMessage",
                message.encode_to_vec(),
            ),
            Self::Drain(message) => ("mesos.internal.DrainSlaveMessage", message.encode_to_vec()),
        }
    }
}

/// An event of the operator API, made of shared values so that nothing is copied to publish it.
#[derive(Debug, Clone)]
pub enum OperatorEvent {
    TaskAdded(Record),
    TaskUpdated {
        framework: FrameworkId,
        status: Arc<v1::TaskStatus>,
        state: v1::TaskState,
    },
    AgentAdded(Arc<Agent>),
    AgentRemoved(AgentId),
    FrameworkAdded(Arc<Framework>),
    FrameworkUpdated(Arc<Framework>),
    FrameworkRemoved(Shared<v1::FrameworkInfo>),
}

/// Answer to a request; the shell maps each to its HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// 200.
    Done,
    /// 400 with this body.
    BadRequest(String),
    /// 403 with this body.
    Forbidden(String),
    /// 409 with this body.
    Conflict(String),
    /// 404 with this body.
    NotFound(String),
    /// 503 with this body.
    Unavailable(String),
}

/// How loud a log line is (glog's levels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Info,
    Warning,
    Error,
}

/// A change of the registry (zookeeper.md §6).
#[derive(Debug, Clone, PartialEq)]
pub enum RegistryOperation {
    /// A new agent.
    AdmitAgent { info: Box<v1::AgentInfo> },
    /// An admitted agent changed.
    UpdateAgent { info: Box<v1::AgentInfo> },
    /// An admitted agent does not answer.
    MarkUnreachable { id: AgentId, at: v1::TimeInfo },
    /// An unreachable or forgotten agent is back.
    MarkReachable { info: Box<v1::AgentInfo> },
    /// An admitted agent left for good.
    RemoveAgent { id: AgentId },
    /// An operator said the agent will not return.
    MarkGone { id: AgentId, at: v1::TimeInfo },
    /// An agent is drained.
    DrainAgent { id: AgentId, config: v1::DrainConfig },
    /// All it ran is gone.
    MarkAgentDrained { id: AgentId },
    /// No offers of an agent.
    DeactivateAgent { id: AgentId },
    /// Offers of it again.
    ReactivateAgent { id: AgentId },
    /// Agents unreachable or gone for so long that they are forgotten.
    Prune {
        unreachable: Vec<AgentId>,
        gone: Vec<AgentId>,
    },
    /// Quotas of roles; one with neither guarantees nor limits is removed.
    UpdateQuota { configs: Vec<v1::quota::QuotaConfig> },
    /// Weights of roles.
    UpdateWeights { weights: Vec<v1::WeightInfo> },
    /// The maintenance schedule, whole.
    UpdateSchedule(v1::maintenance::Schedule),
    /// Machines of the schedule are down.
    StartMaintenance(Vec<v1::MachineId>),
    /// Machines are up, and out of the schedule.
    StopMaintenance(Vec<v1::MachineId>),
}

#[cfg(test)]
mod tests {
    use proto::Name;

    use super::*;

    #[test]
    fn messages_to_agents_go_under_their_full_names() {
        fn check<M: Name + Default>(wrap: fn(M) -> AgentBound) {
            assert_eq!(wrap(M::default()).encode().0, M::full_name());
        }
        check(AgentBound::Registered);
        check(AgentBound::Reregistered);
        check(AgentBound::Ping);
        check(AgentBound::Shutdown);
        check(AgentBound::ShutdownFramework);
        check(AgentBound::RunTaskGroup);
        check(AgentBound::KillTask);
        check(AgentBound::ShutdownExecutor);
        check(AgentBound::Acknowledge);
        check(AgentBound::FrameworkToExecutor);
        check(AgentBound::ApplyOperation);
        check(AgentBound::AcknowledgeOperation);
        check(AgentBound::ReconcileOperations);
        check(AgentBound::CheckpointResources);
        check(AgentBound::Drain);
        let run = AgentBound::RunTask(RunTask {
            framework: v1::FrameworkInfo::default().into(),
            task: v1::TaskInfo::default(),
            pid: String::new(),
            resource_versions: Vec::new(),
            launch_executor: true,
        });
        assert_eq!(run.encode().0, internal::RunTaskMessage::full_name());
        let update = AgentBound::UpdateFramework(UpdateFramework {
            id: FrameworkId::from("f"),
            pid: String::new(),
            info: v1::FrameworkInfo::default().into(),
        });
        assert_eq!(update.encode().0, internal::UpdateFrameworkMessage::full_name());
    }
}
