//! The master's HTTP interfaces over real sockets, held against recordings of a real Mesos.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use proto::Message as _;
use proto::internal::RegisterFrameworkMessage;
use proto::v1::FrameworkInfo;
use serde_json::{Value, json};
use support::{Framework, JSON, http, master, until, v1};

/// The master's recorded refusals: what was asked, and the status, type and text that came (golden/http/bad-*).
const REFUSALS: &[u8] = include_bytes!("golden/captured/refusals.json");

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_mesoss_own() {
    let server = master(&[]).await;
    let framework = Framework::subscribe(server.address(), "f").await;
    for exchange in serde_json::from_slice::<Vec<Value>>(REFUSALS).unwrap() {
        let name = exchange["name"].as_str().unwrap();
        let request = &exchange["request"];
        let mut headers: Vec<(String, String)> = Vec::new();
        for (key, value) in request["headers"].as_object().unwrap() {
            // The recorded stream is not ours.
            let value = if key == "Mesos-Stream-Id" {
                &framework.stream_id
            } else {
                value.as_str().unwrap()
            };
            headers.push((key.clone(), value.to_owned()));
        }
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let mut body = request["body"].clone();
        if body["framework_id"].is_object() && body["type"] != "SUBSCRIBE" {
            body["framework_id"] = framework.id.clone();
        }
        let body = match body {
            Value::Null => Vec::new(),
            Value::String(text) if text.starts_with("b'") => vec![0xff; 3],
            Value::String(text) => text.into_bytes(),
            body => body.to_string().into_bytes(),
        };
        let (method, path) = (
            request["method"].as_str().unwrap(),
            request["path"].as_str().unwrap(),
        );
        let answer = http(server.address(), method, path, &headers, &body).await;
        assert_eq!(u64::from(answer.status), exchange["status"], "{name}");
        assert_eq!(
            answer.header("content-type"),
            exchange["content_type"].as_str(),
            "{name}"
        );
        assert_eq!(answer.header("allow"), exchange["allow"].as_str(), "{name}");
        assert_eq!(answer.text(), exchange["text"].as_str().unwrap(), "{name}");
    }
    server.stop().await;
}

/// The members of an answer, as paths with the kind of value.
fn shape(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            out.push(format!("{path} {{}}"));
            members
                .iter()
                .for_each(|(key, value)| shape(value, &format!("{path}.{key}"), out));
        }
        Value::Array(items) => {
            out.push(format!("{path} []"));
            items
                .iter()
                .for_each(|item| shape(item, &format!("{path}[]"), out));
        }
        Value::String(_) => out.push(format!("{path} text")),
        Value::Number(number) if number.is_f64() => out.push(format!("{path} double")),
        Value::Number(_) => out.push(format!("{path} integer")),
        Value::Bool(_) => out.push(format!("{path} boolean")),
        Value::Null => out.push(format!("{path} null")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_without_agents_answers_as_mesos_does() {
    let server = master(&["--allocation_interval=200ms", "--work_dir=/nowhere"]).await;
    let to = server.address();
    let golden: Vec<Value> =
        serde_json::from_slice(include_bytes!("golden/captured/empty_cluster.json")).unwrap();
    for exchange in golden {
        let request = &exchange["request"];
        let (method, path) = (
            request["method"].as_str().unwrap(),
            request["path"].as_str().unwrap(),
        );
        let body = if request["body"].is_null() {
            String::new()
        } else {
            request["body"].to_string()
        };
        let headers = if method == "POST" { JSON } else { &[] };
        let answer = http(to, method, path, headers, body.as_bytes()).await;
        let name = exchange["name"].as_str().unwrap();
        assert_eq!(u64::from(answer.status), exchange["status"], "{name}");
        assert_eq!(
            answer.header("content-type"),
            exchange["content_type"].as_str(),
            "{name}"
        );
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        shape(&answer.json(), "", &mut ours);
        shape(&exchange["json"], "", &mut theirs);
        // What a build knows about its repository depends on where it was made.
        ours.retain(|path| !path.contains(".git_"));
        theirs.retain(|path| !path.contains(".git_"));
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{name}");
    }
    let head = http(to, "HEAD", "/state", &[], b"").await;
    let get = http(to, "GET", "/state", &[], b"").await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, get.header("content-length"))
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_tear_a_framework_down() {
    let server = master(&[]).await;
    let mut framework = Framework::subscribe(server.address(), "f").await;
    let listed = v1(server.address(), &json!({"type": "GET_FRAMEWORKS"}))
        .await
        .json();
    let shown = &listed["get_frameworks"]["frameworks"][0];
    assert_eq!(
        (&shown["framework_info"]["name"], &shown["active"]),
        (&json!("f"), &json!(true))
    );
    assert_eq!(
        (&shown["offer_constraints"], shown.get("unregistered_time")),
        (&json!({}), None)
    );
    let call = json!({"type": "TEARDOWN", "teardown": {"framework_id": framework.id}});
    assert_eq!(v1(server.address(), &call).await.status, 200);
    while framework.events.event().await.is_some() {}
    assert_eq!(
        framework.call(json!({"type": "REVIVE"})).await.text(),
        "Framework cannot be found"
    );
    let state = http(server.address(), "GET", "/state", &[], b"").await.json();
    assert_eq!(state["frameworks"], json!([]));
    assert_eq!(state["completed_frameworks"][0]["name"], "f");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_subscription_ends_the_first_and_its_calls() {
    let server = master(&[]).await;
    let mut first = Framework::subscribe(server.address(), "f").await;
    let call = json!({"type": "SUBSCRIBE", "framework_id": first.id,
        "subscribe": {"framework_info": {"user": "root", "name": "f", "id": first.id, "failover_timeout": 60}}});
    let (answer, mut second) = support::subscribe(server.address(), "/api/v1/scheduler", JSON, &call).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        second.event().await.unwrap()["subscribed"]["framework_id"],
        first.id
    );
    assert_eq!(first.events.event_of("ERROR").await["type"], "ERROR");
    assert_eq!(first.events.event().await, None);
    let refused = first.call(json!({"type": "REVIVE"})).await;
    assert_eq!(refused.status, 400);
    first.stream_id = answer.header("mesos-stream-id").unwrap().to_owned();
    assert_eq!(first.call(json!({"type": "REVIVE"})).await.status, 202);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_masters_live_beside_each_other_and_stop() {
    let (one, two) = (master(&[]).await, master(&[]).await);
    assert_ne!(one.address(), two.address());
    one.stop().await;
    assert!(one.finished().await.is_ok());
    assert_eq!(
        v1(two.address(), &json!({"type": "GET_VERSION"})).await.status,
        200
    );
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_is_shown_with_its_address() {
    let server = master(&[]).await;
    let to = server.address();
    let register = RegisterFrameworkMessage {
        framework: FrameworkInfo {
            user: "root".to_owned(),
            name: "driver".to_owned(),
            failover_timeout: Some(3600.0),
            ..FrameworkInfo::default()
        },
    };
    // Nobody answers there: the framework is disconnected at once, and its address is still known.
    let pid = "scheduler(1)@127.0.0.1:9";
    let path = "/master/mesos.internal.RegisterFrameworkMessage";
    let headers = &[("libprocess-from", pid)];
    let answer = http(to, "POST", path, headers, &register.encode_to_vec()).await;
    assert_eq!(answer.status, 202);
    let mut shown = Value::Null;
    until(async || {
        shown = http(to, "GET", "/state", &[], b"").await.json()["frameworks"][0].take();
        shown["connected"] == false
    })
    .await;
    assert_eq!((&shown["name"], &shown["pid"]), (&json!("driver"), &json!(pid)));
    let frameworks = http(to, "GET", "/state-summary", &[], b"").await.json()["frameworks"].take();
    assert_eq!(frameworks[0]["pid"], pid);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_no_kind_is_refused_after_all_else_that_is_wrong() {
    let server = master(&[]).await;
    let framework = Framework::subscribe(server.address(), "f").await;
    let bare = http(
        server.address(),
        "POST",
        "/api/v1/scheduler",
        JSON,
        b"{\"type\":\"UNKNOWN\"}",
    )
    .await;
    assert_eq!(
        (bare.status, bare.text().as_str()),
        (
            400,
            "Failed to validate scheduler::Call: Expecting 'framework_id' to be present"
        )
    );
    let whole = framework.call(json!({"type": "UNKNOWN"})).await;
    assert_eq!(
        (whole.status, whole.text().as_str()),
        (501, "501 Not Implemented.")
    );
    server.stop().await;
}
