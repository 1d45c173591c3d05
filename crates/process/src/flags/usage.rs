//! The text of `--help`.

use super::{Effect, Kind, Table};

impl Table {
    /// What `--help` prints: every flag with its kind, default and meaning, by name.
    pub fn usage(&self) -> String {
        let mut flags: Vec<_> = self.iter().collect();
        flags.sort_by_key(|flag| flag.name);
        let mut text = format!(
            "Usage: {} [flags]\n\nEvery flag may also be set as {}<NAME> in the environment.\n\n",
            self.program, self.prefix
        );
        for flag in flags {
            let head = match flag.kind {
                Kind::Bool => format!("--[no-]{}", flag.name),
                kind => format!("--{}={}", flag.name, placeholder(kind)),
            };
            let default = flag
                .default
                .filter(|d| !d.is_empty())
                .map_or_else(String::new, |d| format!(" (default: {d})"));
            let effect = match flag.effect {
                Effect::Full => String::new(),
                Effect::Accepted(why) => format!(" [changes nothing: {why}]"),
                Effect::Refused(why) => format!(" [only the default: {why}]"),
            };
            let gap = if head.len() < 44 {
                format!("{head:<44}")
            } else {
                format!("{head}\n{:46}", "")
            };
            text.push_str(&format!("  {gap}{}{default}{effect}\n", flag.meaning));
        }
        text
    }
}

/// What stands for a value of that kind.
const fn placeholder(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true|false",
        Kind::Int | Kind::Size | Kind::Double => "NUMBER",
        Kind::Duration => "DURATION",
        Kind::Bytes => "BYTES",
        Kind::Text => "VALUE",
        Kind::Path => "PATH",
        Kind::Json => "JSON|PATH",
    }
}
