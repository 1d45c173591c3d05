//! Tasks (scheduler-http.md §8.4), checked in Mesos's order: the first fault is the one that is told.

use std::collections::BTreeMap;

use proto::v1::agent_info::capability::Type as Capability;
use proto::v1::{Resource, TaskInfo, executor_info, value};
use resources::Resources;

use super::{Invalid, command, container, executor, health, id, resources as asked};
use crate::core::ids::{AgentId, ExecutorId, TaskId};
use crate::core::state::{Agent, Framework};

/// What a task is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub framework: &'a Framework,
    pub agent: &'a Agent,
    /// What is left of the offers.
    pub available: &'a Resources,
}

/// A valid task's needs.
#[derive(Debug, Clone)]
pub struct Needs {
    pub resources: Resources,
    /// Those of its executor, when that does not run on the agent yet.
    pub executor: Option<Resources>,
}

/// Checks one task of LAUNCH.
pub fn validate(task: &TaskInfo, context: Context<'_>) -> Result<Needs, Invalid> {
    let resources = common(task, context)?;
    match (&task.command, &task.executor) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(
                "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let of_executor = match &task.executor {
        None => None,
        Some(info) => Some(own_executor(task, info, context)?),
    };
    let new_executor = of_executor
        .filter(|(_, running)| !running)
        .map(|(resources, _)| resources);
    let total = match &new_executor {
        Some(executor) => &resources + executor,
        None => resources.clone(),
    };
    if !context.available.contains(&total) {
        return Err(format!(
            "Total resources {total} required by task and its executor is more than available {}",
            context.available
        ));
    }
    if task.container.as_ref().and_then(share_cgroups) == Some(false) {
        return Err("Only tasks in a task group may have 'share_cgroups' set to 'false'".to_owned());
    }
    Ok(Needs {
        resources,
        executor: new_executor,
    })
}

/// Rows 12 to 14 for the executor of a task: gives its resources, and whether it runs on the agent already.
fn own_executor(
    task: &TaskInfo,
    info: &proto::v1::ExecutorInfo,
    context: Context<'_>,
) -> Result<(Resources, bool), Invalid> {
    let resources = executor::validate(info, &context.framework.id, context.agent)?;
    if info.r#type.is_some() && info.r#type() != executor_info::Type::Custom {
        return Err("'ExecutorInfo.type' must be 'CUSTOM'".to_owned());
    }
    if info.command.is_none() {
        return Err("'ExecutorInfo.command' must be set for 'CUSTOM' executor".to_owned());
    }
    if info.resources.iter().any(|resource| resource.shared.is_some()) {
        return Err("Executor resources must not be shared".to_owned());
    }
    if info.container.as_ref().and_then(share_cgroups) == Some(true) {
        return Err("The 'share_cgroups' field cannot be set to 'true' on executors".to_owned());
    }
    asked::no_overlap(&task.resources, &info.resources)?;
    let both = || task.resources.iter().chain(&info.resources);
    asked::unique_persistence_ids(both())
        .map_err(|fault| format!("Task and its executor use duplicate persistence ID: {fault}"))?;
    asked::no_revocable_mix(both()).map_err(|fault| {
        format!("Task and its executor mix revocable and non-revocable resources: {fault}")
    })?;
    let key = (context.framework.id.clone(), ExecutorId::from(&info.executor_id));
    Ok((resources, context.agent.executors.contains_key(&key)))
}

/// What the container says about sharing the executor's cgroups.
pub(super) fn share_cgroups(container: &proto::v1::ContainerInfo) -> Option<bool> {
    container
        .linux_info
        .as_ref()
        .and_then(|linux| linux.share_cgroups)
}

/// Rows 1 to 11, which hold for tasks of groups too; gives the task's resources.
pub(super) fn common(task: &TaskInfo, context: Context<'_>) -> Result<Resources, Invalid> {
    id::validate(&task.task_id.value).map_err(|fault| format!("Task ID is invalid: {fault}"))?;
    let id = TaskId::from(&task.task_id);
    if context.framework.tasks.contains_key(&id) {
        return Err(format!("Task has duplicate ID: {id}"));
    }
    if context.framework.unreachable_tasks.contains(&id) {
        return Err(format!("Task reuses the ID of an unreachable task: {id}"));
    }
    if AgentId::from(&task.agent_id) != context.agent.id {
        return Err(format!(
            "Task uses invalid agent {} while agent {} is expected",
            task.agent_id.value, context.agent.id
        ));
    }
    let grace = task
        .kill_policy
        .as_ref()
        .and_then(|policy| policy.grace_period.as_ref());
    if grace.is_some_and(|period| period.nanoseconds < 0) {
        return Err("Task's 'kill_policy.grace_period' must be non-negative".to_owned());
    }
    if task
        .max_completion_time
        .as_ref()
        .is_some_and(|time| time.nanoseconds < 0)
    {
        return Err("Task's `max_completion_time` must be non-negative".to_owned());
    }
    if let Some(check) = &task.check {
        health::check(check).map_err(|fault| format!("Task uses invalid check: {fault}"))?;
    }
    if let Some(check) = &task.health_check {
        health::health_check(check).map_err(|fault| format!("Task uses invalid health check: {fault}"))?;
    }
    let resources = of_resources(&task.resources)?;
    if let Some(given) = &task.command {
        command::validate(given).map_err(|fault| format!("Task's `CommandInfo` is invalid: {fault}"))?;
    }
    if let Some(given) = &task.container {
        container::validate(given).map_err(|fault| format!("Task's `ContainerInfo` is invalid: {fault}"))?;
    }
    limits(task, context.agent)?;
    Ok(resources)
}

fn of_resources(messages: &[Resource]) -> Result<Resources, Invalid> {
    if messages.is_empty() {
        return Err("Task uses no resources".to_owned());
    }
    let told = |fault: Invalid| format!("Task uses invalid resources: {fault}");
    let resources = asked::parse(messages).map_err(told)?;
    if resources.is_empty() {
        return Err("Task uses no resources".to_owned());
    }
    asked::unique_persistence_ids(messages)
        .map_err(|fault| format!("Task uses duplicate persistence ID: {fault}"))?;
    asked::one_allocation(messages).map_err(|fault| format!("Invalid task resources: {fault}"))?;
    asked::no_revocable_mix(messages)
        .map_err(|fault| format!("Task mixes revocable and non-revocable resources: {fault}"))?;
    Ok(resources)
}

/// Row 11: a limit is above what is asked for; infinity is one.
fn limits(task: &TaskInfo, agent: &Agent) -> Result<(), Invalid> {
    if task.limits.is_empty() {
        return Ok(());
    }
    if !agent.capabilities.has(Capability::TaskResourceLimits) {
        return Err(format!(
            "Resource limits cannot be set on a task to be run on agent {} which lacks the TASK_RESOURCE_LIMITS capability",
            agent.id
        ));
    }
    let asked = scalars(&task.resources);
    for (name, limit) in &task.limits {
        if name != "cpus" && name != "mem" {
            return Err(format!(
                "Resource limits are only supported for 'cpus' and 'mem', not '{name}'"
            ));
        }
        let Some(request) = asked.get(name.as_str()) else {
            return Err(format!(
                "When a limit is set for '{name}', a request must be set for it too"
            ));
        };
        if limit.value.is_nan() || limit.value < *request {
            return Err(format!(
                "The '{name}' limit {} must be at least its request {request}",
                limit.value
            ));
        }
    }
    Ok(())
}

fn scalars(messages: &[Resource]) -> BTreeMap<&str, f64> {
    let mut sums = BTreeMap::new();
    for message in messages {
        if let Some(value::Scalar { value }) = &message.scalar {
            *sums.entry(message.name.as_str()).or_insert(0.0) += value;
        }
    }
    sums
}
