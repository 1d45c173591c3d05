//! A scheduler and an executor on `pymesos`, a driver that nobody here wrote, against a real master and agent.
//!
//! Needs the package `pymesos` and Debian's `python3-http-parser`. The interpreter that has them is
//! `$TIANGONG_PYMESOS`, or the one in `target/pymesos`, or the system's.

#![expect(clippy::disallowed_methods, reason = "a test starts the programs it tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::http;
use crate::support::{skip, wait, within};

/// How long the whole life of the framework may take.
const LIMIT: Duration = Duration::from_secs(180);

/// An interpreter that can import what the programs need.
fn python() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let candidates = [
        std::env::var_os("TIANGONG_PYMESOS").map(PathBuf::from),
        Some(workspace.join("target/pymesos/bin/python")),
        Some(PathBuf::from("/usr/bin/python3")),
    ];
    candidates.into_iter().flatten().find(|python| {
        Command::new(python)
            .args(["-c", "import pymesos"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/real/pymesos")
        .join(name)
}

/// Runs the scheduler's script to its end; returns what it printed.
fn live(python: &Path, cluster: &Cluster, credential: &[&str]) -> String {
    let executor = format!("{} {}", python.display(), script("executor.py").display());
    let log =
        |name: &str| std::fs::File::create(cluster.folder.path().join(name)).expect("a log can be made");
    let mut child = Command::new(python)
        .arg(script("scheduler.py"))
        .arg(cluster.master_address.to_string())
        .arg(executor)
        .args(credential)
        .stdin(Stdio::null())
        .stdout(log("scheduler.out"))
        .stderr(log("scheduler.err"))
        .spawn()
        .expect("the interpreter starts");
    let ended = within(LIMIT, || child.try_wait().expect("it can be waited for"));
    if ended.is_none() {
        let _gone = child.kill();
        let _status = child.wait();
    }
    let output = cluster.log("scheduler.out");
    assert!(
        ended.is_some_and(|status| status.success()),
        "{ended:?}\n{output}\n{}",
        cluster.log("scheduler.err")
    );
    output
}

/// The lines without what follows their first two words.
fn steps(output: &str) -> Vec<String> {
    output
        .lines()
        .map(|line| {
            let line = line.strip_prefix("registered ").map_or(line, |_id| "registered");
            line.to_owned()
        })
        .collect()
}

const LIFE: [&str; 8] = [
    "registered",
    "finished 50",
    "messages 5",
    "reconciled",
    "killed",
    "failed over",
    "replaced",
    "torn down",
];

#[test]
fn a_framework_on_pymesos_lives_its_whole_life() {
    let Some(python) = python() else {
        return skip("pymesos");
    };
    let cluster = Cluster::started();
    let output = live(&python, &cluster, &[]);
    assert_eq!(steps(&output), LIFE);
    let state = wait("the framework to be history", Duration::from_secs(10), || {
        let state = http::get(cluster.master_address, "/state")?.json();
        (state["frameworks"].as_array()?.is_empty()).then_some(state)
    });
    let completed = &state["completed_frameworks"][0];
    assert_eq!(completed["name"], "pymesos");
    assert_eq!(completed["completed_tasks"].as_array().map(Vec::len), Some(52));
}
