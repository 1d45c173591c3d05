//! What operators order about resources and agents, with real processes that are killed in between.

#![expect(clippy::disallowed_methods, reason = "a test starts the programs it tests")]

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::cluster::{BINARY, Cluster};
use crate::support::local::Killed;
use crate::support::{http, wait};

const LIMIT: Duration = Duration::from_secs(60);

/// The one agent as the master shows it; null while there is none.
fn agent(cluster: &Cluster) -> Value {
    let slaves = http::get(cluster.master_address, "/slaves").filter(|answer| answer.status == 200);
    slaves.map_or(Value::Null, |answer| answer.json()["slaves"][0].clone())
}

/// Waits until something holds for the agent.
fn until(cluster: &Cluster, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait(what, LIMIT, || Some(agent(cluster)).filter(|agent| holds(agent)))
}

fn order(cluster: &Cluster, call: &Value, expected: u16) {
    let answer = http::call(cluster.master_address, "/api/v1", call).expect("the master answers");
    assert_eq!(
        (answer.status, answer.text()),
        (expected, String::new()),
        "{call}"
    );
}

/// Posts a form as the endpoints of before v1 take it.
fn form(cluster: &Cluster, path: &str, agent: &str, list: &str, resources: &Value) {
    let body = format!("slaveId={agent}&{list}={resources}");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = http::request(cluster.master_address, "POST", path, &headers, body.as_bytes())
        .expect("the master answers");
    assert_eq!((answer.status, answer.text()), (202, String::new()), "{path}");
}

fn restart_agent(cluster: &mut Cluster) {
    cluster.agent.as_mut().expect("it runs").kill();
    cluster.start_agent();
    cluster.wait_for_agent();
}

fn restart_master(cluster: &mut Cluster) {
    cluster.master.as_mut().expect("it runs").kill();
    cluster.start_master();
    wait("the agent to register again", LIMIT, || {
        agent(cluster)["id"].is_string().then_some(())
    });
}

#[test]
fn reservations_and_volumes_outlive_agents_and_masters() {
    let mut cluster = Cluster::started();
    let id = agent(&cluster)["id"].as_str().expect("it has an id").to_owned();
    let reservations = json!([{"type": "DYNAMIC", "role": "db", "principal": "op"}]);
    let reserved = |name: &str, amount: f64| json!({"name": name, "type": "SCALAR", "scalar": {"value": amount}, "reservations": reservations});
    let mut volume = reserved("disk", 64.0);
    volume["disk"] = json!({
        "persistence": {"id": "v1", "principal": "op"},
        "volume": {"mode": "RW", "container_path": "data"},
    });
    let both = json!([reserved("cpus", 0.5), reserved("disk", 64.0)]);
    let agent_id = json!({"value": id});
    let reserve =
        json!({"type": "RESERVE_RESOURCES", "reserve_resources": {"agent_id": agent_id, "resources": both}});
    order(&cluster, &reserve, 202);
    let create =
        json!({"type": "CREATE_VOLUMES", "create_volumes": {"agent_id": agent_id, "volumes": [volume]}});
    order(&cluster, &create, 202);

    let directory = cluster.folder.path().join("agent/volumes/roles/db/v1");
    wait("the volume's directory", LIMIT, || {
        directory.is_dir().then_some(())
    });
    std::fs::write(directory.join("kept"), "data").expect("the volume can be written");
    let held = |agent: &Value| {
        let reserved = agent["reserved_resources_full"]["db"].as_array();
        reserved.is_some_and(|list| {
            list.len() == 2 && list.iter().any(|each| each["disk"]["persistence"]["id"] == "v1")
        })
    };
    until(&cluster, "the volume", held);
    restart_agent(&mut cluster);
    until(&cluster, "the volume after the agent's restart", held);
    restart_master(&mut cluster);
    until(&cluster, "the volume after the master's restart", held);
    assert!(directory.join("kept").is_file());

    form(&cluster, "/destroy-volumes", &id, "volumes", &json!([volume]));
    wait("the directory to go", LIMIT, || {
        (!directory.exists()).then_some(())
    });
    form(&cluster, "/unreserve", &id, "resources", &both);
    let free = |agent: &Value| agent["reserved_resources_full"] == json!({});
    until(&cluster, "all to be unreserved", free);
}

#[test]
fn an_agent_drains_and_stays_out_until_it_is_reactivated() {
    let mut cluster = Cluster::started();
    let id = json!({"value": agent(&cluster)["id"]});
    let mut run = Command::new(BINARY);
    run.args(["run", "--master", &cluster.master_address.to_string()])
        .args(["--cpus", "0.1", "--mem", "32", "--", "sleep", "1000"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut run = Killed(run.spawn().expect("the binary starts"));
    wait("the task to run", LIMIT, || {
        let tasks = http::get(cluster.master_address, "/tasks")?.json();
        (tasks["tasks"][0]["state"] == "TASK_RUNNING").then_some(())
    });
    let drain =
        json!({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": id, "max_grace_period": {"seconds": 1}}});
    order(&cluster, &drain, 200);
    let status = wait("the task to end", LIMIT, || {
        run.0.try_wait().expect("it can be waited for")
    });
    assert!(!status.success(), "{status}");
    let drained = |agent: &Value| {
        agent["drain_info"]["state"] == "DRAINED" && agent["active"] == false && agent["deactivated"] == true
    };
    until(&cluster, "the agent to be drained", drained);
    restart_master(&mut cluster);
    until(&cluster, "the agent to be drained for the next master", drained);
    order(
        &cluster,
        &json!({"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": id}}),
        200,
    );
    let back = |agent: &Value| {
        agent["active"] == true && agent["deactivated"] == false && agent["drain_info"].is_null()
    };
    until(&cluster, "the agent to be back", back);
}
