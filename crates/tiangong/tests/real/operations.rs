//! What operators order about resources and agents, with real processes that are killed in between.

#![expect(clippy::disallowed_methods, reason = "a test starts the programs it tests")]

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::cluster::{BINARY, Cluster};
use crate::support::framework::Framework;
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

/// A persistent volume of role `db`, mounted as `data`.
fn volume(id: &str, more: &Value) -> Value {
    let mut volume = json!({
        "name": "disk", "type": "SCALAR", "scalar": {"value": 64.0},
        "reservations": [{"type": "DYNAMIC", "role": "db"}],
        "disk": {"persistence": {"id": id}, "volume": {"mode": "RW", "container_path": "data"}},
    });
    for (key, value) in more.as_object().expect("an object") {
        volume[key] = value.clone();
    }
    volume
}

/// The disk that it is made of.
fn reserved_disk() -> Value {
    json!({"name": "disk", "type": "SCALAR", "scalar": {"value": 64.0},
        "reservations": [{"type": "DYNAMIC", "role": "db"}]})
}

fn reserve_and_create(volume: &Value) -> [Value; 2] {
    [
        json!({"type": "RESERVE", "reserve": {"resources": [reserved_disk()]}}),
        json!({"type": "CREATE", "create": {"volumes": [volume]}}),
    ]
}

fn task(offer: &Value, id: &str, volume: &Value, command: &str) -> Value {
    json!({
        "name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"],
        "command": {"value": command},
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 32.0}},
            volume,
        ],
    })
}

/// Whether an offer holds the volume, and enough for a task with it.
fn has_volume(offer: &Value, id: &str) -> bool {
    let resources = offer["resources"].as_array().map_or(&[][..], Vec::as_slice);
    let named = |name: &str| resources.iter().any(|resource| resource["name"] == name);
    let volume = |resource: &&Value| resource["disk"]["persistence"]["id"] == id;
    named("cpus") && named("mem") && resources.iter().any(|resource| volume(&resource))
}

fn has_disk(offer: &Value) -> bool {
    let resources = offer["resources"].as_array().map_or(&[][..], Vec::as_slice);
    let plain = |resource: &Value| resource["name"] == "disk" && resource["reservations"].is_null();
    resources.iter().any(plain)
}

#[test]
fn what_a_task_writes_to_a_volume_is_there_for_the_next_even_after_the_agent_was_killed() {
    let mut cluster = Cluster::started();
    let mut framework = Framework::subscribe(cluster.master_address, "db", &["RESERVATION_REFINEMENT"]);
    let volume = volume("v1", &json!({}));
    let launch = |offer: &Value, id: &str, command: &str| json!({"type": "LAUNCH", "launch": {"task_infos": [task(offer, id, &volume, command)]}});

    let offer = framework.offer(has_disk);
    let mut operations = reserve_and_create(&volume).to_vec();
    operations.push(launch(&offer, "writes", "echo kept > data/file"));
    framework.accept(&offer, &json!(operations));
    framework.finish(1);
    let directory = cluster.folder.path().join("agent/volumes/roles/db/v1");
    let written = std::fs::read_to_string(directory.join("file"));
    assert_eq!(written.expect("the task has written"), "kept\n");

    let offer = framework.offer(|offer| has_volume(offer, "v1"));
    framework.accept(
        &offer,
        &json!([launch(
            &offer,
            "reads",
            "grep -qx kept data/file && echo more >> data/file"
        )]),
    );
    framework.finish(1);

    restart_agent(&mut cluster);
    let offer = framework.offer(|offer| has_volume(offer, "v1"));
    framework.accept(
        &offer,
        &json!([launch(
            &offer,
            "reads-again",
            "grep -qx kept data/file && grep -qx more data/file"
        )]),
    );
    framework.finish(1);

    let offer = framework.offer(|offer| has_volume(offer, "v1"));
    let destroy = json!([
        {"type": "DESTROY", "destroy": {"volumes": [volume]}},
        {"type": "UNRESERVE", "unreserve": {"resources": [reserved_disk()]}},
    ]);
    framework.accept(&offer, &destroy);
    wait("the data to be gone", LIMIT, || {
        (!directory.exists()).then_some(())
    });
    until(&cluster, "all to be unreserved", |agent| {
        agent["reserved_resources_full"] == json!({})
    });
    framework.offer(has_disk);
}

#[test]
fn two_tasks_share_a_volume_at_the_same_time() {
    let cluster = Cluster::started();
    let capabilities = ["SHARED_RESOURCES", "RESERVATION_REFINEMENT"];
    let mut framework = Framework::subscribe(cluster.master_address, "db", &capabilities);
    let volume = volume("v2", &json!({"shared": {}}));
    let offer = framework.offer(has_disk);
    // Each waits for what the other writes.
    let command =
        |own: &str, other: &str| format!("touch data/{own}; until [ -e data/{other} ]; do sleep 0.05; done");
    let tasks = json!([
        task(&offer, "one", &volume, &command("one", "two")),
        task(&offer, "two", &volume, &command("two", "one")),
    ]);
    let mut operations = reserve_and_create(&volume).to_vec();
    operations.push(json!({"type": "LAUNCH", "launch": {"task_infos": tasks}}));
    framework.accept(&offer, &json!(operations));
    framework.finish(2);
    // Once nobody uses it any more it can be destroyed.
    let offer = framework.offer(|offer| has_volume(offer, "v2"));
    framework.accept(
        &offer,
        &json!([{"type": "DESTROY", "destroy": {"volumes": [volume]}}]),
    );
    let directory = cluster.folder.path().join("agent/volumes/roles/db/v2");
    wait("the data to be gone", LIMIT, || {
        (!directory.exists()).then_some(())
    });
}
