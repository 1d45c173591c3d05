//! Task groups (scheduler-http.md §8.5): one faulty task fails them all.

use proto::v1::container_info::Type as ContainerType;
use proto::v1::executor_info::Type as ExecutorType;
use proto::v1::health_check::Type as HealthType;
use proto::v1::{ExecutorInfo, TaskGroupInfo, TaskInfo};
use resources::{Resources, Scalar};

use super::task::{Context, common, share_cgroups};
use super::{Invalid, executor, resources as asked};
use crate::core::ids::ExecutorId;

/// Least cpus of an executor.
const MINIMUM_CPUS: Scalar = Scalar::from_milli(10);
/// Least mem of an executor, in MB.
const MINIMUM_MEM: Scalar = Scalar::from_milli(32_000);

/// A valid group's needs.
#[derive(Debug, Clone)]
pub struct Needs {
    /// In the order of the tasks.
    pub tasks: Vec<Resources>,
    /// Those of the executor, when it does not run on the agent yet.
    pub executor: Option<Resources>,
}

/// Checks a group. The tasks must have been given the executor of the group where they named none.
pub fn validate(group: &TaskGroupInfo, info: &ExecutorInfo, context: Context<'_>) -> Result<Needs, Invalid> {
    if group.tasks.is_empty() {
        return Err("Task group has no tasks".to_owned());
    }
    let mut tasks = Vec::with_capacity(group.tasks.len());
    for (index, task) in group.tasks.iter().enumerate() {
        let told = |fault: Invalid| format!("Task '{}' is invalid: {fault}", task.task_id.value);
        tasks.push(member(task, context).map_err(told)?);
        if group
            .tasks
            .iter()
            .take(index)
            .any(|earlier| earlier.task_id == task.task_id)
        {
            return Err(told(format!("Task has duplicate ID: {}", task.task_id.value)));
        }
    }
    let of_executor = of_executor(group, info, context)?;
    let everything = || {
        info.resources
            .iter()
            .chain(group.tasks.iter().flat_map(|task| &task.resources))
    };
    asked::unique_persistence_ids(everything())
        .map_err(|fault| format!("Task group and executor use duplicate persistence ID: {fault}"))?;
    asked::no_revocable_mix(everything()).map_err(|fault| {
        format!("Task group and executor mix revocable and non-revocable resources: {fault}")
    })?;
    no_overlaps(group, info)?;
    same_cgroups(group, info, context)?;
    let key = (context.framework.id.clone(), ExecutorId::from(&info.executor_id));
    let executor = (!context.agent.executors.contains_key(&key)).then_some(of_executor);
    let mut total = executor.clone().unwrap_or_default();
    for task in &tasks {
        total += task;
    }
    if !context.available.contains(&total) {
        return Err(format!(
            "Total resources {total} required by task group and its executor are more than available {}",
            context.available
        ));
    }
    Ok(Needs { tasks, executor })
}

fn member(task: &TaskInfo, context: Context<'_>) -> Result<Resources, Invalid> {
    let resources = common(task, context)?;
    if task.executor.is_none() {
        return Err("'TaskInfo.executor' must be set".to_owned());
    }
    if let Some(container) = &task.container {
        if container.r#type() == ContainerType::Docker {
            return Err("Docker ContainerInfo is not supported on the task".to_owned());
        }
        let networked = !container.network_infos.is_empty();
        let checked = task.health_check.as_ref().map(proto::v1::HealthCheck::r#type);
        if networked && matches!(checked, Some(HealthType::Http | HealthType::Tcp)) {
            return Err(
                "HTTP and TCP health checks are not supported for tasks joining their own networks"
                    .to_owned(),
            );
        }
    }
    if !task.limits.is_empty() && task.container.as_ref().and_then(share_cgroups) != Some(false) {
        return Err(
            "Resource limits may only be set for tasks within a task group when 'share_cgroups' is 'false'"
                .to_owned(),
        );
    }
    Ok(resources)
}

fn of_executor(
    group: &TaskGroupInfo,
    info: &ExecutorInfo,
    context: Context<'_>,
) -> Result<Resources, Invalid> {
    let resources = executor::validate(info, &context.framework.id, context.agent)?;
    if !matches!(info.r#type(), ExecutorType::Default | ExecutorType::Custom) {
        return Err("'ExecutorInfo.type' must be set".to_owned());
    }
    if info
        .container
        .as_ref()
        .is_some_and(|container| container.r#type() == ContainerType::Docker)
    {
        return Err("Docker ContainerInfo is not supported on the executor".to_owned());
    }
    if group
        .tasks
        .iter()
        .any(|task| task.executor.as_ref().is_some_and(|named| named != info))
    {
        return Err("The `ExecutorInfo` of a task differs from that of its task group".to_owned());
    }
    if resources.cpus() < MINIMUM_CPUS {
        return Err("Executor uses less CPUs than the minimum required (0.01)".to_owned());
    }
    if resources.mem() < MINIMUM_MEM {
        return Err("Executor uses less memory than the minimum required (32MB)".to_owned());
    }
    if resources.disk() <= Scalar::ZERO {
        return Err("Executor uses no disk".to_owned());
    }
    if info.container.as_ref().and_then(share_cgroups) == Some(true) {
        return Err("The 'share_cgroups' field cannot be set to 'true' on executors".to_owned());
    }
    Ok(resources)
}

fn no_overlaps(group: &TaskGroupInfo, info: &ExecutorInfo) -> Result<(), Invalid> {
    for (index, task) in group.tasks.iter().enumerate() {
        asked::no_overlap(&task.resources, &info.resources)?;
        for earlier in group.tasks.iter().take(index) {
            asked::no_overlap(&task.resources, &earlier.resources)?;
        }
    }
    Ok(())
}

/// All tasks of one executor either share its cgroups or do not; unset is sharing.
fn same_cgroups(group: &TaskGroupInfo, info: &ExecutorInfo, context: Context<'_>) -> Result<(), Invalid> {
    let wish = |container: &Option<proto::v1::ContainerInfo>| {
        container.as_ref().and_then(share_cgroups).unwrap_or(true)
    };
    let Some(first) = group.tasks.first().map(|task| wish(&task.container)) else {
        return Ok(());
    };
    let executor = ExecutorId::from(&info.executor_id);
    let known = context
        .framework
        .tasks
        .values()
        .chain(context.framework.unreachable_tasks.iter().map(|(_, task)| task));
    let of_this =
        known.filter(|task| task.agent == context.agent.id && task.executor.as_ref() == Some(&executor));
    let mut wishes = group
        .tasks
        .iter()
        .map(|task| wish(&task.container))
        .chain(of_this.map(|task| wish(&task.record.container())));
    if wishes.all(|other| other == first) {
        Ok(())
    } else {
        Err("All tasks of an executor must have the same value of 'share_cgroups'".to_owned())
    }
}
