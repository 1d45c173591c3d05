//! Checks and health checks (scheduler-http.md §8.4, rows 6 and 7).

use proto::v1::check_info::Type as CheckType;
use proto::v1::health_check::Type as HealthType;
use proto::v1::{CheckInfo, CommandInfo, HealthCheck};

use super::{Invalid, command};

/// Checks a check.
pub fn check(check: &CheckInfo) -> Result<(), Invalid> {
    if check.r#type.is_none() {
        return Err("CheckInfo must specify 'type'".to_owned());
    }
    match check.r#type() {
        CheckType::Command => {
            let Some(of_command) = &check.command else {
                return Err("Expecting 'command' to be set for COMMAND check".to_owned());
            };
            shell(&of_command.command, "COMMAND check")?;
        }
        CheckType::Http => {
            let Some(http) = &check.http else {
                return Err("Expecting 'http' to be set for HTTP check".to_owned());
            };
            path(http.path.as_deref(), "HTTP check")?;
        }
        CheckType::Tcp if check.tcp.is_none() => {
            return Err("Expecting 'tcp' to be set for TCP check".to_owned());
        }
        CheckType::Tcp => {}
        CheckType::Unknown => return Err("'UNKNOWN' is not a valid check type".to_owned()),
    }
    for (name, seconds) in [
        ("delay_seconds", check.delay_seconds),
        ("interval_seconds", check.interval_seconds),
        ("timeout_seconds", check.timeout_seconds),
    ] {
        not_negative(name, seconds)?;
    }
    Ok(())
}

/// Sets the type of a health check written for old masters: the one part it has decides.
/// Compat: clients older than the field exist.
pub fn infer_type(check: &mut HealthCheck) {
    if check.r#type.is_none() {
        let kind = match (&check.command, &check.http) {
            (Some(_), None) => HealthType::Command,
            (None, Some(_)) => HealthType::Http,
            _ => return,
        };
        check.set_type(kind);
    }
}

/// Checks a health check.
pub fn health_check(check: &HealthCheck) -> Result<(), Invalid> {
    if check.r#type.is_none() {
        return Err("HealthCheck must specify 'type'".to_owned());
    }
    match check.r#type() {
        HealthType::Command => match &check.command {
            None => return Err("Expecting 'command' to be set for COMMAND health check".to_owned()),
            Some(given) => shell(given, "COMMAND health check")?,
        },
        HealthType::Http => {
            let Some(http) = &check.http else {
                return Err("Expecting 'http' to be set for HTTP health check".to_owned());
            };
            if let Some(scheme) = http
                .scheme
                .as_deref()
                .filter(|scheme| !matches!(*scheme, "http" | "https"))
            {
                return Err(format!("Unsupported HTTP health check scheme: '{scheme}'"));
            }
            path(http.path.as_deref(), "HTTP health check")?;
        }
        HealthType::Tcp if check.tcp.is_none() => {
            return Err("Expecting 'tcp' to be set for TCP health check".to_owned());
        }
        HealthType::Tcp => {}
        HealthType::Unknown => return Err("'UNKNOWN' is not a valid health check type".to_owned()),
    }
    for (name, seconds) in [
        ("delay_seconds", check.delay_seconds),
        ("grace_period_seconds", check.grace_period_seconds),
        ("interval_seconds", check.interval_seconds),
        ("timeout_seconds", check.timeout_seconds),
    ] {
        not_negative(name, seconds)?;
    }
    Ok(())
}

fn shell(given: &CommandInfo, what: &str) -> Result<(), Invalid> {
    if given.value.is_none() {
        let kind = if given.shell() {
            "Shell command"
        } else {
            "Executable path"
        };
        return Err(format!("{kind} is not specified for {what}"));
    }
    command::validate(given)
}

fn path(path: Option<&str>, what: &str) -> Result<(), Invalid> {
    match path {
        Some(path) if !path.starts_with('/') => {
            Err(format!("The path '{path}' of {what} must start with '/'"))
        }
        _ => Ok(()),
    }
}

fn not_negative(name: &str, seconds: Option<f64>) -> Result<(), Invalid> {
    match seconds {
        Some(seconds) if seconds < 0.0 => Err(format!("Expecting '{name}' to be non-negative")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::{check_info, health_check as parts};

    use super::*;

    #[test]
    fn checks_have_the_part_of_their_type() {
        assert!(check(&CheckInfo::default()).is_err());
        let mut given = CheckInfo {
            r#type: Some(CheckType::Http as i32),
            ..CheckInfo::default()
        };
        assert!(check(&given).is_err());
        given.http = Some(check_info::Http {
            port: 80,
            path: Some("/health".to_owned()),
        });
        assert!(check(&given).is_ok());
        given.delay_seconds = Some(-1.0);
        assert!(check(&given).is_err());
        given.delay_seconds = None;
        given.http = Some(check_info::Http {
            port: 80,
            path: Some("health".to_owned()),
        });
        assert!(check(&given).is_err());
        let command = check_info::Command {
            command: CommandInfo::default(),
        };
        let mut given = CheckInfo {
            r#type: Some(CheckType::Command as i32),
            command: Some(command),
            ..CheckInfo::default()
        };
        assert!(check(&given).is_err());
        let value = CommandInfo {
            value: Some("true".to_owned()),
            ..CommandInfo::default()
        };
        given.command = Some(check_info::Command { command: value });
        assert!(check(&given).is_ok());
        assert!(
            check(&CheckInfo {
                r#type: Some(CheckType::Tcp as i32),
                ..CheckInfo::default()
            })
            .is_err()
        );
        assert!(
            check(&CheckInfo {
                r#type: Some(CheckType::Unknown as i32),
                ..CheckInfo::default()
            })
            .is_err()
        );
    }

    #[test]
    fn the_type_of_an_old_health_check_is_inferred() {
        let command = CommandInfo {
            value: Some("true".to_owned()),
            ..CommandInfo::default()
        };
        let mut given = HealthCheck {
            command: Some(command),
            ..HealthCheck::default()
        };
        assert!(health_check(&given).is_err());
        infer_type(&mut given);
        assert_eq!(given.r#type(), HealthType::Command);
        assert!(health_check(&given).is_ok());
        let mut neither = HealthCheck::default();
        infer_type(&mut neither);
        assert_eq!(neither.r#type, None);
    }

    #[test]
    fn an_http_health_check_speaks_http() {
        let http = |scheme: &str| HealthCheck {
            r#type: Some(HealthType::Http as i32),
            http: Some(parts::HttpCheckInfo {
                scheme: Some(scheme.to_owned()),
                ..parts::HttpCheckInfo::default()
            }),
            ..HealthCheck::default()
        };
        assert!(health_check(&http("https")).is_ok());
        assert!(health_check(&http("ftp")).is_err());
        assert!(
            health_check(&HealthCheck {
                grace_period_seconds: Some(-0.1),
                ..http("http")
            })
            .is_err()
        );
    }
}
