//! The task that a command becomes.

use std::fmt;

use proto::v1;

/// How much of each scalar resource a task wants, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish(Vec<(&'static str, i64)>);

impl Wish {
    /// Amounts of 0 are not wanted.
    pub(super) fn new(amounts: [(&'static str, f64); 4]) -> Self {
        let thousandths = amounts.map(|(name, amount)| (name, thousandths(amount)));
        Self(
            thousandths
                .into_iter()
                .filter(|(_, amount)| *amount > 0)
                .collect(),
        )
    }

    /// The part of an offer that fulfils the wish, reserved resources first; `None` when it holds too little.
    pub(super) fn take_from(&self, offered: &[v1::Resource]) -> Option<Vec<v1::Resource>> {
        let mut taken = Vec::new();
        for (name, amount) in &self.0 {
            let mut left = *amount;
            let mut usable: Vec<&v1::Resource> =
                offered.iter().filter(|resource| usable(resource, name)).collect();
            usable.sort_by_key(|resource| resource.reservations.is_empty());
            for resource in usable {
                let share = left.min(held(resource));
                if share > 0 {
                    let scalar = Some(v1::value::Scalar { value: units(share) });
                    taken.push(v1::Resource {
                        scalar,
                        ..resource.clone()
                    });
                    left -= share;
                }
            }
            if left > 0 {
                return None;
            }
        }
        Some(taken)
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, amount)) in self.0.iter().enumerate() {
            write!(
                f,
                "{}{name} {}",
                if index == 0 { "" } else { ", " },
                units(*amount)
            )?;
        }
        Ok(())
    }
}

/// Plain resources only: no volumes, nothing that may be taken back or is shared.
fn usable(resource: &v1::Resource, name: &str) -> bool {
    resource.name == name
        && resource.disk.is_none()
        && resource.revocable.is_none()
        && resource.shared.is_none()
}

fn held(resource: &v1::Resource) -> i64 {
    resource
        .scalar
        .as_ref()
        .map_or(0, |scalar| thousandths(scalar.value))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates, and amounts are far smaller"
)]
fn thousandths(amount: f64) -> i64 {
    (amount * 1000.0).round() as i64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "amounts are far below 2^53 thousandths"
)]
fn units(thousandths: i64) -> f64 {
    thousandths as f64 / 1000.0
}

/// The command of the task: a program with its arguments, or a line for the shell.
pub(super) fn command(
    words: &[String],
    shell: bool,
    variables: &[(String, String)],
    user: Option<&str>,
) -> v1::CommandInfo {
    let (value, arguments) = if shell {
        (Some(words.join(" ")), Vec::new())
    } else {
        (words.first().cloned(), words.to_vec())
    };
    let variables = variables.iter().map(|(name, value)| v1::environment::Variable {
        name: name.clone(),
        value: Some(value.clone()),
        ..v1::environment::Variable::default()
    });
    let variables: Vec<_> = variables.collect();
    v1::CommandInfo {
        environment: (!variables.is_empty()).then_some(v1::Environment { variables }),
        shell: Some(shell),
        value,
        arguments,
        user: user.map(str::to_owned),
        ..v1::CommandInfo::default()
    }
}

/// A resource amount: a number from 0 to a thousand million, to three decimals.
pub(super) fn parse_amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(amount) if (0.0..=1e9).contains(&amount) => Ok(amount),
        _ => Err("not an amount".to_owned()),
    }
}

/// `NAME=VALUE`.
pub(super) fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(name: &str, value: f64) -> v1::Resource {
        v1::Resource {
            name: name.to_owned(),
            r#type: v1::value::Type::Scalar.into(),
            scalar: Some(v1::value::Scalar { value }),
            ..v1::Resource::default()
        }
    }

    fn reserved(name: &str, value: f64) -> v1::Resource {
        let reservation = v1::resource::ReservationInfo::default();
        v1::Resource {
            reservations: vec![reservation],
            ..scalar(name, value)
        }
    }

    fn wish(cpus: f64, mem: f64) -> Wish {
        Wish::new([("cpus", cpus), ("mem", mem), ("disk", 0.0), ("gpus", 0.0)])
    }

    #[test]
    fn an_offer_gives_what_is_wished_or_nothing() {
        let offer = [scalar("cpus", 4.0), scalar("mem", 512.0), scalar("disk", 9.0)];
        let taken = wish(0.1, 128.0).take_from(&offer);
        assert_eq!(taken, Some(vec![scalar("cpus", 0.1), scalar("mem", 128.0)]));
        assert_eq!(wish(4.001, 128.0).take_from(&offer), None);
        assert_eq!(
            Wish::new([("cpus", 1.0), ("mem", 1.0), ("disk", 0.0), ("gpus", 1.0)]).take_from(&offer),
            None
        );
    }

    #[test]
    fn reserved_resources_are_used_up_first() {
        let offer = [scalar("cpus", 2.0), reserved("cpus", 1.0)];
        let taken = wish(2.5, 0.0).take_from(&offer);
        assert_eq!(taken, Some(vec![reserved("cpus", 1.0), scalar("cpus", 1.5)]));
    }

    #[test]
    fn volumes_and_borrowed_resources_are_left_alone() {
        let volume = v1::Resource {
            disk: Some(Box::default()),
            ..scalar("disk", 10.0)
        };
        let borrowed = v1::Resource {
            revocable: Some(v1::resource::RevocableInfo::default()),
            ..scalar("disk", 10.0)
        };
        let disk = Wish::new([("cpus", 0.0), ("mem", 0.0), ("disk", 1.0), ("gpus", 0.0)]);
        assert_eq!(disk.take_from(&[volume, borrowed]), None);
    }

    #[test]
    fn a_command_is_a_program_or_a_line_for_the_shell() {
        let words = ["echo".to_owned(), "a b".to_owned()];
        let program = command(&words, false, &[], None);
        assert_eq!(
            (program.shell, program.value, program.arguments),
            (Some(false), Some("echo".into()), words.to_vec())
        );
        let line = command(&words, true, &[("A".to_owned(), "1".to_owned())], Some("nobody"));
        assert_eq!(
            (line.shell, line.value, line.arguments),
            (Some(true), Some("echo a b".into()), vec![])
        );
        assert_eq!(line.user.as_deref(), Some("nobody"));
        assert_eq!(
            line.environment.map(|environment| environment.variables.len()),
            Some(1)
        );
    }

    #[test]
    fn amounts_and_variables_are_checked() {
        assert_eq!(parse_amount("0.5"), Ok(0.5));
        for bad in ["-1", "x", "NaN", "inf", "1e10", ""] {
            assert!(parse_amount(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert!(parse_variable("=b").is_err() && parse_variable("A").is_err());
    }
}
