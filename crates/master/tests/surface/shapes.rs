//! Shapes of answers that an empty cluster does not show (master-http.md §4).

use proto::v1;
use serde_json::{Value, json};

use super::cluster::{Cluster, anyone};
use crate::support::{http, master, until, v1 as call};

/// A status with all that `/state` shows of one.
fn running() -> v1::TaskStatus {
    let labels = v1::Labels {
        labels: vec![v1::Label {
            key: "k".to_owned(),
            value: Some("v".to_owned()),
        }],
    };
    let network = v1::NetworkInfo {
        ip_addresses: vec![v1::network_info::IpAddress {
            ip_address: Some("10.0.0.1".to_owned()),
            ..v1::network_info::IpAddress::default()
        }],
        name: Some("net".to_owned()),
        labels: Some(labels.clone()),
        port_mappings: vec![v1::network_info::PortMapping {
            host_port: 1,
            container_port: 2,
            protocol: None,
        }],
        ..v1::NetworkInfo::default()
    };
    v1::TaskStatus {
        state: v1::TaskState::TaskRunning.into(),
        labels: Some(labels),
        healthy: Some(true),
        timestamp: Some(2.5),
        container_status: Some(v1::ContainerStatus {
            container_id: Some(v1::ContainerId {
                value: "c".to_owned(),
                parent: None,
            }),
            network_infos: vec![network],
            ..v1::ContainerStatus::default()
        }),
        ..v1::TaskStatus::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_is_shown_with_its_networks_and_an_unknown_capability_by_no_name() {
    let server = master(&["--allocation_interval=20ms"]).await;
    let to = server.address();
    let mut cluster = Cluster::new(&server).await;
    let mut scheduler = anyone(
        to,
        json!({"user": "root", "name": "f", "capabilities": [{"type": "OF_TOMORROW"}]}),
    )
    .await;
    cluster.launch(to, &mut scheduler, None).await;
    cluster.update(&scheduler, running());
    let tasks = async || http(to, "GET", "/tasks", &[], b"").await.json()["tasks"].clone();
    until(async || tasks().await[0]["state"] == "TASK_RUNNING").await;
    let labels = json!([{"key": "k", "value": "v"}]);
    let expected = json!({
        "state": "TASK_RUNNING", "timestamp": 2.5, "healthy": true, "labels": labels,
        "container_status": {
            "container_id": {"value": "c"},
            "network_infos": [{
                "name": "net", "labels": labels,
                "ip_addresses": [{"protocol": "IPv4", "ip_address": "10.0.0.1"}],
                "port_mappings": [{"host_port": 1, "container_port": 2}],
            }],
        },
    });
    assert_eq!(tasks().await[0]["statuses"], json!([expected]));
    for path in ["/state", "/frameworks", "/state-summary"] {
        let framework = http(to, "GET", path, &[], b"").await.json()["frameworks"][0].clone();
        assert_eq!(framework["capabilities"], json!(["UNKNOWN"]), "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reserved_counts_against_a_quota_whether_it_is_used_or_not() {
    let server = master(&["--allocation_interval=20ms"]).await;
    let to = server.address();
    let mut cluster = Cluster::new(&server).await;
    let consumed = async |role: &str| {
        let roles = http(to, "GET", "/roles", &[], b"").await.json();
        let roles = roles["roles"].as_array().unwrap();
        let found = roles.iter().find(|entry| entry["name"] == role);
        found.map(|role| role["quota"]["consumed"].clone())
    };
    assert_eq!(consumed("secret-role").await, Some(json!({"cpus": 2.0})));
    let mut scheduler = anyone(to, json!({"user": "root", "name": "f"})).await;
    cluster.launch(to, &mut scheduler, None).await;
    let used = consumed("*").await.unwrap();
    assert_eq!(used["mem"], json!(96.0));
    let disk = json!({"name": "disk", "type": "SCALAR", "scalar": {"value": 10},
        "reservations": [{"type": "DYNAMIC", "role": "a/b"}]});
    let reserve = json!({"type": "RESERVE_RESOURCES",
        "reserve_resources": {"agent_id": {"value": cluster.agent_id.value}, "resources": [disk]}});
    let answer = call(to, &reserve).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    for role in ["a/b", "a"] {
        assert_eq!(consumed(role).await, Some(json!({"disk": 10.0})), "{role}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_the_path_behind_quota_is_the_role() {
    let server = master(&[]).await;
    let to = server.address();
    for (path, text) in [
        (
            "/quota/a/b",
            "Failed to remove quota for path '/master/quota/a/b': Role 'a/b' has no quota set",
        ),
        (
            "/master/quota/a",
            "Failed to remove quota for path '/master/quota/a': Role 'a' has no quota set",
        ),
        (
            "/quota",
            "Failed to parse remove quota request for path '/master/quota': expected 3 tokens, found 2 tokens",
        ),
    ] {
        let answer = http(to, "DELETE", path, &[], b"").await;
        assert_eq!((answer.status, answer.text().as_str()), (400, text));
    }
    server.stop().await;
}

/// One row for each odd form of a path or query, and what it is answered.
#[tokio::test(flavor = "multi_thread")]
async fn odd_queries_are_read_as_mesos_reads_them() {
    let server = master(&[]).await;
    let to = server.address();
    for (path, status, kind, body) in [
        ("/tasks?limit=", 200, "application/json", r#"{"tasks":[]}"#),
        (
            "/tasks?limit=99999999999",
            200,
            "application/json",
            r#"{"tasks":[]}"#,
        ),
        (
            "/tasks?limit=-1&order=ASC",
            200,
            "application/json",
            r#"{"tasks":[]}"#,
        ),
        ("/tasks/", 200, "application/json", r#"{"tasks":[]}"#),
        ("//tasks", 200, "application/json", r#"{"tasks":[]}"#),
        ("/tasks/x/y", 200, "application/json", r#"{"tasks":[]}"#),
        ("/%6daster/tasks", 200, "application/json", r#"{"tasks":[]}"#),
        ("/tasks?jsonp=cb", 200, "text/javascript", r#"cb({"tasks":[]})"#),
        ("/tasks?jsonp=", 200, "text/javascript", r#"({"tasks":[]})"#),
        ("/tasks.json", 404, "text/plain; charset=utf-8", "404 Not Found."),
        ("/a/../tasks", 404, "text/plain; charset=utf-8", "404 Not Found."),
        ("/redirect/x", 404, "text/plain; charset=utf-8", "404 Not Found."),
    ] {
        let answer = http(to, "GET", path, &[], b"").await;
        assert_eq!(
            (
                answer.status,
                answer.header("content-type"),
                answer.text().as_str()
            ),
            (status, Some(kind), body),
            "{path}"
        );
    }
    let names: Value = http(to, "GET", "/weights?jsonp=x", &[], b"").await.text().into();
    assert_eq!(names, "x([])");
    server.stop().await;
}
