//! Calls to an agent that speaks TLS.

use process::http::{Request, Response};
use process::{Context, Process, Runtime, Settings, tls};
use proto::v1::{ExecutorId, FrameworkId};

use super::*;

/// Takes every call.
struct Agent;

impl Process for Agent {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.route("/api/v1/executor", |_, _, request: Request| {
            assert_eq!(request.body, "call");
            Response::accepted()
        });
    }
}

#[tokio::test]
async fn calls_go_by_tls_where_the_environment_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut settings = Settings::loopback(0);
    settings.environment.tls = Some(tls::Settings::new(&cert, &key));
    let runtime = Runtime::start(settings).await.unwrap();
    runtime.spawn("slave(1)", Agent).unwrap();

    let vars = |name: &str| match name {
        "MESOS_AGENT_ENDPOINT" => Some(runtime.address().to_string()),
        "MESOS_FRAMEWORK_ID" | "MESOS_EXECUTOR_ID" => Some("x".to_owned()),
        "LIBPROCESS_SSL_ENABLED" => Some("1".to_owned()),
        "LIBPROCESS_SSL_CERT_FILE" => Some(cert.display().to_string()),
        "LIBPROCESS_SSL_KEY_FILE" => Some(key.display().to_string()),
        _ => None,
    };
    let config = Config::from_vars(vars).unwrap();
    config.clock.drive(&tokio::runtime::Handle::current());
    let mut connection = Connection::open(&config).await.unwrap();
    let answer = connection
        .post(&config, Bytes::from_static(b"call"))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);

    // In plain text there is no answer.
    let id = |value: &str| value.to_owned();
    let plain = Config::new(
        runtime.address().to_string(),
        FrameworkId { value: id("x") },
        ExecutorId { value: id("x") },
    );
    let mut connection = Connection::open(&plain).await.unwrap();
    assert!(
        connection
            .post(&plain, Bytes::from_static(b"call"))
            .await
            .is_err()
    );
}
