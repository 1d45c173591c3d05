//! Nested and standalone containers over the agent API, and their streams.

use agent::Server;
use bytes::{Bytes, BytesMut};
use proto::v1::agent::call::{AttachContainerInput, Type as CallType, attach_container_input};
use proto::v1::agent::process_io::{Data, Type as IoType, data};
use proto::v1::agent::{Call, ProcessIo};
use proto::{ContentType, v1};
use recordio::{Decoder, Limits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Answer, Cluster, post, soon};
use crate::support::*;

/// An agent with the container of an executor.
pub(crate) async fn started() -> (Cluster, Server, Value) {
    let flags = ["--http_heartbeat_interval=50ms".to_owned()];
    let (cluster, server) = Cluster::start_with(&flags).await;
    cluster.tell(run_task());
    soon(async {
        while cluster.containers.launched.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let child = json!({"value": "child", "parent": {"value": cluster.containers.only()}});
    (cluster, server, child)
}

async fn call(server: &Server, kind: &str, part: Value) -> Answer {
    let name = kind.to_lowercase();
    post(server, "/api/v1", json!({"type": kind, name: part})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_container_from_launch_to_removal() {
    let (cluster, server, child) = started().await;
    let root = cluster.containers.only();
    let launch = json!({"container_id": child, "command": {"value": "true", "user": "root"}});
    let answer = call(&server, "LAUNCH_NESTED_CONTAINER", launch.clone()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(
        call(&server, "LAUNCH_CONTAINER", launch).await.status,
        202,
        "it is there already"
    );
    let config = cluster.containers.launched.lock().last().cloned().unwrap();
    assert_eq!((config.command.value(), config.standalone), ("true", false));
    assert_eq!(config.user.as_deref(), Some("root"));

    let shown = call(&server, "GET_CONTAINERS", json!({})).await;
    let shown: Value = serde_json::from_str(&shown.body).unwrap();
    assert_eq!(shown["get_containers"]["containers"].as_array().unwrap().len(), 1);
    let shown = call(&server, "GET_CONTAINERS", json!({"show_nested": true})).await;
    let shown: Value = serde_json::from_str(&shown.body).unwrap();
    let nested = &shown["get_containers"]["containers"][1];
    assert_eq!(nested["container_id"], json!({"value": "child"}));
    assert_eq!(nested["container_status"]["container_id"], child);
    assert_eq!(nested.get("executor_id"), None);

    let part = json!({"container_id": child});
    let early = call(&server, "REMOVE_CONTAINER", part.clone()).await;
    assert_eq!(
        (early.status, early.body.as_str()),
        (500, "Nested container has not terminated yet")
    );
    let kill = json!({"container_id": child, "signal": 15});
    assert_eq!(call(&server, "KILL_NESTED_CONTAINER", kill).await.status, 200);
    let waited = call(&server, "WAIT_NESTED_CONTAINER", part.clone()).await;
    assert_eq!(
        serde_json::from_str::<Value>(&waited.body).unwrap(),
        json!({"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": {"exit_status": 15}})
    );
    let waited = call(&server, "WAIT_CONTAINER", part.clone()).await;
    assert_eq!(
        serde_json::from_str::<Value>(&waited.body).unwrap(),
        json!({"type": "WAIT_CONTAINER", "wait_container": {"exit_status": 15}})
    );
    assert_eq!(
        call(&server, "REMOVE_NESTED_CONTAINER", part.clone())
            .await
            .status,
        200
    );
    let gone = call(&server, "WAIT_CONTAINER", part.clone()).await;
    assert_eq!(
        (gone.status, gone.body),
        (404, format!("Container {root}.child cannot be found"))
    );
    let gone = call(&server, "KILL_CONTAINER", part).await;
    assert_eq!(
        (gone.status, gone.body),
        (
            404,
            format!("Container '{root}.child' cannot be found (or is already killed)")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn standalone_containers_have_a_sandbox_of_their_own() {
    let (cluster, server, _) = started().await;
    let id = json!({"value": "alone"});
    let launch = json!({"container_id": id, "command": {"value": "true"}, "resources": []});
    assert_eq!(call(&server, "LAUNCH_CONTAINER", launch).await.status, 200);
    let config = cluster.containers.launched.lock().last().cloned().unwrap();
    assert!(config.standalone);
    assert!(config.directory.ends_with("containers/alone"), "{config:?}");
    assert!(config.environment.is_empty());
    let shown = call(&server, "GET_CONTAINERS", json!({"show_standalone": true})).await;
    let shown: Value = serde_json::from_str(&shown.body).unwrap();
    assert_eq!(shown["get_containers"]["containers"][1]["container_id"], id);
    let child = json!({"value": "c", "parent": {"value": "nobody"}});
    let orphan = call(&server, "LAUNCH_CONTAINER", json!({"container_id": child})).await;
    assert_eq!(
        (orphan.status, orphan.body.as_str()),
        (400, "Parent container nobody does not exist")
    );
    let attach = call(&server, "ATTACH_CONTAINER_OUTPUT", json!({"container_id": id})).await;
    assert_eq!(attach.status, 404, "standalone containers cannot be attached to");
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_of_ended_containers_are_collected_if_so_configured() {
    let flags = [
        "--gc_non_executor_container_sandboxes".to_owned(),
        "--gc_delay=1ms".to_owned(),
        "--disk_watch_interval=20ms".to_owned(),
    ];
    let (cluster, server) = Cluster::start_with(&flags).await;
    let id = json!({"value": "alone"});
    let launch = json!({"container_id": id, "command": {"value": "true"}});
    assert_eq!(call(&server, "LAUNCH_CONTAINER", launch).await.status, 200);
    let sandbox = cluster.containers.launched.lock()[0].directory.clone();
    assert!(sandbox.exists());
    let kill = json!({"container_id": id});
    assert_eq!(call(&server, "KILL_CONTAINER", kill).await.status, 200);
    soon(async {
        while sandbox.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_about_a_nested_container_tells_its_pid() {
    let (mut cluster, server, child) = started().await;
    let launch = json!({"container_id": child, "command": {"value": "true"}});
    assert_eq!(call(&server, "LAUNCH_CONTAINER", launch).await.status, 200);
    let mut events = crate::server::Events::subscribe(&server, json!({})).await;
    assert_eq!(events.next().await["type"], "SUBSCRIBED");
    assert_eq!(events.next().await["type"], "LAUNCH");
    let update = json!({
        "type": "UPDATE", "executor_id": {"value": "exec1"}, "framework_id": {"value": FRAMEWORK},
        "update": {"status": {
            "task_id": {"value": "exec1"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR",
            "uuid": "AAAAAAAAAAAAAAAAAAAAAA==", "container_status": {"container_id": child},
        }},
    });
    assert_eq!(post(&server, "/api/v1/executor", update).await.status, 202);
    let status = cluster.next_update().await.status.container_status.unwrap();
    assert_eq!(status.executor_pid, Some(4242));
    assert_eq!(status.container_id.unwrap().value, "child");
    assert_eq!(status.network_infos.len(), 1);
}

/// A connection on which records come back.
pub(crate) struct Stream {
    socket: TcpStream,
    head: String,
    raw: BytesMut,
    body: Bytes,
    decoder: Decoder,
}

impl Stream {
    pub(crate) async fn open(server: &Server, headers: &str, body: &Value) -> Self {
        let body = body.to_string();
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "POST /api/v1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all((head + &body).as_bytes()).await.unwrap();
        let mut raw = BytesMut::new();
        let at = loop {
            if let Some(at) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert_ne!(soon(socket.read_buf(&mut raw)).await.unwrap(), 0);
        };
        let head = String::from_utf8(raw.split_to(at + 4).to_vec()).unwrap();
        Self {
            socket,
            head,
            raw,
            body: Bytes::new(),
            decoder: Decoder::new(Limits::default()),
        }
    }

    /// The next record of the chunked body; none at its end.
    async fn record(&mut self) -> Option<Bytes> {
        loop {
            if let Some(record) = self.decoder.decode(&mut self.body).unwrap() {
                return Some(record);
            }
            self.body = self.chunk().await?;
        }
    }

    async fn next(&mut self) -> Option<Value> {
        let record = self.record().await?;
        Some(serde_json::from_slice(&record).unwrap())
    }

    async fn chunk(&mut self) -> Option<Bytes> {
        let at = loop {
            if let Some(at) = self.raw.windows(2).position(|window| window == b"\r\n") {
                break at;
            }
            self.more().await;
        };
        let line = self.raw.split_to(at + 2);
        let length = usize::from_str_radix(std::str::from_utf8(&line[..at]).unwrap(), 16).unwrap();
        while self.raw.len() < length + 2 {
            self.more().await;
        }
        let chunk = self.raw.split_to(length + 2).freeze().slice(..length);
        (length > 0).then_some(chunk)
    }

    async fn more(&mut self) {
        assert_ne!(soon(self.socket.read_buf(&mut self.raw)).await.unwrap(), 0);
    }

    /// The next record that is not a heartbeat.
    async fn data(&mut self) -> Option<Value> {
        loop {
            let record = self.next().await?;
            if record["type"] == "DATA" {
                return Some(record);
            }
            assert_eq!(record["control"]["type"], "HEARTBEAT");
            assert_eq!(
                record["control"]["heartbeat"]["interval"]["nanoseconds"],
                50_000_000
            );
        }
    }
}

pub(crate) fn record(call: &Value) -> Vec<u8> {
    let text = call.to_string();
    let record = format!("{}\n{text}", text.len());
    format!("{:x}\r\n{record}\r\n", record.len()).into_bytes()
}

const INPUT: &str = "POST /api/v1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/recordio\r\n\
                     Message-Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

pub(crate) fn input(kind: &str, name: &str, part: Value) -> Value {
    json!({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": {"type": kind, name: part}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_shows_its_output_takes_input_and_ends_with_its_reader() {
    let (cluster, server, child) = started().await;
    let key = format!("{}.child", cluster.containers.only());
    let launch = json!({"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": {
        "container_id": child, "command": {"value": "cat"},
    }});
    let accept = "Accept: application/recordio\r\nMessage-Accept: application/json\r\n";
    let mut session = Stream::open(&server, accept, &launch).await;
    let head = session.head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: application/recordio"), "{head}");
    assert!(head.contains("message-content-type: application/json"), "{head}");
    assert_eq!(session.next().await.unwrap()["type"], "CONTROL", "a heartbeat");
    let config = cluster.containers.launched.lock().last().cloned().unwrap();
    assert_eq!(config.class, containerizer::ContainerClass::Debug);

    let mut typed = TcpStream::connect(server.address()).await.unwrap();
    typed.write_all(INPUT.as_bytes()).await.unwrap();
    let first = input("CONTAINER_ID", "container_id", child.clone());
    typed.write_all(&record(&first)).await.unwrap();
    for word in ["aGk=", "eW91"] {
        let io = json!({"type": "DATA", "data": {"type": "STDIN", "data": word}});
        typed
            .write_all(&record(&input("PROCESS_IO", "process_io", io)))
            .await
            .unwrap();
        let echo = session.data().await.unwrap();
        assert_eq!(echo["data"], json!({"type": "STDOUT", "data": word}));
    }
    typed.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon(typed.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    assert!(!cluster.containers.ended(&key), "the end of input is not its end");

    drop(session);
    soon(async {
        while !cluster.containers.ended(&key) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A chunk with a record in it.
fn framed(kind: ContentType, call: &Call) -> Vec<u8> {
    let message = kind.encode(call);
    let mut chunk = format!("{}\n", message.len()).into_bytes();
    chunk.extend_from_slice(&message);
    let mut framed = format!("{:x}\r\n", chunk.len()).into_bytes();
    framed.extend_from_slice(&chunk);
    framed.extend_from_slice(b"\r\n");
    framed
}

fn attached(part: AttachContainerInput) -> Call {
    Call {
        r#type: Some(CallType::AttachContainerInput as i32),
        attach_container_input: Some(part),
        ..Call::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_in_the_encoding_that_was_asked_for_with_either_content_type() {
    let (cluster, server, _) = started().await;
    let root = cluster.containers.only();
    let (json_type, protobuf_type) = ("application/json", "application/x-protobuf");
    for (number, typed_in, accept, shown_as, kind) in [
        (
            0,
            ContentType::Json,
            "Accept: application/recordio\r\n".to_owned(),
            "application/recordio",
            ContentType::Json,
        ),
        (
            1,
            ContentType::Protobuf,
            format!("Accept: application/recordio\r\nMessage-Accept: {protobuf_type}\r\n"),
            "application/recordio",
            ContentType::Protobuf,
        ),
        (
            2,
            ContentType::Protobuf,
            format!("Accept: {protobuf_type}\r\n"),
            protobuf_type,
            ContentType::Protobuf,
        ),
        (3, ContentType::Json, String::new(), json_type, ContentType::Json),
    ] {
        let id = v1::ContainerId {
            value: format!("child-{number}"),
            parent: Some(Box::new(v1::ContainerId {
                value: root.clone(),
                parent: None,
            })),
        };
        let launch = json!({"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": {
            "container_id": {"value": id.value, "parent": {"value": root}}, "command": {"value": "cat"},
        }});
        let mut session = Stream::open(&server, &accept, &launch).await;
        let head = session.head.to_ascii_lowercase();
        assert!(
            head.contains(&format!("\r\ncontent-type: {shown_as}\r\n")),
            "{number}: {head}"
        );
        let within = head.contains(&format!("message-content-type: {kind}"));
        assert_eq!(within, shown_as == "application/recordio", "{number}: {head}");

        let head = INPUT.replace(
            "Message-Content-Type: application/json",
            &format!("Message-Content-Type: {typed_in}"),
        );
        // A peer that vanishes in the middle of a record is none that has said anything.
        let mut cut = TcpStream::connect(server.address()).await.unwrap();
        let first = framed(
            typed_in,
            &attached(AttachContainerInput {
                r#type: Some(attach_container_input::Type::ContainerId as i32),
                container_id: Some(id.clone()),
                process_io: None,
            }),
        );
        cut.write_all(head.as_bytes()).await.unwrap();
        cut.write_all(&first[..first.len() / 2]).await.unwrap();
        drop(cut);

        let mut typed = TcpStream::connect(server.address()).await.unwrap();
        typed.write_all(head.as_bytes()).await.unwrap();
        typed.write_all(&first).await.unwrap();
        let io = ProcessIo {
            r#type: Some(IoType::Data as i32),
            data: Some(Data {
                r#type: Some(data::Type::Stdin as i32),
                data: Some(Bytes::from_static(b"\xff\0hi")),
            }),
            control: None,
        };
        let call = attached(AttachContainerInput {
            r#type: Some(attach_container_input::Type::ProcessIo as i32),
            container_id: None,
            process_io: Some(io),
        });
        typed.write_all(&framed(typed_in, &call)).await.unwrap();
        let echo = loop {
            let record = session.record().await.unwrap();
            let record: ProcessIo = kind.decode(record).unwrap();
            if let Some(data) = record.data {
                break data;
            }
        };
        assert_eq!(echo.r#type(), data::Type::Stdout, "{number}");
        assert_eq!(echo.data.as_deref(), Some(&b"\xff\0hi"[..]), "{number}");
    }
}
