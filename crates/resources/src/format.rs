//! The three forms in which peers write reservations.
//!
//! | form | who speaks it | how a reservation looks |
//! |---|---|---|
//! | pre-refinement | peers without RESERVATION_REFINEMENT | `role`, and `reservation` when dynamic |
//! | post-refinement | everything inside, and newer peers | a stack in `reservations` |
//! | endpoint | operator endpoints | the stack, plus the old fields where they can say the same |

#![allow(deprecated, reason = "the old fields are what this module is about")]

use crate::{Error, role};
use proto::v1::Resource;
use proto::v1::resource::ReservationInfo;
use proto::v1::resource::reservation_info::Type;

/// Turns one resource, in any form, into post-refinement form. Does not validate: what says both things at
/// once keeps its stack.
pub fn upgrade_one(resource: &mut Resource) {
    let old_role = resource.role.take();
    let old_reservation = resource.reservation.take();
    if !resource.reservations.is_empty() {
        return;
    }
    let role = old_role.unwrap_or_else(|| role::DEFAULT.to_owned());
    if role == role::DEFAULT {
        return;
    }
    let layer = match old_reservation {
        None => ReservationInfo {
            r#type: Some(Type::Static.into()),
            role: Some(role),
            principal: None,
            labels: None,
        },
        Some(dynamic) => ReservationInfo {
            r#type: Some(Type::Dynamic.into()),
            role: Some(role),
            ..dynamic
        },
    };
    resource.reservations.push(layer);
}

/// Turns resources, in any form, into post-refinement form.
pub fn upgrade(resources: &mut [Resource]) {
    resources.iter_mut().for_each(upgrade_one);
}

/// Turns one post-refinement resource into pre-refinement form.
///
/// # Errors
/// [`Error::CannotDowngrade`] when it has more than one layer; it is left as it was.
pub fn downgrade_one(resource: &mut Resource) -> Result<(), Error> {
    if resource.reservations.len() > 1 {
        return Err(Error::CannotDowngrade(resource.name.clone()));
    }
    set_old_fields(resource);
    resource.reservations.clear();
    Ok(())
}

/// Turns post-refinement resources into pre-refinement form; all of them or, on error, none.
///
/// # Errors
/// [`Error::CannotDowngrade`] when one has more than one layer.
pub fn downgrade(resources: &mut [Resource]) -> Result<(), Error> {
    if let Some(refined) = resources.iter().find(|resource| resource.reservations.len() > 1) {
        return Err(Error::CannotDowngrade(refined.name.clone()));
    }
    resources.iter_mut().try_for_each(downgrade_one)
}

/// Fills the old fields of one post-refinement resource as operator endpoints show it.
pub fn endpoint_one(resource: &mut Resource) {
    if resource.reservations.len() <= 1 {
        set_old_fields(resource);
    }
}

/// Fills the old fields of post-refinement resources as operator endpoints show them.
pub fn endpoint(resources: &mut [Resource]) {
    resources.iter_mut().for_each(endpoint_one);
}

fn set_old_fields(resource: &mut Resource) {
    let Some(layer) = resource.reservations.first() else {
        resource.role = Some(role::DEFAULT.to_owned());
        resource.reservation = None;
        return;
    };
    resource.role = Some(layer.role.clone().unwrap_or_else(|| role::DEFAULT.to_owned()));
    resource.reservation = (layer.r#type == Some(Type::Dynamic.into())).then(|| ReservationInfo {
        r#type: None,
        role: None,
        ..layer.clone()
    });
}
