//! All that the core asks of its shell, in the order in which it must be done.

use std::path::PathBuf;

use bytes::Bytes;
use containerizer::{ContainerConfig, Recoverable};
use process::Upid;
use proto::{internal, v1};

use super::authentication::Proof;
use super::ids::{AgentId, ContainerId, ExecutorId, FrameworkId, RequestId, Run, StreamId, TaskId, WriteId};

/// One thing to do. An output with `after: Some(write)` rests on that write: the shell holds it until the
/// write, and with it every earlier one, has reached the disk. Outputs to one destination stay in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write to the checkpoint. A failure is fatal: the shell stops the agent and carries nothing out that
    /// rests on it.
    Checkpoint {
        /// The number of this write.
        write: WriteId,
        /// What is written.
        what: Checkpoint,
    },
    /// Find the leading master again, then follow it: [`Input::Detected`](super::Input::Detected).
    Detect,
    /// Link to a process, so that its end is told by [`Input::Exited`](super::Input::Exited).
    Link(Upid),
    /// Send a message.
    Send {
        /// To whom.
        to: Upid,
        /// What.
        message: Sent,
        /// The write it rests on.
        after: Option<WriteId>,
    },
    /// Send a message of an attempt to authenticate, from the attempt's own process.
    Prove {
        /// Which attempt; one with another number is over.
        attempt: u64,
        /// To whom.
        to: Upid,
        /// What.
        message: Proof,
    },
    /// The attempt to authenticate is over.
    EndProof,
    /// Answer a call of the executor API.
    Reply {
        /// Which call.
        request: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Write an event to an executor's stream.
    Event {
        /// Which stream.
        stream: StreamId,
        /// The event.
        event: Box<v1::executor::Event>,
        /// The write it rests on.
        after: Option<WriteId>,
    },
    /// End an executor's stream, after the events written to it.
    CloseStream(StreamId),
    /// Hand the executors of an earlier agent process to the containerizer, then
    /// [`Input::ContainersRecovered`](super::Input::ContainersRecovered).
    RecoverContainers(Vec<Recoverable>),
    /// Make a container and tell when it runs, failed, or ended.
    Launch {
        /// Which.
        container: ContainerId,
        /// Whose: names the sandbox under `/files`.
        run: Run,
        /// What to run.
        config: Box<ContainerConfig>,
        /// The write it rests on.
        after: Option<WriteId>,
    },
    /// Tell by [`Input::Terminated`](super::Input::Terminated) when a recovered container has ended.
    Wait {
        /// Which.
        container: ContainerId,
        /// Whose: names the sandbox under `/files`.
        run: Run,
    },
    /// Give a container other resources.
    UpdateContainer {
        /// Which.
        container: ContainerId,
        /// Its sandbox.
        directory: PathBuf,
        /// All of its resources.
        resources: Vec<v1::Resource>,
    },
    /// Kill a container.
    Destroy(ContainerId),
    /// Remove what is named after `--gc_delay`, or sooner when the disk fills.
    ScheduleGc(Vec<Discarded>),
    /// Do not remove what is named: it is used again.
    UnscheduleGc(Vec<Discarded>),
    /// The agent has nothing left to do, or must not go on; the process ends.
    Exit(Exit),
}

/// What is written to the checkpoint (facts: agent-disk, section 1). The `checkpoint` module knows the files.
#[derive(Clone, Debug, PartialEq)]
pub enum Checkpoint {
    /// The agent's description with its id; makes it the latest.
    Agent(Box<v1::AgentInfo>),
    /// The latest agent is forgotten: the next start registers anew.
    ForgetAgent,
    /// The boot id of the running kernel.
    BootId,
    /// A framework and its pid (`@0.0.0.0:0` for one without).
    Framework {
        /// The agent.
        agent: AgentId,
        /// The framework, with its id.
        info: Box<v1::FrameworkInfo>,
        /// Its scheduler's address.
        pid: Upid,
    },
    /// An executor at its launch, and its run as the latest.
    Executor {
        /// The run.
        run: Run,
        /// The executor.
        info: Box<v1::ExecutorInfo>,
        /// Whether the agent made it for a command task.
        generated: bool,
    },
    /// A task given to an executor.
    Task {
        /// The executor's run.
        run: Run,
        /// The task, staging.
        task: Box<v1::Task>,
    },
    /// The executor of this run speaks HTTP and has subscribed.
    HttpMarker(Run),
    /// The executor of this run speaks libprocess and is reached here.
    LibprocessPid {
        /// The executor's run.
        run: Run,
        /// Its address.
        pid: Upid,
    },
    /// A status update.
    Update {
        /// The executor's run.
        run: Run,
        /// The task.
        task: TaskId,
        /// The update, with its uuid.
        update: Box<internal::StatusUpdate>,
    },
    /// The acknowledgement of a status update.
    Acknowledgement {
        /// The executor's run.
        run: Run,
        /// The task.
        task: TaskId,
        /// The update's uuid: 16 bytes.
        uuid: Bytes,
    },
    /// The run is over and all its updates are acknowledged.
    Sentinel(Run),
    /// All dynamic reservations and volumes, and the operations to be remembered; directories of volumes follow.
    Resources {
        /// All of it.
        state: Box<internal::slave::ResourceState>,
        /// Whether the resources differ from those written before.
        changed: bool,
    },
    /// The status of an operation, the first and only one.
    OperationUpdate {
        /// The agent.
        agent: AgentId,
        /// The operation's uuid: 16 bytes.
        operation: Bytes,
        /// The message about it.
        update: Box<internal::UpdateOperationStatusMessage>,
    },
    /// The status of an operation is acknowledged: its log goes.
    OperationAcknowledgement {
        /// The agent.
        agent: AgentId,
        /// The operation's uuid: 16 bytes.
        operation: Bytes,
        /// The status's uuid: 16 bytes.
        status: Bytes,
    },
    /// How the agent is drained; none: no longer.
    Drain {
        /// The agent.
        agent: AgentId,
        /// How.
        config: Option<v1::DrainConfig>,
    },
}

/// Directories that are no longer needed, in the sandbox tree and in the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discarded {
    /// One run of an executor.
    Run(Run),
    /// An executor with all its runs.
    Executor(AgentId, FrameworkId, ExecutorId),
    /// A framework with all its executors.
    Framework(AgentId, FrameworkId),
}

/// Messages an agent sends.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the message of its name")]
pub enum Sent {
    RegisterSlave(Box<internal::RegisterSlaveMessage>),
    ReregisterSlave(Box<internal::ReregisterSlaveMessage>),
    UnregisterSlave(internal::UnregisterSlaveMessage),
    UpdateSlave(Box<internal::UpdateSlaveMessage>),
    PongSlave(internal::PongSlaveMessage),
    StatusUpdate(Box<internal::StatusUpdateMessage>),
    ExitedExecutor(internal::ExitedExecutorMessage),
    ExecutorToFramework(internal::ExecutorToFrameworkMessage),
    ExecutorRegistered(Box<internal::ExecutorRegisteredMessage>),
    ExecutorReregistered(Box<internal::ExecutorReregisteredMessage>),
    ReconnectExecutor(internal::ReconnectExecutorMessage),
    ShutdownExecutor(internal::ShutdownExecutorMessage),
    RunTask(Box<internal::RunTaskMessage>),
    KillTask(internal::KillTaskMessage),
    StatusUpdateAcknowledgement(internal::StatusUpdateAcknowledgementMessage),
    FrameworkToExecutor(internal::FrameworkToExecutorMessage),
    UpdateOperationStatus(Box<internal::UpdateOperationStatusMessage>),
}

/// The answer to a call of the executor API (facts: executor-http, section 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200, and the stream named in the call stays open.
    Subscribed,
    /// 202.
    Accepted,
    /// 400 with this body.
    BadRequest(String),
    /// 403 with this body.
    Forbidden(String),
    /// 503 with this body.
    Unavailable(String),
}

/// Why the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is done; status 0.
    Done,
    /// It must not go on; status 1 and this message.
    Failed(String),
}
