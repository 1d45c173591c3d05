//! Frameworks on mesos-go, the Go library for Mesos, as Debian packages it: the drivers of v0, which speak messages
//! between processes, and the packages of v1, which speak HTTP. The programs walk through what a framework can do
//! (`tests/real/mesos_go`).

#![expect(clippy::disallowed_methods, reason = "a test starts the programs it tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::local::{Local, run};
use crate::support::{program, skip};

/// Where Debian keeps the sources of Go libraries.
const LIBRARIES: &str = "/usr/share/gocode";

/// Compiles one of the programs, when there is what it takes.
fn build(version: &str, folder: &Path) -> Option<PathBuf> {
    let library = Path::new(LIBRARIES).join("src/github.com/mesos/mesos-go/api");
    if program("go").is_none() {
        skip("go");
        return None;
    }
    if !library.is_dir() {
        skip("golang-github-mesos-mesos-go-dev");
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/real/mesos_go")
        .join(version);
    let out = folder.join(version);
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&out).arg(source.join("main.go"));
    go.env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOPATH", LIBRARIES);
    run("go build", &mut go);
    Some(out)
}

/// Runs the program against a cluster of its own; it must end well and print these lines.
fn check(version: &str, arguments: &[&str], lines: &[&str]) {
    let local = Local::start();
    let Some(program) = build(version, local.folder.path()) else {
        return;
    };
    let output = Command::new(program)
        .args(["-master", &local.master])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}: {stdout}\n{stderr}", output.status);
    let printed: Vec<&str> = stdout.lines().collect();
    assert_eq!(printed, lines, "{stderr}");
}

#[test]
fn a_framework_on_the_drivers_of_v0_runs() {
    let lines = [
        "registered",
        "finished 50 tasks",
        "two stay",
        "messages both ways",
        "reconciled",
        "killed",
        "failed over",
        "done",
    ];
    check("v0", &[], &lines);
}

#[test]
fn a_framework_on_the_packages_of_v1_runs_in_both_encodings() {
    let lines = [
        "subscribed",
        "finished 50 tasks",
        "two stay",
        "messages both ways",
        "reconciled",
        "a group ran",
        "killed",
        "failed over",
        "the master answered",
        "the agent answered",
        "revived",
        "shut down",
        "done",
    ];
    for codec in ["protobuf", "json"] {
        check("v1", &["-codec", codec], &lines);
    }
}
