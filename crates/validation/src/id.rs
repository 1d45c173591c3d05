//! Ids given by users: tasks, executors, frameworks, containers.

use crate::Invalid;

/// Longest id in bytes.
pub const MAX_LENGTH: usize = 255;

/// Ids become parts of paths on agents, so they must be usable as names of files.
///
/// # Errors
/// What makes it unusable.
pub fn validate(id: &str) -> Result<(), Invalid> {
    if id.is_empty() {
        return Err("ID must not be empty".to_owned());
    }
    if id.len() > MAX_LENGTH {
        return Err(format!("ID must not be greater than {MAX_LENGTH} characters"));
    }
    if id == "." || id == ".." {
        return Err(format!("'{id}' is disallowed"));
    }
    if id
        .bytes()
        .any(|byte| byte.is_ascii_control() || byte == b'/' || byte == b'\\')
    {
        return Err(format!("'{id}' contains invalid characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(id: &str, fault: Option<&str>) {
        assert_eq!(validate(id).err().as_deref(), fault, "{id:?}");
    }

    #[test]
    fn ids() {
        check("sleeper.1", None);
        check("a", None);
        check("...", None);
        check("ünï", None);
        check(&"x".repeat(255), None);
        check(
            &"x".repeat(256),
            Some("ID must not be greater than 255 characters"),
        );
        check("", Some("ID must not be empty"));
        check(".", Some("'.' is disallowed"));
        check("..", Some("'..' is disallowed"));
        check("ghost/../x", Some("'ghost/../x' contains invalid characters"));
        check("a\\b", Some("'a\\b' contains invalid characters"));
        check("a\nb", Some("'a\nb' contains invalid characters"));
        check("a\x7fb", Some("'a\x7fb' contains invalid characters"));
    }
}
