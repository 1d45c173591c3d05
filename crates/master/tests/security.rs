//! Realms, permissions and filtered answers of a master, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use master::Server;
use proto::{internal, v1};
use serde_json::{Value, json};
use support::callers::{ask, basic, closed, closed_with, framework, get, operate};
use support::peer::Peer;
use support::{Answer, JSON, Stream, http, subscribe, until};

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_has_its_realm() {
    let (_file, server) = closed(None).await;
    let to = server.address();
    let readonly = [
        "/state",
        "/master/state",
        "/state-summary",
        "/slaves",
        "/frameworks",
        "/tasks",
        "/roles",
        "/flags",
        "/maintenance/status",
        "/metrics/snapshot",
        "/files/debug",
        "/files/browse?path=/x",
        "/registrar(1)/registry",
    ];
    let readwrite = [
        "/api/v1",
        "/teardown",
        "/quota",
        "/weights",
        "/maintenance/schedule",
        "/machine/up",
        "/machine/down",
        "/reserve",
        "/unreserve",
        "/create-volumes",
        "/destroy-volumes",
        "/logging/toggle",
    ];
    let scheduler = ["/api/v1/scheduler"];
    for (realm, paths) in [
        ("mesos-master-readonly", &readonly[..]),
        ("mesos-master-readwrite", &readwrite),
        ("mesos-master-scheduler", &scheduler),
    ] {
        for path in paths {
            let answer = get(to, "", path).await;
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (401, "401 Unauthorized."),
                "{path}"
            );
            let challenge = format!("Basic realm=\"{realm}\"");
            assert_eq!(
                answer.header("www-authenticate"),
                Some(challenge.as_str()),
                "{path}"
            );
            assert_ne!(get(to, "ops", path).await.status, 401, "{path}");
            // A secret that is wrong by one letter.
            let wrong = basic("ops").replace('=', "A");
            let answer = http(to, "GET", path, &[("authorization", &wrong)], b"").await;
            assert_eq!(answer.status, 401, "{path}");
        }
    }
    for path in [
        "/health",
        "/redirect",
        "/version",
        "/help",
        "/system/stats.json",
        "/__processes__",
    ] {
        assert_ne!(get(to, "", path).await.status, 401, "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_framework_is_who_it_says_it_is() {
    let (_file, server) = closed(None).await;
    let to = server.address();
    let mine = framework(to, "web", "mine", "root").await;
    // Another principal can neither subscribe under that name nor call for the framework.
    let info = json!({"user": "root", "name": "x", "principal": "web"});
    let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
    let answer = ask(
        to,
        "eve",
        "POST",
        "/api/v1/scheduler",
        call.to_string().as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let call = json!({"type": "TEARDOWN", "framework_id": mine.id});
    let authorization = basic("eve");
    let headers = [
        JSON[0],
        JSON[1],
        ("authorization", authorization.as_str()),
        ("mesos-stream-id", mine.stream_id.as_str()),
    ];
    let answer = http(
        to,
        "POST",
        "/api/v1/scheduler",
        &headers,
        call.to_string().as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(
        operate(to, "ops", &json!({"type": "GET_FRAMEWORKS"}))
            .await
            .json()["get_frameworks"]["frameworks"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    server.stop().await;
}

/// `eve` sees what runs as `www` and the role `*`, and changes nothing.
fn acls() -> Value {
    let eve = json!({"values": ["eve"]});
    let none = json!({"type": "NONE"});
    let mut acls = json!({
        "view_frameworks": [
            {"principals": eve, "users": {"values": ["www"]}},
            {"principals": eve, "users": none},
        ],
        "view_roles": [
            {"principals": eve, "roles": {"values": ["*"]}},
            {"principals": eve, "roles": none},
        ],
        "get_endpoints": [{"principals": eve, "paths": {"values": ["/metrics/snapshot", "/logging/toggle"]}, }],
    });
    acls["get_endpoints"][0]["paths"] = none.clone();
    for (list, field) in [
        ("view_flags", "flags"),
        ("set_log_level", "level"),
        ("access_mesos_logs", "logs"),
    ] {
        acls[list] = json!([{"principals": eve, field: none}]);
    }
    acls["teardown_frameworks"] = json!([{"principals": eve, "framework_principals": {"values": ["eve"]}},
        {"principals": eve, "framework_principals": none}]);
    acls
}

fn names(frameworks: &Value) -> Vec<String> {
    let name = |framework: &Value| {
        let info = framework.get("framework_info").unwrap_or(framework);
        info["name"].as_str().unwrap().to_owned()
    };
    let mut names: Vec<String> = frameworks.as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_frameworks_are_in_no_answer() {
    let (_file, server) = closed(Some(&acls())).await;
    let to = server.address();
    let _public = framework(to, "web", "public", "www").await;
    let _private = framework(to, "web", "private", "root").await;
    for (path, field) in [
        ("/state", "frameworks"),
        ("/frameworks", "frameworks"),
        ("/state-summary", "frameworks"),
    ] {
        assert_eq!(
            names(&get(to, "ops", path).await.json()[field]),
            ["private", "public"],
            "{path}"
        );
        assert_eq!(
            names(&get(to, "eve", path).await.json()[field]),
            ["public"],
            "{path}"
        );
        assert!(!get(to, "eve", path).await.text().contains("private"), "{path}");
    }
    let shown = async |name: &str, kind: &str, member: &str| {
        let answer = operate(to, name, &json!({"type": kind})).await.json();
        let frameworks = match member {
            "get_state" => answer[member]["get_frameworks"]["frameworks"].clone(),
            _ => answer[member]["frameworks"].clone(),
        };
        names(&frameworks)
    };
    for (kind, member) in [("GET_STATE", "get_state"), ("GET_FRAMEWORKS", "get_frameworks")] {
        assert_eq!(shown("ops", kind, member).await, ["private", "public"]);
        assert_eq!(shown("eve", kind, member).await, ["public"]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_frameworks_and_roles_are_not_explained() {
    let (_file, server) = closed(Some(&acls())).await;
    let to = server.address();
    let _public = framework(to, "web", "public", "www").await;
    let _private = framework(to, "web", "private", "root").await;
    let path = "/allocator/explain?role=*";
    assert_eq!(
        names(&get(to, "ops", path).await.json()["frameworks"]),
        ["private", "public"]
    );
    let seen = get(to, "eve", path).await;
    assert_eq!(names(&seen.json()["frameworks"]), ["public"]);
    let hidden = get(to, "ops", "/frameworks").await.json();
    let ids: Vec<&str> = hidden["frameworks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|framework| framework["name"] == "private")
        .map(|framework| framework["id"].as_str().unwrap())
        .collect();
    assert!(!seen.text().contains(ids[0]), "{}", seen.text());
    // The sums of all roles' quotas are for those who see all roles.
    assert!(seen.json()["headroom"].is_null());
    let path = format!("/allocator/explain?framework={}", ids[0]);
    assert_eq!(get(to, "ops", &path).await.status, 200);
    assert_eq!(get(to, "eve", &path).await.status, 404);
    let weights = json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "dev", "weight": 2.0}]}});
    assert_eq!(operate(to, "ops", &weights).await.status, 200);
    assert_eq!(get(to, "ops", "/allocator/explain?role=dev").await.status, 200);
    assert_eq!(get(to, "eve", "/allocator/explain?role=dev").await.status, 404);
    assert_eq!(http(to, "GET", &path, &[], b"").await.status, 401);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_frameworks_are_in_no_event() {
    let (_file, server) = closed(Some(&acls())).await;
    let to = server.address();
    let observe = async |name: &str| {
        let authorization = basic(name);
        let headers = [JSON[0], JSON[1], ("authorization", authorization.as_str())];
        let (answer, mut stream) = subscribe(to, "/api/v1", &headers, &json!({"type": "SUBSCRIBE"})).await;
        assert_eq!(answer.status, 200);
        let first = stream.event().await.unwrap();
        let snapshot = names(&first["subscribed"]["get_state"]["get_frameworks"]["frameworks"]);
        (snapshot, stream)
    };
    let _before = framework(to, "web", "private-before", "root").await;
    let ((of_ops, mut ops), (of_eve, mut eve)) = (observe("ops").await, observe("eve").await);
    assert_eq!(of_ops, ["private-before"]);
    assert_eq!(of_eve, [""; 0]);
    let mut private = Vec::new();
    for number in 0..100 {
        private.push(framework(to, "web", &format!("private-{number}"), "root").await);
    }
    let _public = framework(to, "web", "public", "www").await;
    let added = async |stream: &mut Stream| {
        let event = stream.event_of("FRAMEWORK_ADDED").await;
        event["framework_added"]["framework"]["framework_info"]["name"].clone()
    };
    assert_eq!(added(&mut eve).await, "public");
    assert_eq!(added(&mut ops).await, "private-0");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_denied_in_every_form() {
    let log_dir = tempfile::tempdir().unwrap();
    std::fs::write(log_dir.path().join("log"), "a line\n").unwrap();
    let log = format!("--external_log_file={}", log_dir.path().join("log").display());
    let (_file, server) = closed_with(Some(&acls()), &[&log]).await;
    let to = server.address();
    let web = framework(to, "web", "public", "www").await;
    let denied = async |answer: Answer, text: &str| {
        assert_eq!((answer.status, answer.text().as_str()), (403, text));
    };
    for path in ["/flags", "/metrics/snapshot", "/logging/toggle", "/files/debug"] {
        assert_eq!(get(to, "ops", path).await.status, 200, "{path}");
        denied(get(to, "eve", path).await, "403 Forbidden.").await;
    }
    let post = ask(to, "ops", "POST", "/flags", b"").await;
    assert_eq!(post.status, 405, "with an authorizer only GET is taken");
    for path in [
        "/files/browse?path=/master/log",
        "/files/read?path=/master/log&offset=0",
        "/files/download?path=/master/log",
    ] {
        assert_eq!(get(to, "ops", path).await.status, 200, "{path}");
        denied(get(to, "eve", path).await, "").await;
    }
    let duration = json!({"nanoseconds": 1_000_000_000});
    let read = json!({"path": "/master/log", "offset": 0});
    for (call, text) in [
        (json!({"type": "GET_FLAGS"}), "403 Forbidden."),
        (
            json!({"type": "SET_LOGGING_LEVEL", "set_logging_level": {"level": 1, "duration": duration}}),
            "403 Forbidden.",
        ),
        (
            json!({"type": "LIST_FILES", "list_files": {"path": "/master/log"}}),
            "",
        ),
        (json!({"type": "READ_FILE", "read_file": read}), ""),
        (
            json!({"type": "TEARDOWN", "teardown": {"framework_id": web.id}}),
            "403 Forbidden.",
        ),
    ] {
        denied(operate(to, "eve", &call).await, text).await;
        assert_eq!(operate(to, "ops", &call).await.status, 200, "{call}");
    }
    let gone = json!({"type": "TEARDOWN", "teardown": {"framework_id": {"value": "nobody"}}});
    assert_eq!(
        operate(to, "eve", &gone).await.status,
        400,
        "what does not exist is told first"
    );
    let web = framework(to, "web", "public", "www").await;
    let form = format!("frameworkId={}", web.id["value"].as_str().unwrap());
    denied(
        ask(to, "eve", "POST", "/teardown", form.as_bytes()).await,
        "403 Forbidden.",
    )
    .await;
    assert_eq!(
        ask(to, "ops", "POST", "/teardown", form.as_bytes()).await.status,
        200
    );
    // /state leaves out what /flags denies.
    let state = get(to, "eve", "/state").await.json();
    assert!(state.get("flags").is_none() && state.get("external_log_file").is_none());
    assert!(get(to, "ops", "/state").await.json().get("flags").is_some());
    assert!(!get(to, "ops", "/state").await.text().contains("-secret"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_roles_are_in_no_answer() {
    let (_file, server) = closed(Some(&acls())).await;
    let to = server.address();
    let info = json!({"user": "www", "name": "r", "principal": "web", "roles": ["secret/role"], "capabilities": [{"type": "MULTI_ROLE"}]});
    let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
    let authorization = basic("web");
    let headers = [JSON[0], JSON[1], ("authorization", authorization.as_str())];
    let (answer, mut events) = subscribe(to, "/api/v1/scheduler", &headers, &call).await;
    assert_eq!(answer.status, 200);
    events.event_of("SUBSCRIBED").await;
    let v0 = async |name: &str| {
        get(to, name, "/roles").await.json()["roles"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((v0("ops").await, v0("eve").await), (2, 0));
    let roles = async |name: &str| {
        let answer = operate(to, name, &json!({"type": "GET_ROLES"})).await.json();
        answer["get_roles"]["roles"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((roles("ops").await, roles("eve").await), (2, 0));
    server.stop().await;
}

fn scalar(name: &str, value: f64, role: &str) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        role: Some(role.to_owned()),
        ..v1::Resource::default()
    }
}

/// An agent with some resources for everybody and some for a role that `eve` may not see.
async fn agent(server: &Server) -> (process::Runtime, Peer, v1::AgentId) {
    let runtime = support::peer::runtime().await;
    let mut agent = Peer::new(&runtime, "slave(1)", server);
    agent.tell(&internal::RegisterSlaveMessage {
        slave: v1::AgentInfo {
            hostname: "host".to_owned(),
            resources: vec![
                scalar("cpus", 4.0, "*"),
                scalar("mem", 1024.0, "*"),
                scalar("cpus", 2.0, "secret"),
            ],
            ..v1::AgentInfo::default()
        },
        version: Some("1.12.0".to_owned()),
        ..internal::RegisterSlaveMessage::default()
    });
    let registered = agent.receive::<internal::SlaveRegisteredMessage>().await;
    (runtime, agent, registered.slave_id)
}

/// A task of one small resource each, run as somebody.
fn task(id: &str, user: Option<&str>, agent: &Value) -> Value {
    let resource = |name: &str, value: f64| json!({"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": "*"}});
    let mut command = json!({"value": "true"});
    if let Some(user) = user {
        command["user"] = json!(user);
    }
    json!({"name": id, "task_id": {"value": id}, "agent_id": agent, "command": command,
        "resources": [resource("cpus", 0.1), resource("mem", 32.0)]})
}

/// Which of the two tasks an answer speaks of.
fn ids(answer: &Value) -> Vec<&'static str> {
    let text = answer.to_string();
    let named = |id: &&str| text.contains(&format!("\"{id}\""));
    ["hidden", "shown"].into_iter().filter(named).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_tasks_and_resources_are_in_no_answer_and_no_event() {
    let mut rules = acls();
    let eve = json!({"values": ["eve"]});
    rules["view_tasks"] = json!([
        {"principals": eve, "users": {"values": ["www"]}},
        {"principals": eve, "users": {"type": "NONE"}},
    ]);
    let (_file, server) = closed_with(Some(&rules), &["--allocation_interval=20ms"]).await;
    let to = server.address();
    let observe = async |name: &str| {
        let authorization = basic(name);
        let headers = [JSON[0], JSON[1], ("authorization", authorization.as_str())];
        subscribe(to, "/api/v1", &headers, &json!({"type": "SUBSCRIBE"}))
            .await
            .1
    };
    let (mut ops, mut eve) = (observe("ops").await, observe("eve").await);
    let (_runtime, agent, agent_id) = agent(&server).await;
    let mut web = framework(to, "web", "public", "www").await;
    let offers = web.events.event_of("OFFERS").await;
    let offer = &offers["offers"]["offers"][0];
    let tasks = [
        task("hidden", Some("root"), &offer["agent_id"]),
        task("shown", None, &offer["agent_id"]),
    ];
    let accept = json!({"type": "ACCEPT", "framework_id": web.id, "accept": {
        "offer_ids": [offer["id"]],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]}});
    let authorization = basic("web");
    let headers = [
        JSON[0],
        JSON[1],
        ("authorization", authorization.as_str()),
        ("mesos-stream-id", web.stream_id.as_str()),
    ];
    let answer = http(
        to,
        "POST",
        "/api/v1/scheduler",
        &headers,
        accept.to_string().as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    until(async || ids(&get(to, "ops", "/tasks").await.json()).len() == 2).await;
    for path in ["/tasks", "/state", "/frameworks"] {
        assert_eq!(
            ids(&get(to, "ops", path).await.json()),
            ["hidden", "shown"],
            "{path}"
        );
        assert_eq!(ids(&get(to, "eve", path).await.json()), ["shown"], "{path}");
    }
    for kind in ["GET_TASKS", "GET_STATE"] {
        let call = json!({"type": kind});
        assert_eq!(
            ids(&operate(to, "ops", &call).await.json()),
            ["hidden", "shown"],
            "{kind}"
        );
        assert_eq!(ids(&operate(to, "eve", &call).await.json()), ["shown"], "{kind}");
        // The other encoding.
        let authorization = basic("eve");
        let headers = [
            JSON[0],
            ("accept", "application/x-protobuf"),
            ("authorization", authorization.as_str()),
        ];
        let answer = http(to, "POST", "/api/v1", &headers, call.to_string().as_bytes()).await;
        let bytes = answer.body.as_slice();
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(holds(b"shown") && !holds(b"hidden"), "{kind}");
    }
    // The summary counts what it does not show.
    let summary = get(to, "eve", "/state-summary").await.json();
    assert_eq!(summary["frameworks"][0]["TASK_STAGING"], 2);
    // Reserved resources.
    for (name, path) in [
        ("ops", "/slaves"),
        ("eve", "/slaves"),
        ("ops", "/state"),
        ("eve", "/state"),
    ] {
        let slave = &get(to, name, path).await.json()["slaves"][0];
        assert_eq!(
            slave["reserved_resources"].get("secret").is_some(),
            name == "ops",
            "{name} {path}"
        );
        assert_eq!(
            slave.to_string().contains("secret"),
            name == "ops",
            "{name} {path}"
        );
    }
    for name in ["ops", "eve"] {
        let agents = operate(to, name, &json!({"type": "GET_AGENTS"})).await.json();
        assert_eq!(agents.to_string().contains("secret"), name == "ops", "{agents}");
    }
    // What happens to them.
    let added = async |stream: &mut Stream| {
        let agent = stream
            .event_of("AGENT_ADDED")
            .await
            .to_string()
            .contains("secret");
        let event = stream.event_of("TASK_ADDED").await;
        (agent, ids(&event).join(","))
    };
    assert_eq!(added(&mut ops).await, (true, "hidden".to_owned()));
    assert_eq!(added(&mut eve).await, (false, "shown".to_owned()));
    for id in ["hidden", "shown"] {
        agent.tell(&internal::StatusUpdateMessage {
            update: internal::StatusUpdate {
                framework_id: v1::FrameworkId {
                    value: web.id["value"].as_str().unwrap().to_owned(),
                },
                slave_id: Some(agent_id.clone()),
                status: v1::TaskStatus {
                    task_id: v1::TaskId { value: id.to_owned() },
                    state: v1::TaskState::TaskRunning.into(),
                    agent_id: Some(agent_id.clone()),
                    ..v1::TaskStatus::default()
                },
                timestamp: 1.0,
                uuid: Some(vec![7; 16].into()),
                ..internal::StatusUpdate::default()
            },
            pid: Some(agent.process.upid().to_string()),
        });
    }
    let updated = async |stream: &mut Stream| ids(&stream.event_of("TASK_UPDATED").await).join(",");
    assert_eq!(updated(&mut ops).await, "hidden");
    assert_eq!(updated(&mut ops).await, "shown");
    assert_eq!(updated(&mut eve).await, "shown");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_framework_may_have_the_roles_and_users_that_it_is_allowed() {
    let web = json!({"values": ["web"]});
    let rules = json!({
        "permissive": false,
        "register_frameworks": [{"principals": web, "roles": {"values": ["*", "web/%"]}}],
        "run_tasks": [{"principals": web, "users": {"values": ["www"]}}],
        "register_agents": [{"principals": {"type": "ANY"}, "agents": {"type": "ANY"}}],
        "reserve_resources": [{"principals": {"type": "ANY"}, "roles": {"values": ["secret"]}}],
    });
    let (_file, server) = closed_with(Some(&rules), &["--allocation_interval=20ms"]).await;
    let to = server.address();
    let authorization = basic("web");
    let headers = [JSON[0], JSON[1], ("authorization", authorization.as_str())];
    for (roles, kind) in [
        (json!(["web/a", "*"]), "SUBSCRIBED"),
        (json!(["web/a", "web"]), "ERROR"),
        (json!(["ops"]), "ERROR"),
    ] {
        let info = json!({"user": "www", "name": "r", "principal": "web", "roles": roles,
            "capabilities": [{"type": "MULTI_ROLE"}]});
        let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
        let (answer, mut events) = subscribe(to, "/api/v1/scheduler", &headers, &call).await;
        assert_eq!(answer.status, 200);
        let event = events.event().await.unwrap();
        assert_eq!(event["type"], kind, "{roles}: {event}");
    }
    let (_runtime, mut agent, _) = agent(&server).await;
    let mut framework = framework(to, "web", "f", "www").await;
    let offers = framework.events.event_of("OFFERS").await;
    let offer = &offers["offers"]["offers"][0];
    let tasks = [
        task("denied", Some("root"), &offer["agent_id"]),
        task("allowed", None, &offer["agent_id"]),
    ];
    let accept = json!({"type": "ACCEPT", "framework_id": framework.id, "accept": {
        "offer_ids": [offer["id"]],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]}});
    let headers = [
        JSON[0],
        JSON[1],
        ("authorization", authorization.as_str()),
        ("mesos-stream-id", framework.stream_id.as_str()),
    ];
    let answer = http(
        to,
        "POST",
        "/api/v1/scheduler",
        &headers,
        accept.to_string().as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let update = framework.events.event_of("UPDATE").await;
    let status = &update["update"]["status"];
    assert_eq!(
        (&status["task_id"]["value"], &status["state"], &status["reason"]),
        (
            &json!("denied"),
            &json!("TASK_ERROR"),
            &json!("REASON_TASK_UNAUTHORIZED")
        )
    );
    let run = agent.receive::<internal::RunTaskMessage>().await;
    assert_eq!(run.task.task_id.value, "allowed");
    server.stop().await;
}
