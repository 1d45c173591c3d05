//! The binary under the names of Mesos's programs.

#![expect(clippy::disallowed_methods, reason = "a test starts the programs it tests")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::cluster::{BINARY, Cluster};
use crate::support::{http, wait, within};

/// Runs the binary through a link of that name, for at most a minute.
fn called(folder: &Path, name: &str, arguments: &[&str]) -> Output {
    let link = folder.join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(BINARY, &link).expect("a link can be made");
    }
    let mut child = Command::new(&link)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let ended = within(Duration::from_secs(60), || {
        child.try_wait().expect("it can be waited for")
    });
    if ended.is_none() {
        child.kill().expect("it can be killed");
    }
    let output = child.wait_with_output().expect("its output can be read");
    assert!(ended.is_some(), "{name} {arguments:?} did not end: {output:?}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn each_name_is_that_program_with_its_flags() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let check = |name: &str, flag: &str, others_flag: &str| {
        let help = called(folder.path(), name, &["--help"]);
        assert_eq!(help.status.code(), Some(0), "{name} --help");
        let help = text(&help.stdout);
        assert!(
            help.contains(&format!("--{flag}=")),
            "{name} has no --{flag}: {help}"
        );
        assert!(
            !help.contains(&format!("--{others_flag}=")),
            "{name} has --{others_flag}"
        );
        let wrong = called(folder.path(), name, &["--no_such_flag=1"]);
        assert_eq!(wrong.status.code(), Some(1), "{name} with an unknown flag");
        assert!(text(&wrong.stdout).is_empty() && text(&wrong.stderr).contains("no_such_flag"));
    };
    check("mesos-master", "allocation_interval", "kill_after");
    check(
        "mesos-agent",
        "executor_registration_timeout",
        "allocation_interval",
    );
    check(
        "mesos-slave",
        "executor_registration_timeout",
        "allocation_interval",
    );
    check("mesos-execute", "kill_after", "allocation_interval");
    for name in ["mesos-master", "mesos-agent", "mesos-slave"] {
        let version = called(folder.path(), name, &["--version"]);
        assert_eq!(version.status.code(), Some(0), "{name} --version");
        let version = text(&version.stdout);
        let number = version
            .trim()
            .strip_prefix("mesos ")
            .unwrap_or_else(|| panic!("{version}"));
        assert_eq!(
            number
                .split('.')
                .filter(|part| part.parse::<u32>().is_ok())
                .count(),
            3
        );
    }
}

#[test]
fn mesos_execute_runs_a_command_and_tells_what_becomes_of_it() {
    let cluster = Cluster::started();
    let master = format!("--master={}", cluster.master_address);
    let folder = cluster.folder.path();
    let output = called(
        folder,
        "mesos-execute",
        &[
            &master,
            "--name=hello",
            "--command=echo $WHO > here; test $WHO = me",
            r#"--env={"WHO":"me"}"#,
            "--resources=cpus:0.1;mem:32",
        ],
    );
    let lines = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{lines}{}", text(&output.stderr));
    let mut rest = lines.as_str();
    for expected in [
        "Subscribed with ID ",
        "Submitted task 'hello' to agent '",
        "Received status update TASK_STARTING for task 'hello'\n",
        "Received status update TASK_RUNNING for task 'hello'\n",
        "Received status update TASK_FINISHED for task 'hello'\n",
        "  message: 'Command exited with status 0'\n",
        "  source: SOURCE_EXECUTOR\n",
    ] {
        let at = rest
            .find(expected)
            .unwrap_or_else(|| panic!("{expected:?} is not in {lines}"));
        rest = rest.get(at + expected.len()..).unwrap_or_default();
    }
    // Compat: a command that failed is no failure of the program that followed it.
    let output = called(
        folder,
        "mesos-execute",
        &[
            &master,
            "--name=fails",
            "--command=exit 3",
            "--resources=cpus:0.1;mem:32",
        ],
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("  message: 'Command exited with status 3'\n"));
    wait("both frameworks to be history", Duration::from_secs(30), || {
        let state = http::get(cluster.master_address, "/state")?.json();
        let completed = state["completed_frameworks"].as_array()?.len();
        (completed == 2 && state["frameworks"].as_array()?.is_empty()).then_some(())
    });
}

#[test]
fn mesos_execute_runs_a_task_group() {
    let cluster = Cluster::started();
    let master = format!("--master={}", cluster.master_address);
    let task = |name: &str, command: &str| {
        serde_json::json!({
            "name": name,
            "task_id": {"value": name},
            "agent_id": {"value": ""},
            "resources": [
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
                {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
            ],
            "command": {"value": command},
        })
    };
    let group = serde_json::json!({"tasks": [task("one", "true"), task("two", "exit 0")]});
    let output = called(
        cluster.folder.path(),
        "mesos-execute",
        &[&master, &format!("--task_group={group}")],
    );
    let lines = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{lines}{}", text(&output.stderr));
    assert!(
        lines.contains("Submitted task group with tasks [ one, two ] to agent '"),
        "{lines}"
    );
    for name in ["one", "two"] {
        let finished = format!("Received status update TASK_FINISHED for task '{name}'\n");
        assert!(lines.contains(&finished), "{lines}");
    }
}

#[test]
fn mesos_execute_kills_what_runs_too_long() {
    let cluster = Cluster::started();
    let master = format!("--master={}", cluster.master_address);
    let task = r#"--task={"name":"long","task_id":{"value":"long-1"},"resources":[
        {"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},{"name":"mem","type":"SCALAR","scalar":{"value":32}}],
        "command":{"value":"sleep 1000"}}"#;
    let output = called(
        cluster.folder.path(),
        "mesos-execute",
        &[&master, task, "--kill_after=10ms", "--content_type=json"],
    );
    let lines = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{lines}{}", text(&output.stderr));
    assert!(
        lines.contains("Asked to kill task 'long-1' on agent '"),
        "{lines}"
    );
    assert!(
        lines.contains("Received status update TASK_KILLED for task 'long-1'\n"),
        "{lines}"
    );
}
