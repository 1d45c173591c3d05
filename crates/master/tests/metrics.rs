//! Every metric that Mesos's master has is on `/metrics/snapshot`, by its exact name.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use proto::Message as _;
use proto::internal::RegisterSlaveMessage;
use proto::v1::quota::QuotaConfig;
use proto::v1::value::Scalar;
use serde_json::{Value, json};
use storage::registry::Operation;
use support::{Framework, http, master_with, until};

/// The names of Mesos's master, allocator, registrar and libprocess; `<...>` stands for any text without a slash.
const NAMES: &str = include_str!("golden/captured/metrics.txt");

/// Those that have no meaning here, and those that only come with what this test does not make happen. `docs/metrics.md`
/// gives the reasons.
const ABSENT: &[&str] = &[
    "log_storage/diff_ms",
    "registrar/log/ensemble_size",
    "registrar/log/recovered",
    "frameworks/<principal>/messages_processed",
    "frameworks/<principal>/messages_received",
    "master/task_lost/source_master/reason_slave_removed",
    "master/task_lost/source_slave/reason_executor_terminated",
];

/// Whether a name is an instance of a pattern.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('<') else {
        return pattern == name;
    };
    let after = rest.split_once('>').unwrap().1;
    let Some(name) = name.strip_prefix(before) else {
        return false;
    };
    let (part, end) = name.split_at(name.find('/').unwrap_or(name.len()));
    !part.is_empty() && fits(after, end)
}

#[test]
fn patterns_fit_names_of_as_many_parts() {
    assert!(fits("a/<x>/b", "a/1/b") && fits("a/<x>", "a/1") && fits("a", "a"));
    assert!(!fits("a/<x>/b", "a/1/2/b") && !fits("a/<x>", "a/") && !fits("a", "ab"));
}

/// A store whose registry has a quota, so that the metrics of quotas are there.
fn with_quota(dir: &std::path::Path) {
    let store = storage::Embedded::open(dir.join("registry")).unwrap();
    let mut registrar =
        storage::Registrar::recover(Arc::new(store), proto::v1::MasterInfo::default()).unwrap();
    let amounts = [("cpus".to_owned(), Scalar { value: 1.0 })];
    let configs = vec![QuotaConfig {
        role: "db".to_owned(),
        guarantees: amounts.clone().into(),
        limits: amounts.into(),
    }];
    let results = registrar.apply(&[Operation::UpdateQuota { configs }]).unwrap();
    assert_eq!(results, [Ok(true)]);
}

/// Makes the master write: an agent that is gone again at once.
async fn register_an_agent(to: SocketAddr) {
    let register = RegisterSlaveMessage {
        slave: proto::v1::AgentInfo {
            hostname: "here".to_owned(),
            resources: resources::Resources::parse("cpus:4;mem:1024").unwrap().to_proto(),
            ..proto::v1::AgentInfo::default()
        },
        version: Some("1.12.0".to_owned()),
        ..RegisterSlaveMessage::default()
    };
    let path = "/master/mesos.internal.RegisterSlaveMessage";
    let headers = &[("libprocess-from", "slave(1)@127.0.0.1:9")];
    let answer = http(to, "POST", path, headers, &register.encode_to_vec()).await;
    assert_eq!(answer.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_mesos_is_there_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    with_quota(dir.path());
    let work_dir = format!("--work_dir={}", dir.path().display());
    let server = master_with(&[work_dir.as_str(), "--allocation_interval=20ms"]).await;
    let mut framework = Framework::subscribe(server.address(), "f").await;
    // An offer that never was: its task is lost, which brings the metric of such tasks.
    let task = json!({"name": "t", "task_id": {"value": "t"}, "agent_id": {"value": "a"}, "resources": [], "command": {"value": "x"}});
    let launch = json!({"type": "LAUNCH", "launch": {"task_infos": [task]}});
    let accept =
        json!({"type": "ACCEPT", "accept": {"offer_ids": [{"value": "none"}], "operations": [launch]}});
    assert_eq!(framework.call(accept).await.status, 202);
    assert_eq!(
        framework.events.event_of("UPDATE").await["update"]["status"]["state"],
        "TASK_LOST"
    );

    register_an_agent(server.address()).await;

    let mut missing = BTreeSet::new();
    until(async || {
        let metrics = http(server.address(), "GET", "/metrics/snapshot", &[], b"")
            .await
            .json();
        let Value::Object(metrics) = metrics else {
            panic!("not an object");
        };
        assert!(metrics.values().all(Value::is_f64), "all are doubles");
        missing = NAMES
            .lines()
            .filter(|pattern| !metrics.keys().any(|name| fits(pattern, name)))
            .collect();
        // Some come with the first write and the first run of the allocator.
        let timed = |name: &str| metrics.contains_key(name);
        timed("registrar/state_store_ms/count") && timed("allocator/mesos/allocation_run_ms/count")
    })
    .await;
    assert_eq!(missing, ABSENT.iter().copied().collect());
    server.stop().await;
}

#[test]
fn the_page_of_metrics_names_what_is_absent() {
    let page = include_str!("../../../docs/metrics.md");
    for name in ABSENT {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_shown_as_it_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    with_quota(dir.path());
    let work_dir = format!("--work_dir={}", dir.path().display());
    let server = master_with(&[work_dir.as_str()]).await;
    let shown = http(server.address(), "GET", "/registrar(1)/registry", &[], b"").await;
    assert_eq!(
        (shown.status, shown.header("content-type")),
        (200, Some("application/json"))
    );
    let registry = shown.json();
    assert_eq!(registry["quota_configs"][0]["role"], "db");
    assert_eq!(registry["master"]["info"]["hostname"], "localhost");
    let wrapped = http(
        server.address(),
        "GET",
        "/registrar%281%29/registry?jsonp=f",
        &[],
        b"",
    )
    .await;
    assert!(wrapped.text().starts_with("f({") && wrapped.text().ends_with("})"));
    server.stop().await;
}
