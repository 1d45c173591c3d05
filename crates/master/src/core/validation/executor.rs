//! Executors (scheduler-http.md §8.6).

use proto::v1::container_info::Type as ContainerType;
use proto::v1::executor_info::Type;
use proto::v1::{ExecutorInfo, Resource};
use resources::Resources;

use super::{Invalid, command, container, id, resources as asked};
use crate::core::ids::{ExecutorId, FrameworkId};
use crate::core::state::Agent;

/// Checks an executor by itself and against one of the same id on the agent; gives its resources.
pub fn validate(info: &ExecutorInfo, framework: &FrameworkId, agent: &Agent) -> Result<Resources, Invalid> {
    id::validate(&info.executor_id.value).map_err(|fault| format!("Executor ID is invalid: {fault}"))?;
    match &info.framework_id {
        Some(named) if named.value == framework.as_str() => {}
        _ => {
            return Err(format!(
                "ExecutorInfo has an invalid FrameworkID (Actual: {} vs Expected: {framework})",
                info.framework_id.as_ref().map_or("none", |id| id.value.as_str())
            ));
        }
    }
    by_type(info)?;
    if info
        .shutdown_grace_period
        .as_ref()
        .is_some_and(|period| period.nanoseconds < 0)
    {
        return Err("ExecutorInfo's 'shutdown_grace_period' must be non-negative".to_owned());
    }
    let resources = of_resources(&info.resources)?;
    if let Some(given) = &info.command {
        command::validate(given).map_err(|fault| format!("Executor's `CommandInfo` is invalid: {fault}"))?;
    }
    if let Some(given) = &info.container {
        container::validate(given)
            .map_err(|fault| format!("Executor's `ContainerInfo` is invalid: {fault}"))?;
    }
    let key = (framework.clone(), ExecutorId::from(&info.executor_id));
    if let Some(existing) = agent.executors.get(&key)
        && existing.info() != info
    {
        return Err(format!(
            "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID ({}).",
            key.1
        ));
    }
    Ok(resources)
}

fn by_type(info: &ExecutorInfo) -> Result<(), Invalid> {
    match info.r#type() {
        Type::Default => {
            if info.command.is_some() {
                return Err("'ExecutorInfo.command' must not be set for 'DEFAULT' executor".to_owned());
            }
            if let Some(container) = &info.container {
                if container.r#type() != ContainerType::Mesos {
                    return Err(
                        "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor".to_owned(),
                    );
                }
                if container
                    .mesos
                    .as_ref()
                    .is_some_and(|mesos| mesos.image.is_some())
                {
                    return Err(
                        "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor"
                            .to_owned(),
                    );
                }
            }
        }
        Type::Custom if info.command.is_none() => {
            return Err("'ExecutorInfo.command' must be set for 'CUSTOM' executor".to_owned());
        }
        Type::Custom | Type::Unknown => {}
    }
    Ok(())
}

fn of_resources(messages: &[Resource]) -> Result<Resources, Invalid> {
    let resources =
        asked::parse(messages).map_err(|fault| format!("Executor uses invalid resources: {fault}"))?;
    asked::unique_persistence_ids(messages)
        .map_err(|fault| format!("Executor uses duplicate persistence ID: {fault}"))?;
    asked::one_allocation(messages).map_err(|fault| format!("Invalid executor resources: {fault}"))?;
    asked::no_revocable_mix(messages)
        .map_err(|fault| format!("Executor mixes revocable and non-revocable resources: {fault}"))?;
    Ok(resources)
}
