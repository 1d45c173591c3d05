//! Every rule of the executor API's request pipeline, by name (facts: executor-http, section 1).

use serde_json::{Value, json};

use crate::server::{Cluster, Events, request, soon};
use crate::support::*;

const JSON: &str = "Content-Type: application/json\r\nAccept: application/json\r\n";
const UUID: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

fn http(method: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} /slave(1)/api/v1/executor HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n\
         {body}",
        body.len()
    )
}

/// A call of the executor of the recorded task.
fn call(kind: &str, parts: Value) -> Value {
    let mut call = json!({
        "type": kind, "executor_id": {"value": "exec1"}, "framework_id": {"value": FRAMEWORK},
    });
    for (name, part) in parts.as_object().unwrap() {
        call[name] = part.clone();
    }
    call
}

/// An UPDATE whose status differs from a good one in what is given; null takes a field away.
fn update(changes: Value) -> Value {
    let mut status = json!({
        "task_id": {"value": "exec1"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR", "uuid": UUID,
    });
    for (name, change) in changes.as_object().unwrap() {
        status[name] = change.clone();
    }
    status
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    call("UPDATE", json!({"update": {"status": status}}))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_has_its_status_and_its_text() {
    let (cluster, server) = Cluster::start().await;
    cluster.tell(run_task());
    soon(async {
        while cluster.containers.launched.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let subscribe = call("SUBSCRIBE", json!({"subscribe": {}})).to_string();
    let flaw = |text: &str| format!("Failed to validate Executor::Call: {text}");
    let from = format!("from executor exec1 of framework {FRAMEWORK}");
    let mut foreign = call("MESSAGE", json!({"message": {"data": "aGk="}}));
    foreign["framework_id"] = json!({"value": "other"});
    let mut stranger = call("MESSAGE", json!({"message": {"data": "aGk="}}));
    stranger["executor_id"] = json!({"value": "other"});
    let beat =
        json!({"type": "HEARTBEAT", "executor_id": {"value": "unused"}, "framework_id": {"value": "unused"}});
    let table = [
        (
            "no content type",
            http("POST", "", &subscribe),
            400,
            "Expecting 'Content-Type' to be present".to_owned(),
        ),
        (
            "another content type",
            http("POST", "Content-Type: text/plain\r\n", &subscribe),
            415,
            "Expecting 'Content-Type' of application/json or application/x-protobuf".to_owned(),
        ),
        (
            "another accept",
            http(
                "POST",
                "Content-Type: application/json\r\nAccept: text/html\r\n",
                &subscribe,
            ),
            406,
            "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'".to_owned(),
        ),
        (
            "no type",
            http("POST", JSON, &{
                let mut call: Value = serde_json::from_str(&subscribe).unwrap();
                call.as_object_mut().unwrap().remove("type");
                call.to_string()
            }),
            400,
            flaw("Expecting 'type' to be present"),
        ),
        (
            "subscribe without its part",
            http("POST", JSON, &call("SUBSCRIBE", json!({})).to_string()),
            400,
            flaw("Expecting 'subscribe' to be present"),
        ),
        (
            "message without its part",
            http("POST", JSON, &call("MESSAGE", json!({})).to_string()),
            400,
            flaw("Expecting 'message' to be present"),
        ),
        (
            "update without its part",
            http("POST", JSON, &call("UPDATE", json!({})).to_string()),
            400,
            flaw("Expecting 'update' to be present"),
        ),
        (
            "no uuid",
            http("POST", JSON, &update(json!({"uuid": null})).to_string()),
            400,
            flaw("Expecting 'uuid' to be present"),
        ),
        (
            "a short uuid",
            http("POST", JSON, &update(json!({"uuid": "AQE="})).to_string()),
            400,
            flaw("Not a valid UUID"),
        ),
        (
            "another executor in the status",
            http(
                "POST",
                JSON,
                &update(json!({"executor_id": {"value": "x"}})).to_string(),
            ),
            400,
            flaw("ExecutorID in Call: exec1 does not match ExecutorID in TaskStatus: x"),
        ),
        (
            "another source",
            http(
                "POST",
                JSON,
                &update(json!({"source": "SOURCE_MASTER"})).to_string(),
            ),
            400,
            flaw(&format!(
                "Received Call {from} with invalid source, expecting 'SOURCE_EXECUTOR'"
            )),
        ),
        (
            "no source",
            http("POST", JSON, &update(json!({"source": null})).to_string()),
            400,
            flaw(&format!(
                "Received Call {from} with invalid source, expecting 'SOURCE_EXECUTOR'"
            )),
        ),
        (
            "staging",
            http(
                "POST",
                JSON,
                &update(json!({"state": "TASK_STAGING"})).to_string(),
            ),
            400,
            flaw(&format!("Received TASK_STAGING {from} which is not allowed")),
        ),
        (
            "a check without type",
            http("POST", JSON, &update(json!({"check_status": {}})).to_string()),
            400,
            flaw("CheckStatusInfo must specify 'type'"),
        ),
        (
            "a check of no known type",
            http(
                "POST",
                JSON,
                &update(json!({"check_status": {"type": "UNKNOWN"}})).to_string(),
            ),
            400,
            flaw("'UNKNOWN' is not a valid check's status type"),
        ),
        (
            "a check without its part",
            http(
                "POST",
                JSON,
                &update(json!({"check_status": {"type": "HTTP"}})).to_string(),
            ),
            400,
            flaw("Expecting 'http' to be set for HTTP check's status"),
        ),
        (
            "a check of a command without its part",
            http(
                "POST",
                JSON,
                &update(json!({"check_status": {"type": "COMMAND"}})).to_string(),
            ),
            400,
            flaw("Expecting 'command' to be set for COMMAND check's status"),
        ),
        (
            "a check of a port without its part",
            http(
                "POST",
                JSON,
                &update(json!({"check_status": {"type": "TCP"}})).to_string(),
            ),
            400,
            flaw("Expecting 'tcp' to be set for TCP check's status"),
        ),
        (
            "no executor",
            http(
                "POST",
                JSON,
                r#"{"type": "HEARTBEAT", "framework_id": {"value": "f"}}"#,
            ),
            400,
            "Failed to convert JSON into Call protobuf: Missing required fields: executor_id".to_owned(),
        ),
        (
            "no protobuf",
            http("POST", "Content-Type: application/x-protobuf\r\n", "\u{1}\u{1}"),
            400,
            "Failed to parse body into Call protobuf".to_owned(),
        ),
        (
            "an unknown framework",
            http("POST", JSON, &foreign.to_string()),
            400,
            "Framework cannot be found".to_owned(),
        ),
        (
            "an unknown executor",
            http("POST", JSON, &stranger.to_string()),
            400,
            "Executor cannot be found".to_owned(),
        ),
        (
            "before the subscription",
            http("POST", JSON, &update(json!({})).to_string()),
            403,
            "Executor is not subscribed".to_owned(),
        ),
        (
            "a heartbeat of anybody",
            http("POST", JSON, &beat.to_string()),
            202,
            String::new(),
        ),
        (
            "a call of no kind",
            http("POST", JSON, &call("UNKNOWN", json!({})).to_string()),
            501,
            "501 Not Implemented.".to_owned(),
        ),
        (
            "another method",
            http("PUT", JSON, &subscribe),
            405,
            "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'PUT'.".to_owned(),
        ),
    ];
    for (rule, text, status, body) in table {
        let answer = request(&server, text).await;
        assert_eq!((answer.status, answer.body), (status, body), "{rule}");
    }
    for (rule, body) in [("not JSON", "{"), ("no executor", r#"{"type": "HEARTBEAT"}"#)] {
        assert_eq!(
            request(&server, http("POST", JSON, body)).await.status,
            400,
            "{rule}"
        );
    }
    let mut events = Events::subscribe(&server, json!({})).await;
    assert_eq!(events.next().await["type"], "SUBSCRIBED");
    let answer = request(&server, http("POST", JSON, &update(json!({})).to_string())).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
}
