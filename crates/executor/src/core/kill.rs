//! What tasks say of their end and their role, the same for both built-in executors.

use std::time::Duration;

use proto::v1::{KillPolicy, TaskInfo};

/// From SIGTERM to SIGKILL when neither kill nor task says otherwise.
pub(crate) const DEFAULT_KILL_GRACE: Duration = Duration::from_secs(3);

/// The grace of a kill: its own policy's, else the task's, else [`DEFAULT_KILL_GRACE`].
pub(super) fn kill_grace(policy: Option<&KillPolicy>, task: &TaskInfo) -> Duration {
    let grace = |policy: &KillPolicy| Some(duration(policy.grace_period.as_ref()?.nanoseconds));
    policy
        .and_then(grace)
        .or_else(|| task.kill_policy.as_ref().and_then(grace))
        .unwrap_or(DEFAULT_KILL_GRACE)
}

/// Negative ones are none at all.
pub(super) fn duration(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

/// The role the task's resources are allocated to: its `MESOS_ALLOCATION_ROLE`.
pub(super) fn allocation_role(task: &TaskInfo) -> Option<String> {
    task.resources
        .iter()
        .find_map(|resource| resource.allocation_info.as_ref()?.role.clone())
}
