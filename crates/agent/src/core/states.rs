//! Task states: which end a task, and which a framework without PARTITION_AWARE gets instead.

use proto::v1::FrameworkInfo;
use proto::v1::TaskState;
use proto::v1::framework_info::capability::Type as Capability;

/// Whether a task in this state is over (facts: task-states, section 1).
pub const fn is_terminal(state: TaskState) -> bool {
    matches!(
        state,
        TaskState::TaskFinished
            | TaskState::TaskFailed
            | TaskState::TaskKilled
            | TaskState::TaskLost
            | TaskState::TaskError
            | TaskState::TaskDropped
            | TaskState::TaskGone
            | TaskState::TaskGoneByOperator
    )
}

/// Whether a framework has a capability.
pub fn has(framework: &FrameworkInfo, capability: Capability) -> bool {
    framework
        .capabilities
        .iter()
        .any(|have| have.r#type == Some(capability as i32))
}

/// The state itself for a framework that is PARTITION_AWARE, TASK_LOST for others.
///
/// To be used where an update is made; there is no translation on the way.
pub fn aware(framework: &FrameworkInfo, state: TaskState) -> TaskState {
    if has(framework, Capability::PartitionAware) {
        state
    } else {
        TaskState::TaskLost
    }
}
