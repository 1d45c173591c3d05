//! Resources of tasks and executors (scheduler-http.md §8.3, §8.4 rows 8 and 14).

use std::collections::{BTreeMap, BTreeSet};

use proto::v1::{Resource, value};
use resources::{Error, Resources};

use super::Invalid;

/// What is wrong with a resource by itself, in Mesos's words.
pub fn malformed(resource: &Resource) -> Option<String> {
    let kind = match value::Type::try_from(resource.r#type) {
        Ok(value::Type::Ranges) => "ranges",
        Ok(value::Type::Set) => "set",
        _ => "scalar",
    };
    Some(match resources::validate(resource).err()? {
        Error::EmptyName => "Empty resource name".to_owned(),
        Error::UnsupportedType(_) => "Unsupported resource type".to_owned(),
        Error::ValueMismatch(_) => format!("Invalid {kind} resource"),
        Error::InvalidScalar { .. } => "Invalid scalar resource: value <= 0".to_owned(),
        Error::InvalidRanges(_) => {
            let ranges = resource.ranges.iter().flat_map(|ranges| &ranges.range);
            let reversed = ranges.into_iter().any(|range| range.begin > range.end);
            let fault = if reversed {
                "begin > end"
            } else {
                "overlapping ranges"
            };
            format!("Invalid ranges resource: {fault}")
        }
        Error::DuplicateItem(_) => "Invalid set resource: duplicated elements".to_owned(),
        Error::Role { name, flaw } => super::role::validate(&name)
            .err()
            .unwrap_or_else(|| flaw.to_string()),
        other => other.to_string(),
    })
}

/// Reads resources a task or executor asks for, and checks them by themselves.
pub fn parse(messages: &[Resource]) -> Result<Resources, Invalid> {
    let resources = Resources::from_proto(messages).map_err(|error| format!("Invalid resources: {error}"))?;
    whole_gpus(messages).map_err(|fault| format!("Invalid 'gpus' resource: {fault}"))?;
    for message in messages {
        disk(message).map_err(|fault| format!("Invalid DiskInfo: {fault}"))?;
    }
    for message in messages {
        if message.revocable.is_some() && is_dynamically_reserved(message) {
            return Err(format!(
                "Invalid ReservationInfo: Dynamically reserved resource {} cannot be created from revocable resources",
                Resources::from_proto_lenient(std::slice::from_ref(message))
            ));
        }
    }
    one_provider(messages)?;
    Ok(resources)
}

/// Devices are not divided.
fn whole_gpus(messages: &[Resource]) -> Result<(), Invalid> {
    let amounts = messages
        .iter()
        .filter(|message| message.name == "gpus")
        .filter_map(|message| message.scalar);
    for amount in amounts {
        // Amounts count in thousandths.
        if (amount.value * 1000.0).round() % 1000.0 != 0.0 {
            return Err("The 'gpus' resource must be an unsigned integer".to_owned());
        }
    }
    Ok(())
}

/// What a disk says of its volume must go together.
fn disk(message: &Resource) -> Result<(), Invalid> {
    let Some(disk) = &message.disk else {
        return Ok(());
    };
    let Some(persistence) = &disk.persistence else {
        return match (&disk.volume, &disk.source) {
            (Some(_), _) => Err("Non-persistent volume not supported".to_owned()),
            (None, None) => Err("DiskInfo is set but empty".to_owned()),
            (None, Some(_)) => Ok(()),
        };
    };
    if message.revocable.is_some() {
        return Err("Persistent volumes cannot be created from revocable resources".to_owned());
    }
    if reserved_role(message) == "*" {
        return Err("Persistent volumes cannot be created from unreserved resources".to_owned());
    }
    let Some(volume) = &disk.volume else {
        return Err("Expecting 'volume' to be set for persistent volume".to_owned());
    };
    if volume.host_path.is_some() {
        return Err("Expecting 'host_path' to be unset for persistent volume".to_owned());
    }
    super::id::validate(&persistence.id)
        .map_err(|fault| format!("Invalid persistence ID for persistent volume: {fault}"))
}

#[allow(deprecated, reason = "pre-refinement peers describe the reservation here")]
fn is_dynamically_reserved(message: &Resource) -> bool {
    use proto::v1::resource::reservation_info::Type;
    message.reservation.is_some()
        || message
            .reservations
            .last()
            .is_some_and(|reservation| reservation.r#type() == Type::Dynamic)
}

/// All come from one resource provider, or all from the agent itself.
fn one_provider(messages: &[Resource]) -> Result<(), Invalid> {
    let providers: BTreeSet<Option<&str>> = messages
        .iter()
        .map(|message| message.provider_id.as_ref().map(|id| id.value.as_str()))
        .collect();
    match providers.len() {
        0 | 1 => Ok(()),
        _ if providers.contains(&None) => {
            Err("Some resources have a resource provider and some do not".to_owned())
        }
        _ => {
            let names: Vec<&str> = providers.into_iter().flatten().collect();
            Err(format!(
                "The resources have multiple resource providers: {}",
                names.join(", ")
            ))
        }
    }
}

/// Checks that all are allocated, and to one role.
pub fn one_allocation(messages: &[Resource]) -> Result<(), Invalid> {
    let mut role = None;
    for message in messages {
        let Some(allocated) = message
            .allocation_info
            .as_ref()
            .and_then(|info| info.role.as_deref())
        else {
            return Err("The resources are not allocated to a role".to_owned());
        };
        if let Some(role) = role.filter(|role| *role != allocated) {
            return Err(format!(
                "The resources have multiple allocation roles ('{allocated}' and '{role}') but only one allocation role is \
                 allowed"
            ));
        }
        role = Some(allocated);
    }
    Ok(())
}

/// Checks that no persistence id occurs twice for one role.
pub fn unique_persistence_ids<'a>(messages: impl IntoIterator<Item = &'a Resource>) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for message in messages {
        let Some(persistence) = message.disk.as_ref().and_then(|disk| disk.persistence.as_ref()) else {
            continue;
        };
        if message.shared.is_none() && !seen.insert((reserved_role(message), persistence.id.as_str())) {
            return Err(format!("Persistence ID '{}' is not unique", persistence.id));
        }
    }
    Ok(())
}

#[allow(deprecated, reason = "pre-refinement peers name the role here")]
fn reserved_role(message: &Resource) -> &str {
    message
        .reservations
        .last()
        .map_or_else(|| message.role(), |reservation| reservation.role())
}

/// Checks that no resource is used both revocable and not.
pub fn no_revocable_mix<'a>(messages: impl IntoIterator<Item = &'a Resource>) -> Result<(), Invalid> {
    let mut revocable = BTreeMap::new();
    for message in messages {
        let is = message.revocable.is_some();
        if *revocable.entry(message.name.as_str()).or_insert(is) != is {
            return Err(format!(
                "Cannot use both revocable and non-revocable '{}' at the same time",
                message.name
            ));
        }
    }
    Ok(())
}

/// Checks that parts which may not be held twice (ranges, sets) are not asked for twice.
pub fn no_overlap(first: &[Resource], second: &[Resource]) -> Result<(), Invalid> {
    for (left, right) in first
        .iter()
        .flat_map(|left| second.iter().map(move |right| (left, right)))
    {
        if left.name == right.name && overlaps(left, right) {
            return Err(format!(
                "There are overlapping resources in the task and its executor: '{}'",
                left.name
            ));
        }
    }
    Ok(())
}

fn overlaps(left: &Resource, right: &Resource) -> bool {
    let ranges = |message: &'_ Resource| message.ranges.clone().unwrap_or_default().range;
    let crossing =
        |left: &value::Range, right: &value::Range| left.begin <= right.end && right.begin <= left.end;
    let in_ranges = ranges(left)
        .iter()
        .any(|left| ranges(right).iter().any(|right| crossing(left, right)));
    let items = |message: &'_ Resource| message.set.clone().unwrap_or_default().item;
    in_ranges || items(left).iter().any(|item| items(right).contains(item))
}

#[cfg(test)]
mod tests {
    use proto::v1::resource;

    use super::*;

    fn ports(begin: u64, end: u64) -> Resource {
        Resource {
            name: "ports".to_owned(),
            r#type: value::Type::Ranges as i32,
            ranges: Some(value::Ranges {
                range: vec![value::Range { begin, end }],
            }),
            ..Resource::default()
        }
    }

    fn allocated(message: Resource, role: &str) -> Resource {
        let info = resource::AllocationInfo {
            role: Some(role.to_owned()),
        };
        Resource {
            allocation_info: Some(info),
            ..message
        }
    }

    #[test]
    fn ranges_may_not_be_held_twice() {
        assert!(no_overlap(&[ports(1, 5)], &[ports(6, 9)]).is_ok());
        assert!(no_overlap(&[ports(1, 5)], &[ports(5, 9)]).is_err());
    }

    #[test]
    fn all_are_allocated_to_one_role() {
        assert!(one_allocation(&[allocated(ports(1, 2), "a"), allocated(ports(3, 4), "a")]).is_ok());
        assert!(one_allocation(&[allocated(ports(1, 2), "a"), allocated(ports(3, 4), "b")]).is_err());
        assert!(one_allocation(&[ports(1, 2)]).is_err());
    }

    #[test]
    fn revocable_and_not_do_not_mix() {
        let revocable = Resource {
            revocable: Some(resource::RevocableInfo {}),
            ..ports(1, 2)
        };
        assert!(no_revocable_mix([&revocable, &revocable]).is_ok());
        assert!(no_revocable_mix([&revocable, &ports(3, 4)]).is_err());
    }

    #[test]
    fn persistence_ids_are_unique() {
        let volume = |id: &str| Resource {
            disk: Some(Box::new(resource::DiskInfo {
                persistence: Some(resource::disk_info::Persistence {
                    id: id.to_owned(),
                    principal: None,
                }),
                ..Default::default()
            })),
            ..Resource::default()
        };
        assert!(unique_persistence_ids([&volume("a"), &volume("b")]).is_ok());
        assert!(unique_persistence_ids([&volume("a"), &volume("a")]).is_err());
    }
}
