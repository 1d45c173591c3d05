//! `docs/flags.md` says what the tables of flags say.

use std::path::Path;

const HEAD: &str = "# Flags

Generated from the tables in the code (`crates/master/src/flags/table.rs`, `crates/agent/src/flags/table.rs`);
`TIANGONG_BLESS=1 cargo test -p tiangong --test flags_doc` writes it anew.

Every flag of Mesos's master and agent is known. A flag either works, or ends the start with a sentence when it is given
another value than its default, or is accepted because it cannot change anything, which the log says at start. The
syntax is Mesos's: `--name=value`, `--name` and `--no-name` for booleans, `MESOS_NAME` in the environment (the command
line wins), `file:///path` for a value that stands in a file.
";

fn page() -> String {
    format!(
        "{HEAD}\n## Master\n\n{}\n## Agent\n\n{}",
        master::flags::TABLE.reference(),
        agent::TABLE.reference()
    )
}

#[test]
fn the_page_of_flags_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/flags.md");
    let page = page();
    if std::env::var_os("TIANGONG_BLESS").is_some() {
        std::fs::write(&path, page).expect("the page can be written");
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/flags.md is not what the tables say: run with TIANGONG_BLESS=1"
    );
}

/// The rows `master`, `agent`, `logging` and `all binaries` of Mesos's flags: component, name, whether there is a default.
const MESOS: &str = include_str!("golden/flags.tsv");

#[test]
fn every_flag_of_mesos_is_known_to_the_daemon_it_belongs_to() {
    let mut missing = Vec::new();
    for row in MESOS.lines() {
        let (component, name) = row.split_once('\t').expect("two columns");
        let tables: &[process::flags::Table] = match component {
            "master" => &[master::flags::TABLE],
            "agent" => &[agent::TABLE],
            _ => &[master::flags::TABLE, agent::TABLE],
        };
        missing.extend(
            tables
                .iter()
                .filter(|table| table.find(name).is_none_or(|flag| flag.name != name))
                .map(|table| format!("{}: {name}", table.program)),
        );
    }
    assert_eq!(missing, Vec::<String>::new());
}
