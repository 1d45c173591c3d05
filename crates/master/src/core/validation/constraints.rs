//! Offer constraints (scheduler-http.md §14): their shape. Their meaning is the allocator's.

use std::collections::BTreeSet;

use allocator::{Constraints, RegexLimits};
use proto::v1::scheduler::OfferConstraints;
use proto::v1::scheduler::attribute_constraint::selector::{PseudoattributeType, Selector};

use super::Invalid;

/// Checks that constraints name own roles only, are complete, and have regular expressions that can be matched.
pub fn validate(
    constraints: &OfferConstraints,
    roles: &BTreeSet<String>,
    limits: RegexLimits,
) -> Result<(), Invalid> {
    for (role, of_role) in &constraints.role_constraints {
        if !roles.contains(role) {
            return Err(format!(
                "Offer constraints specify role '{role}' which is not in the list of roles"
            ));
        }
        if of_role.groups.is_empty() {
            return Err(format!("Offer constraints for role '{role}' contain no groups"));
        }
        for group in &of_role.groups {
            if group.attribute_constraints.is_empty() {
                return Err(format!(
                    "Offer constraints for role '{role}' contain an empty group"
                ));
            }
            for constraint in &group.attribute_constraints {
                match &constraint.selector.selector {
                    None => {
                        return Err(format!(
                            "Offer constraints for role '{role}' contain an unset selector"
                        ));
                    }
                    Some(Selector::PseudoattributeType(kind))
                        if PseudoattributeType::try_from(*kind).unwrap_or_default()
                            == PseudoattributeType::Unknown =>
                    {
                        return Err(format!(
                            "Offer constraints for role '{role}' contain an unknown pseudoattribute"
                        ));
                    }
                    Some(Selector::PseudoattributeType(_) | Selector::AttributeName(_)) => {}
                }
                if constraint.predicate.predicate.is_none() {
                    return Err(format!(
                        "Offer constraints for role '{role}' contain an unset predicate"
                    ));
                }
            }
        }
    }
    Constraints::new(constraints, limits)
        .map(drop)
        .map_err(|error| format!("Offer constraints are not valid: {error}"))
}
