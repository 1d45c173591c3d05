//! Registrations of agents (internal-protocol §6).

use proto::internal::{RegisterSlaveMessage, ReregisterSlaveMessage};
use proto::v1::{AgentInfo, Resource};
use resources::Resources;

use super::{Invalid, id};
use crate::core::config::{Config, MINIMUM_AGENT_VERSION};

/// Checks a first registration.
pub fn registration(config: &Config, message: &RegisterSlaveMessage) -> Result<(), Invalid> {
    info(config, &message.slave, &message.checkpointed_resources)?;
    version(message.version.as_deref())
}

/// Checks a re-registration: the agent must have an id, and what it lists must belong together.
pub fn reregistration(config: &Config, message: &ReregisterSlaveMessage) -> Result<(), Invalid> {
    info(config, &message.slave, &message.checkpointed_resources)?;
    version(message.version.as_deref())?;
    let Some(agent) = &message.slave.id else {
        return Err("the agent has no id".to_owned());
    };
    id::validate(&agent.value)?;
    let listed = |framework: &proto::v1::FrameworkId| {
        message
            .frameworks
            .iter()
            .any(|info| info.id.as_ref() == Some(framework))
    };
    for framework in &message.frameworks {
        let Some(framework) = &framework.id else {
            return Err("a framework has no id".to_owned());
        };
        id::validate(&framework.value)?;
    }
    for executor in &message.executor_infos {
        id::validate(&executor.executor_id.value)?;
        let Some(framework) = &executor.framework_id else {
            return Err("an executor has no framework id".to_owned());
        };
        if !listed(framework) {
            return Err(format!(
                "framework {} of executor {} is not listed",
                framework.value, executor.executor_id.value
            ));
        }
        resources(&executor.resources)?;
    }
    for task in &message.tasks {
        id::validate(&task.task_id.value)?;
        if task.agent_id != *agent {
            return Err(format!(
                "task {} belongs to agent {}",
                task.task_id.value, task.agent_id.value
            ));
        }
        if !listed(&task.framework_id) {
            return Err(format!(
                "framework {} of task {} is not listed",
                task.framework_id.value, task.task_id.value
            ));
        }
        resources(&task.resources)?;
    }
    Ok(())
}

fn info(config: &Config, info: &AgentInfo, checkpointed: &[Resource]) -> Result<(), Invalid> {
    super::entry("a description", info)?;
    resources(&info.resources)?;
    resources(checkpointed)?;
    if !checkpointed.is_empty() && !info.checkpoint() {
        return Err("resources are checkpointed, but the agent does not checkpoint".to_owned());
    }
    if info.domain.is_some() && config.info.domain.is_none() {
        return Err("the agent has a domain, but this master has none".to_owned());
    }
    if info.domain.is_none() && config.require_agent_domain {
        return Err("the agent has no domain, but this master requires one".to_owned());
    }
    Ok(())
}

fn resources(messages: &[Resource]) -> Result<(), Invalid> {
    Resources::from_proto(messages)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn version(text: Option<&str>) -> Result<(), Invalid> {
    let Some(text) = text else {
        return Err("the agent has no version".to_owned());
    };
    let Some(version) = parse_version(text) else {
        return Err(format!("the agent's version '{text}' cannot be parsed"));
    };
    if version < MINIMUM_AGENT_VERSION {
        return Err(format!(
            "the agent's version {text} is older than the oldest allowed"
        ));
    }
    Ok(())
}

/// Major, minor and patch of a version such as `1.12.0-rc1+build`; parts left out are 0.
fn parse_version(text: &str) -> Option<(u64, u64, u64)> {
    let core = text.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse::<u64>().ok());
    let major = parts.next()??;
    let minor = parts.next().unwrap_or(Some(0))?;
    let patch = parts.next().unwrap_or(Some(0))?;
    parts.next().is_none().then_some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse_version("1.12.0"), Some((1, 12, 0)));
        assert_eq!(parse_version("1.0.0-rc1+git"), Some((1, 0, 0)));
        assert_eq!(parse_version("1.2"), Some((1, 2, 0)));
        assert_eq!(parse_version("one"), None);
        assert_eq!(parse_version("1.2.3.4"), None);
        assert!(version(Some("1.0.0")).is_ok());
        assert!(version(Some("0.28.3")).is_err());
        assert!(version(None).is_err());
    }
}
