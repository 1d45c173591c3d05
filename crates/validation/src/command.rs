//! Commands and their environments (facts: scheduler-http, section 8.4, row 9).

use proto::v1::environment::Variable;
use proto::v1::environment::variable::Type as VariableType;
use proto::v1::secret::Type as SecretType;
use proto::v1::{CommandInfo, Environment, Secret};

use crate::Invalid;

/// Checks the environment of a command.
///
/// # Errors
/// What is wrong with one of its variables.
pub fn validate(command: &CommandInfo) -> Result<(), Invalid> {
    command.environment.as_ref().map_or(Ok(()), environment)
}

/// Checks each variable of an environment.
///
/// # Errors
/// What is wrong with the first that is wrong.
pub fn environment(environment: &Environment) -> Result<(), Invalid> {
    environment.variables.iter().try_for_each(variable)
}

fn variable(variable: &Variable) -> Result<(), Invalid> {
    let fault = |text: &str| Err(format!("Environment variable '{}' {text}", variable.name));
    match (variable.r#type(), &variable.value, &variable.secret) {
        (VariableType::Value, None, _) => fault("of type 'VALUE' must have a value set"),
        (VariableType::Value, Some(_), Some(_)) => fault("of type 'VALUE' must not have a secret set"),
        (VariableType::Value, Some(_), None) => Ok(()),
        (VariableType::Secret, _, None) => fault("of type 'SECRET' must have a secret set"),
        (VariableType::Secret, Some(_), Some(_)) => fault("of type 'SECRET' must not have a value set"),
        (VariableType::Secret, None, Some(value)) => {
            if let Err(flaw) = secret(value) {
                return fault(&format!("specifies an invalid secret: {flaw}"));
            }
            if value.value.as_ref().is_some_and(|value| value.data.contains(&0)) {
                return fault(
                    "specifies a secret containing null bytes, which is not allowed in the environment",
                );
            }
            Ok(())
        }
        (VariableType::Unknown, ..) => {
            Err("Environment variable of type 'UNKNOWN' is not allowed".to_owned())
        }
    }
}

/// Checks that a secret is what its type says. One of an unknown type is for whoever resolves secrets to refuse.
///
/// # Errors
/// What is missing, or too much.
pub fn secret(secret: &Secret) -> Result<(), Invalid> {
    match (secret.r#type(), &secret.reference, &secret.value) {
        (SecretType::Reference, None, _) => {
            Err("Secret of type REFERENCE must have the 'reference' field set".to_owned())
        }
        (SecretType::Reference, Some(reference), Some(_)) => Err(format!(
            "Secret '{}' of type REFERENCE must not have the 'value' field set",
            reference.name
        )),
        (SecretType::Value, _, None) => {
            Err("Secret of type VALUE must have the 'value' field set".to_owned())
        }
        (SecretType::Value, Some(_), Some(_)) => {
            Err("Secret of type VALUE must not have the 'reference' field set".to_owned())
        }
        (SecretType::Reference, Some(_), None)
        | (SecretType::Value, None, Some(_))
        | (SecretType::Unknown, ..) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::secret::{Reference, Value};

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

    fn secret_of(kind: SecretType, reference: Option<&str>, data: Option<&'static [u8]>) -> Secret {
        Secret {
            r#type: Some(kind as i32),
            reference: reference.map(|name| Reference {
                name: name.to_owned(),
                ..Reference::default()
            }),
            value: data.map(|data| Value { data: data.into() }),
        }
    }

    #[test]
    fn variables_are_values_or_secrets() {
        let data = |data| Some(secret_of(SecretType::Value, None, Some(data)));
        let check = |command: CommandInfo, flaw: &str| {
            assert_eq!(validate(&command).err().unwrap_or_default(), flaw);
        };
        let (value, secret) = (VariableType::Value, VariableType::Secret);
        check(CommandInfo::default(), "");
        check(of(value, Some("b"), None), "");
        check(of(secret, None, data(b"s")), "");
        let a = "Environment variable 'A'";
        check(
            of(value, None, None),
            &format!("{a} of type 'VALUE' must have a value set"),
        );
        check(
            of(value, None, data(b"s")),
            &format!("{a} of type 'VALUE' must have a value set"),
        );
        check(
            of(value, Some("b"), data(b"s")),
            &format!("{a} of type 'VALUE' must not have a secret set"),
        );
        check(
            of(secret, Some("b"), None),
            &format!("{a} of type 'SECRET' must have a secret set"),
        );
        check(
            of(secret, Some("b"), data(b"s")),
            &format!("{a} of type 'SECRET' must not have a value set"),
        );
        let empty = secret_of(SecretType::Value, None, None);
        check(
            of(secret, None, Some(empty)),
            &format!("{a} specifies an invalid secret: Secret of type VALUE must have the 'value' field set"),
        );
        check(
            of(secret, None, data(b"a\0b")),
            &format!("{a} specifies a secret containing null bytes, which is not allowed in the environment"),
        );
        check(
            of(VariableType::Unknown, Some("b"), None),
            "Environment variable of type 'UNKNOWN' is not allowed",
        );
    }

    #[test]
    fn secrets_are_what_their_type_says() {
        let check = |given: Secret, flaw: &str| {
            assert_eq!(secret(&given).err().unwrap_or_default(), flaw);
        };
        let (reference, value) = (SecretType::Reference, SecretType::Value);
        check(secret_of(reference, Some("r"), None), "");
        check(secret_of(value, None, Some(b"v")), "");
        check(secret_of(SecretType::Unknown, None, None), "");
        check(
            secret_of(reference, None, None),
            "Secret of type REFERENCE must have the 'reference' field set",
        );
        check(
            secret_of(reference, Some("r"), Some(b"v")),
            "Secret 'r' of type REFERENCE must not have the 'value' field set",
        );
        check(
            secret_of(value, Some("r"), None),
            "Secret of type VALUE must have the 'value' field set",
        );
        check(
            secret_of(value, Some("r"), Some(b"v")),
            "Secret of type VALUE must not have the 'reference' field set",
        );
    }
}
