//! `facts.tsv` says for each row of the fact files that speak of a master which test would fail without it. A row that no
//! test is for has a dash and the reason. Here it is held against the tests and, where they are at hand, the fact files.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const FACTS: &str = include_str!("facts.tsv");

/// A fact file, a place in it, a rule, and the tests.
fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    FACTS.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        <[&str; 4]>::try_from(columns).unwrap_or_else(|columns| panic!("{columns:?}"))
    })
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn every_test_that_a_fact_names_is_there() {
    for [file, place, rule, tests] in rows() {
        let row = format!("{file} {place}: {rule}");
        assert!(!rule.is_empty() && !tests.is_empty(), "{row}");
        if tests.starts_with("- ") {
            continue;
        }
        for test in tests.split(' ') {
            let (path, function) = test.split_once("::").unwrap_or((test, ""));
            let path = crates().join(path);
            assert!(path.exists(), "{row}: {test}");
            if !function.is_empty() {
                let source = std::fs::read_to_string(&path).unwrap();
                assert!(source.contains(&format!("fn {function}(")), "{row}: {test}");
            }
        }
    }
}

/// Every test of this folder is what some fact says.
#[test]
fn every_table_of_rules_is_in_the_list_of_facts() {
    let named: BTreeSet<&str> = rows().flat_map(|[.., tests]| tests.split(' ')).collect();
    let folder = crates().join("master/tests/rules");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".rs") || ["main.rs", "rig.rs", "index.rs"].contains(&name) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for after in source.split("#[test]").skip(1) {
            let function = after.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            let test = format!("master/tests/rules/{name}::{function}");
            assert!(named.contains(test.as_str()), "{test}");
        }
    }
}

/// Sections that say nothing of what a master does, or nothing that is not said again elsewhere.
const OF_OTHERS: &[(&str, &[&str])] = &[
    ("task-states.md", &["§1", "§2", "§3.2", "§3.3", "§4.2"]),
    ("internal-protocol.md", &["§1", "§2", "§11"]),
];

/// The numbers of a fact file's headings: `§4`, `§4.1`.
fn sections(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with("##"));
    let number = |line: &str| {
        let number = line.trim_start_matches('#').trim().split(' ').next()?;
        let number = number.trim_end_matches('.');
        let numeric = number.starts_with(|first: char| first.is_ascii_digit());
        numeric.then(|| format!("§{number}"))
    };
    headings.filter_map(number).collect()
}

fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("TIANGONG_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| crates().join("../../shared"));
    folder.is_dir().then_some(folder)
}

#[test]
fn every_section_and_every_action_of_the_fact_files_has_a_row() {
    let Some(facts) = shared().map(|folder| folder.join("facts/mesos")) else {
        eprintln!("skipped: needs ../shared");
        return;
    };
    for file in [
        "scheduler-http.md",
        "master-http.md",
        "task-states.md",
        "internal-protocol.md",
    ] {
        let text = std::fs::read_to_string(facts.join(file)).unwrap();
        let others = OF_OTHERS.iter().find(|(other, _)| *other == file);
        let others = others.map_or(&[][..], |(_, sections)| sections);
        for section in sections(&text) {
            let place = |place: &str| {
                place
                    .strip_prefix(section.as_str())
                    .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
            };
            let found =
                others.contains(&section.as_str()) || rows().any(|[of, at, ..]| of == file && place(at));
            assert!(found, "{file} {section}");
        }
    }
    let actions = std::fs::read_to_string(facts.join("authorization.tsv")).unwrap();
    for line in actions.lines().filter(|line| line.starts_with("action\t")) {
        let item = line.split('\t').nth(1).unwrap();
        let place = format!("action {}", item.split(' ').next().unwrap());
        let found = rows().any(|[file, at, ..]| file == "authorization.tsv" && at == place);
        assert!(found, "{place}");
    }
}
