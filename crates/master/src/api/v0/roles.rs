//! Roles, for `/roles` and `GET_ROLES` (facts: master-http.md §4.8).

use std::collections::{BTreeMap, BTreeSet};

use proto::json::Writer;
use resources::{Quantities, Resources};

use super::amounts;
use crate::core::State;

/// What is known of a role. Amounts include those of roles below it.
#[derive(Debug, Default)]
pub(crate) struct Role {
    /// Frameworks that have it.
    pub(crate) frameworks: BTreeSet<String>,
    /// In use by tasks and executors.
    pub(crate) allocated: Quantities,
    /// Standing in offers.
    pub(crate) offered: Quantities,
    /// Reserved on agents.
    pub(crate) reserved: Quantities,
}

impl Role {
    /// Allocated and offered.
    pub(crate) fn resources(&self) -> Quantities {
        let mut sum = self.allocated.clone();
        sum.add(&self.offered);
        sum
    }
}

/// Every role that has a framework or a reservation, and the roles above those.
pub(crate) fn roles(state: &State) -> BTreeMap<String, Role> {
    let mut roles: BTreeMap<String, Role> = BTreeMap::new();
    for framework in state.frameworks.values() {
        for role in framework.roles.iter() {
            touch(&mut roles, role);
            roles
                .entry(role.clone())
                .or_default()
                .frameworks
                .insert(framework.id.to_string());
        }
    }
    for agent in state.agents.values() {
        for entry in agent.total.iter() {
            let Some(role) = entry.reserved_role() else {
                continue;
            };
            touch(&mut roles, role);
            let quantity = entry.value().quantity();
            ancestry(role).for_each(|role| {
                roles
                    .entry(role.to_owned())
                    .or_default()
                    .reserved
                    .add_one(entry.name(), quantity)
            });
        }
        for used in agent.used.values() {
            spread(used, &mut roles, |role| &mut role.allocated);
        }
        spread(&agent.offered, &mut roles, |role| &mut role.offered);
    }
    roles
}

/// Adds resources to the roles they are allocated to, and to the roles above.
fn spread(
    resources: &Resources,
    roles: &mut BTreeMap<String, Role>,
    slot: impl Fn(&mut Role) -> &mut Quantities,
) {
    for entry in resources.iter() {
        let quantity = entry.value().quantity();
        for role in entry.allocation().into_iter().flat_map(ancestry) {
            slot(roles.entry(role.to_owned()).or_default()).add_one(entry.name(), quantity);
        }
    }
}

/// Makes a role and those above it known.
fn touch(roles: &mut BTreeMap<String, Role>, role: &str) {
    for role in ancestry(role) {
        if !roles.contains_key(role) {
            roles.insert(role.to_owned(), Role::default());
        }
    }
}

/// `a/b/c`, `a/b`, `a`.
fn ancestry(role: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(role), |role| role.rsplit_once('/').map(|(above, _)| above))
}

/// `/roles`.
pub(crate) fn roles_json(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).object(|object| {
        object.array("roles", |array| {
            for (name, role) in roles(state) {
                array.object(|object| {
                    object.text("name", &name);
                    // Weights and quotas other than the default cannot be set in this version.
                    object.value("weight", &1.0);
                    object.object("quota", |object| {
                        object.text("role", &name);
                        object.object("guarantee", |_| {});
                        object.object("limit", |_| {});
                        amounts::quantities(object.key("consumed"), &role.allocated);
                    });
                    amounts::quantities(object.key("resources"), &role.resources());
                    amounts::quantities(object.key("allocated"), &role.allocated);
                    amounts::quantities(object.key("offered"), &role.offered);
                    amounts::quantities(object.key("reserved"), &role.reserved);
                    object.array("frameworks", |array| {
                        role.frameworks.iter().for_each(|id| array.text(id))
                    });
                });
            }
        });
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_all_roles_above_it() {
        assert_eq!(ancestry("a/b/c").collect::<Vec<_>>(), ["a/b/c", "a/b", "a"]);
        assert_eq!(ancestry("*").collect::<Vec<_>>(), ["*"]);
    }
}
