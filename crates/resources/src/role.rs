//! Names of roles: `*`, or parts joined by `/`.

/// What is wrong with a role name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The name is empty.
    #[error("it is empty")]
    Empty,
    /// A `/` leads, trails, or follows another.
    #[error("it has an empty component")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("a component is '.' or '..'")]
    Dots,
    /// A component is `*`.
    #[error("a component is '*'")]
    Star,
    /// A component starts with `-`.
    #[error("a component starts with '-'")]
    LeadingDash,
    /// A byte in 09..0d, 20 or 7f.
    #[error("it contains whitespace or a control character")]
    Character,
}

/// The role of what is not reserved.
pub const DEFAULT: &str = "*";

/// Checks a role's name.
///
/// # Errors
/// The first [`Flaw`] found.
pub fn validate(name: &str) -> Result<(), Flaw> {
    if name == DEFAULT {
        return Ok(());
    }
    if name.is_empty() {
        return Err(Flaw::Empty);
    }
    for component in name.split('/') {
        match component {
            "" => return Err(Flaw::EmptyComponent),
            "." | ".." => return Err(Flaw::Dots),
            "*" => return Err(Flaw::Star),
            _ if component.starts_with('-') => return Err(Flaw::LeadingDash),
            _ => {}
        }
        if component
            .bytes()
            .any(|byte| matches!(byte, 0x09..=0x0d | 0x20 | 0x7f))
        {
            return Err(Flaw::Character);
        }
    }
    Ok(())
}

/// Whether `role` lies strictly below `ancestor`.
pub fn is_strict_subrole(role: &str, ancestor: &str) -> bool {
    role.strip_prefix(ancestor)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The role one level up, if any.
pub fn parent(role: &str) -> Option<&str> {
    role.rsplit_once('/').map(|(parent, _)| parent)
}

/// The first component.
pub fn top(role: &str) -> &str {
    role.split_once('/').map_or(role, |(top, _)| top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, flaw: Option<Flaw>) {
        assert_eq!(validate(name).err(), flaw, "{name}");
    }

    #[test]
    fn role_names() {
        check("*", None);
        check("eng", None);
        check("eng/dev", None);
        check("e-ng/d.ev", None);
        check("", Some(Flaw::Empty));
        check("eng//dev", Some(Flaw::EmptyComponent));
        check("/eng", Some(Flaw::EmptyComponent));
        check("eng/", Some(Flaw::EmptyComponent));
        check("eng/..", Some(Flaw::Dots));
        check(".", Some(Flaw::Dots));
        check("eng/*", Some(Flaw::Star));
        check("-dev", Some(Flaw::LeadingDash));
        check("eng/-dev", Some(Flaw::LeadingDash));
        check("a b", Some(Flaw::Character));
        check("a\tb", Some(Flaw::Character));
        check("a\u{7f}b", Some(Flaw::Character));
    }

    #[test]
    fn family() {
        assert!(is_strict_subrole("a/b", "a"));
        assert!(!is_strict_subrole("a", "a"));
        assert!(!is_strict_subrole("ab", "a"));
        assert_eq!(parent("a/b/c"), Some("a/b"));
        assert_eq!(top("a/b/c"), "a");
    }
}
