//! What principals may do: access control lists (facts: authorization.tsv, sections `action`, `acl-format`, `implicit`).

mod action;
mod approver;
mod authorizer;
mod entity;
mod list;
mod parse;

pub use action::Action;
pub use approver::Approver;
pub use authorizer::Authorizer;

use std::sync::Arc;

use entity::Entity;
use list::List;

/// The endpoints whose reading [`Action::GetEndpointWithPath`] speaks of.
const AUTHORIZABLE: [&str; 6] = [
    "/containers",
    "/containerizer/debug",
    "/files/debug",
    "/logging/toggle",
    "/metrics/snapshot",
    "/monitor/statistics",
];

/// Whether reading this endpoint is a matter of [`Action::GetEndpointWithPath`].
pub fn is_authorizable(path: &str) -> bool {
    AUTHORIZABLE.contains(&path)
}

/// One entry of a list: these principals and those objects.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    principals: Entity,
    objects: Entity,
}

/// The lists of `--acls`, checked.
///
/// In each list the first entry that speaks of both the principal and the object decides; where none does, all is
/// allowed, or nothing when the lists are not permissive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acls {
    permissive: bool,
    /// By [`List`], in the order of the file.
    rules: [Arc<[Rule]>; List::COUNT],
    warnings: Vec<String>,
}

impl Acls {
    /// What is allowed when no entry decides.
    pub const fn is_permissive(&self) -> bool {
        self.permissive
    }

    /// Sentences about keys that mean nothing, and so are likely misspelled.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn list(&self, list: List) -> &Arc<[Rule]> {
        &self.rules[list as usize]
    }
}

/// No entry at all, and permissive.
impl Default for Acls {
    fn default() -> Self {
        Self {
            permissive: true,
            rules: std::array::from_fn(|_| Arc::from([])),
            warnings: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
