//! The checkpoint as values: what an earlier agent process left, as far as it can be read.

use bytes::Bytes;
use process::Upid;
use proto::{internal, v1};

use super::ids::{AgentId, ContainerId};

/// All that was found under `work_dir/meta` (facts: agent-disk, section 4). Resources are in the
/// post-refinement form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveredState {
    /// Whether the machine was started since; pids of processes then mean nothing and have been left out.
    pub rebooted: bool,
    /// Dynamic reservations and persistent volumes.
    pub resources: Vec<v1::Resource>,
    /// Operations whose status may not be acknowledged.
    pub operations: Vec<RecoveredOperation>,
    /// How the latest agent is drained, if it is.
    pub drain: Option<v1::DrainConfig>,
    /// The latest agent and its frameworks; none: a fresh agent.
    pub agent: Option<RecoveredAgent>,
    /// What could not be read and was skipped (`--no-strict`).
    pub errors: u64,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveredOperation {
    /// The operation as it was kept with the resources.
    pub operation: v1::Operation,
    /// The status its log has; none: the log was not begun.
    pub log: Option<v1::OperationStatus>,
}

/// The latest agent.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveredAgent {
    /// Its description, with its id.
    pub info: v1::AgentInfo,
    /// Its checkpointing frameworks.
    pub frameworks: Vec<RecoveredFramework>,
}

/// One framework.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveredFramework {
    /// Its description, with its id.
    pub info: v1::FrameworkInfo,
    /// Its scheduler's address; empty for an HTTP framework.
    pub pid: Upid,
    /// Its executors.
    pub executors: Vec<RecoveredExecutor>,
}

/// One executor.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveredExecutor {
    /// Its description.
    pub info: v1::ExecutorInfo,
    /// Whether the agent made it for a command task.
    pub generated: bool,
    /// The newest run; only that one can be live.
    pub latest: Option<ContainerId>,
    /// All runs whose directories are there.
    pub runs: Vec<RecoveredRun>,
}

/// One run of an executor.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveredRun {
    /// Its container.
    pub container: ContainerId,
    /// Whether the sentinel says that it is over.
    pub completed: bool,
    /// Whether its executor subscribed over HTTP.
    pub http: bool,
    /// Address of an executor that speaks libprocess.
    pub libprocess_pid: Option<Upid>,
    /// The container's first process.
    pub forked_pid: Option<i32>,
    /// Its tasks.
    pub tasks: Vec<RecoveredTask>,
}

/// One task.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveredTask {
    /// The task as it was when it was launched.
    pub task: v1::Task,
    /// Its updates in order.
    pub updates: Vec<internal::StatusUpdate>,
    /// The uuids of acknowledged ones.
    pub acknowledged: Vec<Bytes>,
}

impl RecoveredAgent {
    /// The agent's id; empty when the description has none, which no agent writes.
    pub fn id(&self) -> AgentId {
        AgentId::from(self.info.id.as_ref().map_or("", |id| id.value.as_str()))
    }
}
