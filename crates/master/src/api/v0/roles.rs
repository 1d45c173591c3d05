//! Roles, for `/roles` and `GET_ROLES` (facts: master-http.md §4.8).

use std::collections::{BTreeMap, BTreeSet};

use proto::json::{Object, Writer};
use proto::v1;
use resources::{Entry, Quantities, Resources};

use super::amounts;
use crate::api::Sight;
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
    /// Of what is reserved, what tasks and executors use.
    reserved_used: Quantities,
    /// Its weight, if it has one of its own.
    weight: Option<f64>,
    /// What it is promised, and what it may have at most.
    quota: Option<v1::quota::QuotaConfig>,
}

impl Role {
    /// Its weight.
    pub(crate) fn weight(&self) -> f64 {
        self.weight.unwrap_or(1.0)
    }

    /// What counts against its quota: all that is allocated, and what is reserved and not.
    fn consumed(&self) -> Quantities {
        let mut consumed = self.reserved.clone();
        consumed.subtract(&self.reserved_used);
        consumed.add(&self.allocated);
        consumed
    }

    /// Allocated and offered.
    pub(crate) fn resources(&self) -> Quantities {
        let mut sum = self.allocated.clone();
        sum.add(&self.offered);
        sum
    }
}

/// Every role that has a framework, a reservation, a weight or a quota, and the roles above those; if roles are listed
/// (`--roles`), those instead, and the roles above them.
pub(crate) fn roles(state: &State, listed: Option<&BTreeSet<String>>) -> BTreeMap<String, Role> {
    let mut roles = found(state);
    let Some(listed) = listed else {
        return roles;
    };
    listed.iter().for_each(|role| touch(&mut roles, role));
    let known: BTreeSet<&str> = listed.iter().flat_map(|role| ancestry(role)).collect();
    roles.retain(|role, _| known.contains(role.as_str()));
    roles
}

fn found(state: &State) -> BTreeMap<String, Role> {
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
        spread(&agent.total, Entry::reserved_role, &mut roles, |role| {
            &mut role.reserved
        });
        for used in agent.used.values() {
            spread(used, Entry::allocation, &mut roles, |role| &mut role.allocated);
            spread(used, Entry::reserved_role, &mut roles, |role| {
                &mut role.reserved_used
            });
        }
        spread(&agent.offered, Entry::allocation, &mut roles, |role| {
            &mut role.offered
        });
    }
    for (name, weight) in &state.weights {
        touch(&mut roles, name);
        roles.entry(name.clone()).or_default().weight = Some(*weight);
    }
    for (name, quota) in &state.quotas {
        touch(&mut roles, name);
        roles.entry(name.clone()).or_default().quota = Some(quota.clone());
    }
    roles
}

/// Adds resources to the roles that they are of, and to the roles above.
fn spread(
    resources: &Resources,
    of: impl Fn(&Entry) -> Option<&str>,
    roles: &mut BTreeMap<String, Role>,
    slot: impl Fn(&mut Role) -> &mut Quantities,
) {
    for entry in resources.iter() {
        let quantity = entry.value().quantity();
        for role in of(entry).into_iter().flat_map(ancestry) {
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

fn scalars(object: &mut Object<'_>, scalars: &BTreeMap<String, v1::value::Scalar>) {
    scalars
        .iter()
        .for_each(|(name, scalar)| object.value(name, &scalar.value));
}

/// `/roles`.
pub(crate) fn roles_json(state: &State, sight: &Sight, listed: Option<&BTreeSet<String>>) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).object(|object| {
        object.array("roles", |array| {
            let shown = roles(state, listed)
                .into_iter()
                .filter(|(name, _)| sight.role(name));
            for (name, role) in shown {
                array.object(|object| {
                    object.text("name", &name);
                    object.value("weight", &role.weight());
                    let none = v1::quota::QuotaConfig::default();
                    let quota = role.quota.as_ref().unwrap_or(&none);
                    object.object("quota", |object| {
                        object.text("role", &name);
                        object.object("guarantee", |object| scalars(object, &quota.guarantees));
                        object.object("limit", |object| scalars(object, &quota.limits));
                        amounts::quantities(object.key("consumed"), &role.consumed());
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

    #[test]
    fn listed_roles_and_those_above_them_stand_for_all() {
        let mut state = State::default();
        state.weights.insert("other".to_owned(), 2.0);
        state.weights.insert("a".to_owned(), 3.0);
        let names = |listed| roles(&state, listed).into_keys().collect::<Vec<_>>();
        assert_eq!(names(None), ["a", "other"]);
        let listed = ["*", "a/b"].map(str::to_owned).into();
        assert_eq!(names(Some(&listed)), ["*", "a", "a/b"]);
        assert_eq!(roles(&state, Some(&listed))["a"].weight(), 3.0);
    }
}
