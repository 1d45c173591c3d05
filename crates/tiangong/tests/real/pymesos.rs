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

/// Runs the scheduler's script to its end; returns what it printed, and whether it ended well.
fn attempt(python: &Path, cluster: &Cluster, credential: &[&str]) -> (bool, String) {
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
    let success = ended.is_some_and(|status| status.success());
    (success, cluster.log("scheduler.out"))
}

/// As [`attempt`], which must go well.
fn live(python: &Path, cluster: &Cluster, credential: &[&str]) -> String {
    let (success, output) = attempt(python, cluster, credential);
    assert!(success, "{output}\n{}", cluster.log("scheduler.err"));
    output
}

/// The lines, without the id that is new each time.
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

/// A cluster whose frameworks must prove who they are.
fn guarded() -> Cluster {
    let mut cluster = Cluster::new();
    let credentials = cluster.folder.path().join("credentials");
    std::fs::write(
        &credentials,
        r#"{"credentials":[{"principal":"pymesos","secret":"a secret"},{"principal":"other","secret":"b"}]}"#,
    )
    .expect("the file can be written");
    cluster.master_flags = vec![
        "--authenticate_http_frameworks".to_owned(),
        "--http_framework_authenticators=basic".to_owned(),
        format!("--credentials={}", credentials.display()),
    ];
    cluster.start_master();
    cluster.start_agent();
    cluster.wait_for_agent();
    cluster
}

#[test]
fn a_framework_on_pymesos_proves_who_it_is() {
    let Some(python) = python() else {
        return skip("pymesos");
    };
    let cluster = guarded();
    let output = live(&python, &cluster, &["pymesos", "a secret"]);
    assert_eq!(steps(&output), LIFE);
}

#[test]
fn a_framework_on_pymesos_with_a_wrong_secret_is_not_let_in() {
    let Some(python) = python() else {
        return skip("pymesos");
    };
    let cluster = guarded();
    for credential in [&["pymesos", "b"][..], &["nobody", "b"], &[]] {
        let (success, output) = attempt(&python, &cluster, credential);
        assert!(!success && output.is_empty(), "{credential:?}: {output}");
        let error = cluster.log("scheduler.err");
        assert!(error.contains("Failed with HTTP 401"), "{credential:?}: {error}");
    }
    let state = http::get(cluster.master_address, "/state")
        .expect("an answer")
        .json();
    assert_eq!(state["frameworks"].as_array().map(Vec::len), Some(0));
}
