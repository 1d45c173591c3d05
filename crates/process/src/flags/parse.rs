//! Reading a command line and an environment against a [`Table`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::value::Value;
use super::{Effect, Flag, Kind, Table, Values};

/// Why a command line or an environment was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No flag has that name.
    #[error("unknown flag '{0}'")]
    Unknown(String),
    /// The flag was given more than once, under one name or several.
    #[error("flag '{0}' is given more than once")]
    Duplicate(&'static str),
    /// A flag that takes a value came without `=value`.
    #[error("flag '{0}' needs a value: --{0}=VALUE")]
    MissingValue(&'static str),
    /// `--no-name` for a flag that is no boolean.
    #[error("flag '{0}' is not a boolean and cannot be negated")]
    NotBoolean(&'static str),
    /// `--no-name=value`.
    #[error("the negated flag '{0}' takes no value")]
    NegatedWithValue(&'static str),
    /// The value does not read as the flag's kind.
    #[error("flag '{flag}' does not take '{value}': {expected}")]
    Invalid {
        /// The flag.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What its kind looks like.
        expected: &'static str,
    },
    /// The flag takes only its default here.
    #[error("flag '{flag}' cannot be honoured by this version: {why}")]
    Refused {
        /// The flag.
        flag: &'static str,
        /// Why.
        why: &'static str,
    },
    /// The file a value points at cannot be read.
    #[error("flag '{flag}': failed to read '{}'", path.display())]
    File {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A component's own check of its flags failed.
    #[error("{0}")]
    Rejected(String),
}

/// Where a value came from: a later source never overrides an earlier one.
struct Given {
    value: Value,
    alias: Option<&'static str>,
}

impl Table {
    /// Reads the command line (without the program's name) and the environment.
    ///
    /// # Errors
    /// For the first flag that is unknown, doubled, ill-formed or refused.
    pub fn parse<A, E>(&self, args: A, environment: E) -> Result<Values, Error>
    where
        A: IntoIterator<Item = String>,
        E: IntoIterator<Item = (String, String)>,
    {
        let mut given = BTreeMap::new();
        for arg in args {
            if arg == "--" {
                break;
            }
            if let Some(word) = arg.strip_prefix("--") {
                let (flag, alias, value) = self.word(word)?;
                if given.insert(flag.name, Given { value, alias }).is_some() {
                    return Err(Error::Duplicate(flag.name));
                }
            }
        }
        self.environment(environment, &mut given)?;
        self.complete(given)
    }

    /// One word of the command line, without its leading dashes.
    fn word(&self, word: &str) -> Result<(&'static Flag, Option<&'static str>, Value), Error> {
        let (name, text) = match word.split_once('=') {
            Some((name, text)) => (name.to_ascii_lowercase(), Some(text)),
            None => (word.to_ascii_lowercase(), None),
        };
        if let Some(flag) = self.find(&name) {
            let value = match text {
                Some(text) => read(flag, text)?,
                None if flag.kind == Kind::Bool => Value::Bool(true),
                None => return Err(Error::MissingValue(flag.name)),
            };
            return Ok((flag, alias(flag, &name), value));
        }
        let Some((negated, flag)) = name.strip_prefix("no-").and_then(|n| Some((n, self.find(n)?))) else {
            return Err(Error::Unknown(name));
        };
        match (flag.kind, text) {
            (Kind::Bool, None) => Ok((flag, alias(flag, negated), Value::Bool(false))),
            (Kind::Bool, Some(_)) => Err(Error::NegatedWithValue(flag.name)),
            _ => Err(Error::NotBoolean(flag.name)),
        }
    }

    /// Adds what the environment says about flags that the command line left alone.
    fn environment(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
        given: &mut BTreeMap<&'static str, Given>,
    ) -> Result<(), Error> {
        // Sorted, so that of two spellings of one variable the upper-case one is met first.
        let variables: BTreeMap<String, String> = environment.into_iter().collect();
        let mut met = BTreeMap::new();
        for (name, text) in &variables {
            let Some(name) = name.strip_prefix(self.prefix).map(str::to_ascii_lowercase) else {
                continue;
            };
            let Some(flag) = self.find(&name) else { continue };
            if given.contains_key(flag.name) {
                continue;
            }
            let alias = alias(flag, &name);
            match met.get(flag.name) {
                None => {
                    met.insert(
                        flag.name,
                        Given {
                            value: read(flag, text)?,
                            alias,
                        },
                    );
                }
                Some(other) if other.alias != alias => return Err(Error::Duplicate(flag.name)),
                Some(_) => {}
            }
        }
        given.append(&mut met);
        Ok(())
    }

    /// Fills in defaults and collects warnings.
    fn complete(&self, given: BTreeMap<&'static str, Given>) -> Result<Values, Error> {
        let mut values = Values::default();
        for flag in self.iter() {
            if let Some(default) = flag.default {
                values.values.insert(flag.name, read(flag, default)?);
            }
        }
        for (name, Given { value, alias }) in given {
            if let Some(alias) = alias {
                values
                    .warnings
                    .push(format!("Flag '{alias}' is deprecated; use '{name}' instead"));
            }
            let flag = self
                .find(name)
                .filter(|_| values.values.get(name) != Some(&value));
            if let Some(flag) = flag {
                refuse(flag, &value)?;
                if let Effect::Accepted(why) = flag.effect {
                    values
                        .warnings
                        .push(format!("Flag '{name}' changes nothing: {why}"));
                }
            }
            values.values.insert(name, value);
            values.given.push(name);
        }
        Ok(values)
    }
}

/// The alias under which a flag was named, if it was not its own name.
fn alias(flag: &'static Flag, name: &str) -> Option<&'static str> {
    flag.aliases.iter().copied().find(|alias| *alias == name)
}

/// Ends the start when a flag that takes only its default has another value.
pub(super) fn refuse(flag: &'static Flag, value: &Value) -> Result<(), Error> {
    let Effect::Refused(why) = flag.effect else {
        return Ok(());
    };
    let default = flag.default.map(|default| read(flag, default)).transpose()?;
    if default.as_ref() == Some(value) {
        return Ok(());
    }
    Err(Error::Refused { flag: flag.name, why })
}

/// Reads one value, following `file://` and, for JSON, absolute paths.
pub(super) fn read(flag: &'static Flag, text: &str) -> Result<Value, Error> {
    let path = match flag.kind {
        Kind::Path => None,
        Kind::Json if text.starts_with('/') => Some(text),
        Kind::Bool
        | Kind::Int
        | Kind::Size
        | Kind::Double
        | Kind::Duration
        | Kind::Bytes
        | Kind::Text
        | Kind::Json => text.strip_prefix("file://"),
    };
    let contents;
    let text = match path {
        None => text,
        Some(path) => {
            let path = Path::new(path);
            contents = std::fs::read_to_string(path).map_err(|source| Error::File {
                flag: flag.name,
                path: path.to_owned(),
                source,
            })?;
            // A text file ends in a line feed, a number or a name does not.
            if flag.kind == Kind::Json {
                contents.as_str()
            } else {
                contents.trim_end_matches(['\n', '\r'])
            }
        }
    };
    Value::parse(flag.kind, text).map_err(|expected| Error::Invalid {
        flag: flag.name,
        value: text.to_owned(),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag::new("checkpoint", Kind::Bool, "true", "m"),
        Flag::new("agent_ping_timeout", Kind::Duration, "15secs", "m").alias(&["slave_ping_timeout"]),
        Flag::optional("acls", Kind::Json, "m").accepted("nothing is asked"),
        Flag::optional("modules", Kind::Json, "m").refused("modules cannot be loaded"),
        Flag::new("allocator", Kind::Text, "hierarchical", "m").refused("only 'hierarchical' is built in"),
        Flag::new("strict", Kind::Bool, "false", "m").refused("there is no such mode"),
        Flag::optional("work_dir", Kind::Path, "m"),
        Flag::optional("cluster", Kind::Text, "m"),
        Flag::new("port", Kind::Int, "5050", "m"),
    ];
    const TABLE: Table = Table {
        program: "master",
        prefix: "MESOS_",
        flags: &[FLAGS],
    };

    fn parse(args: &[&str], environment: &[(&str, &str)]) -> Result<Values, Error> {
        TABLE.parse(
            args.iter().map(|a| (*a).to_owned()),
            environment
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        )
    }

    fn refused(args: &[&str], environment: &[(&str, &str)]) -> String {
        parse(args, environment).map_or_else(
            |e| e.to_string(),
            |v| format!("accepted: {:?}", v.display().collect::<Vec<_>>()),
        )
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_both_over_defaults() {
        let values = parse(
            &["--port=1"],
            &[
                ("MESOS_PORT", "2"),
                ("MESOS_CLUSTER", "c"),
                ("MESOS_NOT_A_FLAG", "x"),
                ("PORT", "3"),
            ],
        )
        .unwrap();
        assert_eq!(values.int("port"), Some(1));
        assert_eq!(values.text("cluster"), Some("c"));
        assert_eq!(
            values.duration("agent_ping_timeout"),
            Some(std::time::Duration::from_secs(15))
        );
        assert!(values.is_given("cluster") && !values.is_given("agent_ping_timeout"));
    }

    #[test]
    fn booleans_stand_alone_negate_and_take_values() {
        assert!(parse(&["--checkpoint"], &[]).unwrap().bool("checkpoint"));
        assert!(!parse(&["--no-checkpoint"], &[]).unwrap().bool("checkpoint"));
        assert!(!parse(&["--CheckPoint=0"], &[]).unwrap().bool("checkpoint"));
        assert!(
            !parse(&[], &[("MESOS_checkpoint", "false")])
                .unwrap()
                .bool("checkpoint")
        );
    }

    #[test]
    fn words_after_two_dashes_and_words_without_them_are_skipped() {
        let values = parse(&["master", "-v", "--port=7", "--", "--nonsense"], &[]).unwrap();
        assert_eq!(values.int("port"), Some(7));
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(refused(&["--nonsense=1"], &[]), "unknown flag 'nonsense'");
        assert_eq!(refused(&["--no-nonsense"], &[]), "unknown flag 'no-nonsense'");
        assert_eq!(
            refused(&["--port"], &[]),
            "flag 'port' needs a value: --port=VALUE"
        );
        assert_eq!(
            refused(&["--no-port"], &[]),
            "flag 'port' is not a boolean and cannot be negated"
        );
        assert_eq!(
            refused(&["--no-checkpoint=true"], &[]),
            "the negated flag 'checkpoint' takes no value"
        );
        assert_eq!(
            refused(&["--port=1", "--port=1"], &[]),
            "flag 'port' is given more than once"
        );
        assert_eq!(
            refused(&["--slave_ping_timeout=1secs", "--agent_ping_timeout=1secs"], &[]),
            "flag 'agent_ping_timeout' is given more than once"
        );
        assert_eq!(
            refused(
                &[],
                &[
                    ("MESOS_SLAVE_PING_TIMEOUT", "1secs"),
                    ("MESOS_AGENT_PING_TIMEOUT", "1secs")
                ]
            ),
            "flag 'agent_ping_timeout' is given more than once"
        );
        assert_eq!(
            refused(&["--port=x"], &[]),
            "flag 'port' does not take 'x': expected a whole number"
        );
        assert_eq!(
            refused(&["--acls=/does/not/exist"], &[]),
            "flag 'acls': failed to read '/does/not/exist'"
        );
    }

    #[test]
    fn deprecated_names_and_flags_that_change_nothing_earn_a_warning() {
        let values = parse(&["--slave_ping_timeout=1mins", "--acls={}"], &[]).unwrap();
        assert_eq!(
            values.duration("agent_ping_timeout"),
            Some(std::time::Duration::from_secs(60))
        );
        assert_eq!(
            values.warnings,
            [
                "Flag 'acls' changes nothing: nothing is asked",
                "Flag 'slave_ping_timeout' is deprecated; use 'agent_ping_timeout' instead"
            ]
        );
    }

    #[test]
    fn a_refused_flag_takes_its_default_and_nothing_else() {
        let values = parse(&["--allocator=hierarchical", "--strict=0"], &[]).unwrap();
        assert_eq!(values.warnings, Vec::<String>::new());
        for (arg, text) in [
            (
                "--modules={}",
                "flag 'modules' cannot be honoured by this version: modules cannot be loaded",
            ),
            (
                "--allocator=mine",
                "flag 'allocator' cannot be honoured by this version: only 'hierarchical' is built in",
            ),
            (
                "--strict",
                "flag 'strict' cannot be honoured by this version: there is no such mode",
            ),
        ] {
            assert_eq!(refused(&[arg], &[]), text);
        }
        let environment = [("MESOS_STRICT", "true")];
        assert!(refused(&[], &environment).contains("'strict' cannot be honoured"));
        let mut values = values;
        assert!(values.set(&TABLE, "strict", "false").is_ok());
        assert!(matches!(
            values.set(&TABLE, "strict", "true"),
            Err(Error::Refused { flag: "strict", .. })
        ));
    }

    #[test]
    fn values_come_from_files() {
        let dir = std::env::temp_dir().join(format!("flags-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("value");
        std::fs::write(&file, "{\"a\":1}\n").unwrap();
        let path = file.to_str().unwrap();
        let url = format!("file://{path}");
        let values = parse(
            &[
                &format!("--acls={path}"),
                &format!("--cluster={url}"),
                &format!("--work_dir={url}"),
            ],
            &[],
        )
        .unwrap();
        assert_eq!(values.text("acls"), Some("{\"a\":1}\n"));
        assert_eq!(values.text("cluster"), Some("{\"a\":1}"));
        assert_eq!(values.text("work_dir"), Some(url.as_str()));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
