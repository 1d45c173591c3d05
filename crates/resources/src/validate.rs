//! What a resource in a message must look like.

#![allow(deprecated, reason = "the old fields must be checked too")]

use crate::{Error, Scalar, role};
use proto::v1::resource::disk_info::source::Type as SourceType;
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::{Resource, value};

/// Checks one resource, in any of the forms of [`crate::format`].
///
/// # Errors
/// The first rule it breaks.
pub fn validate(resource: &Resource) -> Result<(), Error> {
    if resource.name.is_empty() {
        return Err(Error::EmptyName);
    }
    validate_value(resource)?;
    validate_reservations(resource)?;
    validate_disk(resource)?;
    let persistent = resource
        .disk
        .as_ref()
        .is_some_and(|disk| disk.persistence.is_some());
    if resource.shared.is_some() && !persistent {
        return Err(Error::InvalidShared(resource.name.clone()));
    }
    let reserved = !resource.reservations.is_empty()
        || resource.reservation.is_some()
        || resource.role.as_deref().is_some_and(|role| role != role::DEFAULT);
    if resource.revocable.is_some() && (persistent || reserved) {
        return Err(Error::InvalidRevocable(resource.name.clone()));
    }
    Ok(())
}

fn validate_value(resource: &Resource) -> Result<(), Error> {
    let name = || resource.name.clone();
    let (scalar, ranges, set) = (&resource.scalar, &resource.ranges, &resource.set);
    match value::Type::try_from(resource.r#type) {
        Ok(value::Type::Scalar) => match (scalar, ranges, set) {
            (Some(scalar), None, None) => validate_scalar(&resource.name, scalar.value),
            _ => Err(Error::ValueMismatch(name())),
        },
        Ok(value::Type::Ranges) => match (scalar, ranges, set) {
            (None, Some(ranges), None) => validate_ranges(&resource.name, ranges),
            _ => Err(Error::ValueMismatch(name())),
        },
        Ok(value::Type::Set) => match (scalar, ranges, set) {
            (None, None, Some(set)) => validate_set(&resource.name, set),
            _ => Err(Error::ValueMismatch(name())),
        },
        Ok(value::Type::Text) | Err(_) => Err(Error::UnsupportedType(name())),
    }
}

fn validate_scalar(name: &str, value: f64) -> Result<(), Error> {
    let fixed = Scalar::from_f64(value);
    let nothing = value == 0.0;
    match fixed {
        Some(fixed) if fixed.is_positive() || nothing => Ok(()),
        _ => Err(Error::InvalidScalar {
            name: name.to_owned(),
            value,
        }),
    }
}

fn validate_ranges(name: &str, ranges: &value::Ranges) -> Result<(), Error> {
    let mut all: Vec<(u64, u64)> = ranges
        .range
        .iter()
        .map(|range| (range.begin, range.end))
        .collect();
    all.sort_unstable();
    let reversed = all.iter().any(|(begin, end)| begin > end);
    let overlap = all
        .iter()
        .zip(all.iter().skip(1))
        .any(|(first, second)| second.0 <= first.1);
    if reversed || overlap {
        Err(Error::InvalidRanges(name.to_owned()))
    } else {
        Ok(())
    }
}

fn validate_set(name: &str, set: &value::Set) -> Result<(), Error> {
    let mut all: Vec<&String> = set.item.iter().collect();
    all.sort_unstable();
    if all
        .iter()
        .zip(all.iter().skip(1))
        .any(|(first, second)| first == second)
    {
        return Err(Error::DuplicateItem(name.to_owned()));
    }
    Ok(())
}

fn validate_role(name: &str) -> Result<(), Error> {
    role::validate(name).map_err(|flaw| Error::Role {
        name: name.to_owned(),
        flaw,
    })
}

fn validate_reservations(resource: &Resource) -> Result<(), Error> {
    let invalid = |reason| {
        Err(Error::InvalidReservation {
            name: resource.name.clone(),
            reason,
        })
    };
    if let Some(role) = &resource.role {
        validate_role(role)?;
    }
    if resource.reservations.is_empty() {
        let starred = resource.role.as_deref().unwrap_or(role::DEFAULT) == role::DEFAULT;
        if starred && resource.reservation.is_some() {
            return invalid("the role '*' cannot be reserved");
        }
        return Ok(());
    }
    let mut above: Option<&str> = None;
    for (index, layer) in resource.reservations.iter().enumerate() {
        let Some(role) = &layer.role else {
            return invalid("a reservation has no role");
        };
        validate_role(role)?;
        if role == role::DEFAULT {
            return invalid("the role '*' cannot be reserved");
        }
        match layer.r#type.and_then(|kind| ReservationType::try_from(kind).ok()) {
            Some(ReservationType::Dynamic) => {}
            Some(ReservationType::Static) if index == 0 => {}
            Some(ReservationType::Static) => return invalid("a refined reservation is static"),
            Some(ReservationType::Unknown) | None => return invalid("a reservation has no type"),
        }
        if above.is_some_and(|above| !role::is_strict_subrole(role, above)) {
            return invalid("a refined reservation is not for a subrole of the one above");
        }
        above = Some(role);
    }
    validate_agreement(resource)
}

/// The old fields beside a stack: with one layer they must say the same, with more they must be absent.
fn validate_agreement(resource: &Resource) -> Result<(), Error> {
    let invalid = |reason| {
        Err(Error::InvalidReservation {
            name: resource.name.clone(),
            reason,
        })
    };
    let [layer] = resource.reservations.as_slice() else {
        return match (&resource.role, &resource.reservation) {
            (None, None) => Ok(()),
            _ => invalid("the old form cannot describe a refined reservation"),
        };
    };
    if resource.role.is_some() && resource.role != layer.role {
        return invalid("the old and the new form name different roles");
    }
    if let Some(old) = &resource.reservation {
        let dynamic = layer.r#type == Some(ReservationType::Dynamic.into());
        if !dynamic || old.principal != layer.principal || old.labels != layer.labels {
            return invalid("the old and the new form differ");
        }
    }
    Ok(())
}

fn validate_disk(resource: &Resource) -> Result<(), Error> {
    let Some(disk) = &resource.disk else { return Ok(()) };
    let invalid = |reason| {
        Err(Error::InvalidDisk {
            name: resource.name.clone(),
            reason,
        })
    };
    if resource.name != "disk" {
        return invalid("only disk has disk info");
    }
    let Some(source) = &disk.source else { return Ok(()) };
    match SourceType::try_from(source.r#type) {
        Ok(SourceType::Block | SourceType::Raw) if source.path.is_some() || source.mount.is_some() => {
            invalid("a BLOCK or RAW source has a path or mount")
        }
        Ok(SourceType::Unknown) | Err(_) => invalid("unknown source type"),
        Ok(SourceType::Path | SourceType::Mount | SourceType::Block | SourceType::Raw) => Ok(()),
    }
}
