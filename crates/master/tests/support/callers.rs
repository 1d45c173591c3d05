//! Callers with names, and masters that want to know them.

use std::io::Write as _;
use std::net::SocketAddr;

use master::Server;
use serde_json::{Value, json};

use super::{Answer, JSON, Stream, http, master, subscribe, until};

/// A file of credentials: each principal with its name and `-secret` as the secret.
fn credentials(principals: &[String]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let list: Vec<Value> = principals
        .iter()
        .map(|name| json!({"principal": name, "secret": format!("{name}-secret")}))
        .collect();
    file.write_all(json!({ "credentials": list }).to_string().as_bytes())
        .unwrap();
    file
}

/// The header that proves a principal.
pub(crate) fn basic(name: &str) -> String {
    use base64::Engine as _;
    let pair = format!("{name}:{name}-secret");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

const CLOSED: &[&str] = &[
    "--authenticate_http_readonly",
    "--authenticate_http_readwrite",
    "--authenticate_http_frameworks",
    "--http_framework_authenticators=basic",
];

/// The same, without flags of its own.
pub(crate) async fn closed(acls: Option<&Value>) -> (tempfile::NamedTempFile, Server) {
    closed_with(acls, &[]).await
}

/// A master that knows `ops`, `eve` and `web`, with these rules and flags.
pub(crate) async fn closed_with(acls: Option<&Value>, more: &[&str]) -> (tempfile::NamedTempFile, Server) {
    closed_to(&["ops", "eve", "web"].map(str::to_owned), acls, more).await
}

/// A master that knows these principals, `ops` among them.
pub(crate) async fn closed_to(
    principals: &[String],
    acls: Option<&Value>,
    more: &[&str],
) -> (tempfile::NamedTempFile, Server) {
    let file = credentials(principals);
    let mut flags = [CLOSED, more].concat();
    let path = format!("--credentials={}", file.path().display());
    flags.push(&path);
    let acls = acls.map(|acls| format!("--acls={acls}"));
    flags.extend(acls.as_deref());
    let server = master(&flags).await;
    let to = server.address();
    until(async || operate(to, "ops", &json!({"type": "GET_HEALTH"})).await.status == 200).await;
    (file, server)
}

/// A request of somebody; of nobody with an empty name.
pub(crate) async fn ask(to: SocketAddr, name: &str, method: &str, path: &str, body: &[u8]) -> Answer {
    let authorization = basic(name);
    let mut headers = JSON.to_vec();
    if !name.is_empty() {
        headers.push(("authorization", &authorization));
    }
    http(to, method, path, &headers, body).await
}

/// A GET of somebody.
pub(crate) async fn get(to: SocketAddr, name: &str, path: &str) -> Answer {
    ask(to, name, "GET", path, b"").await
}

/// A call of the operator API of somebody.
pub(crate) async fn operate(to: SocketAddr, name: &str, call: &Value) -> Answer {
    ask(to, name, "POST", "/api/v1", call.to_string().as_bytes()).await
}

/// A framework of `web` whose tasks run as `user`.
pub(crate) struct Scheduler {
    pub(crate) id: Value,
    pub(crate) stream_id: String,
    pub(crate) events: Stream,
}

/// Subscribes a framework.
pub(crate) async fn framework(to: SocketAddr, principal: &str, name: &str, user: &str) -> Scheduler {
    let info = json!({"user": user, "name": name, "principal": principal});
    let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
    let authorization = basic(principal);
    let headers = [JSON[0], JSON[1], ("authorization", &authorization)];
    let (answer, mut events) = subscribe(to, "/api/v1/scheduler", &headers, &call).await;
    assert_eq!(answer.status, 200);
    let subscribed = events.event().await.unwrap();
    Scheduler {
        id: subscribed["subscribed"]["framework_id"].clone(),
        stream_id: answer.header("mesos-stream-id").unwrap().to_owned(),
        events,
    }
}
