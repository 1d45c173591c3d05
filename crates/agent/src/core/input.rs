//! All that can wake the core.

use auth::Principal;
use containerizer::Termination;
use process::Upid;
use proto::{internal, v1};

use super::authentication::Challenge;
use super::ids::{ContainerId, RequestId, StreamId};
use super::recovered::RecoveredState;

/// One thing that happened. [`Input::Recovered`] comes first; everything else may come at any time after.
#[derive(Clone, Debug)]
pub enum Input {
    /// What the shell read from `work_dir/meta`, and whether the machine was rebooted since.
    Recovered(Box<RecoveredState>),
    /// The containerizer has finished what [`Output::RecoverContainers`](super::Output::RecoverContainers) asked.
    ContainersRecovered,
    /// The leading master, or none; answers [`Output::Detect`](super::Output::Detect) and follows changes.
    Detected(Option<v1::MasterInfo>),
    /// A libprocess message, decoded and with all its required fields.
    Message {
        /// Who sent it.
        from: Upid,
        /// What it says.
        message: Received,
    },
    /// A link to `pid` broke.
    Exited(Upid),
    /// The master's session answers an attempt to authenticate.
    Challenge {
        /// The number that [`Output::Prove`](super::Output::Prove) had.
        attempt: u64,
        /// The session.
        from: Upid,
        /// What it says.
        challenge: Challenge,
    },
    /// A call of the executor API whose form has been validated.
    Call {
        /// To be named in the answer.
        request: RequestId,
        /// The stream that a SUBSCRIBE opens; not looked at for other calls.
        stream: StreamId,
        /// Who has proven to be its sender; none where nothing has to be proven.
        caller: Option<Principal>,
        /// The call.
        call: Box<v1::executor::Call>,
    },
    /// An executor's event stream was closed by its reader.
    StreamClosed(StreamId),
    /// A container asked for by [`Output::Launch`](super::Output::Launch) runs; `pid` is its first process.
    Launched {
        /// Which.
        container: ContainerId,
        /// The pid that was checkpointed.
        pid: i32,
    },
    /// A container could not be launched.
    LaunchFailed {
        /// Which.
        container: ContainerId,
        /// Why, for people.
        cause: String,
    },
    /// A container could not be given its new resources.
    UpdateFailed {
        /// Which.
        container: ContainerId,
        /// Why, for people.
        cause: String,
    },
    /// A container has ended and none of its processes is left; none: the containerizer does not know it.
    Terminated {
        /// Which.
        container: ContainerId,
        /// How it ended.
        termination: Option<Termination>,
    },
    /// The operator wants the agent gone: its tasks are killed, then it exits.
    Shutdown {
        /// Whether the master is told first.
        unregister: bool,
    },
    /// [`Agent::deadline`](super::Agent::deadline) has passed.
    Timeout,
}

/// Messages an agent understands (facts: internal-protocol, section 4).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the message of its name")]
pub enum Received {
    SlaveRegistered(internal::SlaveRegisteredMessage),
    SlaveReregistered(internal::SlaveReregisteredMessage),
    PingSlave(internal::PingSlaveMessage),
    Shutdown(internal::ShutdownMessage),
    RunTask(Box<internal::RunTaskMessage>),
    RunTaskGroup(Box<internal::RunTaskGroupMessage>),
    KillTask(internal::KillTaskMessage),
    ShutdownExecutor(internal::ShutdownExecutorMessage),
    ShutdownFramework(internal::ShutdownFrameworkMessage),
    UpdateFramework(Box<internal::UpdateFrameworkMessage>),
    FrameworkToExecutor(internal::FrameworkToExecutorMessage),
    RegisterExecutor(internal::RegisterExecutorMessage),
    ReregisterExecutor(Box<internal::ReregisterExecutorMessage>),
    StatusUpdate(Box<internal::StatusUpdateMessage>),
    ExecutorToFramework(internal::ExecutorToFrameworkMessage),
    StatusUpdateAcknowledgement(internal::StatusUpdateAcknowledgementMessage),
    ApplyOperation(Box<internal::ApplyOperationMessage>),
    CheckpointResources(internal::CheckpointResourcesMessage),
    AcknowledgeOperationStatus(internal::AcknowledgeOperationStatusMessage),
    ReconcileOperations(internal::ReconcileOperationsMessage),
    DrainSlave(internal::DrainSlaveMessage),
}
