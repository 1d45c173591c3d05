//! Holds the code to ARCHITECTURE.md: dependencies point down the floors, cores touch nothing outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The floor of every crate; a crate without a floor is a mistake.
const FLOORS: &[(&str, u8)] = &[
    ("proto", 0),
    ("recordio", 0),
    ("process", 0),
    ("resources", 0),
    ("zookeeper", 0),
    ("auth", 1),
    ("allocator", 1),
    ("containerizer", 1),
    ("storage", 1),
    ("election", 1),
    ("validation", 1),
    ("master", 2),
    ("agent", 2),
    ("executor", 2),
    ("scheduler", 2),
    ("testkit", 3),
    ("tiangong", 4),
];

/// Edges within one floor that ARCHITECTURE.md allows by name.
const SIDEWAYS: &[(&str, &str)] = &[("resources", "proto"), ("zookeeper", "process")];

/// What no file under a `core/` folder may name outside its tests.
const FORBIDDEN_IN_CORES: &[&str] = &[
    "tokio",
    "std::net",
    "std::fs",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "process::Clock",
];

/// Where the bytes of a secret are looked at: to make a proof of them. Anything else compares by `Secret::matches`, whose
/// time tells nothing.
const PROOFS: &[&str] = &[
    "auth/src/cram_md5/authenticatee.rs",
    "auth/src/cram_md5/authenticator.rs",
    "auth/src/jwt.rs",
    "auth/src/secret.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace root exists")
}

/// Workspace edges `(from, to)` of every kind: normal, build and dev.
fn edges() -> Vec<(String, String)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo itself is the source of truth here"
    )]
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().expect("packages is a list") {
        let from = package["name"].as_str().expect("a package has a name");
        for dependency in package["dependencies"]
            .as_array()
            .expect("dependencies is a list")
        {
            if dependency["path"].is_string() {
                let to = dependency["name"].as_str().expect("a dependency has a name");
                edges.push((from.to_owned(), to.to_owned()));
            }
        }
    }
    edges
}

#[test]
fn dependencies_point_down_the_floors() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let floor = |name: &str| *floors.get(name).unwrap_or_else(|| panic!("{name} has no floor"));
    let edges = edges();
    assert!(edges.len() > FLOORS.len(), "the workspace has edges to check");
    for (from, to) in &edges {
        let allowed = floor(to) < floor(from) || SIDEWAYS.contains(&(from.as_str(), to.as_str()));
        assert!(
            allowed,
            "{from} (floor {}) must not use {to} (floor {})",
            floor(from),
            floor(to)
        );
    }
}

#[test]
fn cores_touch_nothing_outside() {
    let mut seen = 0;
    for name in ["master", "agent"] {
        let core = root().join("crates").join(name).join("src/core");
        for file in rust_files(&core) {
            seen += 1;
            let text = std::fs::read_to_string(&file).expect("a source file is readable");
            for (number, line) in code_lines(&text) {
                for word in FORBIDDEN_IN_CORES {
                    assert!(
                        !names(line, word),
                        "{}:{number} names {word}: {line}",
                        file.display()
                    );
                }
            }
        }
    }
    assert!(seen > 0, "there are cores to check");
}

#[test]
fn secrets_are_compared_in_one_way_only() {
    let mut seen = Vec::new();
    for file in rust_files(&root().join("crates")) {
        let text = std::fs::read_to_string(&file).expect("a source file is readable");
        let name = file
            .strip_prefix(root().join("crates"))
            .expect("below the folder");
        let name = name.to_string_lossy().into_owned();
        let tests = name.contains("/tests/") || name.ends_with("_tests.rs") || name.ends_with("/tests.rs");
        let looks = code_lines(&text).any(|(_, line)| line.contains("expose()"));
        if looks && !tests {
            assert!(PROOFS.contains(&name.as_str()), "{name} looks into secrets");
            seen.push(name);
        }
    }
    assert!(seen.len() > 1, "there are proofs to check");
    let secret = root().join("crates/auth/src/secret.rs");
    let secret = std::fs::read_to_string(secret).expect("a source file is readable");
    assert!(
        secret.contains("self.0.ct_eq(other)") && !secret.contains("derive(Clone, PartialEq"),
        "a secret compares in constant time, by `==` as well"
    );
}

#[test]
fn the_allocator_is_a_pure_value() {
    for file in rust_files(&root().join("crates/allocator/src")) {
        let text = std::fs::read_to_string(&file).expect("a source file is readable");
        for (number, line) in code_lines(&text) {
            for word in FORBIDDEN_IN_CORES {
                assert!(
                    !names(line, word),
                    "{}:{number} names {word}: {line}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn the_check_sees_what_it_forbids() {
    assert!(names("use tokio::sync::mpsc;", "tokio"));
    assert!(names("let now = std::time::Instant::now();", "Instant"));
    assert!(!names("struct InstantOffer;", "Instant"));
    let text = "use a;\n// tokio\n#[cfg(test)]\nmod tests {\n use tokio;\n}\n";
    assert_eq!(code_lines(text).count(), 1);
}

/// Whether `line` holds `word` as a whole identifier or path.
fn names(line: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Numbered lines without comments, up to the file's test module.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                // A core's own test folder may use what tests need.
                if path.file_name().is_none_or(|name| name != "tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
