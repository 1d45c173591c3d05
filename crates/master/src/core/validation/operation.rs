//! Operations on resources (scheduler-http.md §8.3; for operators master-http.md §5, §7.3). The texts are told to the
//! framework that gave the operation an id, or are part of the body of a 400.

use std::collections::BTreeSet;

use proto::v1::agent_info::capability::Type as AgentCapability;
use proto::v1::framework_info::capability::Type as FrameworkCapability;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{GrowVolume, Reserve, ShrinkVolume, Type};
use proto::v1::resource::{DiskInfo, disk_info, reservation_info};
use proto::v1::{FrameworkInfo, Resource, volume};
use resources::{Resources, Scalar};

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
        Type::Unreserve => unreserve(&operation.unreserve.as_ref().ok_or_else(absent)?.resources),
        Type::Create => create(&operation.create.as_ref().ok_or_else(absent)?.volumes, context),
        Type::Destroy => destroy(&operation.destroy.as_ref().ok_or_else(absent)?.volumes, context),
        Type::GrowVolume => grow(operation.grow_volume.as_ref().ok_or_else(absent)?, context),
        Type::ShrinkVolume => shrink(operation.shrink_volume.as_ref().ok_or_else(absent)?, context),
        Type::CreateDisk | Type::DestroyDisk => {
            Err("'source' is not managed by a resource provider".to_owned())
        }
        Type::Launch | Type::LaunchGroup | Type::Unknown => Err("Unknown operation".to_owned()),
    }
}

fn absent() -> Invalid {
    "The operation lacks its own part".to_owned()
}

/// The resources of an operation, which are well formed by themselves.
fn parse(messages: &[Resource]) -> Result<Resources, Invalid> {
    if messages.is_empty() {
        // Compat: no resources at all are said to come from several providers, of which none is named.
        return Err("Invalid resources: The resources have multiple resource providers: ".to_owned());
    }
    rules::parse(messages).map_err(|fault| format!("Invalid resources: {fault}"))
}

/// What a framework names is allocated to one role.
fn of_one_role(messages: &[Resource], context: Context<'_>, of: &str) -> Result<(), Invalid> {
    match context.framework {
        Some(_) => {
            rules::one_allocation(messages).map_err(|fault| format!("Invalid {of} resources: {fault}"))
        }
        None => Ok(()),
    }
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
    let made = parse(&part.resources)?;
    if !part.source.is_empty() {
        let source = rules::parse(&part.source).map_err(|fault| format!("Invalid source: {fault}"))?;
        one_reservation(&part.source).map_err(|fault| format!("Invalid source: {fault}"))?;
        one_reservation(&part.resources).map_err(|fault| format!("Invalid resources: {fault}"))?;
        let (from, to) = (source.to_unreserved(), made.to_unreserved());
        if from != to {
            return Err(format!(
                "Source and target resources should refer to identical resource quantities: {from} vs. {to}"
            ));
        }
    }
    for resource in &part.resources {
        if !is_dynamic(resource) {
            return Err(format!(
                "Resource {} is not dynamically reserved",
                shown(resource)
            ));
        }
        layers_known("Resource", resource, context, "reserved")?;
        reserved_by(resource, context)?;
        reserved_for_itself(resource, context)?;
    }
    of_one_role(&part.resources, context, "reservation")
}

/// All are reserved alike.
fn one_reservation(messages: &[Resource]) -> Result<(), Invalid> {
    let Some(first) = messages.first() else {
        return Ok(());
    };
    if messages
        .iter()
        .all(|message| message.reservations == first.reservations)
    {
        return Ok(());
    }
    let texts = messages
        .iter()
        .map(|message| String::from_utf8_lossy(&proto::json::to_vec(message)).into_owned());
    // Compat: nothing stands between the two.
    Err(format!(
        "Mixed reservations are not supported[{}]",
        texts.collect::<Vec<_>>().join(",")
    ))
}

/// What the agent knows of reservations must do for the resource.
fn layers_known(what: &str, resource: &Resource, context: Context<'_>, done: &str) -> Result<(), Invalid> {
    let role = reserved_role(resource);
    if role.contains('/') && !context.agent.capabilities.has(AgentCapability::HierarchicalRole) {
        return Err(format!(
            "{what} {} with reservation for hierarchical role '{role}' cannot be {done} on an agent without HIERARCHICAL_ROLE capability",
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
            "{what} {} with reservation refinement cannot be {done} on an agent without RESERVATION_REFINEMENT capability",
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
            "A reserve operation was attempted by principal '{principal}', but there is a reserved resource in the request with no principal set"
        )),
        (Some(principal), Some(named)) if principal != named => Err(format!(
            "A reserve operation was attempted by authenticated principal '{principal}', which does not match a reserved resource in the request with principal '{named}'"
        )),
        _ => Ok(()),
    }
}

/// A framework reserves for the role its offer is made to; an operator reserves what is not allocated.
fn reserved_for_itself(resource: &Resource, context: Context<'_>) -> Result<(), Invalid> {
    let Some(info) = context.framework else {
        return match resource.allocation_info {
            None => Ok(()),
            Some(_) => Err(
                "A reserve operation was attempted with an allocated resource, but the operator API only \
                allows reservations to be made to unallocated resources"
                    .to_owned(),
            ),
        };
    };
    let (role, allocated) = (reserved_role(resource), allocated_role(resource));
    if allocated.is_empty() {
        return Err(format!(
            "A reserve operation was attempted on unallocated resource {}, but frameworks can only perform reservations \
             on allocated resources",
            shown(resource)
        ));
    }
    if role != allocated {
        return Err(format!(
            "A reserve operation was attempted for a resource with role '{role}', but the resource was allocated to role \
             '{allocated}'"
        ));
    }
    let roles: BTreeSet<String> = framework::roles(info);
    if roles.contains(role) {
        return Ok(());
    }
    let list: Vec<&str> = roles.iter().map(String::as_str).collect();
    Err(format!(
        "A reserve operation was attempted for a resource allocated to role '{role}', but the framework only has roles \
         '{{ {} }}'",
        list.join(", ")
    ))
}

fn allocated_role(resource: &Resource) -> &str {
    resource.allocation_info.as_ref().map_or("", |info| info.role())
}

fn unreserve(messages: &[Resource]) -> Result<(), Invalid> {
    parse(messages)?;
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

fn volumes(messages: &[Resource]) -> Result<Resources, Invalid> {
    let volumes = parse(messages)?;
    persistent(messages).map_err(|fault| format!("Not a persistent volume: {fault}"))?;
    Ok(volumes)
}

/// All are persistent volumes that can be written.
fn persistent(messages: &[Resource]) -> Result<(), Invalid> {
    for message in messages {
        let Some(disk) = &message.disk else {
            return Err(format!("Resource {} does not have DiskInfo", shown(message)));
        };
        if disk.persistence.is_none() {
            return Err("'persistence' is not set in DiskInfo".to_owned());
        }
        let Some(volume) = &disk.volume else {
            return Err("Expecting 'volume' to be set for persistent volume".to_owned());
        };
        if volume.mode() == volume::Mode::Ro {
            return Err("Read-only persistent volume not supported".to_owned());
        }
    }
    Ok(())
}

fn create(messages: &[Resource], context: Context<'_>) -> Result<(), Invalid> {
    volumes(messages)?;
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
        layers_known("Volume", message, context, "created")?;
        created_by(message, context)?;
    }
    of_one_role(messages, context, "volume")
}

/// Who makes a volume is on record.
fn created_by(volume: &Resource, context: Context<'_>) -> Result<(), Invalid> {
    let persistence = volume.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
    let named = persistence.and_then(|persistence| persistence.principal.as_deref());
    match (context.principal, named) {
        (Some(principal), None) => Err(format!(
            "Create volume operation attempted by principal '{principal}', but there is a volume in the operation with no principal set in 'disk.persistence'"
        )),
        (Some(principal), Some(named)) if principal != named => Err(format!(
            "Create volume operation attempted by authenticated principal '{principal}', which does not match a volume in the operation with principal '{named}' set in 'disk.persistence'"
        )),
        _ => Ok(()),
    }
}

fn destroy(messages: &[Resource], context: Context<'_>) -> Result<(), Invalid> {
    let volumes = volumes(messages)?.unallocate();
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

fn grow(part: &GrowVolume, context: Context<'_>) -> Result<(), Invalid> {
    well_formed(&part.volume, "GrowVolume.volume")?;
    well_formed(&part.addition, "GrowVolume.addition")?;
    let addition = Resources::from_proto_lenient(std::slice::from_ref(&part.addition));
    if addition.is_empty() {
        return Err("The size of 'GrowVolume.addition' field must be greater than zero".to_owned());
    }
    if part.volume.provider_id.is_some() {
        return Err("Growing a volume from a resource provider is not supported".to_owned());
    }
    writable(&part.volume, "GrowVolume.volume")?;
    if part.volume.shared.is_some() {
        return Err("Growing a shared persistent volume is not supported".to_owned());
    }
    let stripped = Resources::from_proto_lenient(&[without_persistence(&part.volume)]);
    if (&stripped + &addition).len() != 1 {
        return Err(
            "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields".to_owned(),
        );
    }
    resizable(&part.volume, "grown", context)
}

fn shrink(part: &ShrinkVolume, context: Context<'_>) -> Result<(), Invalid> {
    well_formed(&part.volume, "ShrinkVolume.volume")?;
    let amount = |value: f64| Scalar::from_f64(value).unwrap_or(Scalar::ZERO);
    let subtract = amount(part.subtract.value);
    if !subtract.is_positive() {
        return Err("Value of 'ShrinkVolume.subtract' must be greater than zero".to_owned());
    }
    let size = part
        .volume
        .scalar
        .as_ref()
        .map_or(Scalar::ZERO, |size| amount(size.value));
    if size <= subtract {
        return Err(
            "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'"
                .to_owned(),
        );
    }
    if part.volume.provider_id.is_some() {
        return Err("Shrinking a volume from a resource provider is not supported".to_owned());
    }
    let source = part.volume.disk.as_ref().and_then(|disk| disk.source.as_ref());
    if source.is_some_and(|source| source.r#type() == disk_info::source::Type::Mount) {
        return Err("Shrinking a volume on a MOUNT disk is not supported".to_owned());
    }
    writable(&part.volume, "ShrinkVolume.volume")?;
    if part.volume.shared.is_some() {
        return Err("Shrinking a shared persistent volume is not supported".to_owned());
    }
    resizable(&part.volume, "shrunk", context)
}

fn well_formed(resource: &Resource, field: &str) -> Result<(), Invalid> {
    match rules::malformed(resource) {
        None => Ok(()),
        Some(fault) => Err(format!("Invalid resource in the '{field}' field: {fault}")),
    }
}

fn writable(volume: &Resource, field: &str) -> Result<(), Invalid> {
    persistent(std::slice::from_ref(volume))
        .map_err(|fault| format!("Invalid persistent volume in the '{field}' field: {fault}"))
}

/// The disk that a volume is made of.
fn without_persistence(volume: &Resource) -> Resource {
    let mut bare = volume.clone();
    bare.disk = bare.disk.filter(|disk| disk.source.is_some()).map(|disk| {
        Box::new(DiskInfo {
            persistence: None,
            volume: None,
            ..*disk
        })
    });
    bare
}

fn resizable(volume: &Resource, done: &str, context: Context<'_>) -> Result<(), Invalid> {
    if context.agent.capabilities.has(AgentCapability::ResizeVolume) {
        return Ok(());
    }
    Err(format!(
        "Volume {} cannot be {done} on an agent without RESIZE_VOLUME capability",
        shown(volume)
    ))
}
