//! Reading a master's state: every way in which the same thing can be asked for (master-http.md §1, §3, §7).

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::io::Read as _;
use std::net::SocketAddr;

use master::Server;
use process::{Runtime, Settings};
use proto::{Message as _, json as mesos_json};
use serde_json::{Value, json};
use support::{Agent, Answer, Framework, JSON, http, master, subscribe, until, v1};
use tokio::sync::mpsc;

/// A master with an agent, a framework and three tasks that are being started.
struct Cluster {
    server: Server,
    runtime: Runtime,
    framework: Framework,
    agent: String,
}

impl Cluster {
    async fn start() -> Self {
        let server = master(&["--allocation_interval=20ms"]).await;
        let mut framework = Framework::subscribe(server.address(), "f").await;
        let runtime = Runtime::start(Settings::loopback(0)).await.unwrap();
        let (registered, mut ids) = mpsc::unbounded_channel();
        let agent = Agent {
            master: server.runtime().upid("master"),
            registered,
        };
        runtime.spawn("slave(1)", agent).unwrap();
        let agent = ids.recv().await.unwrap();
        let offers = framework.events.event_of("OFFERS").await;
        let offer = &offers["offers"]["offers"][0];
        let task = |name: &str| {
            json!({
                "name": name, "task_id": {"value": name}, "agent_id": offer["agent_id"],
                "command": {"value": "true"},
                "resources": [
                    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}},
                    {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}},
                ],
            })
        };
        let tasks = json!([task("a"), task("b"), task("c")]);
        let accept = json!({"type": "ACCEPT", "accept": {
            "offer_ids": [offer["id"]],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}],
            "filters": {"refuse_seconds": 1000},
        }});
        assert_eq!(framework.call(accept).await.status, 202);
        let to = server.address();
        until(async || get(to, "/tasks").await.json()["tasks"].as_array().unwrap().len() == 3).await;
        Self {
            server,
            runtime,
            framework,
            agent,
        }
    }

    async fn stop(self) {
        self.runtime.shutdown().await;
        self.server.stop().await;
    }
}

async fn get(to: SocketAddr, path: &str) -> Answer {
    http(to, "GET", path, &[], b"").await
}

fn ids(answer: &Answer, list: &str) -> Vec<String> {
    let json = answer.json();
    let entries = json[list].as_array().unwrap().iter();
    entries
        .map(|entry| entry["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_protobuf_say_the_same() {
    let cluster = Cluster::start().await;
    let to = cluster.server.address();
    for kind in [
        "GET_HEALTH",
        "GET_FLAGS",
        "GET_VERSION",
        "GET_LOGGING_LEVEL",
        "GET_STATE",
        "GET_AGENTS",
        "GET_FRAMEWORKS",
        "GET_EXECUTORS",
        "GET_OPERATIONS",
        "GET_TASKS",
        "GET_ROLES",
        "GET_WEIGHTS",
        "GET_MASTER",
        "GET_MAINTENANCE_STATUS",
        "GET_MAINTENANCE_SCHEDULE",
        "GET_QUOTA",
    ] {
        let call = json!({"type": kind});
        let text = v1(to, &call).await;
        let call: proto::v1::master::Call = mesos_json::from_slice(call.to_string().as_bytes()).unwrap();
        let protobuf = "application/x-protobuf";
        let headers = &[("content-type", protobuf), ("accept", protobuf)];
        let binary = http(to, "POST", "/master/api/v1", headers, &call.encode_to_vec()).await;
        assert_eq!(
            (binary.status, binary.header("content-type")),
            (200, Some(protobuf)),
            "{kind}"
        );
        let message = proto::v1::master::Response::decode(&*binary.body).unwrap();
        let again: Value = serde_json::from_slice(&mesos_json::to_vec(&message)).unwrap();
        assert_eq!(again, text.json(), "{kind}");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agent_or_framework_is_found_by_its_id() {
    let cluster = Cluster::start().await;
    let to = cluster.server.address();
    let (agent, framework) = (
        cluster.agent.as_str(),
        cluster.framework.id["value"].as_str().unwrap(),
    );
    for (path, list, expected) in [
        ("/slaves".to_owned(), "slaves", Some(agent)),
        (format!("/slaves?slave_id={agent}"), "slaves", Some(agent)),
        ("/slaves?slave_id=x".to_owned(), "slaves", None),
        ("/slaves?slave_id=".to_owned(), "slaves", None),
        ("/frameworks".to_owned(), "frameworks", Some(framework)),
        (
            format!("/master/frameworks/?framework_id={framework}"),
            "frameworks",
            Some(framework),
        ),
        ("/frameworks?framework_id=x".to_owned(), "frameworks", None),
    ] {
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(ids(&get(to, &path).await, list), expected, "{path}");
    }
    let empty = get(to, "/frameworks?framework_id=x").await;
    assert_eq!(
        empty.text(),
        r#"{"frameworks":[],"completed_frameworks":[],"unregistered_frameworks":[]}"#
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_paged() {
    let cluster = Cluster::start().await;
    let to = cluster.server.address();
    let all = ids(&get(to, "/tasks?order=asc").await, "tasks");
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, ["a", "b", "c"]);
    let framework = cluster.framework.id["value"].as_str().unwrap();
    for (query, expected) in [
        ("limit=2&order=asc", &all[..2]),
        ("offset=1&order=asc", &all[1..]),
        ("limit=1&offset=1&order=asc", &all[1..2]),
        ("offset=3", &[]),
        ("limit=0", &[]),
        ("limit=-1&order=asc", &all[..]),
        ("offset=-1", &[]),
        ("limit=nonsense&offset=&order=asc", &all[..]),
        ("task_id=none", &[]),
        ("framework_id=none", &[]),
    ] {
        assert_eq!(
            ids(&get(to, &format!("/tasks?{query}")).await, "tasks"),
            expected,
            "{query}"
        );
    }
    let one = get(to, &format!("/tasks?task_id=b&framework_id={framework}")).await;
    assert_eq!(ids(&one, "tasks"), ["b"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_can_be_wrapped_compressed_and_looked_at_without_its_body() {
    let cluster = Cluster::start().await;
    let to = cluster.server.address();
    for path in [
        "/state",
        "/state-summary",
        "/slaves",
        "/frameworks",
        "/tasks",
        "/roles",
        "/flags",
    ] {
        let plain = get(to, path).await;
        assert_eq!(
            (plain.status, plain.header("content-type")),
            (200, Some("application/json"))
        );
        for same in [
            format!("/master{path}"),
            format!("{path}/"),
            format!("/master{path}/"),
        ] {
            assert_eq!(get(to, &same).await.json(), plain.json(), "{same}");
        }
        let wrapped = get(to, &format!("{path}?jsonp=call.back")).await;
        assert_eq!(wrapped.header("content-type"), Some("text/javascript"));
        assert_eq!(wrapped.text(), format!("call.back({})", plain.text()), "{path}");
        let head = http(to, "HEAD", path, &[], b"").await;
        assert_eq!(
            (head.status, head.header("content-length"), head.body.len()),
            (200, plain.header("content-length"), 0),
            "{path}"
        );
        let packed = http(to, "GET", path, &[("accept-encoding", "gzip")], b"").await;
        let large = plain.body.len() >= 1024;
        assert_eq!(
            packed.header("content-encoding"),
            large.then_some("gzip"),
            "{path}"
        );
        if large {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&*packed.body)
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, plain.text(), "{path}");
        }
        // Compat: readers take any method.
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(
                http(to, method, path, &[], b"").await.json(),
                plain.json(),
                "{method} {path}"
            );
        }
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_is_not_looked_at() {
    let server = master(&[]).await;
    for (path, allow) in [
        ("/quota", "GET, POST, DELETE"),
        ("/weights", "GET, PUT"),
        ("/maintenance/schedule", "GET, POST"),
        ("/maintenance/status", "GET"),
        ("/teardown", "POST"),
        ("/api/v1", "POST"),
        ("/api/v1/scheduler", "POST"),
    ] {
        let head = http(server.address(), "HEAD", path, &[], b"").await;
        assert_eq!((head.status, head.header("allow")), (405, Some(allow)), "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_constraints_exclude_is_shown_and_not_offered() {
    let cluster = Cluster::start().await;
    let to = cluster.server.address();
    let constraint = |host: &str| {
        let condition = json!({"selector": {"pseudoattribute_type": "HOSTNAME"}, "predicate": {"text_matches": {"regex": host}}});
        json!({"role_constraints": {"*": {"groups": [{"attribute_constraints": [condition]}]}}})
    };
    let subscribe_with = |constraints: Value| {
        json!({"type": "SUBSCRIBE", "subscribe": {
            "framework_info": {"user": "root", "name": "picky"},
            "offer_constraints": constraints}})
    };
    let (answer, mut events) =
        subscribe(to, "/api/v1/scheduler", JSON, &subscribe_with(constraint("h"))).await;
    let id = events.event_of("SUBSCRIBED").await["subscribed"]["framework_id"].take();
    let shown = async || {
        let path = "/allocator/offer_constraints_debug";
        get(to, path).await.json()["frameworks"][id["value"].as_str().unwrap()].take()
    };
    assert_eq!(
        shown().await,
        json!({"suppressed_roles": [], "excluded_by_attribute_constraints": {"*": [cluster.agent]}})
    );
    // With constraints that let the host pass it is offered what the first framework does not want.
    let update = json!({"type": "UPDATE_FRAMEWORK", "framework_id": id, "update_framework": {
        "framework_info": {"user": "root", "name": "picky", "id": id},
        "offer_constraints": constraint("h.r[e]")}});
    let headers = [
        JSON[0],
        JSON[1],
        ("mesos-stream-id", answer.header("mesos-stream-id").unwrap()),
    ];
    let updated = http(
        to,
        "POST",
        "/api/v1/scheduler",
        &headers,
        update.to_string().as_bytes(),
    )
    .await;
    assert_eq!((updated.status, updated.text().as_str()), (200, ""));
    let offers = events.event_of("OFFERS").await;
    assert_eq!(offers["offers"]["offers"][0]["hostname"], "here");
    assert_eq!(
        shown().await,
        json!({"suppressed_roles": [], "excluded_by_attribute_constraints": {"*": []}})
    );
    // An expression that is none is told as an error.
    let (_, mut events) = subscribe(to, "/api/v1/scheduler", JSON, &subscribe_with(constraint("("))).await;
    let error = events.event_of("ERROR").await;
    let text = error["error"]["message"].as_str().unwrap();
    assert!(text.contains("invalid regular expression '('"), "{text}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_before_are_gone() {
    let server = master(&[]).await;
    for path in [
        "/state.json",
        "/master/state.json",
        "/slaves.json",
        "/roles.json",
        "/tasks.json",
        "/observe",
        "/nope",
        "/redirect/x",
        "/master/nope/state",
    ] {
        let answer = get(server.address(), path).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (404, "404 Not Found."),
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_may_be_is_asked_last() {
    let server = master(&[]).await;
    let to = server.address();
    let refuse = [JSON[0], ("accept", "text/html")];
    for (body, status) in [
        ("{\"type\":\"GET_HEALTH\"}", 406),
        ("{\"type\":\"GET_METRICS\"}", 400),
        ("x", 400),
    ] {
        let answer = http(to, "POST", "/api/v1", &refuse, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{body}");
    }
    let answer = http(to, "POST", "/api/v1", &refuse, b"{\"type\":\"GET_HEALTH\"}").await;
    assert_eq!(
        answer.text(),
        "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"
    );
    server.stop().await;
}
