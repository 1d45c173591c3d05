//! What a master knows after it was started anew on the same work directory.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use process::{Runtime, Settings};
use serde_json::json;
use support::{Agent, http, until, v1 as call};
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread")]
async fn an_admitted_agent_is_remembered_by_the_next_master() {
    let dir = tempfile::tempdir().unwrap();
    let work_dir = format!("--work_dir={}", dir.path().display());
    let flags = ["--registry=replicated_log", work_dir.as_str()];
    let first = support::master_with(&flags).await;
    let runtime = Runtime::start(Settings::loopback(0)).await.unwrap();
    let (registered, mut ids) = mpsc::unbounded_channel();
    let agent = Agent {
        master: first.runtime().upid("master"),
        registered,
    };
    runtime.spawn("slave(1)", agent).unwrap();
    let id = tokio::time::timeout(support::PATIENCE, ids.recv())
        .await
        .unwrap()
        .unwrap();
    let agents = call(first.address(), &json!({"type": "GET_AGENTS"})).await.json();
    assert_eq!(agents["get_agents"]["agents"][0]["agent_info"]["id"]["value"], id);
    let metrics = http(first.address(), "GET", "/metrics/snapshot", &[], b"")
        .await
        .json();
    assert!(metrics["registrar/state_store_ms/count"].as_f64().unwrap() >= 1.0);
    runtime.shutdown().await;
    first.stop().await;

    let second = support::master_with(&flags).await;
    let listed = async || {
        call(second.address(), &json!({"type": "GET_AGENTS"}))
            .await
            .json()
    };
    until(async || listed().await["get_agents"]["recovered_agents"][0]["id"]["value"] == id).await;
    let state = http(second.address(), "GET", "/state", &[], b"").await.json();
    assert_eq!(
        (&state["slaves"], &state["recovered_slaves"][0]["hostname"]),
        (&json!([]), &json!("here"))
    );
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_weights_and_maintenance_are_remembered_by_the_next_master() {
    let dir = tempfile::tempdir().unwrap();
    let work_dir = format!("--work_dir={}", dir.path().display());
    let flags = ["--registry=replicated_log", work_dir.as_str(), "--weights=w=3"];
    let first = support::master_with(&flags).await;
    let config = json!({"role": "x", "limits": {"cpus": {"value": 2.0}}});
    let quota = json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [config]}});
    assert_eq!(call(first.address(), &quota).await.status, 200);
    let weights =
        json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "x", "weight": 2.5}]}});
    assert_eq!(call(first.address(), &weights).await.status, 200);
    let windows =
        json!([{"machine_ids": [{"hostname": "h"}], "unavailability": {"start": {"nanoseconds": 1}}}]);
    let maintenance = json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {"windows": windows}}});
    assert_eq!(call(first.address(), &maintenance).await.status, 200);
    let registry = http(first.address(), "GET", "/registrar(1)/registry", &[], b"")
        .await
        .json();
    assert_eq!(registry["quota_configs"], json!([config]));
    assert_eq!(
        registry["minimum_capabilities"],
        json!([{"capability": "QUOTA_V2"}])
    );
    first.stop().await;

    // What the flag says now does not count any more.
    let flags = ["--registry=replicated_log", work_dir.as_str(), "--weights=w=9"];
    let second = support::master_with(&flags).await;
    let shown = call(second.address(), &json!({"type": "GET_QUOTA"})).await.json();
    assert_eq!(shown["get_quota"]["status"]["configs"], json!([config]));
    let schedule = http(second.address(), "GET", "/maintenance/schedule", &[], b"").await;
    assert_eq!(schedule.json(), json!({"windows": windows}));
    let status = http(second.address(), "GET", "/maintenance/status", &[], b"").await;
    assert_eq!(
        status.json(),
        json!({"draining_machines": [{"id": {"hostname": "h"}}]})
    );
    let weights = http(second.address(), "GET", "/weights", &[], b"").await.json();
    assert_eq!(
        weights,
        json!([{"role": "w", "weight": 3.0}, {"role": "x", "weight": 2.5}])
    );
    second.stop().await;
}
