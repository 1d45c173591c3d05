//! `/allocator/explain`: why a framework gets the offers it gets, asked over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::net::SocketAddr;

use process::{Runtime, Settings};
use serde_json::{Value, json};
use support::{Agent, Answer, Framework, http, master, until, v1};
use tokio::sync::mpsc;

async fn get(to: SocketAddr, query: &str) -> Answer {
    http(to, "GET", &format!("/allocator/explain{query}"), &[], b"").await
}

/// The first role of the first framework.
async fn role(to: SocketAddr, query: &str) -> Value {
    get(to, query).await.json()["frameworks"][0]["roles"][0].take()
}

async fn agent(server: &master::Server) -> (Runtime, String) {
    let runtime = Runtime::start(Settings::loopback(0)).await.unwrap();
    let (registered, mut ids) = mpsc::unbounded_channel();
    let agent = Agent {
        master: server.runtime().upid("master"),
        registered,
    };
    runtime.spawn("slave(1)", agent).unwrap();
    let id = ids.recv().await.unwrap();
    (runtime, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_names_a_framework_or_a_role_that_there_is() {
    let server = master(&[]).await;
    let to = server.address();
    for query in ["", "?role=", "?framework=a&role=b", "?frameworks=a"] {
        let answer = get(to, query).await;
        let text = "Expecting either 'framework' or 'role' in the query";
        assert_eq!((answer.status, answer.text().as_str()), (400, text), "{query}");
    }
    let answer = get(to, "?framework=x%20y").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "No framework found with ID 'x y'")
    );
    let answer = get(to, "?role=web%2Fdev").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "No role found with name 'web/dev'")
    );
    // A role that only an operator named has nobody in it.
    let weights = json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "web", "weight": 2.0}]}});
    assert_eq!(v1(to, &weights).await.status, 200);
    assert_eq!(get(to, "?role=web").await.json()["frameworks"], json!([]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_framework_holds_refuses_and_suppresses_is_told() {
    let server = master(&["--allocation_interval=20ms"]).await;
    let to = server.address();
    let mut framework = Framework::subscribe(to, "f").await;
    let query = format!("?framework={}", framework.id["value"].as_str().unwrap());
    let answer = get(to, &query).await.json();
    assert_eq!(
        answer["frameworks"][0]["why"],
        json!(["no agent is registered"]),
        "{answer}"
    );
    assert_eq!(
        answer["agents"],
        json!({"registered": 0, "recovered": 0, "unreachable": 0, "machines_down": 0})
    );
    let (runtime, agent) = agent(&server).await;
    let offers = framework.events.event_of("OFFERS").await;
    let offer = &offers["offers"]["offers"][0];
    let role_now = async || role(to, &query).await;
    let offered = role_now().await;
    assert_eq!(
        offered["agents"],
        json!([{"id": agent, "hostname": "here", "reason": "NOTHING_FREE", "free": {}, "available": {},
            "offerable": {}, "held": {"cpus": 4.0, "mem": 1024.0}}])
    );
    assert_eq!(
        offered["why"],
        json!([
            "1 agent (here): nothing is free; the framework itself holds something, in offers or for tasks, on 1"
        ])
    );
    assert_eq!(offered["share"], 1.0);
    assert_eq!(offered["minimum"], json!([{"cpus": 0.01}, {"mem": 32.0}]));
    let decline = json!({"type": "DECLINE", "decline": {"offer_ids": [offer["id"]], "filters": {"refuse_seconds": 1000}}});
    assert_eq!(framework.call(decline).await.status, 202);
    until(async || role_now().await["reasons"] == json!({"REFUSED": 1})).await;
    let refused = role_now().await;
    let left = refused["agents"][0]["seconds_left"].as_f64().unwrap();
    assert!(left > 900.0 && left <= 1000.0, "{left}");
    assert_eq!(
        refused["agents"][0]["offerable"],
        json!({"cpus": 4.0, "mem": 1024.0})
    );
    assert_eq!(refused["place"], json!({"before": 0, "of": 1, "ahead": []}));
    assert_eq!(framework.call(json!({"type": "SUPPRESS"})).await.status, 202);
    until(async || role_now().await["suppressed"] == json!(true)).await;
    let suppressed = role_now().await;
    assert_eq!(
        suppressed["why"][0],
        "the framework has suppressed role '*', until it revives it"
    );
    assert_eq!(suppressed["place"], Value::Null);
    let deactivate = json!({"type": "DEACTIVATE_AGENT", "deactivate_agent": {"agent_id": {"value": agent}}});
    assert_eq!(v1(to, &deactivate).await.status, 200);
    until(async || role_now().await["reasons"] == json!({"AGENT_DEACTIVATED": 1})).await;
    runtime.shutdown().await;
    until(async || {
        role_now().await["agents"] == json!([]) || role_now().await["reasons"]["AGENT_DEACTIVATED"] == 1
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_takes_jsonp_and_head_and_any_process_prefix() {
    let server = master(&[]).await;
    let to = server.address();
    let framework = Framework::subscribe(to, "f").await;
    let query = format!("?framework={}", framework.id["value"].as_str().unwrap());
    let plain = get(to, &query).await;
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let wrapped = get(to, &format!("{query}&jsonp=show")).await;
    assert_eq!(wrapped.header("content-type"), Some("text/javascript"));
    assert!(
        wrapped.text().starts_with("show({\"frameworks\":["),
        "{}",
        wrapped.text()
    );
    let head = http(to, "HEAD", &format!("/allocator/explain{query}"), &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), Some("application/json"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_is_told_with_its_numbers() {
    let server = master(&["--allocation_interval=20ms"]).await;
    let to = server.address();
    let quota = |role: &str, field: &str, amounts: Value| {
        let mut config = json!({"role": role});
        config[field] = amounts;
        json!({"type": "UPDATE_QUOTA", "update_quota": {"force": true, "quota_configs": [config]}})
    };
    let none = json!({"cpus": {"value": 0.0}, "mem": {"value": 0.0}});
    assert_eq!(v1(to, &quota("*", "limits", none)).await.status, 200);
    let framework = Framework::subscribe(to, "f").await;
    let query = format!("?framework={}", framework.id["value"].as_str().unwrap());
    let (runtime, _) = agent(&server).await;
    let limited = role(to, "?role=*").await;
    assert_eq!(limited["reasons"], json!({"QUOTA_LIMIT": 1}), "{limited}");
    assert_eq!(
        limited["quota"],
        json!({"role": "*", "guarantee": {}, "limit": {"cpus": 0.0, "mem": 0.0}, "consumed": {}})
    );
    assert_eq!(
        limited["why"],
        json!(["1 agent (here): the limit of role '*' is reached: cpus:0;mem:0 of cpus:0;mem:0"])
    );
    let all = json!({"cpus": {"value": 400.0}, "mem": {"value": 102400.0}});
    assert_eq!(v1(to, &quota("dev", "guarantees", all)).await.status, 200);
    assert_eq!(v1(to, &quota("*", "limits", json!({}))).await.status, 200);
    let answer = get(to, &query).await.json();
    assert_eq!(
        answer["headroom"],
        json!({"required": {"cpus": 400.0, "mem": 102400.0}, "available": {"cpus": 4.0, "mem": 1024.0}})
    );
    let kept = &answer["frameworks"][0]["roles"][0];
    assert_eq!(
        kept["why"],
        json!([
            "1 agent (here): kept for guarantees that are not met yet: they need cpus:400;mem:102400, free for all \
             is cpus:4;mem:1024"
        ])
    );
    runtime.shutdown().await;
    server.stop().await;
}
