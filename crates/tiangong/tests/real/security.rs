//! A closed cluster of real processes: an agent that proves who it is, commands that do, and those that cannot.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::support::cluster::{BINARY, Cluster};
use super::support::wait;

/// Writes a file that only its owner may read.
fn private(folder: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file in a temporary folder");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("our own file");
    path
}

/// A master and an agent that ask everybody who they are.
fn closed() -> Cluster {
    let mut cluster = Cluster::new();
    let folder = cluster.folder.path().to_path_buf();
    let credentials = private(
        &folder,
        "credentials",
        r#"{"credentials": [{"principal": "agent", "secret": "agent-secret"}, {"principal": "ops", "secret": "ops-secret"}]}"#,
    );
    private(&folder, "ops", "ops-secret\n");
    private(&folder, "wrong", "wrong-secret\n");
    cluster.master_flags = vec![
        format!("--credentials={}", credentials.display()),
        "--authenticate_agents".to_owned(),
        "--authenticate_frameworks".to_owned(),
        "--authenticate_http_frameworks".to_owned(),
        "--http_framework_authenticators=basic".to_owned(),
        "--authenticate_http_readonly".to_owned(),
        "--authenticate_http_readwrite".to_owned(),
    ];
    cluster.agent_flags = vec![
        "--hostname=localhost".to_owned(),
        format!("--http_credentials={}", credentials.display()),
        "--authenticate_http_readonly".to_owned(),
        "--authenticate_http_readwrite".to_owned(),
    ];
    cluster
}

fn credential(cluster: &Cluster, name: &str, secret: &str) -> String {
    let text = format!(r#"{{"principal": "agent", "secret": "{secret}"}}"#);
    let path = private(cluster.folder.path(), name, &text);
    format!("--credential={}", path.display())
}

/// Runs a command of the client.
fn tiangong(cluster: &Cluster, secret: Option<&str>, arguments: &[&str]) -> Output {
    #[expect(clippy::disallowed_methods, reason = "the test starts the program it tests")]
    let mut command = Command::new(BINARY);
    command.arg(arguments[0]);
    command.arg(format!("--master={}", cluster.master_address));
    if let Some(secret) = secret {
        command.arg("--principal=ops");
        command.arg(format!(
            "--secret-file={}",
            cluster.folder.path().join(secret).display()
        ));
    }
    command.args(&arguments[1..]);
    command.output().expect("the binary starts")
}

fn agents(cluster: &Cluster) -> String {
    let output = tiangong(cluster, Some("ops"), &["agents"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_closed_cluster_serves_those_who_prove_who_they_are() {
    let mut cluster = closed();
    cluster.start_master();
    let right = credential(&cluster, "right", "agent-secret");
    cluster.agent_flags.push(right);
    cluster.start_agent();
    wait("the agent to register", Duration::from_secs(30), || {
        agents(&cluster).contains("localhost").then_some(())
    });
    let output = tiangong(&cluster, Some("ops"), &["run", "--", "echo", "hello"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
    for secret in [None, Some("wrong")] {
        for arguments in [&["agents"][..], &["frameworks"], &["ps"], &["events"]] {
            let output = tiangong(&cluster, secret, arguments);
            assert!(!output.status.success(), "{arguments:?}");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(text.contains("401") && text.contains("--secret-file"), "{text}");
        }
        let output = tiangong(&cluster, secret, &["run", "--", "echo", "hello"]);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
    for log in ["master.log", "agent.log"] {
        assert!(!cluster.log(log).contains("-secret"), "{log} shows a secret");
    }
}

#[test]
fn an_agent_with_a_wrong_secret_ends() {
    let mut cluster = closed();
    cluster.start_master();
    let wrong = credential(&cluster, "bad", "wrong-secret");
    cluster.agent_flags.push(wrong);
    cluster.spawn_agent();
    let agent = cluster.agent.as_mut().expect("it was started");
    wait("the agent to end", Duration::from_secs(30), || {
        (!agent.alive()).then_some(())
    });
    assert!(!agents(&cluster).contains("localhost"));
    assert!(!cluster.log("agent.log").contains("wrong-secret"));
}

#[test]
fn an_agent_without_a_secret_is_not_heard() {
    let mut cluster = closed();
    cluster.start_master();
    cluster.start_agent();
    // The master says so each time the agent asks to be let in.
    wait("the master to refuse", Duration::from_secs(30), || {
        cluster
            .log("master.log")
            .contains("not authenticated")
            .then_some(())
    });
    assert!(!agents(&cluster).contains("localhost"));
}
