//! A table of flags as a page of the documentation.

use super::{Effect, Flag, Kind, Table};

impl Table {
    /// The flags as a table in Markdown, by name: what each means, its default, and what it does here.
    pub fn reference(&self) -> String {
        let mut flags: Vec<&Flag> = self.iter().collect();
        flags.sort_by_key(|flag| flag.name);
        let count = |wanted: fn(&Effect) -> bool| flags.iter().filter(|flag| wanted(&flag.effect)).count();
        let mut text = format!(
            "{} flags: {} work, {} are accepted and change nothing, {} take only their default.\n\n\
             | flag | kind | default | meaning | here |\n|---|---|---|---|---|\n",
            flags.len(),
            count(|effect| matches!(effect, Effect::Full)),
            count(|effect| matches!(effect, Effect::Accepted(_))),
            count(|effect| matches!(effect, Effect::Refused(_))),
        );
        flags.iter().for_each(|flag| text.push_str(&row(flag)));
        text
    }
}

fn row(flag: &Flag) -> String {
    let aliases: String = flag
        .aliases
        .iter()
        .map(|alias| format!(" (also `--{alias}`)"))
        .collect();
    let default = match flag.default {
        None => "unset".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{}`", cell(default)),
    };
    let here = match (flag.effect, flag.default) {
        (Effect::Full, _) => "works".to_owned(),
        (Effect::Accepted(why), _) => format!("accepted, changes nothing: {why}"),
        (Effect::Refused(why), None) => format!("refused: {why}"),
        (Effect::Refused(why), Some(_)) => format!("refused unless it is the default: {why}"),
    };
    format!(
        "| `--{}`{aliases} | {} | {default} | {} | {} |\n",
        flag.name,
        kind(flag.kind),
        cell(flag.meaning),
        cell(&here)
    )
}

/// A text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "boolean",
        Kind::Int => "whole number",
        Kind::Size => "count",
        Kind::Double => "number",
        Kind::Duration => "duration",
        Kind::Bytes => "bytes",
        Kind::Text => "text",
        Kind::Path => "path",
        Kind::Json => "JSON or path",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table {
        program: "p",
        prefix: "P_",
        flags: &[&[
            Flag::new("size", Kind::Bytes, "1KB", "How large: <n>|auto").alias(&["length"]),
            Flag::optional("modules", Kind::Json, "Modules").refused("none can be loaded"),
            Flag::new("deep", Kind::Bool, "true", "Depth").refused("there is no other way"),
            Flag::new("quorum", Kind::Text, "", "Replicas").accepted("there is one"),
        ]],
    };

    #[test]
    fn every_flag_is_a_row() {
        let expected = "4 flags: 1 work, 1 are accepted and change nothing, 2 take only their default.\n\n\
            | flag | kind | default | meaning | here |\n|---|---|---|---|---|\n\
            | `--deep` | boolean | `true` | Depth | refused unless it is the default: there is no other way |\n\
            | `--modules` | JSON or path | unset | Modules | refused: none can be loaded |\n\
            | `--quorum` | text | empty | Replicas | accepted, changes nothing: there is one |\n\
            | `--size` (also `--length`) | bytes | `1KB` | How large: &lt;n>\\|auto | works |\n";
        assert_eq!(TABLE.reference(), expected);
    }
}
