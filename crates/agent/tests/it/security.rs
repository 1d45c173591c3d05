//! Realms, tokens and access control lists, over real sockets.

use std::path::Path;

use agent::Server;
use serde_json::{Value, json};

use crate::server::{Answer, Cluster, get, post, posted, request, soon};
use crate::support::*;

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A request with an `Authorization`.
async fn as_caller(server: &Server, text: String, authorization: &str) -> Answer {
    let line = format!("Host: a\r\nAuthorization: {authorization}\r\n");
    request(server, text.replacen("Host: a\r\n", &line, 1)).await
}

fn getting(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

/// `ops:secret`, and `guest:secret`.
const OPS: &str = "Basic b3BzOnNlY3JldA==";
const GUEST: &str = "Basic Z3Vlc3Q6c2VjcmV0";

const CREDENTIALS: &str = r#"{"credentials": [
    {"principal": "ops", "secret": "secret"},
    {"principal": "guest", "secret": "secret"}
]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_realm_asks_for_its_proof() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--authenticate_http_readonly".to_owned(),
        "--authenticate_http_readwrite".to_owned(),
        format!("--http_credentials={}", file(folder.path(), "http", CREDENTIALS)),
    ];
    let (_cluster, server) = Cluster::start_with(&flags).await;
    assert_eq!(get(&server, "/health").await.status, 200, "open to everybody");
    for path in [
        "/state",
        "/flags",
        "/containers",
        "/monitor/statistics",
        "/containerizer/debug",
        "/metrics/snapshot",
        "/files/debug",
    ] {
        let answer = get(&server, path).await;
        assert_eq!(answer.status, 401, "{path}");
        let challenge = "www-authenticate: basic realm=\"mesos-agent-readonly\"";
        assert!(
            answer.head.to_ascii_lowercase().contains(challenge),
            "{path}: {}",
            answer.head
        );
        assert_eq!(as_caller(&server, getting(path), OPS).await.status, 200, "{path}");
    }
    let health = json!({"type": "GET_HEALTH"});
    let answer = post(&server, "/api/v1", health.clone()).await;
    assert_eq!((answer.status, answer.body.as_str()), (401, "401 Unauthorized."));
    let answer = as_caller(&server, posted("/api/v1", &health), OPS).await;
    assert_eq!(answer.status, 200);
    let wrong = "Basic b3BzOndyb25n";
    assert_eq!(
        as_caller(&server, posted("/api/v1", &health), wrong).await.status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_hide_and_forbid() {
    let folder = tempfile::tempdir().unwrap();
    let acls = json!({
        "permissive": false,
        "view_flags": [{"principals": {"values": ["ops"]}, "flags": {"type": "ANY"}}],
        "view_frameworks": [{"principals": {"values": ["ops"]}, "users": {"type": "ANY"}}],
        "view_executors": [{"principals": {"values": ["ops"]}, "users": {"type": "ANY"}}],
        "view_tasks": [{"principals": {"values": ["ops"]}, "users": {"type": "ANY"}}],
        "view_containers": [{"principals": {"values": ["ops"]}, "users": {"type": "ANY"}}],
        "get_endpoints": [{"principals": {"type": "ANY"}, "paths": {"values": ["/containers"]}}],
        "run_tasks": [{"principals": {"type": "ANY"}, "users": {"values": ["root"]}}],
    });
    let flags = [
        "--authenticate_http_readonly".to_owned(),
        "--authenticate_http_readwrite".to_owned(),
        format!("--http_credentials={}", file(folder.path(), "http", CREDENTIALS)),
        format!("--acls={acls}"),
    ];
    let (mut cluster, server) = Cluster::start_with(&flags).await;
    cluster.tell(run_task());

    let json = |answer: Answer| -> Value { serde_json::from_str(&answer.body).unwrap() };
    let mut seen = Value::Null;
    soon(async {
        while seen["frameworks"][0]["executors"][0]["id"] != "exec1" {
            seen = json(as_caller(&server, getting("/state"), OPS).await);
        }
    })
    .await;
    assert!(seen["flags"].is_object());
    let hidden = json(as_caller(&server, getting("/state"), GUEST).await);
    assert_eq!(hidden["frameworks"], json!([]));
    assert_eq!(hidden.get("flags"), None);

    let flags = as_caller(&server, getting("/flags"), GUEST).await;
    assert_eq!((flags.status, flags.body.as_str()), (403, "403 Forbidden."));
    assert_eq!(as_caller(&server, getting("/flags"), OPS).await.status, 200);
    let put = getting("/flags").replacen("GET", "PUT", 1);
    assert_eq!(as_caller(&server, put, OPS).await.status, 405);
    let debug = as_caller(&server, getting("/containerizer/debug"), OPS).await;
    assert_eq!(debug.status, 403, "a path that no list names");

    let call = |kind: &str| posted("/api/v1", &json!({"type": kind}));
    let tasks = json(as_caller(&server, call("GET_TASKS"), GUEST).await);
    assert_eq!(tasks["get_tasks"]["queued_tasks"], json!([]));
    let tasks = json(as_caller(&server, call("GET_TASKS"), OPS).await);
    assert_eq!(tasks["get_tasks"]["queued_tasks"][0]["task_id"]["value"], "exec1");
    assert_eq!(as_caller(&server, call("GET_FLAGS"), GUEST).await.status, 403);
    let containers = json(as_caller(&server, getting("/containers"), GUEST).await);
    assert_eq!(containers, json!([]));
    let containers = json(as_caller(&server, getting("/containers"), OPS).await);
    assert_eq!(containers[0]["executor_id"], "exec1");
    let kill = json!({"type": "KILL_CONTAINER", "kill_container": {"container_id": {
        "value": "child", "parent": {"value": cluster.containers.only()},
    }}});
    let answer = as_caller(&server, posted("/api/v1", &kill), OPS).await;
    assert_eq!(answer.status, 403, "nobody may kill");

    let mut foreign = run_task();
    foreign.task.task_id = task_id("foreign");
    foreign.framework.user = "nobody".to_owned();
    cluster.tell(foreign);
    let update = cluster.next_update().await;
    assert_eq!(
        (update.status.state(), update.status.reason()),
        (
            proto::v1::TaskState::TaskError,
            proto::v1::task_status::Reason::TaskUnauthorized
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_proves_itself_with_the_token_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--authenticate_http_executors".to_owned(),
        "--authenticate_http_readwrite".to_owned(),
        format!("--http_credentials={}", file(folder.path(), "http", CREDENTIALS)),
        format!(
            "--jwt_secret_key={}",
            file(folder.path(), "key", "a key of some length")
        ),
    ];
    let (cluster, server) = Cluster::start_with(&flags).await;
    cluster.tell(run_task());
    let mut token = None;
    soon(async {
        while token.is_none() {
            tokio::task::yield_now().await;
            let launched = cluster.containers.launched.lock();
            token = launched.first().map(|config| {
                let name = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";
                config.environment[name].clone()
            });
        }
    })
    .await;
    let token = format!("Bearer {}", token.unwrap());
    let message = |executor: &str| {
        let call = json!({
            "type": "MESSAGE", "message": {"data": "aGk="},
            "executor_id": {"value": executor}, "framework_id": {"value": FRAMEWORK},
        });
        posted("/api/v1/executor", &call)
    };
    assert_eq!(request(&server, message("exec1")).await.status, 401);
    let early = as_caller(&server, message("exec1"), &token).await;
    assert_eq!(
        (early.status, early.body.as_str()),
        (403, "Executor is not subscribed"),
        "its token is right, but it has not subscribed"
    );
    let key = auth::jwt::Key::new(auth::Secret::new(*b"a key of some length"));
    for (framework, executor, container) in [
        ("other", "exec1", cluster.containers.only()),
        (FRAMEWORK, "other", cluster.containers.only()),
        (FRAMEWORK, "exec1", "other".to_owned()),
    ] {
        let token = auth::jwt::executor(&key, framework, executor, &container);
        let answer = as_caller(&server, message("exec1"), &format!("Bearer {token}")).await;
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("claim"), "{}", answer.body);
    }

    // On the agent API it may touch what is in its own container, and nothing else.
    let wait = |root: &str| {
        let id = json!({"value": "child", "parent": {"value": root}});
        posted(
            "/api/v1",
            &json!({"type": "WAIT_CONTAINER", "wait_container": {"container_id": id}}),
        )
    };
    let own = as_caller(&server, wait(&cluster.containers.only()), &token).await;
    assert_eq!(own.status, 404, "allowed, but there is no such container");
    assert_eq!(as_caller(&server, wait("another"), &token).await.status, 403);
    let state = posted("/api/v1", &json!({"type": "GET_FLAGS"}));
    assert_eq!(as_caller(&server, state.clone(), &token).await.status, 403);
    assert_eq!(as_caller(&server, state, OPS).await.status, 200);
}

#[test]
fn what_is_asked_for_must_have_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |flags: &[String]| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let args = [
            "--master=127.0.0.1:1".to_owned(),
            format!("--work_dir={}", folder.path().display()),
            "--port=0".to_owned(),
            "--ip=127.0.0.1".to_owned(),
        ];
        let args = args.into_iter().chain(flags.iter().cloned());
        let agent::Parsed::Run(flags) = agent::Flags::parse(args, Vec::<(String, String)>::new()).unwrap()
        else {
            panic!()
        };
        let containers = std::sync::Arc::<crate::obedient::Obedient>::default();
        let started = runtime.block_on(Server::start(*flags, containers));
        started.map(drop).unwrap_err().to_string()
    };
    let error = refused(&["--authenticate_http_executors".to_owned()]);
    assert!(error.contains("jwt_secret_key"), "{error}");
    let error = refused(&["--authenticate_http_readonly".to_owned()]);
    assert!(error.contains("credentials"), "{error}");
    let error = refused(&["--credential=/no/such/file".to_owned()]);
    assert!(!error.is_empty());
    let error = refused(&[r#"--acls={"view_flags": 1}"#.to_owned()]);
    assert!(!error.is_empty());
}
