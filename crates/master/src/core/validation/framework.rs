//! Descriptions of frameworks (scheduler-http.md §5, §7).

use std::collections::BTreeSet;

use proto::v1::framework_info::capability::Type as Capability;
use proto::v1::{FrameworkInfo, offer_filters};

use super::{Invalid, id, role};
use crate::core::capabilities::FrameworkCapabilities;
use crate::core::config::Config;

/// Roles of a framework, from `roles` or, without MULTI_ROLE, from `role` (default `*`).
pub fn roles(info: &FrameworkInfo) -> BTreeSet<String> {
    if FrameworkCapabilities::new(&info.capabilities).has(Capability::MultiRole) {
        info.roles.iter().cloned().collect()
    } else {
        [single_role(info).to_owned()].into()
    }
}

#[allow(deprecated, reason = "frameworks without MULTI_ROLE have this field only")]
fn single_role(info: &FrameworkInfo) -> &str {
    info.role()
}

#[allow(deprecated, reason = "frameworks with MULTI_ROLE must not use this field")]
fn sets_single_role(info: &FrameworkInfo) -> bool {
    info.role.is_some()
}

/// Checks the description alone.
pub fn validate(info: &FrameworkInfo) -> Result<(), Invalid> {
    validate_roles(info)?;
    if let Some(framework) = info.id.as_ref().filter(|framework| !framework.value.is_empty()) {
        id::validate(&framework.value)?;
    }
    for filters in info.offer_filters.values() {
        for quantities in filters
            .min_allocatable_resources
            .iter()
            .flat_map(|minimum| &minimum.quantities)
        {
            validate_quantities(quantities)?;
        }
    }
    if failover_timeout(info).is_none() {
        return Err("The framework failover_timeout is invalid".to_owned());
    }
    Ok(())
}

fn validate_roles(info: &FrameworkInfo) -> Result<(), Invalid> {
    if FrameworkCapabilities::new(&info.capabilities).has(Capability::MultiRole) {
        if sets_single_role(info) {
            return Err(
                "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable".to_owned(),
            );
        }
        let mut seen = BTreeSet::new();
        for name in &info.roles {
            if !seen.insert(name) {
                return Err(format!(
                    "'FrameworkInfo.roles' contains duplicate items: '{name}'"
                ));
            }
        }
        for name in &info.roles {
            role::validate(name)
                .map_err(|fault| format!("'FrameworkInfo.roles' contains invalid role: {fault}"))?;
        }
        return Ok(());
    }
    if !info.roles.is_empty() {
        return Err(
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable".to_owned(),
        );
    }
    role::validate(single_role(info))
        .map_err(|fault| format!("'FrameworkInfo.role' is not a valid role: {fault}"))
}

fn validate_quantities(quantities: &offer_filters::ResourceQuantities) -> Result<(), Invalid> {
    if quantities.quantities.is_empty() {
        return Err("Invalid resource quantities in minimum allocatable resources: it is empty".to_owned());
    }
    for (name, scalar) in &quantities.quantities {
        let value = scalar.value;
        if !value.is_finite() || value.is_subnormal() || value < 0.0 {
            return Err(format!(
                "Invalid resource quantities in minimum allocatable resources: '{name}' is {value}"
            ));
        }
    }
    Ok(())
}

/// How long a framework may be away before it is removed; `None`: not a duration. Negative is none at all.
pub fn failover_timeout(info: &FrameworkInfo) -> Option<std::time::Duration> {
    let seconds = info.failover_timeout();
    if seconds.is_nan() || seconds.abs() * 1e9 > 9.2e18 {
        return None;
    }
    std::time::Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

/// Checks the description against this master's settings.
pub fn validate_for(config: &Config, info: &FrameworkInfo) -> Result<(), Invalid> {
    let roles = roles(info);
    if let Some(whitelist) = &config.roles {
        let strangers: Vec<&str> = roles
            .iter()
            .filter(|role| *role != "*" && !whitelist.contains(*role))
            .map(String::as_str)
            .collect();
        if !strangers.is_empty() {
            return Err(format!(
                "Roles '{}' are not present in master's --roles",
                strangers.join(", ")
            ));
        }
    }
    if info.user == "root" && !config.root_submissions {
        return Err("User 'root' is not allowed to run frameworks without --root_submissions set".to_owned());
    }
    Ok(())
}

/// Checks that suppressed roles are the framework's own.
pub fn validate_suppressed(roles: &BTreeSet<String>, suppressed: &[String]) -> Result<(), Invalid> {
    match suppressed.iter().find(|role| !roles.contains(*role)) {
        None => Ok(()),
        Some(role) => Err(format!(
            "Suppressed role '{role}' is not contained in the list of roles"
        )),
    }
}

/// Checks what UPDATE_FRAMEWORK may not change.
pub fn validate_update(old: &FrameworkInfo, new: &FrameworkInfo) -> Result<(), Invalid> {
    if old.principal != new.principal {
        return Err("Changing framework's principal is not allowed.".to_owned());
    }
    if old.user != new.user {
        return Err("Updating 'FrameworkInfo.user' is unsupported".to_owned());
    }
    if old.checkpoint() != new.checkpoint() {
        return Err("Updating 'FrameworkInfo.checkpoint' is unsupported".to_owned());
    }
    Ok(())
}

#[cfg(test)]
#[allow(deprecated, reason = "the old role field is part of what is tested")]
mod tests {
    use proto::v1::{FrameworkId, framework_info};

    use super::*;

    fn info(roles: &[&str], multi: bool) -> FrameworkInfo {
        let multi_role = framework_info::Capability {
            r#type: Some(Capability::MultiRole as i32),
        };
        FrameworkInfo {
            user: "u".to_owned(),
            name: "n".to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            capabilities: if multi { vec![multi_role] } else { Vec::new() },
            ..FrameworkInfo::default()
        }
    }

    #[track_caller]
    fn check(info: &FrameworkInfo, fault: Option<&str>) {
        assert_eq!(validate(info).err().as_deref(), fault);
    }

    #[test]
    fn descriptions() {
        check(&info(&[], false), None);
        check(&info(&["web", "batch"], true), None);
        check(&info(&[], true), None);
        let text = "'FrameworkInfo.roles' contains invalid role: Role component 'a b' is invalid because it contains backspace \
                    or whitespace";
        check(&info(&["a b"], true), Some(text));
        check(
            &info(&["a", "a"], true),
            Some("'FrameworkInfo.roles' contains duplicate items: 'a'"),
        );
        let text = "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable";
        check(&info(&["a"], false), Some(text));
        let both = FrameworkInfo {
            role: Some("a".to_owned()),
            ..info(&["a"], true)
        };
        check(
            &both,
            Some("'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"),
        );
        let ghost = FrameworkInfo {
            id: Some(FrameworkId {
                value: "ghost/../x".to_owned(),
            }),
            ..info(&[], false)
        };
        check(&ghost, Some("'ghost/../x' contains invalid characters"));
        let empty = FrameworkInfo {
            id: Some(FrameworkId { value: String::new() }),
            ..info(&[], false)
        };
        check(&empty, None);
        let never = FrameworkInfo {
            failover_timeout: Some(f64::NAN),
            ..info(&[], false)
        };
        check(&never, Some("The framework failover_timeout is invalid"));
        let too_long = FrameworkInfo {
            failover_timeout: Some(1e300),
            ..info(&[], false)
        };
        check(&too_long, Some("The framework failover_timeout is invalid"));
    }

    #[test]
    fn roles_come_from_the_field_that_counts() {
        assert_eq!(roles(&info(&[], false)), ["*".to_owned()].into());
        assert_eq!(
            roles(&FrameworkInfo {
                role: Some("a".to_owned()),
                ..info(&[], false)
            }),
            ["a".to_owned()].into()
        );
        assert_eq!(
            roles(&info(&["b", "a"], true)),
            ["a".to_owned(), "b".to_owned()].into()
        );
    }

    #[test]
    fn suppressed_roles_must_be_own() {
        let roles = roles(&info(&["web"], true));
        assert_eq!(validate_suppressed(&roles, &["web".to_owned()]), Ok(()));
        let fault = validate_suppressed(&roles, &["db".to_owned()]).unwrap_err();
        assert_eq!(
            fault,
            "Suppressed role 'db' is not contained in the list of roles"
        );
    }
}
