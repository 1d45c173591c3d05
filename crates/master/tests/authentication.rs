//! Agents and drivers that prove who they are, or cannot, and drivers that send too fast; over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::io::Write as _;

use auth::cram_md5::{Authenticatee, Next};
use auth::{Credential, Secret};
use master::Server;
use process::{Runtime, Upid};
use proto::{Name, internal, v1};
use serde_json::{Value, json};
use support::peer::{Peer, runtime};
use support::{master, v1 as call};

/// A file of credentials: `agent` and `web`, each with its name and `-secret` as the secret.
fn credentials() -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let list: Vec<Value> = ["agent", "web"]
        .iter()
        .map(|name| json!({"principal": name, "secret": format!("{name}-secret")}))
        .collect();
    file.write_all(json!({ "credentials": list }).to_string().as_bytes())
        .unwrap();
    let flag = format!("--credentials={}", file.path().display());
    (file, flag)
}

/// Tries to prove that `client` is `principal`.
async fn prove(runtime: &Runtime, server: &Server, client: &Upid, principal: &str, secret: &str) -> Next {
    let id = runtime.unique_id("crammd5-authenticatee");
    let mut peer = Peer::new(runtime, &id, server);
    let credential = Credential {
        principal: principal.to_owned(),
        secret: Some(Secret::new(secret.as_bytes())),
    };
    let (mut attempt, request) = Authenticatee::begin(credential, client).unwrap();
    peer.tell(&request);
    loop {
        let (from, name, body) = peer.next().await;
        let next = match name.rsplit_once('.').unwrap().1 {
            "AuthenticationMechanismsMessage" => attempt.mechanisms(&proto::decode(body).unwrap()),
            "AuthenticationStepMessage" => attempt.step(&proto::decode(body).unwrap()),
            "AuthenticationCompletedMessage" => attempt.completed(),
            "AuthenticationFailedMessage" => attempt.failed(),
            _ => attempt.error(&proto::decode(body).unwrap()),
        };
        match next {
            Next::Start(message) => peer.send(&from, &message),
            Next::Step(message) => peer.send(&from, &message),
            end => {
                peer.process.terminate();
                return end;
            }
        }
    }
}

fn registration() -> internal::RegisterSlaveMessage {
    internal::RegisterSlaveMessage {
        slave: v1::AgentInfo {
            hostname: "host".to_owned(),
            ..v1::AgentInfo::default()
        },
        version: Some("1.12.0".to_owned()),
        ..internal::RegisterSlaveMessage::default()
    }
}

async fn agents(server: &Server) -> usize {
    let agents = call(server.address(), &json!({"type": "GET_AGENTS"}))
        .await
        .json();
    agents["get_agents"]["agents"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_registers_once_it_has_proven_itself() {
    let (_file, flag) = credentials();
    let server = master(&[&flag, "--authenticate_agents"]).await;
    let runtime = runtime().await;
    let mut agent = Peer::new(&runtime, "slave(1)", &server);
    let pid = agent.process.upid().clone();
    // Messages of one peer are handled in order, so the first was ignored once the second is answered.
    for (principal, secret) in [("agent", "wrong"), ("nobody", "agent-secret"), ("agent", "")] {
        agent.tell(&registration());
        if secret.is_empty() {
            break;
        }
        assert_eq!(
            prove(&runtime, &server, &pid, principal, secret).await,
            Next::Failed
        );
        assert_eq!(agents(&server).await, 0);
    }
    assert_eq!(
        prove(&runtime, &server, &pid, "agent", "agent-secret").await,
        Next::Completed
    );
    agent.tell(&registration());
    agent.receive::<internal::SlaveRegisteredMessage>().await;
    assert_eq!(agents(&server).await, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_may_not_register_is_not_heard() {
    let nobody = json!({"principals": {"type": "NONE"}, "agents": {"type": "ANY"}});
    let acls = format!("--acls={}", json!({ "register_agents": [nobody] }));
    let server = master(&[&acls]).await;
    let runtime = runtime().await;
    let agent = Peer::new(&runtime, "slave(1)", &server);
    agent.tell(&registration());
    // Its registration came before this, and so was dealt with before it.
    let pid = agent.process.upid().clone();
    assert!(matches!(
        prove(&runtime, &server, &pid, "agent", "agent-secret").await,
        Next::Error(_)
    ));
    assert_eq!(agents(&server).await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_nobody_can_prove_anything_and_need_not() {
    let server = master(&[]).await;
    let runtime = runtime().await;
    let mut agent = Peer::new(&runtime, "slave(1)", &server);
    let pid = agent.process.upid().clone();
    assert_eq!(
        prove(&runtime, &server, &pid, "agent", "agent-secret").await,
        Next::Error("Authentication error: No authenticator loaded".to_owned())
    );
    agent.tell(&registration());
    agent.receive::<internal::SlaveRegisteredMessage>().await;
    server.stop().await;
}

fn framework(principal: Option<&str>) -> internal::RegisterFrameworkMessage {
    internal::RegisterFrameworkMessage {
        framework: v1::FrameworkInfo {
            user: "root".to_owned(),
            name: "driver".to_owned(),
            principal: principal.map(str::to_owned),
            ..v1::FrameworkInfo::default()
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_is_who_it_has_proven_to_be() {
    let (_file, flag) = credentials();
    let server = master(&[&flag, "--authenticate_frameworks"]).await;
    let runtime = runtime().await;
    let mut driver = Peer::new(&runtime, "scheduler-1", &server);
    let pid = driver.process.upid().clone();
    driver.tell(&framework(Some("web")));
    let error = driver.receive::<internal::FrameworkErrorMessage>().await;
    assert_eq!(error.message, format!("Framework at {pid} is not authenticated"));
    assert_eq!(
        prove(&runtime, &server, &pid, "web", "web-secret").await,
        Next::Completed
    );
    driver.tell(&framework(Some("agent")));
    let error = driver.receive::<internal::FrameworkErrorMessage>().await;
    assert_eq!(
        error.message,
        "Framework principal 'agent' does not match authenticated principal 'web'"
    );
    driver.tell(&framework(Some("web")));
    driver.receive::<internal::FrameworkRegisteredMessage>().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_its_time_is_up() {
    let (_file, flag) = credentials();
    let server = master(&[&flag, "--authentication_v0_timeout=50ms"]).await;
    let runtime = runtime().await;
    let mut peer = Peer::new(&runtime, "crammd5-authenticatee(1)", &server);
    let pid = "slave(1)@127.0.0.1:1".to_owned();
    peer.tell(&internal::AuthenticateMessage { pid });
    let (session, name, _) = peer.next().await;
    assert_eq!(name, internal::AuthenticationMechanismsMessage::full_name());
    assert_eq!(session.id(), "crammd5-authenticator-session(1)");
    support::until(async || !server.runtime().is_running(session.id())).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_beyond_its_capacity_is_told() {
    let limits = r#"--rate_limits={"limits": [{"principal": "web", "qps": 0.01, "capacity": 1}]}"#;
    let server = master(&[limits]).await;
    let runtime = runtime().await;
    let mut driver = Peer::new(&runtime, "scheduler-1", &server);
    driver.tell(&framework(Some("web")));
    let registered = driver.receive::<internal::FrameworkRegisteredMessage>().await;
    let revive = internal::ReviveOffersMessage {
        framework_id: registered.framework_id,
        ..internal::ReviveOffersMessage::default()
    };
    // One passes, one waits, the third is too much.
    for _ in 0..3 {
        driver.tell(&revive);
    }
    let error = driver.receive::<internal::FrameworkErrorMessage>().await;
    assert_eq!(
        error.message,
        "Message mesos.internal.ReviveOffersMessage dropped: capacity(1) exceeded"
    );
    // Others are not slowed down by it.
    let mut other = Peer::new(&runtime, "scheduler-2", &server);
    other.tell(&framework(Some("other")));
    let registered = other.receive::<internal::FrameworkRegisteredMessage>().await;
    let unregister = internal::UnregisterFrameworkMessage {
        framework_id: registered.framework_id,
    };
    other.tell(&unregister);
    support::until(async || {
        let frameworks = call(server.address(), &json!({"type": "GET_FRAMEWORKS"}))
            .await
            .json();
        let completed = &frameworks["get_frameworks"]["completed_frameworks"];
        completed.as_array().is_some_and(|completed| completed.len() == 1)
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_driver_gets_its_turn() {
    let limits = r#"--rate_limits={"limits": [{"principal": "web", "qps": 20, "capacity": 10}]}"#;
    let server = master(&[limits]).await;
    let runtime = runtime().await;
    let mut driver = Peer::new(&runtime, "scheduler-1", &server);
    driver.tell(&framework(Some("web")));
    let registered = driver.receive::<internal::FrameworkRegisteredMessage>().await;
    let revive = internal::ReviveOffersMessage {
        framework_id: registered.framework_id.clone(),
        ..internal::ReviveOffersMessage::default()
    };
    for _ in 0..5 {
        driver.tell(&revive);
    }
    driver.tell(&internal::UnregisterFrameworkMessage {
        framework_id: registered.framework_id,
    });
    support::until(async || {
        let frameworks = call(server.address(), &json!({"type": "GET_FRAMEWORKS"}))
            .await
            .json();
        let completed = &frameworks["get_frameworks"]["completed_frameworks"];
        completed.as_array().is_some_and(|completed| completed.len() == 1)
    })
    .await;
    server.stop().await;
}
