//! The offer list of ACCEPT (scheduler-http.md §8.1).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Invalid;
use crate::core::ids::{AgentId, FrameworkId, OfferId};
use crate::core::state::{Offer, State};

/// Checks, in Mesos's order, that a list of offers can be used together; gives their common agent and role.
pub fn validate(
    state: &State,
    framework: &FrameworkId,
    ids: &[OfferId],
) -> Result<(AgentId, Arc<str>), Invalid> {
    if ids.is_empty() {
        return Err("No offers specified".to_owned());
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(format!("Duplicate offer {id} in offer list"));
        }
    }
    let mut offers: Vec<&Arc<Offer>> = Vec::with_capacity(ids.len());
    for id in ids {
        offers.push(
            state
                .offers
                .get(id)
                .ok_or_else(|| format!("Offer {id} is no longer valid"))?,
        );
    }
    for offer in &offers {
        if offer.framework != *framework {
            return Err(format!(
                "Offer {} has invalid framework {} while framework {framework} is expected",
                offer.id, offer.framework
            ));
        }
    }
    // The list is not empty, and each id has its offer.
    let Some(first) = offers.first() else {
        return Err("No offers specified".to_owned());
    };
    if let Some(other) = offers.iter().find(|offer| offer.role != first.role) {
        return Err(format!(
            "Aggregated offers must be allocated to the same role. Offer {} uses role '{}' but another is using role '{}'",
            other.id, other.role, first.role
        ));
    }
    if let Some(other) = offers.iter().find(|offer| offer.agent != first.agent) {
        return Err(format!(
            "Aggregated offers must belong to one single agent. Offer {} uses agent {} and another uses agent {}",
            other.id, other.agent, first.agent
        ));
    }
    Ok((first.agent.clone(), Arc::clone(&first.role)))
}
