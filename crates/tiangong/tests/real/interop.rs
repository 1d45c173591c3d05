//! Programs that nobody here wrote, and our own in other languages, against `tiangong local`.
//!
//! The first three were printed in an article years ago, for Mesos; they run as printed. They read ten records
//! each, with pauses, so tasks are started while they read.

#![expect(
    clippy::disallowed_methods,
    reason = "a test starts the programs it tests, polls them, and says what it lacks"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::local::{Local, run};
use crate::support::{program, shared, skip};

/// Whether a program of that name is on the `PATH`.
fn is_program(name: &str) -> bool {
    program(name).is_some()
}

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/proto")
}

/// Generates code for one language (an option of protoc, with parameters that end in a colon) from every v1 file.
fn generate(option: &str, parameters: &str, out: &Path) {
    std::fs::create_dir_all(out).expect("a folder can be made");
    let mut folders = vec![schema().join("mesos/v1")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the schema is there") {
            let path = entry.expect("the schema is there").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mut protoc = Command::new("protoc");
                protoc
                    .arg("-I")
                    .arg(schema())
                    .arg(format!("--{option}={parameters}{}", out.display()))
                    .arg(&path);
                run("protoc", &mut protoc);
            }
        }
    }
}

/// The folder of the printed programs, when it and all the tools are there.
fn seed_programs(tools: &[&str]) -> Option<PathBuf> {
    let Some(shared) = shared() else {
        skip("../shared");
        return None;
    };
    for tool in tools {
        if !Path::new(tool).exists() && !is_program(tool) {
            skip(tool);
            return None;
        }
    }
    Some(shared.join("interop/seed-clients"))
}

fn check_seed_output(output: &str) {
    for kind in ["SUBSCRIBED", "TASK_ADDED", "TASK_UPDATED"] {
        let line = output
            .lines()
            .find(|line| line.starts_with("This is a") && line.contains(kind));
        assert!(line.is_some(), "no {kind} in: {output}");
    }
    assert!(output.contains("The cluster has 1 agents"), "{output}");
    assert!(output.contains("A new task run-"), "{output}");
    assert!(output.contains("TASK_FINISHED"), "{output}");
}

#[test]
fn the_printed_python_program_runs() {
    let python = "/usr/bin/python3";
    let Some(seeds) = seed_programs(&["protoc", python]) else {
        return;
    };
    let has_modules = Command::new(python)
        .args(["-c", "import google.protobuf, requests"])
        .output();
    if !has_modules.is_ok_and(|output| output.status.success()) {
        return skip("python3-protobuf and python3-requests");
    }
    let local = Local::start();
    let folder = local.folder.path().join("python");
    generate("python_out", "", &folder);
    let printed = std::fs::read_to_string(seeds.join("eventdemo.py")).expect("the program is there");
    // The page forgot this line.
    std::fs::write(folder.join("eventdemo.py"), format!("import sys\n{printed}")).expect("it can be written");
    let mut command = Command::new(python);
    command
        .arg("-u")
        .arg(folder.join("eventdemo.py"))
        .arg(local.url())
        .env("PYTHONPATH", &folder);
    check_seed_output(&local.feed(command));
}

#[test]
fn the_printed_java_program_runs() {
    let jar = "/usr/share/java/protobuf.jar";
    let Some(seeds) = seed_programs(&["protoc", "javac", "java", jar]) else {
        return;
    };
    let local = Local::start();
    let (source, classes) = (
        local.folder.path().join("source"),
        local.folder.path().join("classes"),
    );
    generate("java_out", "", &source);
    std::fs::create_dir_all(&classes).expect("a folder can be made");
    let mut javac = Command::new("javac");
    javac
        .args(["-nowarn", "-proc:none", "-cp", jar, "-sourcepath"])
        .arg(&source)
        .arg("-d")
        .arg(&classes);
    run("javac", javac.arg(seeds.join("EventDemo.java")));
    let mut command = Command::new("java");
    let path = format!("{}:{jar}", classes.display());
    // The program takes its address from the second argument.
    command
        .args(["-cp", &path, "eventdemo.EventDemo"])
        .args([local.url(), local.url()]);
    check_seed_output(&local.feed(command));
}

#[test]
fn the_printed_go_program_runs() {
    let library = "/usr/share/gocode/src/github.com/golang/protobuf";
    let Some(seeds) = seed_programs(&["protoc", "go", "protoc-gen-go", library]) else {
        return;
    };
    let local = Local::start();
    let folder = local.folder.path().join("go");
    // Version 1.3 of the generator does not know where newer ones keep this file.
    let duration = "Mgoogle/protobuf/duration.proto=github.com/golang/protobuf/ptypes/duration:";
    generate("go_out", duration, &folder.join("src"));
    let demo = folder.join("eventdemo");
    let mut go = Command::new("go");
    go.args(["build", "-o"])
        .arg(&demo)
        .arg(seeds.join("eventdemo.go"));
    go.env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOPATH", format!("{}:/usr/share/gocode", folder.display()));
    run("go build", &mut go);
    let mut command = Command::new(demo);
    command.arg(local.url());
    check_seed_output(&local.feed(command));
}

/// Our own client in one language, by its one command.
fn client(language: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/clients")
        .join(language);
    let probe = Command::new(folder.join("run.sh"))
        .arg("--no-such-option")
        .output()
        .expect("bash is there");
    if probe.status.code() == Some(69) {
        return skip(
            String::from_utf8_lossy(&probe.stderr)
                .trim()
                .trim_start_matches("skipped: needs "),
        );
    }
    assert_eq!(
        probe.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&probe.stderr)
    );
    let local = Local::start();
    let mut command = Command::new(folder.join("run.sh"));
    command.args([&local.url(), "--records", "10"]);
    let output = local.feed(command);
    let kinds: Vec<&str> = output.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds.len(), 10, "{output}");
    assert!(
        output.starts_with("SUBSCRIBED 1 agents, 0 frameworks, 0 tasks\nHEARTBEAT\n"),
        "{output}"
    );
    for kind in [
        "FRAMEWORK_ADDED",
        "TASK_ADDED",
        "TASK_UPDATED",
        "FRAMEWORK_REMOVED",
    ] {
        assert!(kinds.contains(&kind), "no {kind} in: {output}");
    }
    assert!(output.contains(" TASK_FINISHED"), "{output}");
}

#[test]
fn our_rust_client_runs() {
    client("rust");
}

#[test]
fn our_go_client_runs() {
    client("go");
}

#[test]
fn our_java_client_runs() {
    client("java");
}

#[test]
fn our_python_client_runs() {
    client("python");
}
