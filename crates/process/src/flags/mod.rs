//! Command-line flags in Mesos's habit, shared by the master, the agent and the tools.
//!
//! A component declares its flags as a [`Table`]; [`Table::parse`] reads a command line and an environment
//! against it and yields [`Values`]: typed, complete with defaults, printable in the form that `/flags` and
//! `GET_FLAGS` show.
//!
//! The rules (facts: flags.tsv, rows `syntax`):
//!
//! - `--name=value` is the only form that takes a value; `--name` alone is `true` and `--no-name` is `false`,
//!   for booleans only; booleans read `true`, `1`, `false`, `0`; names are case-insensitive.
//! - `--` ends the flags; words that do not start with `--` are skipped; an unknown flag is an error, and so is
//!   one that is given twice, under whichever of its names.
//! - every flag may come from the environment instead, as `<PREFIX>NAME` in either case; the command line wins;
//!   unknown variables are ignored.
//! - a value that starts with `file://` is replaced by the file's contents, except for flags whose value is a path;
//!   flags that take JSON accept an absolute path as well.

mod parse;
mod reference;
mod usage;
mod value;

use std::collections::BTreeMap;

pub use parse::Error;
pub use value::{Value, parse_bytes, parse_duration};

/// What kind of value a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true`, `1`, `false` or `0`.
    Bool,
    /// A signed whole number.
    Int,
    /// A whole number that counts things.
    Size,
    /// A decimal number.
    Double,
    /// A number and a unit: `ns`, `us`, `ms`, `secs`, `mins`, `hrs`, `days`, `weeks`.
    Duration,
    /// A whole number and a unit: `B`, `KB`, `MB`, `GB`, `TB` (powers of 1024).
    Bytes,
    /// Any text; lists are text too, the reader splits them.
    Text,
    /// A path: `file://` is left as it stands.
    Path,
    /// JSON, or the absolute path of a file holding it.
    Json,
}

/// What giving a flag does here. No flag is ignored in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The flag does what its meaning says.
    Full,
    /// It is accepted and shown, and changes nothing, for this reason: then nobody can miss anything. Another value than
    /// the default earns a warning.
    Accepted(&'static str),
    /// Only its default is taken, if it has one; any other value ends the start, for this reason.
    Refused(&'static str),
}

/// One flag: a row of a component's [`Table`].
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// The name, in lower case with underscores, without the leading dashes.
    pub name: &'static str,
    /// Deprecated names that are still accepted, with a warning.
    pub aliases: &'static [&'static str],
    /// What kind of value it takes.
    pub kind: Kind,
    /// The value it has when nobody sets it, in the syntax of the command line.
    pub default: Option<&'static str>,
    /// One line for `--help`.
    pub meaning: &'static str,
    /// What giving it does.
    pub effect: Effect,
}

impl Flag {
    /// A flag with a default and full effect.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            kind,
            default: Some(default),
            meaning,
            effect: Effect::Full,
        }
    }

    /// A flag that is unset unless somebody sets it.
    pub const fn optional(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            kind,
            default: None,
            meaning,
            effect: Effect::Full,
        }
    }

    /// The same flag, also known under deprecated names.
    #[must_use]
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same flag, which cannot change anything here; `why` is a clause in lower case, without a full stop.
    #[must_use]
    pub const fn accepted(mut self, why: &'static str) -> Self {
        self.effect = Effect::Accepted(why);
        self
    }

    /// The same flag, which only takes its default here; `why` is a clause in lower case, without a full stop.
    #[must_use]
    pub const fn refused(mut self, why: &'static str) -> Self {
        self.effect = Effect::Refused(why);
        self
    }
}

/// The flags every daemon has: logging and `--help` (facts: flags.tsv, rows `logging` and `all binaries`).
pub const COMMON: &[Flag] = &[
    Flag::new("help", Kind::Bool, "false", "Print this text and exit"),
    Flag::optional(
        "external_log_file",
        Kind::Path,
        "Log file that something else writes, shown in the UI and under the virtual log path",
    ),
    Flag::new(
        "initialize_driver_logging",
        Kind::Bool,
        "true",
        "Whether scheduler and executor drivers set up logging the same way",
    )
    .accepted("a daemon runs no driver"),
    Flag::optional(
        "log_dir",
        Kind::Path,
        "Directory for log files; unset logs to stderr only",
    ),
    Flag::new(
        "logbufsecs",
        Kind::Int,
        "0",
        "Seconds for which log lines may be buffered",
    )
    .accepted("every line is written at once, which is within any limit"),
    Flag::new(
        "logging_level",
        Kind::Text,
        "INFO",
        "Lowest severity that is logged: INFO, WARNING or ERROR",
    ),
    Flag::new("quiet", Kind::Bool, "false", "Log nothing to stderr"),
];

/// What HTTP clients may use up: flags of our own, for every component that serves HTTP.
/// [`HttpLimits::from_flags`](crate::HttpLimits::from_flags) reads them. None has a default here, so that `/flags` looks
/// the same unless one is given.
pub const HTTP: &[Flag] = &[
    Flag::optional(
        "http_max_head_size",
        Kind::Bytes,
        "Bytes that a request's line and headers may have, at least 8KB; beyond, the answer is 431 (64KB when unset)",
    ),
    Flag::optional(
        "http_max_body_size",
        Kind::Bytes,
        "Bytes that a request's body may have, before and after inflating; beyond, the answer is 413 (256MB when unset)",
    ),
    Flag::optional(
        "http_max_connections",
        Kind::Size,
        "Connections held open, at least 1; more wait to be accepted (50000 when unset)",
    ),
    Flag::optional(
        "http_idle_timeout",
        Kind::Duration,
        "How long an HTTP client may take between two requests, and to send one; peers' links are never idle (2mins when unset)",
    ),
];

/// The flags of one component: what [`parse`](Self::parse) reads a command line against.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The program's name, for `--help`.
    pub program: &'static str,
    /// What environment variables start with, such as `MESOS_`.
    pub prefix: &'static str,
    /// The flags of the component, in groups.
    pub flags: &'static [&'static [Flag]],
}

impl Table {
    /// All flags, in the order of their declaration.
    pub fn iter(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().flat_map(|group| group.iter())
    }

    /// The flag of that name, or that has it as an alias; `name` in lower case.
    pub fn find(&self, name: &str) -> Option<&'static Flag> {
        self.iter()
            .find(|flag| flag.name == name || flag.aliases.contains(&name))
    }
}

/// The flags as they are in force: typed, with defaults filled in.
#[derive(Debug, Clone, Default)]
pub struct Values {
    values: BTreeMap<&'static str, Value>,
    given: Vec<&'static str>,
    /// What the operator should know: deprecated names, flags that change nothing. To be logged once, at start.
    pub warnings: Vec<String>,
}

impl Values {
    /// The value of a flag: given, or its default.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether somebody set the flag, on the command line or in the environment.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    /// Sets a flag from the program itself, as if it had been given.
    ///
    /// # Errors
    /// When the table has no such flag, the value is not of its kind, or the flag is refused.
    pub fn set(&mut self, table: &Table, name: &str, text: &str) -> Result<(), Error> {
        let flag = table.find(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
        let value = parse::read(flag, text)?;
        parse::refuse(flag, &value)?;
        self.values.insert(flag.name, value);
        if !self.given.contains(&flag.name) {
            self.given.push(flag.name);
        }
        Ok(())
    }

    /// A boolean; false when unset.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Value::Bool(true)))
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.values.get(name) {
            Some(Value::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// A count.
    pub fn size(&self, name: &str) -> Option<usize> {
        match self.values.get(name) {
            Some(Value::Size(n)) => Some(usize::try_from(*n).unwrap_or(usize::MAX)),
            _ => None,
        }
    }

    /// A decimal number.
    pub fn double(&self, name: &str) -> Option<f64> {
        match self.values.get(name) {
            Some(Value::Double(x)) => Some(*x),
            _ => None,
        }
    }

    /// A span of time.
    pub fn duration(&self, name: &str) -> Option<std::time::Duration> {
        match self.values.get(name) {
            Some(Value::Duration(d)) => Some(*d),
            _ => None,
        }
    }

    /// A number of bytes.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        match self.values.get(name) {
            Some(Value::Bytes(n)) => Some(*n),
            _ => None,
        }
    }

    /// Text, a path or JSON.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(Value::Text(s)) => Some(s),
            _ => None,
        }
    }

    /// Every flag that has a value, by name, as `/flags` shows it: without the credentials in the address of ZooKeeper.
    pub fn display(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.values
            .iter()
            .map(|(name, value)| (*name, without_credentials(value.to_string())))
    }
}

fn without_credentials(value: String) -> String {
    let address = value.strip_prefix("zk://").and_then(|rest| rest.rsplit_once('@'));
    match address {
        Some((_secret, servers)) => format!("zk://{servers}"),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn credentials_are_not_shown() {
        for (value, shown) in [
            ("zk://user:se@cret@a:2181/m", "zk://a:2181/m"),
            ("zk://a:2181/m", "zk://a:2181/m"),
            ("user@a", "user@a"),
        ] {
            assert_eq!(super::without_credentials(value.to_owned()), shown);
        }
    }
}
