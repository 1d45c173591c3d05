//! Names and sizes that a master does not keep: its registry could not, and a master that cannot write has to end.

use serde_json::{Value, json};

use crate::support::{JSON, http, master, subscribe, v1 as call};

/// A name of a role that is too long by one byte.
fn role() -> String {
    "r".repeat(1025)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_registry_cannot_keep_is_refused_and_the_master_lives() {
    let server = master(&[]).await;
    let to = server.address();
    let cpus = json!([{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}]);
    let long = "A role name of 1025 bytes is longer than 1024";
    let schedule = |machines: &Value| {
        let unavailability =
            json!({"start": {"nanoseconds": i64::MAX}, "duration": {"nanoseconds": i64::MAX}});
        json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {
            "windows": [{"machine_ids": machines, "unavailability": unavailability}]}}})
    };
    let large: serde_json::Map<String, Value> = (0..9)
        .map(|number| (format!("{number}{}", "x".repeat(2 << 20)), json!({"value": 1})))
        .collect();
    let rows = [
        (
            "hostname",
            schedule(&json!([{"hostname": "h".repeat(256)}])),
            "A hostname of 256 bytes is longer than 255",
        ),
        (
            "schedule",
            schedule(&json!(vec![json!({"hostname": "h".repeat(200)}); 85_000])),
            "A schedule of ",
        ),
        (
            "weight",
            json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": role(), "weight": 1}]}}),
            long,
        ),
        (
            "quota",
            json!({"type": "UPDATE_QUOTA", "update_quota": {"force": true, "quota_configs": [{"role": role()}]}}),
            long,
        ),
        (
            "amounts",
            json!({"type": "UPDATE_QUOTA", "update_quota": {"force": true, "quota_configs": [{"role": "r", "limits": large}]}}),
            "A quota of ",
        ),
        (
            "old quota",
            json!({"type": "SET_QUOTA", "set_quota": {"quota_request":
                {"role": role(), "force": true, "guarantee": cpus}}}),
            long,
        ),
    ];
    for (rule, request, text) in rows {
        let answer = call(to, &request).await;
        assert_eq!(answer.status, 400, "{rule}: {}", answer.text());
        assert!(answer.text().contains(text), "{rule}: {}", answer.text());
    }
    let put = json!([{"role": role(), "weight": 1}]).to_string();
    let answer = http(to, "PUT", "/weights", &[], put.as_bytes()).await;
    assert_eq!(answer.status, 400);
    let info = json!({"user": "u", "name": "n", "role": role()});
    let subscription = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
    let (_, mut events) = subscribe(to, "/api/v1/scheduler", JSON, &subscription).await;
    assert_eq!(events.event().await.unwrap()["type"], "ERROR");
    let longest = schedule(&json!([{"hostname": "h".repeat(255)}]));
    assert_eq!(call(to, &longest).await.status, 200);
    let weight = json!({"type": "UPDATE_WEIGHTS",
        "update_weights": {"weight_infos": [{"role": role().split_off(1), "weight": 1}]}});
    assert_eq!(
        call(to, &weight).await.status,
        200,
        "what is not too long is kept"
    );
    server.stop().await;
}
