//! Names of roles.

use resources::role::{self, Flaw};

use super::Invalid;

/// The longest name, in bytes: names stand in keys of the registry and in names of metrics.
pub const LONGEST: usize = 1024;

/// The rules are those of [`resources::role::validate`]; this puts the flaw in words. A name longer than [`LONGEST`] is
/// refused as well.
pub fn validate(name: &str) -> Result<(), Invalid> {
    if name.len() > LONGEST {
        return Err(format!(
            "A role name of {} bytes is longer than {LONGEST}",
            name.len()
        ));
    }
    let Err(flaw) = role::validate(name) else {
        return Ok(());
    };
    let component = |guilty: &dyn Fn(&str) -> bool| {
        name.split('/')
            .find(|part| guilty(part))
            .unwrap_or(name)
            .to_owned()
    };
    Err(match flaw {
        Flaw::Empty => "Empty role name is invalid".to_owned(),
        Flaw::EmptyComponent if name.starts_with('/') => format!("Role '{name}' cannot start with a slash"),
        Flaw::EmptyComponent if name.ends_with('/') => format!("Role '{name}' cannot end with a slash"),
        Flaw::EmptyComponent => format!("Role '{name}' cannot contain two adjacent slashes"),
        Flaw::Dots => {
            format!(
                "Role component '{}' is invalid",
                component(&|part| part == "." || part == "..")
            )
        }
        Flaw::Star => format!(
            "Role component '{}' is invalid because it is the default role",
            component(&|part| part == "*")
        ),
        Flaw::LeadingDash => {
            format!(
                "Role component '{}' is invalid because it begins with a dash",
                component(&|part| part.starts_with('-'))
            )
        }
        // Compat: recorded wording (captured exchange "bad-subscribe-bad-role").
        _ => format!(
            "Role component '{}' is invalid because it contains backspace or whitespace",
            component(&|part| part.bytes().any(|byte| matches!(byte, 0x09..=0x0d | 0x20 | 0x7f)))
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, fault: Option<&str>) {
        assert_eq!(validate(name).err().as_deref(), fault, "{name:?}");
    }

    #[test]
    fn role_names() {
        check("*", None);
        check("eng/dev", None);
        check(&"r".repeat(1024), None);
        check(
            &"r".repeat(1025),
            Some("A role name of 1025 bytes is longer than 1024"),
        );
        check(
            "a b",
            Some("Role component 'a b' is invalid because it contains backspace or whitespace"),
        );
        check(
            "ok/a\tb",
            Some("Role component 'a\tb' is invalid because it contains backspace or whitespace"),
        );
        check("", Some("Empty role name is invalid"));
        check("/a", Some("Role '/a' cannot start with a slash"));
        check("a/", Some("Role 'a/' cannot end with a slash"));
        check("a//b", Some("Role 'a//b' cannot contain two adjacent slashes"));
        check("a/..", Some("Role component '..' is invalid"));
        check(
            "a/*",
            Some("Role component '*' is invalid because it is the default role"),
        );
        check(
            "a/-b",
            Some("Role component '-b' is invalid because it begins with a dash"),
        );
    }
}
