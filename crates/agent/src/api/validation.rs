//! What is wrong with a call before anything is looked up (facts: agent-http, sections 3.2 and 3.3). The texts follow
//! `Failed to validate agent::Call: `.

use ::validation::{Invalid as Flaw, command, container, id};
use proto::v1::agent::Call;
use proto::v1::agent::call::{self, Type, attach_container_input};
use proto::v1::{CommandInfo, ContainerId, ContainerInfo, Resource};
use resources::{Resources, format};

/// Longest value of a container's id, in bytes.
const MAX_ID: usize = 242;
/// Containers nested in each other that an id may name.
const MAX_DEPTH: usize = 32;

/// Checks a call.
pub(super) fn validate(call: &Call) -> Result<(), Flaw> {
    if call.r#type.is_none() {
        return Err("Expecting 'type' to be present".to_owned());
    }
    match call.r#type() {
        Type::GetMetrics => present("get_metrics", call.get_metrics.as_ref()).map(drop),
        Type::SetLoggingLevel => present("set_logging_level", call.set_logging_level.as_ref()).map(drop),
        Type::ListFiles => present("list_files", call.list_files.as_ref()).map(drop),
        Type::ReadFile => present("read_file", call.read_file.as_ref()).map(drop),
        Type::LaunchNestedContainer => {
            let name = "launch_nested_container";
            let launch = present(name, call.launch_nested_container.as_ref())?;
            nested(name, &launch.container_id)?;
            program(name, launch.command.as_ref(), launch.container.as_ref())?;
            if twice_nested(&launch.container_id) && shares(launch.container.as_ref()) == Some(false) {
                return Err(unshared(name));
            }
            Ok(())
        }
        Type::WaitNestedContainer => {
            let name = "wait_nested_container";
            let wait = present(name, call.wait_nested_container.as_ref())?;
            nested(name, &wait.container_id)
        }
        Type::KillNestedContainer => {
            let name = "kill_nested_container";
            let kill = present(name, call.kill_nested_container.as_ref())?;
            nested(name, &kill.container_id)
        }
        Type::RemoveNestedContainer => {
            let name = "remove_nested_container";
            let remove = present(name, call.remove_nested_container.as_ref())?;
            nested(name, &remove.container_id)
        }
        Type::LaunchNestedContainerSession => session(call.launch_nested_container_session.as_ref()),
        Type::AttachContainerInput => input(call.attach_container_input.as_ref()),
        Type::AttachContainerOutput => {
            let name = "attach_container_output";
            let attach = present(name, call.attach_container_output.as_ref())?;
            named(name, &attach.container_id)
        }
        Type::LaunchContainer => launch(call.launch_container.as_ref()),
        Type::WaitContainer => {
            let name = "wait_container";
            named(name, &present(name, call.wait_container.as_ref())?.container_id)
        }
        Type::KillContainer => {
            let name = "kill_container";
            named(name, &present(name, call.kill_container.as_ref())?.container_id)
        }
        Type::RemoveContainer => {
            let name = "remove_container";
            named(name, &present(name, call.remove_container.as_ref())?.container_id)
        }
        Type::AddResourceProviderConfig => {
            let name = "add_resource_provider_config";
            let add = present(name, call.add_resource_provider_config.as_ref())?;
            without_id(name, add.info.id.is_some())
        }
        Type::UpdateResourceProviderConfig => {
            let name = "update_resource_provider_config";
            let update = present(name, call.update_resource_provider_config.as_ref())?;
            without_id(name, update.info.id.is_some())
        }
        Type::RemoveResourceProviderConfig => {
            let part = call.remove_resource_provider_config.as_ref();
            present("remove_resource_provider_config", part).map(drop)
        }
        Type::MarkResourceProviderGone => {
            let part = call.mark_resource_provider_gone.as_ref();
            present("mark_resource_provider_gone", part).map(drop)
        }
        Type::Unknown
        | Type::GetHealth
        | Type::GetFlags
        | Type::GetVersion
        | Type::GetLoggingLevel
        | Type::GetState
        | Type::GetContainers
        | Type::GetFrameworks
        | Type::GetExecutors
        | Type::GetOperations
        | Type::GetTasks
        | Type::GetAgent
        | Type::GetResourceProviders
        | Type::PruneImages => Ok(()),
    }
}

fn present<'a, T>(name: &str, part: Option<&'a T>) -> Result<&'a T, Flaw> {
    part.ok_or_else(|| format!("Expecting '{name}' to be present"))
}

fn without_id(name: &str, has_id: bool) -> Result<(), Flaw> {
    if has_id {
        return Err(format!("Expecting '{name}.info.id' to be unset"));
    }
    Ok(())
}

fn named(name: &str, id: &ContainerId) -> Result<(), Flaw> {
    container_id(id).map_err(|flaw| format!("'{name}.container_id' is invalid: {flaw}"))
}

fn nested(name: &str, id: &ContainerId) -> Result<(), Flaw> {
    named(name, id)?;
    if id.parent.is_none() {
        return Err(format!("Expecting '{name}.container_id.parent' to be present"));
    }
    Ok(())
}

/// Checks a container's id and those of its ancestors.
fn container_id(id: &ContainerId) -> Result<(), Flaw> {
    let mut prefix = String::new();
    let mut next = Some(id);
    let mut depth = 0;
    while let Some(id) = next {
        depth += 1;
        if depth > MAX_DEPTH {
            return Err(format!("{prefix}more than {MAX_DEPTH} containers are nested"));
        }
        value(&id.value).map_err(|flaw| format!("{prefix}{flaw}"))?;
        prefix.push_str("'ContainerID.parent' is invalid: ");
        next = id.parent.as_deref();
    }
    Ok(())
}

fn value(id: &str) -> Result<(), Flaw> {
    id::validate(id)?;
    if id.len() > MAX_ID {
        return Err(format!(
            "'ContainerID.value' '{id}' exceeds the maximum length ({MAX_ID})"
        ));
    }
    if id.contains(['.', ' ']) {
        return Err(format!("'ContainerID.value' '{id}' contains invalid characters"));
    }
    Ok(())
}

/// What is to run, and in what.
fn program(name: &str, ran: Option<&CommandInfo>, within: Option<&ContainerInfo>) -> Result<(), Flaw> {
    let invalid = |part: &'static str| move |flaw| format!("'{name}.{part}' is invalid: {flaw}");
    ran.map_or(Ok(()), command::validate)
        .map_err(invalid("command"))?;
    within
        .map_or(Ok(()), container::validate)
        .map_err(invalid("container"))
}

fn twice_nested(id: &ContainerId) -> bool {
    id.parent.as_ref().is_some_and(|parent| parent.parent.is_some())
}

/// Whether a container says that it shares its parent's control groups.
fn shares(container: Option<&ContainerInfo>) -> Option<bool> {
    container?.linux_info.as_ref()?.share_cgroups
}

fn unshared(name: &str) -> Flaw {
    format!(
        "'{name}' is invalid: containers nested at the second level or greater cannot set 'share_cgroups' to 'false'"
    )
}

fn session(part: Option<&call::LaunchNestedContainerSession>) -> Result<(), Flaw> {
    let name = "launch_nested_container_session";
    let launch = present(name, part)?;
    nested(name, &launch.container_id)?;
    program(name, launch.command.as_ref(), launch.container.as_ref())?;
    if shares(launch.container.as_ref()) == Some(false) {
        return Err(format!(
            "'{name}.container.linux_info' is invalid: 'share_cgroups' cannot be set to 'false' for nested container \
             sessions"
        ));
    }
    Ok(())
}

fn input(part: Option<&call::AttachContainerInput>) -> Result<(), Flaw> {
    let name = "attach_container_input";
    let attach = present(name, part)?;
    if attach.r#type.is_none() {
        return Err(format!("Expecting '{name}.type' to be present"));
    }
    match attach.r#type() {
        attach_container_input::Type::Unknown => Err(format!("'{name}.type' is unknown")),
        attach_container_input::Type::ContainerId => {
            named(name, &attach.container_id.clone().unwrap_or_default())
        }
        attach_container_input::Type::ProcessIo => Ok(()),
    }
}

fn launch(part: Option<&call::LaunchContainer>) -> Result<(), Flaw> {
    let name = "launch_container";
    let launch = present(name, part)?;
    named(name, &launch.container_id)?;
    for resource in &launch.resources {
        resources::validate(resource).map_err(|error| format!("Invalid resources: {error}"))?;
    }
    let gpus = Resources::from_proto_lenient(&launch.resources).gpus();
    if gpus.as_f64().fract() != 0.0 {
        return Err("Invalid GPU resources: The 'gpus' resource must be an unsigned integer".to_owned());
    }
    let nested = launch.container_id.parent.is_some();
    if !nested {
        standalone(&launch.resources)?;
    }
    program(name, launch.command.as_ref(), launch.container.as_ref())?;
    let shares = shares(launch.container.as_ref());
    if twice_nested(&launch.container_id) {
        let deep = |what: &str| {
            format!(
                "'{name}' is invalid: containers nested at the second level or greater cannot specify {what}"
            )
        };
        if !launch.resources.is_empty() {
            return Err(deep("resources"));
        }
        if !launch.limits.is_empty() {
            return Err(deep("resource limits"));
        }
        if shares == Some(false) {
            return Err(unshared(name));
        }
    }
    if !nested && shares == Some(true) {
        return Err(format!(
            "'{name}' is invalid: containers without a parent cannot set 'share_cgroups' to 'true'"
        ));
    }
    Ok(())
}

/// What belongs to roles and frameworks is not for containers of nobody.
fn standalone(resources: &[Resource]) -> Result<(), Flaw> {
    let mut resources = resources.to_vec();
    format::upgrade(&mut resources);
    for resource in &resources {
        if !resource.reservations.is_empty() {
            return Err("'launch_container.resources' must be unreserved".to_owned());
        }
        if resource
            .disk
            .as_ref()
            .is_some_and(|disk| disk.persistence.is_some())
        {
            return Err("'launch_container.resources' may not use persistent volumes".to_owned());
        }
        if resource.revocable.is_some() {
            return Err("'launch_container.resources' must be non-revocable".to_owned());
        }
    }
    Ok(())
}
