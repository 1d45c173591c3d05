//! Whom or what an entry speaks of.

use std::collections::BTreeSet;

/// One side of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entity {
    /// These.
    Some(BTreeSet<String>),
    /// All.
    Any,
    /// All too, but to refuse them.
    None,
    /// The roles strictly below this one; it ends with `/`.
    Below(String),
}

impl Entity {
    /// Whether the entry speaks of `asked`; nothing in particular is asked for with `None`.
    pub(super) fn matches(&self, asked: Option<&str>) -> bool {
        match (self, asked) {
            (Self::Any | Self::None, _) => true,
            (Self::Some(values), Some(value)) => values.contains(value),
            (Self::Below(prefix), Some(value)) => value.starts_with(prefix.as_str()),
            (Self::Some(_) | Self::Below(_), None) => false,
        }
    }

    /// Whether an entry that speaks of what was asked allows it.
    pub(super) const fn allows(&self) -> bool {
        !matches!(self, Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(values: &[&str]) -> Entity {
        Entity::Some(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn what_matches_what() {
        for (entity, a, b, nothing) in [
            (Entity::Any, true, true, true),
            (Entity::None, true, true, true),
            (some(&["a"]), true, false, false),
            (some(&[]), false, false, false),
            (Entity::Below("a/".to_owned()), false, false, false),
        ] {
            assert_eq!(entity.matches(Some("a")), a, "{entity:?}");
            assert_eq!(entity.matches(Some("b")), b, "{entity:?}");
            assert_eq!(entity.matches(None), nothing, "{entity:?}");
        }
    }

    #[test]
    fn below_is_strict() {
        let below = Entity::Below("a/".to_owned());
        assert!(below.matches(Some("a/b")) && below.matches(Some("a/b/c")));
        assert!(!below.matches(Some("a")) && !below.matches(Some("ab/c")) && !below.matches(Some("b/a/c")));
    }
}
