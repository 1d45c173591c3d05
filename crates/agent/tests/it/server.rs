//! The whole agent on real sockets and a real disk, with a master and a containerizer that do as they are told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::{Flags, Parsed, Server};
use containerizer::Containerizer;
use process::{Context, Handle, Process, Runtime, Settings, Upid};
use proto::{internal, v1};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::obedient::Obedient;
use crate::support::*;

const BOUND: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("it happens within the bound")
}

enum Heard {
    Registered,
    Reregistered(Box<internal::ReregisterSlaveMessage>),
    Update(Box<internal::StatusUpdate>),
    Unregistered,
}

/// A master that accepts the agent and acknowledges its updates.
struct Master {
    heard: mpsc::UnboundedSender<Heard>,
    agent: Option<Upid>,
}

impl Process for Master {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        let slave_id = || v1::AgentId { value: AGENT.into() };
        let connection = || {
            Some(internal::MasterSlaveConnection {
                total_ping_timeout_seconds: Some(75.0),
            })
        };
        ctx.install(
            move |this: &mut Self, ctx, from, _: internal::RegisterSlaveMessage| {
                this.agent = Some(from.clone());
                ctx.send(
                    from,
                    &internal::SlaveRegisteredMessage {
                        slave_id: slave_id(),
                        connection: connection(),
                    },
                );
                this.heard.send(Heard::Registered).unwrap();
            },
        );
        ctx.install(
            move |this: &mut Self, ctx, from, message: internal::ReregisterSlaveMessage| {
                this.agent = Some(from.clone());
                let reply = internal::SlaveReregisteredMessage {
                    slave_id: slave_id(),
                    reconciliations: Vec::new(),
                    connection: connection(),
                };
                ctx.send(from, &reply);
                this.heard.send(Heard::Reregistered(Box::new(message))).unwrap();
            },
        );
        ctx.install(
            move |this: &mut Self, ctx, from, message: internal::StatusUpdateMessage| {
                let acknowledgement = internal::StatusUpdateAcknowledgementMessage {
                    slave_id: slave_id(),
                    framework_id: message.update.framework_id.clone(),
                    task_id: message.update.status.task_id.clone(),
                    uuid: message.update.uuid.clone().unwrap(),
                };
                ctx.send(from, &acknowledgement);
                this.heard.send(Heard::Update(Box::new(message.update))).unwrap();
            },
        );
        ctx.install(
            move |this: &mut Self, _, _, _: internal::UnregisterSlaveMessage| {
                this.heard.send(Heard::Unregistered).unwrap();
            },
        );
    }
}

pub(crate) struct Cluster {
    master: Handle<Master>,
    heard: mpsc::UnboundedReceiver<Heard>,
    pub(crate) containers: Arc<Obedient>,
    folder: tempfile::TempDir,
    _runtime: Runtime,
}

impl Cluster {
    pub(crate) async fn start() -> (Self, Server) {
        Self::start_with(&[]).await
    }

    /// With more flags.
    pub(crate) async fn start_with(flags: &[String]) -> (Self, Server) {
        let runtime = Runtime::start(Settings::loopback(0)).await.unwrap();
        let (sender, heard) = mpsc::unbounded_channel();
        let master = runtime
            .spawn(
                "master",
                Master {
                    heard: sender,
                    agent: None,
                },
            )
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cluster = Self {
            master,
            heard,
            containers: Arc::default(),
            folder,
            _runtime: runtime,
        };
        let server = cluster.agent_with(0, flags).await;
        (cluster, server)
    }

    async fn agent_with(&self, port: u16, flags: &[String]) -> Server {
        let args = [
            format!("--master={}", self.master.upid().address()),
            format!("--work_dir={}", self.folder.path().display()),
            format!("--port={port}"),
            "--ip=127.0.0.1".to_owned(),
            "--registration_backoff_factor=1ms".to_owned(),
            "--resources=cpus:4;mem:4096;disk:10000;ports:[31000-32000]".to_owned(),
            "--attributes=rack:r1;zone:z1;level:10;range:[1-5]".to_owned(),
        ];
        let args = args.into_iter().chain(flags.iter().cloned());
        let Parsed::Run(flags) = Flags::parse(args, Vec::<(String, String)>::new()).unwrap() else {
            panic!()
        };
        let server = Server::start(*flags, Arc::clone(&self.containers) as Arc<dyn Containerizer>)
            .await
            .unwrap();
        soon(server.registered()).await;
        server
    }

    async fn next(&mut self) -> Heard {
        soon(self.heard.recv()).await.unwrap()
    }

    pub(crate) async fn next_update(&mut self) -> internal::StatusUpdate {
        loop {
            if let Heard::Update(update) = self.next().await {
                return *update;
            }
        }
    }

    pub(crate) fn tell<M: process::Typed>(&self, message: M) {
        self.master
            .dispatch(move |this, ctx| ctx.send(this.agent.as_ref().unwrap(), &message));
    }
}

/// A response to a request made by hand.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) async fn request(server: &Server, text: String) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    soon(stream.read_to_end(&mut all)).await.unwrap();
    let all = String::from_utf8(all).unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) async fn get(server: &Server, path: &str) -> Answer {
    request(
        server,
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    )
    .await
}

pub(crate) fn posted(path: &str, body: &Value) -> String {
    let body = body.to_string();
    let head = "Host: a\r\nContent-Type: application/json\r\nAccept: application/json\r\n";
    format!(
        "POST {path} HTTP/1.1\r\n{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) async fn post(server: &Server, path: &str, body: Value) -> Answer {
    request(server, posted(path, &body)).await
}

/// An executor's event stream.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    pub(crate) async fn subscribe(server: &Server, unacknowledged: Value) -> Self {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let call = json!({
            "type": "SUBSCRIBE",
            "executor_id": {"value": "exec1"},
            "framework_id": {"value": FRAMEWORK},
            "subscribe": unacknowledged,
        });
        stream
            .write_all(posted("/slave(1)/api/v1/executor", &call).as_bytes())
            .await
            .unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        soon(reader.read_line(&mut line)).await.unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            soon(reader.read_line(&mut line)).await.unwrap();
        }
        Self(reader)
    }

    /// The next event: one chunk, one record.
    pub(crate) async fn next(&mut self) -> Value {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        soon(self.0.read_exact(&mut chunk)).await.unwrap();
        let text = String::from_utf8(chunk).unwrap();
        let (head, record) = text.trim_end().split_once('\n').unwrap();
        assert_eq!(head.parse::<usize>().unwrap(), record.len());
        serde_json::from_str(record).unwrap()
    }
}

fn update(state: &str, uuid: &str) -> Value {
    json!({
        "type": "UPDATE",
        "executor_id": {"value": "exec1"},
        "framework_id": {"value": FRAMEWORK},
        "update": {"status": {
            "task_id": {"value": "exec1"}, "state": state, "source": "SOURCE_EXECUTOR", "uuid": uuid,
        }},
    })
}

const UUID_1: &str = "AQEBAQEBAQEBAQEBAQEBAQ==";
const UUID_2: &str = "AgICAgICAgICAgICAgICAg==";

fn count(folder: &Path, name: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => count(&entry.path(), name),
            _ => usize::from(entry.file_name() == name),
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_lives_through_a_restart_of_its_agent() {
    let (mut cluster, server) = Cluster::start().await;
    assert!(matches!(cluster.next().await, Heard::Registered));
    cluster.tell(checkpointing(run_task()));
    soon(async {
        while cluster.containers.launched.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut events = Events::subscribe(&server, json!({})).await;
    assert_eq!(events.next().await["type"], "SUBSCRIBED");
    assert_eq!(events.next().await["launch"]["task"]["task_id"]["value"], "exec1");
    assert_eq!(
        post(&server, "/api/v1/executor", update("TASK_RUNNING", UUID_1))
            .await
            .status,
        202
    );
    let acknowledged = events.next().await;
    assert_eq!(
        (&acknowledged["type"], &acknowledged["acknowledged"]["uuid"]),
        (&json!("ACKNOWLEDGED"), &json!(UUID_1))
    );
    assert_eq!(
        count(cluster.folder.path(), "task.updates"),
        1,
        "it was on disk before it was acknowledged"
    );
    let forwarded = cluster.next_update().await;
    assert_eq!(
        forwarded.status.container_status.unwrap().executor_pid,
        Some(4242)
    );
    let state = get(&server, "/state").await;
    let state: Value = serde_json::from_str(&state.body).unwrap();
    assert_eq!(
        state["frameworks"][0]["executors"][0]["tasks"][0]["state"],
        "TASK_RUNNING"
    );

    let port = server.address().port();
    server.stop().await;
    let server = cluster.agent_later(port).await;
    let mut events = Events::subscribe(&server, json!({})).await;
    assert_eq!(events.next().await["type"], "SUBSCRIBED");
    soon(server.registered()).await;
    let Heard::Reregistered(message) = cluster.next().await else {
        panic!("it has an id")
    };
    assert_eq!(message.tasks[0].state(), v1::TaskState::TaskRunning);
    assert_eq!(
        post(&server, "/api/v1/executor", update("TASK_FINISHED", UUID_2))
            .await
            .status,
        202
    );
    assert_eq!(
        cluster.next_update().await.status.state(),
        v1::TaskState::TaskFinished
    );
    assert!(cluster.containers.end(&cluster.containers.only(), 0));
    soon(async {
        while count(cluster.folder.path(), "executor.sentinel") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.shutdown().await;
    assert!(matches!(cluster.next().await, Heard::Unregistered));
    assert!(!cluster.folder.path().join("meta/slaves/latest").exists());
}

impl Cluster {
    /// Starts an agent that cannot register before its executor is back.
    async fn agent_later(&self, port: u16) -> Server {
        let args = [
            format!("--master={}", self.master.upid().address()),
            format!("--work_dir={}", self.folder.path().display()),
            format!("--port={port}"),
            "--ip=127.0.0.1".to_owned(),
            "--registration_backoff_factor=1ms".to_owned(),
            "--executor_reregistration_timeout=15secs".to_owned(),
            "--resources=cpus:4;mem:4096;disk:10000;ports:[31000-32000]".to_owned(),
            "--attributes=rack:r1;zone:z1;level:10;range:[1-5]".to_owned(),
        ];
        let start = async || {
            let parsed = Flags::parse(args.clone(), Vec::<(String, String)>::new());
            let Parsed::Run(flags) = parsed.unwrap() else {
                panic!()
            };
            Server::start(*flags, Arc::clone(&self.containers) as Arc<dyn Containerizer>).await
        };
        // Another test may have been given the port meanwhile; it does not keep it for long.
        let server = soon(async {
            loop {
                match start().await {
                    Ok(server) => return server,
                    Err(error) => assert!(format!("{error:?}").contains("AddrInUse"), "{error}"),
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        soon(async {
            loop {
                let call = json!({
                    "type": "HEARTBEAT", "executor_id": {"value": "unused"}, "framework_id": {"value": "unused"},
                });
                if post(&server, "/api/v1/executor", call).await.status == 202 {
                    return;
                }
            }
        })
        .await;
        server
    }
}

/// The paths of all values in a JSON document, with their kinds; elements of lists share a path.
fn shape_of(value: &Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            items
                .iter()
                .for_each(|item| shape_of(item, &format!("{path}[]"), found));
            "list"
        }
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, field)| shape_of(field, &format!("{path}.{name}"), found));
            "object"
        }
    };
    found.insert(format!("{path} {kind}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_agent_answers_as_recorded() {
    let (_cluster, server) = Cluster::start().await;
    let recordings: Value = serde_json::from_slice(&read_golden("empty-agent-http.json")).unwrap();
    for (name, recorded) in recordings.as_object().unwrap() {
        let answer = match name.split_once(' ') {
            Some((_, path)) => get(&server, path).await,
            None => {
                let body = if name == "GET_METRICS" {
                    json!({"type": name, "get_metrics": {}})
                } else {
                    json!({"type": name})
                };
                post(&server, "/api/v1", body).await
            }
        };
        assert_eq!(
            json!(answer.status),
            recorded["status"],
            "{name}: {}",
            answer.body
        );
        let Ok(body) = serde_json::from_str::<Value>(&answer.body) else {
            assert_eq!(json!(answer.body), recorded["text"], "{name}");
            continue;
        };
        if name == "GET_METRICS" {
            let names = |body: &Value| -> std::collections::BTreeSet<String> {
                let metrics = body["get_metrics"]["metrics"].as_array().unwrap();
                metrics
                    .iter()
                    .map(|metric| metric["name"].as_str().unwrap().to_owned())
                    .collect()
            };
            let missing: Vec<String> = names(&recorded["json"])
                .difference(&names(&body))
                .cloned()
                .collect();
            assert!(
                missing
                    .iter()
                    .all(|name| !name.starts_with("slave/") && !name.starts_with("gc/")),
                "{missing:?}"
            );
            continue;
        }
        let (mut ours, mut theirs) = Default::default();
        shape_of(&body, "", &mut ours);
        shape_of(&recorded["json"], "", &mut theirs);
        // Flags that were given there and not here, or that name builds.
        let optional = |path: &&String| !path.contains("git_") && !path.contains(".flags");
        let differ: Vec<_> = ours.symmetric_difference(&theirs).filter(optional).collect();
        assert!(differ.is_empty(), "{name}: {differ:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_what_is_wrong() {
    let (_cluster, server) = Cluster::start().await;
    let unknown = post(&server, "/api/v1", json!({"type": "NO_SUCH"})).await;
    assert_eq!(
        (unknown.status, unknown.body.as_str()),
        (
            400,
            "Failed to validate agent::Call: Expecting 'type' to be present"
        )
    );
    let id = json!({"value": "c", "parent": {"value": "p"}});
    let wait = json!({"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": {"container_id": id}});
    let wait = post(&server, "/api/v1", wait).await;
    assert_eq!(
        (wait.status, wait.body.as_str()),
        (404, "Container p.c cannot be found")
    );
    let executor = json!({
        "type": "SUBSCRIBE", "subscribe": {}, "executor_id": {"value": "e"}, "framework_id": {"value": "f"},
    });
    let executor = post(&server, "/api/v1/executor", executor).await;
    assert_eq!(
        (executor.status, executor.body.as_str()),
        (400, "Framework cannot be found")
    );
    assert_eq!(get(&server, "/api/v1/executor").await.status, 405);
    let launch = post(&server, "/api/v1", json!({"type": "LAUNCH_CONTAINER"})).await;
    assert_eq!(
        (launch.status, launch.body.as_str()),
        (
            400,
            "Failed to validate agent::Call: Expecting 'launch_container' to be present"
        )
    );
    let staging = post(&server, "/api/v1/executor", update("TASK_STAGING", UUID_1)).await;
    assert_eq!(staging.status, 400, "{}", staging.body);
    let short = post(&server, "/api/v1/executor", update("TASK_RUNNING", "AQE=")).await;
    assert_eq!(short.status, 400, "{}", short.body);
}
