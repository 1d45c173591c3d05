//! The lines on standard output. Compat: scripts read them.

use proto::{json, v1};

use super::work::Work;

/// The framework has its id.
pub(super) fn subscribed(framework: &v1::FrameworkId) -> String {
    format!("Subscribed with ID {}", framework.value)
}

/// The launch is on its way.
pub(super) fn submitted(work: &Work, agent: &v1::AgentId) -> String {
    let names = work.names();
    if work.is_group() {
        format!(
            "Submitted task group with tasks [ {} ] to agent '{}'",
            names.join(", "),
            agent.value
        )
    } else {
        format!("Submitted task '{}' to agent '{}'", names.concat(), agent.value)
    }
}

/// A kill is on its way.
pub(super) fn asked_to_kill(task: &v1::TaskId, agent: &v1::AgentId) -> String {
    format!("Asked to kill task '{}' on agent '{}'", task.value, agent.value)
}

/// A status, with what it says besides the state.
pub(super) fn update(status: &v1::TaskStatus) -> String {
    let mut text = format!(
        "Received status update {} for task '{}'",
        status.state().as_str_name(),
        status.task_id.value
    );
    let mut more = |line: String| {
        text.push_str("\n  ");
        text.push_str(&line);
    };
    if let Some(message) = &status.message {
        more(format!("message: '{message}'"));
    }
    if status.source.is_some() {
        more(format!("source: {}", status.source().as_str_name()));
    }
    if status.reason.is_some() {
        more(format!("reason: {}", status.reason().as_str_name()));
    }
    if let Some(healthy) = status.healthy {
        more(format!("healthy?: {}", u8::from(healthy)));
    }
    if let Some(check) = &status.check_status {
        more(format!(
            "check status: {}",
            String::from_utf8_lossy(&json::to_vec(check))
        ));
    }
    if let Some(limitation) = status
        .limitation
        .as_ref()
        .filter(|limitation| !limitation.resources.is_empty())
    {
        let resources = resources::Resources::from_proto_lenient(&limitation.resources);
        more(format!("resource limit violation: {resources}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_says_what_it_has() {
        let status = v1::TaskStatus {
            task_id: v1::TaskId {
                value: "t".to_owned(),
            },
            state: v1::TaskState::TaskFailed.into(),
            message: Some("Command exited with status 1".to_owned()),
            source: Some(v1::task_status::Source::Executor.into()),
            reason: Some(v1::task_status::Reason::CommandExecutorFailed.into()),
            healthy: Some(false),
            ..v1::TaskStatus::default()
        };
        assert_eq!(
            update(&status),
            "Received status update TASK_FAILED for task 't'\n  message: 'Command exited with status 1'\n  \
             source: SOURCE_EXECUTOR\n  reason: REASON_COMMAND_EXECUTOR_FAILED\n  healthy?: 0"
        );
        let bare = v1::TaskStatus {
            task_id: v1::TaskId {
                value: "t".to_owned(),
            },
            state: v1::TaskState::TaskRunning.into(),
            ..v1::TaskStatus::default()
        };
        assert_eq!(update(&bare), "Received status update TASK_RUNNING for task 't'");
    }

    #[test]
    fn tasks_are_named_one_by_one_in_a_group() {
        let task = |id: &str| v1::TaskInfo {
            name: format!("name of {id}"),
            task_id: v1::TaskId { value: id.to_owned() },
            ..v1::TaskInfo::default()
        };
        let agent = v1::AgentId {
            value: "S0".to_owned(),
        };
        let single = Work::task(task("a"), "*".to_owned()).expect("a task");
        assert_eq!(
            submitted(&single, &agent),
            "Submitted task 'name of a' to agent 'S0'"
        );
        let group = v1::TaskGroupInfo {
            tasks: vec![task("a"), task("b")],
        };
        let group = Work::group(group, Vec::new(), "*".to_owned()).expect("a group");
        assert_eq!(
            submitted(&group, &agent),
            "Submitted task group with tasks [ a, b ] to agent 'S0'"
        );
    }
}
