//! The streams of events over real sockets: snapshots that join, clients that do not read.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::Message;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use support::{Framework, JSON, Stream, http, master, subscribe, until, v1};

/// Subscribes to the operator's stream.
async fn observe(to: SocketAddr) -> Stream {
    let (answer, stream) = subscribe(to, "/api/v1", JSON, &json!({"type": "SUBSCRIBE"})).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(answer.header("mesos-stream-id"), None);
    stream
}

fn ids(frameworks: &Value) -> BTreeSet<String> {
    let id = |framework: &Value| {
        framework["framework_info"]["id"]["value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    frameworks.as_array().unwrap().iter().map(id).collect()
}

/// Follows a stream until a framework of that name was added and removed; gives what is then left.
async fn follow(mut stream: Stream, last: &str) -> BTreeSet<String> {
    let first = stream.event().await.unwrap();
    assert_eq!(first["type"], "SUBSCRIBED");
    assert_eq!(first["subscribed"]["heartbeat_interval_seconds"], 15.0);
    let mut known = ids(&first["subscribed"]["get_state"]["get_frameworks"]["frameworks"]);
    assert_eq!(stream.event().await.unwrap()["type"], "HEARTBEAT");
    loop {
        let event = stream.event().await.unwrap();
        match event["type"].as_str().unwrap() {
            "FRAMEWORK_ADDED" => {
                let info = &event["framework_added"]["framework"]["framework_info"];
                assert!(
                    known.insert(info["id"]["value"].as_str().unwrap().to_owned()),
                    "repeated: {event}"
                );
            }
            "FRAMEWORK_REMOVED" => {
                let info = &event["framework_removed"]["framework_info"];
                assert!(
                    known.remove(info["id"]["value"].as_str().unwrap()),
                    "never added: {event}"
                );
                if info["name"] == last {
                    return known;
                }
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_and_events_make_up_the_state() {
    let server = master(&["--max_completed_frameworks=2"]).await;
    let to = server.address();
    let followers: Vec<_> = (0..10)
        .map(|number| {
            tokio::spawn(async move {
                // Each comes at another moment of the churn below.
                for _ in 0..number * 20 {
                    tokio::task::yield_now().await;
                }
                follow(observe(to).await, "last").await
            })
        })
        .collect();
    let churn: Vec<_> = (0..4)
        .map(|worker| {
            tokio::spawn(async move {
                let mut kept = Vec::new();
                for number in 0..25 {
                    let framework = Framework::subscribe(to, &format!("{worker}-{number}")).await;
                    if number % 3 == 0 {
                        assert_eq!(framework.call(json!({"type": "TEARDOWN"})).await.status, 202);
                    } else {
                        kept.push(framework);
                    }
                }
                kept
            })
        })
        .collect();
    let mut kept = Vec::new();
    for worker in churn {
        kept.extend(worker.await.unwrap());
    }
    until(async || {
        v1(to, &json!({"type": "GET_METRICS", "get_metrics": {}}))
            .await
            .text()
            .contains("subscribers\",\"value\":10.0")
    })
    .await;
    let last = Framework::subscribe(to, "last").await;
    last.call(json!({"type": "TEARDOWN"})).await;
    let state = v1(to, &json!({"type": "GET_STATE"})).await.json();
    let expected = ids(&state["get_state"]["get_frameworks"]["frameworks"]);
    assert_eq!(expected.len(), kept.len());
    for follower in followers {
        assert_eq!(follower.await.unwrap(), expected);
    }
    server.stop().await;
}

/// Memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_are_cut_off_and_the_others_notice_nothing() {
    const HEALTHY: usize = 200;
    const STUCK: usize = 20;
    const EVENTS: usize = 120;
    /// The buffer holds some seven of the events below.
    const AHEAD: usize = 3;
    let server = master(&["--operator_event_stream_buffer=2MB"]).await;
    let to = server.address();
    let framework = Framework::subscribe(to, "f").await;
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        stuck.push(observe(to).await);
    }
    let mut healthy = Vec::new();
    for _ in 0..HEALTHY {
        let connection = TcpStream::connect(to).await.unwrap();
        let mut stream = support::open(
            to,
            "POST",
            "/api/v1",
            JSON,
            br#"{"type":"SUBSCRIBE"}"#,
            connection,
        )
        .await;
        assert_eq!(stream.head().await.status, 200);
        let progress = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&progress);
        let reading = tokio::spawn(async move {
            for number in 0..EVENTS {
                let event = stream.event_of("FRAMEWORK_UPDATED").await;
                let info = &event["framework_updated"]["framework"]["framework_info"];
                assert_eq!(
                    info["labels"]["labels"][0]["value"],
                    number.to_string(),
                    "in order, without a gap"
                );
                seen.store(number + 1, Ordering::Relaxed);
            }
        });
        healthy.push((progress, reading));
    }
    let before = resident();
    let filler = "x".repeat(64 << 10);
    for number in 0..EVENTS {
        let labels = json!({"labels": [{"key": "n", "value": number.to_string()}, {"key": "filler", "value": filler}]});
        let info = json!({"user": "root", "name": "f", "id": framework.id, "labels": labels});
        let call = json!({"type": "UPDATE_FRAMEWORK", "update_framework": {"framework_info": info}});
        let answer = framework.call(call).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
        // No faster than the healthy ones read; the stuck ones hold nobody up.
        until(async || {
            healthy
                .iter()
                .all(|(progress, reading): &(Arc<AtomicUsize>, JoinHandle<()>)| {
                    let seen = progress.load(Ordering::Relaxed);
                    assert!(seen == EVENTS || !reading.is_finished());
                    seen + AHEAD >= number
                })
        })
        .await;
    }
    for (_, reading) in healthy {
        reading.await.unwrap();
    }
    let metrics = http(to, "GET", "/metrics/snapshot", &[], b"").await.json();
    assert_eq!(metrics["master/operator_event_stream_cut_off"], json!(20.0));
    assert_eq!(metrics.get("master/operator_event_stream_evicted"), None);
    for mut stream in stuck {
        // What had been sent is still there; then the connection is lost, without a proper end.
        while stream.chunk().await.is_some() {}
    }
    // 220 times 10 MB went out; what stays is bounded by the buffer and what sockets' writers hold.
    let grown = resident().saturating_sub(before);
    assert!(grown < 128 << 20, "grown by {} MiB", grown >> 20);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_subscriber_makes_room() {
    let server = master(&["--max_operator_event_stream_subscribers=2"]).await;
    let to = server.address();
    let mut first = observe(to).await;
    first.event_of("HEARTBEAT").await;
    let _second = observe(to).await;
    let _third = observe(to).await;
    assert_eq!(first.event().await, None);
    let metrics = http(to, "GET", "/metrics/snapshot", &[], b"").await.json();
    assert_eq!(metrics["master/operator_event_stream_subscribers"], json!(2.0));
    assert_eq!(metrics["master/operator_event_stream_evicted"], json!(1.0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_does_not_read_is_disconnected() {
    let server = master(&["--scheduler_event_stream_buffer=64KB"]).await;
    let to = server.address();
    let framework = Framework::subscribe(to, "f").await;
    let tasks: Vec<Value> = (0..2000)
        .map(|number| json!({"task_id": {"value": format!("{number}-{}", "x".repeat(1000))}}))
        .collect();
    let call = json!({"type": "RECONCILE", "reconcile": {"tasks": tasks}});
    // Each answer is 3 MB of events; sockets hold a few of them.
    until(async || framework.call(call.clone()).await.status != 202).await;
    let metrics = http(to, "GET", "/metrics/snapshot", &[], b"").await.json();
    assert_eq!(metrics["master/scheduler_event_stream_cut_off"], json!(1.0));
    assert_eq!(metrics["master/frameworks_connected"], json!(0.0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_subscribers_get_the_same_events() {
    use proto::v1::master::{Event, event::Type};
    let server = master(&[]).await;
    let to = server.address();
    let before = Framework::subscribe(to, "before").await;
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/x-protobuf"),
    ];
    let (answer, mut stream) = subscribe(to, "/api/v1", &headers, &json!({"type": "SUBSCRIBE"})).await;
    assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
    let mut next = async || {
        let chunk = stream.chunk().await.unwrap();
        let feed = chunk.iter().position(|byte| *byte == b'\n').unwrap();
        assert_eq!(chunk[..feed], *(chunk.len() - feed - 1).to_string().as_bytes());
        proto::decode::<Event>(chunk[feed + 1..].to_vec().into()).unwrap()
    };
    let event = next().await;
    assert_eq!(event.r#type(), Type::Subscribed);
    let subscribed = event.subscribed.unwrap();
    assert_eq!(subscribed.heartbeat_interval_seconds, Some(15.0));
    // The snapshot, put together from parts, is what the whole message would be.
    let direct = http(to, "POST", "/api/v1", &headers, br#"{"type":"GET_STATE"}"#).await;
    let direct = proto::v1::master::Response::decode(&direct.body[..])
        .unwrap()
        .get_state
        .unwrap();
    assert_eq!(subscribed.get_state.as_ref(), Some(&direct));
    let frameworks = direct.get_frameworks.unwrap();
    assert_eq!(frameworks.frameworks[0].framework_info.name, "before");
    assert_eq!(next().await.r#type(), Type::Heartbeat);
    before.call(json!({"type": "TEARDOWN"})).await;
    let event = next().await;
    assert_eq!(event.framework_removed.unwrap().framework_info.name, "before");
    server.stop().await;
}
