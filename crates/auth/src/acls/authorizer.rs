//! Who may do what to which.

use std::sync::Arc;

use super::approver::Rules;
use super::{Acls, Action, Approver};
use crate::{Object, Principal};

/// Decides what is allowed, by the lists or, without lists, by allowing everything. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Authorizer(Option<Arc<Acls>>);

impl Authorizer {
    /// Allows everything to everybody: without `--acls` there is nothing to decide.
    pub const fn open() -> Self {
        Self(None)
    }

    /// Decides by these lists.
    pub fn new(acls: Acls) -> Self {
        Self(Some(Arc::new(acls)))
    }

    /// Whether there are no lists, so that nothing is ever denied.
    pub const fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether `subject` (nobody in particular without one) may do `action` to `object`.
    pub fn allows(&self, subject: Option<&Principal>, action: Action, object: &Object<'_>) -> bool {
        self.approver(subject, action).allows(object)
    }

    /// Whether `subject` may do `action` to every one of these.
    pub fn allows_all<'a>(
        &self,
        subject: Option<&Principal>,
        action: Action,
        objects: impl IntoIterator<Item = Object<'a>>,
    ) -> bool {
        let approver = self.approver(subject, action);
        objects.into_iter().all(|object| approver.allows(&object))
    }

    /// What answers for one subject and one action.
    ///
    /// A subject without a name may do only what its claims speak of: executors act on the containers below their own
    /// (`cid`), resource providers on containers in their name space (`cid_prefix`).
    pub fn approver(&self, subject: Option<&Principal>, action: Action) -> Approver {
        let Some(acls) = &self.0 else {
            return Approver::everything();
        };
        let name = match subject {
            None => None,
            Some(Principal {
                value: Some(name),
                claims: _,
            }) => Some(name.as_str()),
            Some(nameless) => return implicit(nameless, action),
        };
        let rules = |list| Rules::new(acls.list(list), name, acls.permissive);
        match (action.list(), action.parent_list()) {
            (None, _) => Approver::nothing(),
            (Some(list), None) => Approver::by_value(rules(list)),
            (Some(own), Some(parent)) => Approver::nested(rules(own), rules(parent)),
        }
    }
}

fn implicit(bearer: &Principal, action: Action) -> Approver {
    let claim = |name: &str| bearer.claims.get(name);
    if action.is_executors() {
        claim("cid").map_or_else(Approver::nothing, |container| Approver::below(container))
    } else if action.is_resource_providers() {
        claim("cid_prefix").map_or_else(Approver::nothing, |prefix| Approver::prefix(prefix))
    } else {
        Approver::nothing()
    }
}
