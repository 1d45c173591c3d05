//! A cluster of real processes that speak TLS to each other, to frameworks and to commands.

use std::process::{Command, Output};
use std::time::Duration;

use super::support::authority::Authority;
use super::support::cluster::{BINARY, Cluster, Daemon};
use super::support::{http, wait};

/// Settings of `LIBPROCESS_SSL_*` beyond those of every daemon here.
type Extra<'a> = &'a [(&'a str, &'a str)];

fn with(mut variables: Vec<(String, String)>, extra: Extra<'_>) -> Vec<(String, String)> {
    let extra = extra
        .iter()
        .map(|(name, value)| (format!("LIBPROCESS_SSL_{name}"), (*value).to_owned()));
    variables.extend(extra);
    variables
}

/// A cluster whose processes get these variables; executors get those of the agent.
fn cluster(master: &[(String, String)], agent: &[(String, String)]) -> Cluster {
    let mut cluster = Cluster::new();
    let executors: serde_json::Map<String, serde_json::Value> = agent
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    cluster.agent_flags = vec![
        "--hostname=localhost".to_owned(),
        format!("--executor_environment_variables={}", with_path(executors)),
    ];
    let folder = cluster.folder.path().to_path_buf();
    let arguments = cluster.master_arguments();
    cluster.master = Some(Daemon::spawn_with(
        cluster.master_address,
        &folder.join("master.log"),
        &arguments,
        master,
    ));
    let arguments = cluster.agent_arguments();
    cluster.agent = Some(Daemon::spawn_with(
        cluster.agent_address,
        &folder.join("agent.log"),
        &arguments,
        agent,
    ));
    cluster
}

/// Executors that are given variables get no others.
fn with_path(mut variables: serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
    let path = std::env::var("PATH").unwrap_or_default();
    variables.insert("PATH".to_owned(), path.into());
    variables.into()
}

/// Runs the binary with these variables.
fn tiangong(variables: &[(String, String)], arguments: &[&str]) -> Output {
    #[expect(clippy::disallowed_methods, reason = "the test starts the program it tests")]
    let mut command = Command::new(BINARY);
    command.args(arguments).envs(variables.iter().cloned());
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_cluster_that_requires_certificates_serves_those_who_have_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let authority = Authority::new(&folder.path().join("ours"));
    for stem in ["master", "agent", "client"] {
        authority.sign(stem);
    }
    let strict: Extra<'_> = &[("REQUIRE_CLIENT_CERT", "true")];
    let cluster = cluster(
        &with(authority.variables("master"), strict),
        &with(authority.variables("agent"), strict),
    );
    let master = format!("--master=https://{}", cluster.master_address);
    let by_name = format!("--master=https://localhost:{}", cluster.master_address.port());
    let ca = format!("--ca-file={}", authority.file("ca.pem"));
    let certificate = format!("--cert-file={}", authority.file("client.crt"));
    let key = format!("--key-file={}", authority.file("client.key"));
    let known = [ca.as_str(), &certificate, &key];
    wait("the agent to register by TLS", Duration::from_secs(60), || {
        let output = tiangong(&[], &[&["agents", &master][..], &known].concat());
        text(&output.stdout).contains("localhost").then_some(())
    });
    let output = tiangong(
        &[],
        &[&["run", &by_name][..], &known, &["--", "echo", "hello"]].concat(),
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "hello\n");

    // The same by the environment, as Mesos's own programs take it.
    let plain = format!("--master={}", cluster.master_address);
    let environment = authority.variables("client");
    let output = tiangong(&environment, &["agents", &plain]);
    assert!(text(&output.stdout).contains("localhost"), "{output:?}");

    // Nobody else is heard: not in plain text, not without a certificate or with that of a stranger.
    assert!(http::get(cluster.master_address, "/health").is_none_or(|answer| answer.status != 200));
    assert!(http::get(cluster.agent_address, "/health").is_none_or(|answer| answer.status != 200));
    assert!(!tiangong(&[], &["agents", &plain]).status.success());
    assert!(!tiangong(&[], &["agents", &master, &ca]).status.success());
    let others = Authority::new(&folder.path().join("theirs"));
    others.sign("client");
    let certificate = format!("--cert-file={}", others.file("client.crt"));
    let key = format!("--key-file={}", others.file("client.key"));
    assert!(
        !tiangong(&[], &["agents", &master, &ca, &certificate, &key])
            .status
            .success()
    );

    // Nor does a client of ours speak to a master that a stranger vouches for.
    let ca = format!("--ca-file={}", others.file("ca.pem"));
    let output = tiangong(&[], &[&["agents", &master, &ca][..], &known[1..]].concat());
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("certificate"), "{output:?}");
}

#[test]
fn a_cluster_that_supports_downgrades_serves_plain_text_as_well() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let authority = Authority::new(folder.path());
    authority.sign("master");
    // The agent speaks no TLS at all.
    let cluster = cluster(
        &with(authority.variables("master"), &[("SUPPORT_DOWNGRADE", "true")]),
        &[],
    );
    wait("the master to answer", Duration::from_secs(60), || {
        http::get(cluster.master_address, "/health").filter(|answer| answer.status == 200)
    });
    cluster.wait_for_agent();
    let plain = format!("--master={}", cluster.master_address);
    let output = tiangong(&[], &["run", &plain, "--", "echo", "hello"]);
    assert_eq!(text(&output.stdout), "hello\n", "{output:?}");
    let secure = format!("--master=https://{}", cluster.master_address);
    let ca = format!("--ca-file={}", authority.file("ca.pem"));
    let output = tiangong(&[], &["agents", &secure, &ca]);
    assert!(text(&output.stdout).contains("localhost"), "{output:?}");
    // Without the authority's certificate, nothing vouches for the master.
    assert!(!tiangong(&[], &["agents", &secure]).status.success());
}
