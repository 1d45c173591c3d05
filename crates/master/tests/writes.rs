//! Calls that change something: what each answers to a client's mistakes, one row for each rule (master-http.md §5, §7).

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use serde_json::{Value, json};
use support::{http, master, v1};

/// A row: the rule, the call, and the status and text that answer it.
type Row = (&'static str, Value, u16, &'static str);

fn resource(name: &str, more: &Value) -> Value {
    let mut resource = json!({"name": name, "type": "SCALAR", "scalar": {"value": 1}});
    for (key, value) in more.as_object().unwrap() {
        resource[key] = value.clone();
    }
    resource
}

fn quota(config: &Value) -> Value {
    json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [config]}})
}

fn set_quota(role: &Value, guarantee: &Value) -> Value {
    json!({"type": "SET_QUOTA", "set_quota": {"quota_request": {"role": role, "guarantee": guarantee}}})
}

fn schedule(machines: &Value, start: i64, duration: i64) -> Value {
    json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {"windows": [{
        "machine_ids": machines,
        "unavailability": {"start": {"nanoseconds": start}, "duration": {"nanoseconds": duration}},
    }]}}})
}

fn start(machines: &Value) -> Value {
    json!({"type": "START_MAINTENANCE", "start_maintenance": {"machines": machines}})
}

#[expect(clippy::too_many_lines, reason = "one row for each rule")]
fn rows() -> Vec<Row> {
    let cpus = resource("cpus", &json!({}));
    vec![
        (
            "an agent that is not registered",
            json!({"type": "RESERVE_RESOURCES", "reserve_resources": {"agent_id": {"value": "zz"}, "resources": [cpus]}}),
            400,
            "No agent found with specified ID",
        ),
        (
            "volumes of an agent that is not registered",
            json!({"type": "DESTROY_VOLUMES", "destroy_volumes": {"agent_id": {"value": "zz"}, "volumes": []}}),
            400,
            "No agent found with specified ID",
        ),
        (
            "a weight that is not positive",
            json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "x", "weight": -1.5}]}}),
            400,
            "Failed to validate update weights request JSON for role 'x': Invalid weight '-1.5': Weights must be positive",
        ),
        (
            "a weight of a role that cannot be",
            json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "/x", "weight": 1}]}}),
            400,
            "Failed to validate update weights request JSON: Invalid role '/x': Role '/x' cannot start with a slash",
        ),
        (
            "a weight of a role that is not listed",
            json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "y", "weight": 1}]}}),
            400,
            "Failed to validate update weights request JSON: Unknown role 'y'",
        ),
        (
            "a quota of a role that is not listed",
            quota(&json!({"role": "y"})),
            400,
            "Invalid QuotaConfig: 'y' is not on the roles whitelist",
        ),
        (
            "a quota of a nested role",
            quota(&json!({"role": "x/z"})),
            400,
            "Updating quota on nested role 'x/z' is not supported yet",
        ),
        (
            "a quota beyond an exabyte",
            quota(&json!({"role": "x", "limits": {"mem": {"value": 1_099_511_627_777_u64}}})),
            400,
            "Invalid QuotaConfig: Invalid 'QuotaConfig.limits': {'mem': 1099511627777} is invalid: values greater than 1 exabyte (1099511627776) are not supported",
        ),
        (
            "a quota beyond a trillion",
            quota(&json!({"role": "x", "guarantees": {"cpus": {"value": 1_000_000_000_001_u64}}})),
            400,
            "Invalid QuotaConfig: Invalid 'QuotaConfig.guarantees': {'cpus': 1000000000001} is invalid: values greater than 1 trillion (1000000000000) are not supported",
        ),
        (
            "a negative quota",
            quota(&json!({"role": "x", "limits": {"cpus": {"value": -1}}})),
            400,
            "Invalid QuotaConfig: Invalid limit configuration {'cpus': -1}: Negative values not supported",
        ),
        (
            "a limit too small for a normal number",
            quota(&json!({"role": "x", "limits": {"cpus": {"value": 1e-310}}})),
            400,
            "Invalid QuotaConfig: Invalid limit configuration {'cpus': 0}: Subnormal values not supported",
        ),
        (
            "a guarantee above its limit by less than a thousandth is not above it",
            quota(
                &json!({"role": "x", "limits": {"cpus": {"value": 1}}, "guarantees": {"cpus": {"value": 1.0001}}}),
            ),
            400,
            "Invalid QuotaConfig: total quota guarantees 'cpus:1' exceed cluster capacity '{}' (use 'force' flag to bypass this check)",
        ),
        (
            "a guarantee above its limit",
            quota(
                &json!({"role": "x", "limits": {"cpus": {"value": 1}, "mem": {"value": 5}}, "guarantees": {"cpus": {"value": 2}}}),
            ),
            400,
            "Invalid QuotaConfig: 'QuotaConfig.guarantees' { cpus: 2 } is not contained within the 'QuotaConfig.limits' { cpus: 1, mem: 5 }",
        ),
        (
            "guarantees beyond what there is",
            quota(&json!({"role": "x", "guarantees": {"cpus": {"value": 1.5}, "mem": {"value": 5}}})),
            400,
            "Invalid QuotaConfig: total quota guarantees 'cpus:1.5; mem:5' exceed cluster capacity '{}' (use 'force' flag to bypass this check)",
        ),
        (
            "old guarantees beyond what there is",
            set_quota(&json!("x"), &json!([cpus])),
            409,
            "Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota guarantees 'cpus:1' exceed cluster capacity '{}'",
        ),
        (
            "an old quota without a role",
            set_quota(&json!(null), &json!([cpus])),
            400,
            "Failed to validate set quota request: QuotaInfo with invalid role: Empty role name is invalid",
        ),
        (
            "an old quota without an amount",
            set_quota(&json!("x"), &json!([])),
            400,
            "Failed to validate set quota request: QuotaInfo with empty 'guarantee'",
        ),
        (
            "an old quota with a name twice",
            set_quota(&json!("x"), &json!([cpus, cpus])),
            400,
            "Failed to validate set quota request: QuotaInfo contains duplicate resource name 'cpus'",
        ),
        (
            "an old quota of what is reserved",
            set_quota(
                &json!("x"),
                &json!([resource(
                    "cpus",
                    &json!({"reservations": [{"type": "STATIC", "role": "x"}]})
                )]),
            ),
            400,
            "Failed to validate set quota request: QuotaInfo must not contain any ReservationInfo",
        ),
        (
            "an old quota of a disk",
            set_quota(&json!("x"), &json!([resource("disk", &json!({"disk": {}}))])),
            400,
            "Failed to validate set quota request: QuotaInfo must not contain DiskInfo",
        ),
        (
            "an old quota of what can be revoked",
            set_quota(&json!("x"), &json!([resource("cpus", &json!({"revocable": {}}))])),
            400,
            "Failed to validate set quota request: QuotaInfo must not contain RevocableInfo",
        ),
        (
            "an old quota of ports",
            set_quota(
                &json!("x"),
                &json!([{"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}]}}]),
            ),
            400,
            "Failed to validate set quota request: QuotaInfo must not include non-scalar resources",
        ),
        (
            "an old quota that is no resource",
            set_quota(&json!("x"), &json!([{"name": "cpus", "type": "SCALAR"}])),
            400,
            "Failed to validate set quota request: QuotaInfo with invalid resource: Invalid scalar resource",
        ),
        (
            "a quota to remove that is not there",
            json!({"type": "REMOVE_QUOTA", "remove_quota": {"role": "x"}}),
            400,
            "Failed to remove quota: Role 'x' has no quota set",
        ),
        (
            "a window without machines",
            schedule(&json!([]), 1, 1),
            400,
            "List of machines in the maintenance window is empty",
        ),
        (
            "a window of negative length",
            schedule(&json!([{"hostname": "h"}]), 1, -1),
            400,
            "Unavailability 'duration' is negative",
        ),
        (
            "a machine without a name",
            schedule(&json!([{"hostname": ""}]), 1, 1),
            400,
            "Both 'hostname' and 'ip' for a machine are empty",
        ),
        (
            "a machine twice, hosts without regard to case",
            schedule(&json!([{"hostname": "h"}, {"hostname": "H"}]), 1, 1),
            400,
            "Machine '{\"hostname\":\"H\"}' appears more than once in the schedule",
        ),
        (
            "no machine to take down",
            start(&json!([])),
            400,
            "List of machines is empty",
        ),
        (
            "a machine that is not in the schedule",
            start(&json!([{"hostname": "h"}])),
            400,
            "Machine '{\"hostname\":\"h\"}' is not part of a maintenance schedule",
        ),
        (
            "draining an agent nobody knows",
            json!({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": "zz"}}}),
            400,
            "Unknown agent",
        ),
        (
            "deactivating an agent nobody knows",
            json!({"type": "DEACTIVATE_AGENT", "deactivate_agent": {"agent_id": {"value": "zz"}}}),
            400,
            "Unknown agent",
        ),
        (
            "tearing down a framework nobody knows",
            json!({"type": "TEARDOWN", "teardown": {"framework_id": {"value": "zz"}}}),
            400,
            "No framework found with specified ID",
        ),
        (
            "a type that is none",
            json!({"type": "UNKNOWN"}),
            501,
            "501 Not Implemented.",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_the_operator_api_are_told_their_mistakes() {
    let server = master(&["--roles=x,x/z"]).await;
    for (rule, call, status, text) in rows() {
        let answer = v1(server.address(), &call).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{rule}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8"),
            "{rule}"
        );
    }
    server.stop().await;
}

/// A request of before v1: method, path, body, and the status and text that answer it.
type OldRow = (&'static str, &'static str, &'static str, u16, &'static str);

const OLD: &[OldRow] = &[
    (
        "POST",
        "/reserve",
        "",
        400,
        "Missing 'slaveId' query parameter in the request body",
    ),
    (
        "POST",
        "/reserve",
        "slaveId=zz",
        400,
        "Missing 'resources' query parameter in the request body",
    ),
    (
        "POST",
        "/reserve",
        "slaveId=zz&resources=x",
        400,
        "Error parsing 'resources' query parameter in the request body: syntax error at line 1 near: x",
    ),
    (
        "POST",
        "/reserve",
        "slaveId=zz&resources=[]&source=%7B%7D",
        400,
        "Error parsing 'source' query parameter in the request body: Unexpected JSON type parsed",
    ),
    (
        "POST",
        "/reserve",
        "slaveId=zz&resources=[]",
        400,
        "No agent found with specified ID",
    ),
    (
        "POST",
        "/unreserve",
        "slaveId=zz&resources=[{}]",
        400,
        "Error in parsing 'resources' query parameter in the request body: Missing required fields: name, type",
    ),
    (
        "POST",
        "/create-volumes",
        "slaveId=zz",
        400,
        "Missing 'volumes' query parameter in the request body",
    ),
    (
        "POST",
        "/destroy-volumes",
        "slaveId=zz&volumes=[]",
        400,
        "No agent found with specified ID",
    ),
    (
        "POST",
        "/teardown",
        "frameworkId=zz",
        400,
        "No framework found with specified ID",
    ),
    (
        "GET",
        "/teardown",
        "",
        405,
        "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.",
    ),
    (
        "PUT",
        "/quota",
        "",
        405,
        "405 Method Not Allowed. Expecting one of { 'GET', 'POST', 'DELETE' }, but received 'PUT'.",
    ),
    (
        "POST",
        "/quota",
        "x",
        400,
        "Failed to parse set quota request JSON 'x': syntax error at line 1 near: x",
    ),
    (
        "POST",
        "/quota",
        "{\"role\":\"x\"}",
        400,
        "Failed to validate set quota request: QuotaInfo with empty 'guarantee'",
    ),
    (
        "DELETE",
        "/quota",
        "",
        400,
        "Failed to parse remove quota request for path '/master/quota': expected 3 tokens, found 2 tokens",
    ),
    (
        "DELETE",
        "/quota/a/b",
        "",
        400,
        "Failed to remove quota for path '/master/quota/a/b': Role 'a/b' has no quota set",
    ),
    (
        "POST",
        "/unreserve",
        "slaveId=a&resources=x%2",
        400,
        "Unable to decode query string: Malformed % escape in 'x%2': '%2'",
    ),
    (
        "POST",
        "/destroy-volumes",
        "%zz=1&volumes=[]",
        400,
        "Unable to decode query string: Malformed % escape in '%zz': '%zz'",
    ),
    (
        "POST",
        "/machine/down",
        "[{\"hostname\":\"h\",\"ip\":\"1.2.3\"}]",
        400,
        "Failed to parse IPv4: 1.2.3",
    ),
    (
        "DELETE",
        "/master/quota/x",
        "",
        400,
        "Failed to remove quota for path '/master/quota/x': Role 'x' has no quota set",
    ),
    (
        "POST",
        "/weights",
        "[]",
        405,
        "405 Method Not Allowed. Expecting one of { 'GET', 'PUT' }, but received 'POST'.",
    ),
    (
        "PUT",
        "/weights",
        "{}",
        400,
        "Failed to parse update weights request JSON '{}': Unexpected JSON type parsed",
    ),
    (
        "PUT",
        "/weights",
        "[{\"role\":\"x\"}]",
        400,
        "Failed to convert weights JSON array to protobuf '[{\"role\":\"x\"}]': Missing required fields: weight",
    ),
    (
        "PUT",
        "/weights",
        "[{\"role\":\"x\",\"weight\":0}]",
        400,
        "Failed to validate update weights request JSON for role 'x': Invalid weight '0': Weights must be positive",
    ),
    (
        "POST",
        "/maintenance/schedule",
        "",
        400,
        "syntax error at line 1 near: ",
    ),
    (
        "PUT",
        "/maintenance/schedule",
        "",
        405,
        "405 Method Not Allowed. Expecting one of { 'GET', 'POST' }, but received 'PUT'.",
    ),
    (
        "POST",
        "/maintenance/status",
        "",
        405,
        "405 Method Not Allowed. Expecting one of { 'GET' }, but received 'POST'.",
    ),
    ("POST", "/machine/down", "[]", 400, "List of machines is empty"),
    ("POST", "/machine/up", "{}", 400, "Unexpected JSON type parsed"),
    (
        "POST",
        "/machine/up",
        "[{\"ip\":\"10.0.0.1\"}]",
        400,
        "Machine '{\"ip\":\"10.0.0.1\"}' is not part of a maintenance schedule",
    ),
    (
        "GET",
        "/machine/up",
        "",
        405,
        "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_of_before_v1_are_told_their_mistakes() {
    let server = master(&[]).await;
    for (method, path, body, status, text) in OLD {
        let headers = &[("content-type", "application/x-www-form-urlencoded")];
        let answer = http(server.address(), method, path, headers, body.as_bytes()).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (*status, *text),
            "{method} {path} {body}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_well_formed_and_not_allowed_is_forbidden() {
    // Nothing is allowed but to set weights and quotas of one role.
    let acls = json!({"permissive": false,
        "update_weights": [{"principals": {"type": "ANY"}, "roles": {"values": ["x"]}}],
        "update_quotas": [{"principals": {"type": "ANY"}, "roles": {"values": ["x"]}}]});
    let server = master(&[&format!("--acls={acls}")]).await;
    let to = server.address();
    let weights = |roles: &[&str]| {
        let infos: Vec<Value> = roles
            .iter()
            .map(|role| json!({"role": role, "weight": 1}))
            .collect();
        json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": infos}})
    };
    let cpus = resource("cpus", &json!({}));
    let drain = json!({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": "zz"}}});
    for (call, status) in [
        (weights(&["x"]), 200),
        (weights(&["x", "y"]), 403),
        // What is wrong is told first.
        (weights(&["y", "/"]), 400),
        (quota(&json!({"role": "x"})), 200),
        (quota(&json!({"role": "y"})), 403),
        (set_quota(&json!("x"), &json!([cpus])), 409),
        (set_quota(&json!("y"), &json!([cpus])), 403),
        (schedule(&json!([{"hostname": "h"}]), 1, 1), 403),
        (start(&json!([{"hostname": "h"}])), 400),
        // Whether the agent is known is not told to everybody.
        (drain, 403),
    ] {
        assert_eq!(v1(to, &call).await.status, status, "{call}");
    }
    let put = http(to, "PUT", "/weights", &[], b"[{\"role\":\"y\",\"weight\":1}]").await;
    assert_eq!((put.status, put.text().as_str()), (403, "403 Forbidden."));
    let post = http(to, "POST", "/maintenance/schedule", &[], b"{}").await;
    assert_eq!(post.status, 403);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_set_shown_and_removed_in_both_forms() {
    let server = master(&[]).await;
    let to = server.address();
    let call = async |call: &Value| {
        let answer = v1(to, call).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{call}");
    };
    let shown = async || {
        let status = v1(to, &json!({"type": "GET_QUOTA"})).await.json()["get_quota"]["status"].clone();
        assert_eq!(http(to, "GET", "/quota", &[], b"").await.json(), status);
        status
    };
    let config =
        json!({"role": "x", "guarantees": {"cpus": {"value": 1.0}}, "limits": {"cpus": {"value": 2.0}}});
    call(&json!({"type": "UPDATE_QUOTA", "update_quota": {"force": true, "quota_configs": [config]}})).await;
    let scalar = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}});
    let infos = |role: &str| json!([{"role": role, "guarantee": [scalar]}]);
    assert_eq!(shown().await, json!({"infos": infos("x"), "configs": [config]}));

    // All or none: the second is faulty.
    let both =
        json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [{"role": "x"}, {"role": "a/b"}]}});
    assert_eq!(v1(to, &both).await.status, 400);
    assert_eq!(shown().await["configs"], json!([config]));

    call(&json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [{"role": "x"}]}})).await;
    assert_eq!(shown().await, json!({}));

    let request = json!({"role": "y", "force": true, "guarantee": [scalar]}).to_string();
    let answer = http(to, "POST", "/quota", &[], request.as_bytes()).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    let amount = json!({"cpus": {"value": 1.0}});
    let config = json!({"role": "y", "guarantees": amount, "limits": amount});
    assert_eq!(shown().await, json!({"infos": infos("y"), "configs": [config]}));
    let again = http(to, "POST", "/quota", &[], request.as_bytes()).await;
    assert_eq!(
        (again.status, again.text().as_str()),
        (
            400,
            "Failed to validate set quota request: Cannot set quota for role 'y' which already has quota"
        )
    );
    let removed = http(to, "DELETE", "/quota/y", &[], b"").await;
    assert_eq!((removed.status, removed.text().as_str()), (200, ""));
    assert_eq!(shown().await, json!({}));
    let again = http(to, "DELETE", "/quota/y", &[], b"").await;
    assert_eq!(
        (again.status, again.text().as_str()),
        (
            400,
            "Failed to remove quota for path '/master/quota/y': Role 'y' has no quota set"
        )
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_set_and_shown_in_both_forms() {
    let server = master(&[]).await;
    let to = server.address();
    let put = http(to, "PUT", "/weights", &[], b"[{\"role\":\" x \",\"weight\":2.5}]").await;
    assert_eq!((put.status, put.text().as_str()), (200, ""));
    let update =
        json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "y", "weight": 1}]}});
    assert_eq!(v1(to, &update).await.status, 200);
    let expected = json!([{"role": "x", "weight": 2.5}, {"role": "y", "weight": 1.0}]);
    assert_eq!(http(to, "GET", "/weights", &[], b"").await.json(), expected);
    let answer = v1(to, &json!({"type": "GET_WEIGHTS"})).await.json();
    assert_eq!(answer["get_weights"]["weight_infos"], expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_scheduled_taken_down_and_brought_up_in_both_forms() {
    let server = master(&[]).await;
    let to = server.address();
    let empty = |status: u16, text: String| assert_eq!((status, text.as_str()), (200, ""));
    let shown = async || {
        let v1_schedule = v1(to, &json!({"type": "GET_MAINTENANCE_SCHEDULE"})).await.json();
        let v1_status = v1(to, &json!({"type": "GET_MAINTENANCE_STATUS"})).await.json();
        let schedule = http(to, "GET", "/maintenance/schedule", &[], b"").await.json();
        let status = http(to, "GET", "/maintenance/status", &[], b"").await.json();
        assert_eq!(v1_schedule["get_maintenance_schedule"]["schedule"], schedule);
        assert_eq!(v1_status["get_maintenance_status"]["status"], status);
        (schedule, status)
    };
    let machines = json!([{"hostname": "h", "ip": "10.0.0.1"}, {"hostname": "g"}]);
    let unavailability = json!({"start": {"nanoseconds": 1}, "duration": {"nanoseconds": 2}});
    let window =
        |machines: &Value| json!({"windows": [{"machine_ids": machines, "unavailability": unavailability}]});
    let answer = v1(to, &schedule(&machines, 1, 2)).await;
    empty(answer.status, answer.text());
    let draining = json!({"draining_machines": [{"id": {"hostname": "g"}}, {"id": machines[0]}]});
    assert_eq!(shown().await, (window(&machines), draining));

    let body = json!([{"hostname": "H", "ip": "10.0.0.1"}]).to_string();
    let early = http(to, "POST", "/machine/up", &[], body.as_bytes()).await;
    let text =
        "Machine '{\"hostname\":\"H\",\"ip\":\"10.0.0.1\"}' is not in DOWN mode and cannot be brought up";
    assert_eq!((early.status, early.text().as_str()), (400, text));
    let answer = http(to, "POST", "/machine/down", &[], body.as_bytes()).await;
    empty(answer.status, answer.text());
    let status = json!({"draining_machines": [{"id": {"hostname": "g"}}], "down_machines": [machines[0]]});
    assert_eq!(shown().await, (window(&machines), status));
    let again = v1(to, &start(&json!([machines[0]]))).await;
    let text = "Machine '{\"hostname\":\"h\",\"ip\":\"10.0.0.1\"}' is not in DRAINING mode and cannot be brought down";
    assert_eq!((again.status, again.text().as_str()), (400, text));

    let dropped = v1(to, &schedule(&json!([{"hostname": "g"}]), 1, 2)).await;
    let text = "Machine '{\"hostname\":\"h\",\"ip\":\"10.0.0.1\"}' is deactivated and cannot be removed from the schedule";
    assert_eq!((dropped.status, dropped.text().as_str()), (400, text));

    let stop = json!({"type": "STOP_MAINTENANCE", "stop_maintenance": {"machines": [machines[0]]}});
    let answer = v1(to, &stop).await;
    empty(answer.status, answer.text());
    let draining = json!({"draining_machines": [{"id": {"hostname": "g"}}]});
    assert_eq!(shown().await, (window(&json!([{"hostname": "g"}])), draining));
    let answer = http(to, "POST", "/maintenance/schedule", &[], b"{}").await;
    empty(answer.status, answer.text());
    assert_eq!(shown().await, (json!({}), json!({})));
    server.stop().await;
}
