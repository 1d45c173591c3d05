//! Commands and their environments (scheduler-http.md §8.4, row 9).

use proto::v1::environment::variable::Type as VariableType;
use proto::v1::secret::Type as SecretType;
use proto::v1::{CommandInfo, Environment, Secret};

use super::Invalid;

/// Checks the environment of a command.
pub fn validate(command: &CommandInfo) -> Result<(), Invalid> {
    command.environment.as_ref().map_or(Ok(()), environment)
}

/// Checks each variable of an environment.
pub fn environment(environment: &Environment) -> Result<(), Invalid> {
    for variable in &environment.variables {
        let name = &variable.name;
        match variable.r#type() {
            VariableType::Value => {
                if variable.secret.is_some() {
                    return Err(format!(
                        "Environment variable '{name}' of type 'VALUE' must not have a secret set"
                    ));
                }
                if variable.value.is_none() {
                    return Err(format!(
                        "Environment variable '{name}' of type 'VALUE' must have a value set"
                    ));
                }
            }
            VariableType::Secret => {
                if variable.value.is_some() {
                    return Err(format!(
                        "Environment variable '{name}' of type 'SECRET' must not have a value set"
                    ));
                }
                let Some(value) = &variable.secret else {
                    return Err(format!(
                        "Environment variable '{name}' of type 'SECRET' must have a secret set"
                    ));
                };
                secret(value).map_err(|fault| {
                    format!("Environment variable '{name}' specifies an invalid secret: {fault}")
                })?;
                if value.value.as_ref().is_some_and(|value| value.data.contains(&0)) {
                    return Err(format!(
                        "Environment variable '{name}' specifies a secret containing null bytes, which is not allowed in the environment"
                    ));
                }
            }
            VariableType::Unknown => {
                return Err("Environment variable of type 'UNKNOWN' is not allowed".to_owned());
            }
        }
    }
    Ok(())
}

/// Checks that a secret is what its type says.
pub fn secret(secret: &Secret) -> Result<(), Invalid> {
    match secret.r#type() {
        SecretType::Reference => match (&secret.reference, &secret.value) {
            (None, _) => Err("Secret of type REFERENCE must have the 'reference' field set".to_owned()),
            (Some(_), Some(_)) => {
                Err("Secret of type REFERENCE must not have the 'value' field set".to_owned())
            }
            (Some(_), None) => Ok(()),
        },
        SecretType::Value => match (&secret.value, &secret.reference) {
            (None, _) => Err("Secret of type VALUE must have the 'value' field set".to_owned()),
            (Some(_), Some(_)) => {
                Err("Secret of type VALUE must not have the 'reference' field set".to_owned())
            }
            (Some(_), None) => Ok(()),
        },
        SecretType::Unknown => Err("Secret of unknown type".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::environment::Variable;

    use super::*;

    fn of(kind: VariableType, value: Option<&str>, secret: Option<Secret>) -> CommandInfo {
        let variable = Variable {
            name: "A".to_owned(),
            r#type: Some(kind as i32),
            value: value.map(str::to_owned),
            secret,
        };
        CommandInfo {
            environment: Some(Environment {
                variables: vec![variable],
            }),
            ..CommandInfo::default()
        }
    }

    #[test]
    fn variables_are_values_or_secrets() {
        let data = |data: &'static [u8]| Secret {
            r#type: Some(SecretType::Value as i32),
            reference: None,
            value: Some(proto::v1::secret::Value { data: data.into() }),
        };
        assert!(validate(&CommandInfo::default()).is_ok());
        assert!(validate(&of(VariableType::Value, Some("b"), None)).is_ok());
        assert!(validate(&of(VariableType::Secret, None, Some(data(b"s")))).is_ok());
        assert!(validate(&of(VariableType::Value, None, None)).is_err());
        assert!(validate(&of(VariableType::Value, Some("b"), Some(data(b"s")))).is_err());
        assert!(validate(&of(VariableType::Secret, Some("b"), Some(data(b"s")))).is_err());
        assert!(validate(&of(VariableType::Secret, None, None)).is_err());
        assert!(validate(&of(VariableType::Secret, None, Some(Secret::default()))).is_err());
        assert!(validate(&of(VariableType::Secret, None, Some(data(b"a\0b")))).is_err());
        assert!(validate(&of(VariableType::Unknown, Some("b"), None)).is_err());
    }
}
