//! `tiangong explain` with real processes: a framework's life, and what the command says of it at each point.

#![expect(clippy::disallowed_methods, reason = "a test starts the program it tests")]

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::cluster::{BINARY, Cluster};
use crate::support::framework::Framework;
use crate::support::{http, wait};

const LIMIT: Duration = Duration::from_secs(60);

fn explain(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["explain", "--master", &cluster.master_address.to_string()]);
    command.args(arguments).output().expect("the binary starts")
}

/// Waits until the command says something.
fn until_said(cluster: &Cluster, framework: &Framework, said: &str) -> String {
    let mut last = String::new();
    let heard = crate::support::within(LIMIT, || {
        let output = explain(cluster, &["--framework", &framework.id]);
        last = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        last.contains(said).then(|| last.clone())
    });
    heard.unwrap_or_else(|| panic!("never said '{said}', at last: {last}"))
}

fn operate(cluster: &Cluster, call: &Value) {
    let answer = http::call(cluster.master_address, "/api/v1", call).expect("the master answers");
    assert!(
        answer.status == 200 || answer.status == 202,
        "{call}: {}",
        answer.text()
    );
}

#[test]
fn each_point_of_a_frameworks_life_is_explained() {
    let mut cluster = Cluster::started();
    let unknown = explain(&cluster, &["--role", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        complaint.contains("No role found with name 'nobody'"),
        "{complaint}"
    );
    assert_eq!(explain(&cluster, &[]).status.code(), Some(2));
    assert_eq!(
        explain(&cluster, &["--role", "a", "--framework", "b"])
            .status
            .code(),
        Some(2)
    );

    let framework = Framework::subscribe(cluster.master_address, "eng/dev", &[]);
    let text = until_said(
        &cluster,
        &framework,
        "the framework itself holds something, in offers or for tasks, on 1",
    );
    assert!(
        text.starts_with(&format!(
            "framework {} 'picky' (active)\n  role eng/dev: share 1.000, weight 1\n",
            framework.id
        )),
        "{text}"
    );
    let state = || {
        http::get(cluster.master_address, "/state")
            .expect("the master answers")
            .json()
    };
    let offer = state()["frameworks"][0]["offers"][0]["id"].clone();
    let filters = json!({"refuse_seconds": 5000});
    framework
        .call(json!({"type": "DECLINE", "decline": {"offer_ids": [{"value": offer}], "filters": filters}}));
    let text = until_said(&cluster, &framework, "refused by the framework for ");
    assert!(!text.contains("holds something"), "{text}");
    framework.call(json!({"type": "SUPPRESS"}));
    until_said(
        &cluster,
        &framework,
        "the framework has suppressed role 'eng/dev', until it revives it",
    );

    // Another role is guaranteed more than there is.
    let quota = json!({"type": "UPDATE_QUOTA", "update_quota": {"force": true, "quota_configs": [
        {"role": "ops", "guarantees": {"cpus": {"value": 10000}, "mem": {"value": 100_000_000.0}}}]}});
    operate(&cluster, &quota);
    framework.call(json!({"type": "REVIVE"}));
    until_said(
        &cluster,
        &framework,
        "kept for guarantees that are not met yet: they need cpus:10000;mem:100000000",
    );

    let agent = state()["slaves"][0]["id"].clone();
    let agent_id = json!({"value": agent});
    operate(
        &cluster,
        &json!({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": agent_id}}),
    );
    until_said(&cluster, &framework, ": drained; an operator may reactivate it");
    operate(
        &cluster,
        &json!({"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": agent_id}}),
    );
    cluster.agent.as_mut().expect("it runs").kill();
    until_said(&cluster, &framework, ": disconnected");

    // The end of an id is enough, and JSON is the master's own answer.
    let (_, end) = framework
        .id
        .rsplit_once('-')
        .expect("the master's id, and a number");
    let output = explain(&cluster, &["--framework", end, "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(json["frameworks"][0]["id"], framework.id.as_str());
    assert_eq!(
        json["frameworks"][0]["roles"][0]["reasons"],
        json!({"AGENT_DISCONNECTED": 1})
    );
    let listed = explain(&cluster, &["--role", "eng/dev", "--agents"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        text.contains(&format!("{} ", agent.as_str().expect("an id")))
            && text.contains(" AGENT_DISCONNECTED, free "),
        "{text}"
    );

    let id = framework.id.clone();
    drop(framework);
    wait("the framework to be disconnected", LIMIT, || {
        let output = explain(&cluster, &["--framework", &id]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("(disconnected)\n  - its scheduler is disconnected")
            .then_some(())
    });
}
