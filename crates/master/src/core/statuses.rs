//! Statuses that the master makes itself, and what states mean (task-states.md §1, §3.1).

use proto::v1::task_status::{Reason, Source};
use proto::v1::{self, TaskState, TaskStatus};

use super::Master;
use super::ids::{AgentId, ExecutorId, TaskId, ToWire};
use super::state::{Framework, Task};
use proto::v1::framework_info::capability::Type as Capability;

/// Whether a task in this state is over.
pub(super) fn is_terminal(state: TaskState) -> bool {
    match state {
        TaskState::TaskFinished
        | TaskState::TaskFailed
        | TaskState::TaskKilled
        | TaskState::TaskError
        | TaskState::TaskLost
        | TaskState::TaskDropped
        | TaskState::TaskGone
        | TaskState::TaskGoneByOperator => true,
        TaskState::TaskStaging
        | TaskState::TaskStarting
        | TaskState::TaskRunning
        | TaskState::TaskKilling
        | TaskState::TaskUnreachable
        | TaskState::TaskUnknown => false,
    }
}

/// Whether a task in this state is out of sight.
pub(super) fn is_unreachable(state: TaskState) -> bool {
    state == TaskState::TaskUnreachable
}

impl Framework {
    /// Whether it knows more states than LOST.
    pub(super) fn partition_aware(&self) -> bool {
        self.capabilities.has(Capability::PartitionAware)
    }

    /// The state to tell it: LOST stands for all that only PARTITION_AWARE frameworks know.
    pub(super) fn told_state(&self, state: TaskState) -> TaskState {
        use TaskState as S;
        match state {
            S::TaskDropped | S::TaskUnreachable | S::TaskGone | S::TaskGoneByOperator | S::TaskUnknown
                if !self.partition_aware() =>
            {
                S::TaskLost
            }
            _ => state,
        }
    }
}

/// What a status made here says.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub(super) state: TaskState,
    pub(super) reason: Reason,
    pub(super) message: String,
    /// When the agent was marked unreachable.
    pub(super) unreachable: Option<v1::TimeInfo>,
}

impl Cause {
    pub(super) fn new(state: TaskState, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            state,
            reason,
            message: message.into(),
            unreachable: None,
        }
    }
}

impl Master {
    /// A status with SOURCE_MASTER and no uuid, so that nobody acknowledges it.
    pub(super) fn make_status(
        &self,
        task: &TaskId,
        agent: Option<&AgentId>,
        executor: Option<&ExecutorId>,
        cause: Cause,
    ) -> TaskStatus {
        TaskStatus {
            task_id: task.to_wire(),
            state: cause.state as i32,
            message: Some(cause.message),
            source: Some(Source::Master as i32),
            reason: Some(cause.reason as i32),
            agent_id: agent.map(ToWire::to_wire),
            executor_id: executor.map(ToWire::to_wire),
            timestamp: Some(self.now.as_secs_f64()),
            unreachable_time: cause.unreachable,
            ..TaskStatus::default()
        }
    }

    /// A status for a task that is known.
    pub(super) fn make_status_of(&self, task: &Task, cause: Cause) -> TaskStatus {
        self.make_status(&task.id, Some(&task.agent), task.executor.as_ref(), cause)
    }
}
