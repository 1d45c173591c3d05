//! One subject and one action, asked about many objects.

use std::sync::Arc;

use proto::v1::ContainerId;

use super::Rule;
use crate::Object;

/// Whether one subject may do one thing, to be asked about many objects: cheap to clone and to send, quick to answer.
#[derive(Debug, Clone)]
pub struct Approver(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Everything,
    Nothing,
    /// By the object's value.
    Value(Rules),
    /// By the container's own user, and by that of its parent.
    Nested {
        own: Rules,
        parent: Rules,
    },
    /// Containers below this one.
    Below(Arc<str>),
    /// Containers whose id begins so.
    Prefix(Arc<str>),
}

impl Approver {
    /// Allows all.
    pub const fn everything() -> Self {
        Self(Kind::Everything)
    }

    /// Allows none.
    pub const fn nothing() -> Self {
        Self(Kind::Nothing)
    }

    pub(super) fn by_value(rules: Rules) -> Self {
        Self(match rules.fixed() {
            Some(true) => Kind::Everything,
            Some(false) => Kind::Nothing,
            None => Kind::Value(rules),
        })
    }

    pub(super) const fn nested(own: Rules, parent: Rules) -> Self {
        Self(Kind::Nested { own, parent })
    }

    pub(super) fn below(container: &str) -> Self {
        Self(Kind::Below(container.into()))
    }

    pub(super) fn prefix(prefix: &str) -> Self {
        Self(Kind::Prefix(prefix.into()))
    }

    /// Whether this object is allowed.
    pub fn allows(&self, object: &Object<'_>) -> bool {
        match &self.0 {
            Kind::Everything => true,
            Kind::Nothing => false,
            Kind::Value(rules) => rules.allow(object.value),
            Kind::Nested { own, parent } => {
                parent.allow(object.value) && object.command.is_none_or(|user| own.allow(user))
            }
            Kind::Below(root) => object.container.is_some_and(|id| *root_of(id).value == **root),
            Kind::Prefix(prefix) => object.container.is_some_and(|id| id.value.starts_with(&**prefix)),
        }
    }

    /// Whether every object is allowed, so that none need be asked about.
    pub const fn is_everything(&self) -> bool {
        matches!(self.0, Kind::Everything)
    }

    /// Whether no object is allowed.
    pub const fn is_nothing(&self) -> bool {
        matches!(self.0, Kind::Nothing)
    }
}

/// The outermost container.
fn root_of(id: &ContainerId) -> &ContainerId {
    let mut id = id;
    while let Some(parent) = &id.parent {
        id = parent;
    }
    id
}

/// Of one list, what speaks of one subject.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Position and whether the subject is allowed, in order, up to the first that speaks of every object.
    of_subject: Arc<[(u32, bool)]>,
    list: Arc<[Rule]>,
    permissive: bool,
    /// The answer, when it is the same for all objects.
    fixed: Option<bool>,
}

impl Rules {
    /// What of `list` speaks of the principal called `subject`, or of nobody in particular.
    pub(super) fn new(list: &Arc<[Rule]>, subject: Option<&str>, permissive: bool) -> Self {
        let mut of_subject = Vec::new();
        for (index, rule) in (0_u32..).zip(list.iter()) {
            if rule.principals.matches(subject) {
                of_subject.push((index, rule.principals.allows()));
                if rule.objects.matches(None) {
                    break;
                }
            }
        }
        let fixed = match of_subject.first() {
            None => Some(permissive),
            Some((index, allowed)) => list
                .get(*index as usize)
                .filter(|rule| rule.objects.matches(None))
                .map(|rule| *allowed && rule.objects.allows()),
        };
        Self {
            of_subject: of_subject.into(),
            list: Arc::clone(list),
            permissive,
            fixed,
        }
    }

    const fn fixed(&self) -> Option<bool> {
        self.fixed
    }

    /// The first rule that speaks of the object decides.
    fn allow(&self, object: Option<&str>) -> bool {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        for (index, allowed) in self.of_subject.iter() {
            if let Some(rule) = self.list.get(*index as usize)
                && rule.objects.matches(object)
            {
                return *allowed && rule.objects.allows();
            }
        }
        self.permissive
    }
}
