//! Callers that have proven claims but no name, as bearers of tokens do: rules speak of names, so a master hears none of
//! them (master-http.md §1.3, §7.1 row 2; scheduler-http.md §1 row 2).

use std::sync::Arc;

use auth::http::Bearer;
use auth::{Secret, jwt};
use master::flags::security::{READONLY, READWRITE, SCHEDULER};
use master::{Flags, Parsed};

use crate::support::{JSON, http, started};

fn key() -> jwt::Key {
    jwt::Key::new(Secret::new(b"a key of this test".as_slice()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_without_a_name_is_forbidden_everywhere() {
    let args = [
        "--ip=127.0.0.1",
        "--port=0",
        "--hostname=localhost",
        "--registry=in_memory",
    ];
    let Parsed::Run(mut flags) = Flags::parse(args.map(str::to_owned), []).unwrap() else {
        panic!("not to be run")
    };
    for realm in [READONLY, READWRITE, SCHEDULER] {
        let bearer = Arc::new(Bearer::new(realm, key()));
        let access = &mut flags.security.access;
        access.authenticators.insert(realm.to_owned(), bearer);
    }
    let server = started(*flags).await;
    let to = server.address();
    let token = format!("Bearer {}", jwt::make(&key(), [("sub", "ops")]));
    let (good, bad) = (
        [JSON[0], JSON[1], ("authorization", token.as_str())],
        [JSON[0], JSON[1], ("authorization", "Bearer x.y.z")],
    );
    for (method, path, body) in [
        ("POST", "/api/v1", r#"{"type":"GET_HEALTH"}"#),
        ("POST", "/api/v1", "not even a call"),
        ("GET", "/api/v1", ""),
        (
            "POST",
            "/api/v1/scheduler",
            r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}"#,
        ),
        ("GET", "/state", ""),
        ("GET", "/state-summary", ""),
        ("GET", "/slaves", ""),
        ("GET", "/frameworks", ""),
        ("GET", "/tasks", ""),
        ("GET", "/roles", ""),
        ("GET", "/flags", ""),
        ("GET", "/quota", ""),
        ("POST", "/quota", ""),
        ("DELETE", "/quota/x", ""),
        ("GET", "/weights", ""),
        ("PUT", "/weights", "[]"),
        ("POST", "/teardown", "frameworkId=x"),
        ("POST", "/reserve", ""),
        ("POST", "/unreserve", ""),
        ("POST", "/create-volumes", ""),
        ("POST", "/destroy-volumes", ""),
        ("GET", "/maintenance/schedule", ""),
        ("GET", "/maintenance/status", ""),
        ("POST", "/machine/down", "[]"),
        ("POST", "/machine/up", "[]"),
    ] {
        let answer = http(to, method, path, &good, body.as_bytes()).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
        let answer = http(to, method, path, &bad, body.as_bytes()).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer realm=\"mesos-master-"),
            "{challenge}"
        );
    }
    for path in ["/health", "/version", "/redirect", "/metrics/snapshot"] {
        let answer = http(to, "GET", path, &good, b"").await;
        assert!([200, 307].contains(&answer.status), "{path}: {}", answer.status);
    }
    server.stop().await;
}
