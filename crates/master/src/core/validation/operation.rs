//! Operations on resources (scheduler-http.md §8.3; for operators master-http.md §5, §7.3). The texts are told to the
//! framework that gave the operation an id, or are part of the body of a 400.

use std::collections::BTreeSet;

use proto::v1::agent_info::capability::Type as AgentCapability;
use proto::v1::framework_info::capability::Type as FrameworkCapability;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Reserve, Type};
use proto::v1::resource::reservation_info;
use proto::v1::{FrameworkInfo, Resource, volume};
use resources::{Quantities, Resources};

use super::{Invalid, framework, resources as rules};
use crate::core::FrameworkCapabilities;
use crate::core::state::Agent;

/// Whose operation it is, and where.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The agent.
    pub agent: &'a Agent,
    /// None: an operator.
    pub framework: Option<&'a FrameworkInfo>,
    /// Of the framework, or of the operator.
    pub principal: Option<&'a str>,
}

/// Checks an operation whose resources are in the post-refinement form and, of a framework, allocated.
pub fn validate(operation: &Operation, context: Context<'_>) -> Result<(), Invalid> {
    match operation.r#type() {
        Type::Reserve => reserve(operation.reserve.as_ref().ok_or_else(absent)?, context),
        Type::Unreserve => unreserve(
            &operation.unreserve.as_ref().ok_or_else(absent)?.resources,
            context,
        ),
        Type::Create => create(&operation.create.as_ref().ok_or_else(absent)?.volumes, context),
        Type::Destroy => destroy(&operation.destroy.as_ref().ok_or_else(absent)?.volumes, context),
        Type::GrowVolume => {
            let part = operation.grow_volume.as_ref().ok_or_else(absent)?;
            resizable(&part.volume, "Growing", context)
                .and_then(|()| parse(std::slice::from_ref(&part.addition), context).map(drop))
        }
        Type::ShrinkVolume => {
            let part = operation.shrink_volume.as_ref().ok_or_else(absent)?;
            if part.subtract.value <= 0.0 || !part.subtract.value.is_finite() {
                return Err("Value of 'ShrinkVolume.subtract' must be positive".to_owned());
            }
            resizable(&part.volume, "Shrinking", context)
        }
        Type::CreateDisk | Type::DestroyDisk => {
            Err("The disk is not managed by a resource provider".to_owned())
        }
        Type::Launch | Type::LaunchGroup | Type::Unknown => Err("Unknown operation".to_owned()),
    }
}

fn absent() -> Invalid {
    "The operation lacks its own part".to_owned()
}

fn parse(messages: &[Resource], context: Context<'_>) -> Result<Resources, Invalid> {
    if messages.is_empty() {
        return Err("Operation contains no resources".to_owned());
    }
    let resources =
        rules::parse(messages).map_err(|fault| match fault.strip_prefix("Invalid resources: ") {
            Some(_) => fault,
            None => format!("Invalid resources: {fault}"),
        })?;
    let allocated = messages.iter().any(|message| message.allocation_info.is_some());
    match context.framework {
        Some(_) => rules::one_allocation(messages)?,
        None if allocated => return Err("Operators cannot name resources that are allocated".to_owned()),
        None => {}
    }
    Ok(resources)
}

fn shown(resource: &Resource) -> String {
    Resources::from_proto_lenient(std::slice::from_ref(resource)).to_string()
}

fn is_dynamic(resource: &Resource) -> bool {
    let last = resource.reservations.last();
    last.is_some_and(|last| last.r#type() == reservation_info::Type::Dynamic)
}

fn is_volume(resource: &Resource) -> bool {
    resource
        .disk
        .as_ref()
        .is_some_and(|disk| disk.persistence.is_some())
}

fn reserved_role(resource: &Resource) -> &str {
    resource.reservations.last().map_or("*", |last| last.role())
}

fn reserve(part: &Reserve, context: Context<'_>) -> Result<(), Invalid> {
    let made = parse(&part.resources, context)?;
    if !part.source.is_empty() {
        if context.framework.is_some() {
            return Err("Only operators can name the source of a reservation".to_owned());
        }
        let source = parse(&part.source, context)?;
        if Quantities::of(&source) != Quantities::of(&made) {
            return Err("The source of the reservation differs from it in more than reservations".to_owned());
        }
        if part.source.iter().any(is_volume) {
            return Err("A persistent volume must be destroyed before it is reserved for others".to_owned());
        }
    }
    for resource in &part.resources {
        if !is_dynamic(resource) {
            return Err(format!(
                "Resource {} is not dynamically reserved",
                shown(resource)
            ));
        }
        layers_known(resource, context, "reserved")?;
        reserved_by(resource, context)?;
        reserved_for_itself(resource, context)?;
        if is_volume(resource) {
            return Err(format!(
                "A persistent volume {} must already be reserved",
                shown(resource)
            ));
        }
    }
    Ok(())
}

/// What the agent knows of reservations must do for the resource.
fn layers_known(resource: &Resource, context: Context<'_>, done: &str) -> Result<(), Invalid> {
    let role = reserved_role(resource);
    if role.contains('/') && !context.agent.capabilities.has(AgentCapability::HierarchicalRole) {
        return Err(format!(
            "Resource {} with reservation for hierarchical role '{role}' cannot be {done} on an agent without HIERARCHICAL_ROLE capability",
            shown(resource)
        ));
    }
    let refined = resource.reservations.len() > 1;
    if refined
        && !context
            .agent
            .capabilities
            .has(AgentCapability::ReservationRefinement)
    {
        return Err(format!(
            "Resource {} with reservation refinement cannot be {done} on an agent without RESERVATION_REFINEMENT capability",
            shown(resource)
        ));
    }
    Ok(())
}

/// Who reserves is on record.
fn reserved_by(resource: &Resource, context: Context<'_>) -> Result<(), Invalid> {
    let named = resource
        .reservations
        .last()
        .and_then(|last| last.principal.as_deref());
    match (context.principal, named) {
        (Some(principal), None) => Err(format!(
            "A reserve operation was attempted by principal '{principal}', but there is a reserved resource in the request with no principal set in `ReservationInfo`"
        )),
        (Some(principal), Some(named)) if principal != named => Err(format!(
            "A reserve operation was attempted by principal '{principal}', but there is a reserved resource in the request with principal '{named}' set in `ReservationInfo`"
        )),
        _ => Ok(()),
    }
}

/// A framework reserves for the role its offer is made to.
fn reserved_for_itself(resource: &Resource, context: Context<'_>) -> Result<(), Invalid> {
    let Some(info) = context.framework else {
        return Ok(());
    };
    let (role, allocated) = (reserved_role(resource), allocated_role(resource));
    if role != allocated {
        return Err(format!(
            "A reserve operation was attempted for a resource allocated to role '{allocated}', but the resource is reserved for role '{role}'"
        ));
    }
    let roles: BTreeSet<String> = framework::roles(info);
    if roles.contains(role) {
        return Ok(());
    }
    let list: Vec<&str> = roles.iter().map(String::as_str).collect();
    Err(format!(
        "A reserve operation was attempted for a resource with role '{role}', but the framework can only reserve resources with roles '{{ {} }}'",
        list.join(", ")
    ))
}

fn allocated_role(resource: &Resource) -> &str {
    resource.allocation_info.as_ref().map_or("", |info| info.role())
}

fn unreserve(messages: &[Resource], context: Context<'_>) -> Result<(), Invalid> {
    parse(messages, context)?;
    for resource in messages {
        if !is_dynamic(resource) {
            return Err(format!(
                "Resource {} is not dynamically reserved",
                shown(resource)
            ));
        }
        if is_volume(resource) {
            return Err(format!(
                "A dynamically reserved persistent volume {} cannot be unreserved directly. Please destroy the persistent volume first then unreserve the resource",
                shown(resource)
            ));
        }
    }
    Ok(())
}

fn volumes(messages: &[Resource], context: Context<'_>) -> Result<Resources, Invalid> {
    let volumes = parse(messages, context)?;
    match messages.iter().find(|message| !is_volume(message)) {
        None => Ok(volumes),
        Some(plain) => Err(format!(
            "Not a persistent volume: Resource {} does not have 'persistence' set in DiskInfo",
            shown(plain)
        )),
    }
}

fn create(messages: &[Resource], context: Context<'_>) -> Result<(), Invalid> {
    volumes(messages, context)?;
    let existing = context.agent.checkpointed.persistent_volumes().to_proto();
    // A shared volume may be used by several, and is still made once.
    let each: Vec<Resource> = existing
        .into_iter()
        .chain(messages.iter().cloned())
        .map(|volume| Resource {
            shared: None,
            ..volume
        })
        .collect();
    rules::unique_persistence_ids(&each)?;
    for message in messages {
        let mode = message.disk.as_ref().and_then(|disk| disk.volume.as_ref());
        if mode.is_some_and(|volume| volume.mode() == volume::Mode::Ro) {
            return Err("Not a persistent volume: Read-only persistent volumes cannot be created".to_owned());
        }
        if let Some(info) = context.framework
            && message.shared.is_some()
            && !FrameworkCapabilities::new(&info.capabilities).has(FrameworkCapability::SharedResources)
        {
            return Err(format!(
                "Create volume operation for '{}' has been attempted by framework '{}' with no SHARED_RESOURCES capability",
                shown(message),
                info.id.as_ref().map_or("", |id| id.value.as_str())
            ));
        }
        layers_known(message, context, "created")?;
        created_by(message, context)?;
    }
    Ok(())
}

/// Who makes a volume is on record.
fn created_by(volume: &Resource, context: Context<'_>) -> Result<(), Invalid> {
    let persistence = volume.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
    let named = persistence.and_then(|persistence| persistence.principal.as_deref());
    match (context.principal, named) {
        (Some(principal), None) => Err(format!(
            "Create volume operation has been attempted by principal '{principal}', but there is a volume in the operation with no principal set in 'DiskInfo.Persistence'"
        )),
        (Some(principal), Some(named)) if principal != named => Err(format!(
            "Create volume operation has been attempted by principal '{principal}', but there is a volume in the operation with principal '{named}' set in 'DiskInfo.Persistence'"
        )),
        _ => Ok(()),
    }
}

fn destroy(messages: &[Resource], context: Context<'_>) -> Result<(), Invalid> {
    let volumes = volumes(messages, context)?.unallocate();
    if !context.agent.checkpointed.contains(&volumes) {
        return Err("Persistent volumes not found".to_owned());
    }
    let in_use = context.agent.used.values().any(|used| {
        let used = used.unallocate();
        volumes.iter().any(|volume| used.contains_entry(volume))
    });
    if in_use {
        return Err("Persistent volumes in use".to_owned());
    }
    Ok(())
}

fn resizable(volume: &Resource, doing: &str, context: Context<'_>) -> Result<(), Invalid> {
    parse(std::slice::from_ref(volume), context)?;
    if !is_volume(volume) {
        return Err(format!(
            "{doing} a non-persistent volume {} is not supported",
            shown(volume)
        ));
    }
    if volume.provider_id.is_some() {
        return Err(format!(
            "{doing} a volume managed by a resource provider is not supported"
        ));
    }
    if volume.shared.is_some() {
        return Err(format!("{doing} a shared persistent volume is not supported"));
    }
    if !context.agent.capabilities.has(AgentCapability::ResizeVolume) {
        return Err(format!(
            "{doing} volume {} needs an agent with the RESIZE_VOLUME capability",
            shown(volume)
        ));
    }
    Ok(())
}
