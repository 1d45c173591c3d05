//! A master on a port of its own, and a client that sees every byte.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

pub(crate) mod callers;
pub(crate) mod peer;

use std::net::SocketAddr;
use std::time::Duration;

use master::{Flags, Parsed, Server};
use process::{Context, Process, Upid};
use proto::internal::{RegisterSlaveMessage, SlaveRegisteredMessage};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a master on any port of 127.0.0.1, with its registry in memory; flags come on top.
pub(crate) async fn master(flags: &[&str]) -> Server {
    master_with(&[&["--registry=in_memory"], flags].concat()).await
}

/// The same, with the registry that the flags say.
pub(crate) async fn master_with(flags: &[&str]) -> Server {
    let usual = ["--ip=127.0.0.1", "--port=0", "--hostname=localhost"];
    let args = usual.iter().chain(flags).map(|flag| (*flag).to_owned());
    let Parsed::Run(flags) = Flags::parse(args, []).unwrap() else {
        panic!("not to be run")
    };
    started(*flags).await
}

/// A master with flags that no command line can say.
pub(crate) async fn started(flags: Flags) -> Server {
    let server = Server::start(flags).await.unwrap();
    // It answers 503 until it has read its registry.
    let call = json!({"type": "GET_HEALTH"});
    // Where callers must prove who they are, an answer of that kind comes before any other: ask what nobody need.
    until(async || {
        let status = v1(server.address(), &call).await.status;
        status == 200 || (status == 401 && is_recovered(server.address()).await)
    })
    .await;
    server
}

/// Whether the registry has been read, told by an endpoint that asks for no proof.
async fn is_recovered(to: SocketAddr) -> bool {
    http(to, "GET", "/redirect", &[], b"").await.status == 307
}

/// Waits for a condition, with a bound.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the condition did not come true in time");
}

/// Speaks as an agent on the host `here`: registers, and tells its id.
pub(crate) struct Agent {
    pub(crate) master: Upid,
    pub(crate) registered: mpsc::UnboundedSender<String>,
}

impl Process for Agent {
    fn initialize(&mut self, context: &mut Context<Self>) {
        context.install(|this: &mut Self, _, _, message: SlaveRegisteredMessage| {
            this.registered.send(message.slave_id.value).unwrap();
        });
        let slave = proto::v1::AgentInfo {
            hostname: "here".to_owned(),
            port: Some(5051),
            resources: resources::Resources::parse("cpus:4;mem:1024").unwrap().to_proto(),
            ..proto::v1::AgentInfo::default()
        };
        let version = "1.12.0".to_owned();
        let register = RegisterSlaveMessage {
            slave,
            version: Some(version),
            ..RegisterSlaveMessage::default()
        };
        context.send(&self.master, &register);
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One request on a connection of its own.
pub(crate) async fn http(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let work = async {
        let mut stream = open(
            to,
            method,
            path,
            headers,
            body,
            TcpStream::connect(to).await.unwrap(),
        )
        .await;
        let mut answer = stream.head().await;
        answer.body = match answer.header("content-length") {
            Some(length) if method != "HEAD" => {
                let mut body = vec![0; length.parse().unwrap()];
                stream.reader.read_exact(&mut body).await.unwrap();
                body
            }
            _ => Vec::new(),
        };
        if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = stream.chunk().await {
                answer.body.extend(chunk);
            }
        }
        answer
    };
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("no answer in time")
}

/// A call of the operator API in JSON.
pub(crate) async fn v1(to: SocketAddr, call: &Value) -> Answer {
    http(to, "POST", "/api/v1", JSON, call.to_string().as_bytes()).await
}

pub(crate) const JSON: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("accept", "application/json"),
];

/// A connection that reads an answer piece by piece.
pub(crate) struct Stream {
    pub(crate) reader: BufReader<TcpStream>,
}

/// Sends a request on a connection.
pub(crate) async fn open(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    mut stream: TcpStream,
) -> Stream {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    Stream {
        reader: BufReader::new(stream),
    }
}

/// Opens a stream of events, with a small receive buffer.
pub(crate) async fn subscribe(
    to: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    call: &Value,
) -> (Answer, Stream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let connection = socket.connect(to).await.unwrap();
    let mut stream = open(to, "POST", path, headers, call.to_string().as_bytes(), connection).await;
    let answer = stream.head().await;
    (answer, stream)
}

impl Stream {
    pub(crate) async fn head(&mut self) -> Answer {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).await.unwrap();
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Answer {
            status,
            headers,
            body: Vec::new(),
        }
    }

    /// The next chunk; none at the end, or when the connection is lost.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let length = usize::from_str_radix(line.trim_end(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        self.reader.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// The next event, which must be one record in one chunk.
    pub(crate) async fn event(&mut self) -> Option<Value> {
        let chunk = tokio::time::timeout(PATIENCE, self.chunk())
            .await
            .expect("no event in time")?;
        let feed = chunk.iter().position(|byte| *byte == b'\n').unwrap();
        let length: usize = std::str::from_utf8(&chunk[..feed]).unwrap().parse().unwrap();
        assert_eq!(length, chunk.len() - feed - 1, "one record is one chunk");
        Some(serde_json::from_slice(&chunk[feed + 1..]).unwrap())
    }

    /// The next event of that type; others, which go on for ever with heartbeats, are passed over for a while.
    pub(crate) async fn event_of(&mut self, kind: &str) -> Value {
        let found = async {
            loop {
                let event = self.event().await.expect("the stream ended");
                if event["type"] == kind {
                    return event;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("no {kind} in time"))
    }
}

/// A framework that has subscribed.
pub(crate) struct Framework {
    pub(crate) id: Value,
    pub(crate) stream_id: String,
    pub(crate) events: Stream,
    to: SocketAddr,
}

impl Framework {
    pub(crate) async fn subscribe(to: SocketAddr, name: &str) -> Self {
        let call =
            json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": name}}});
        let (answer, mut events) = subscribe(to, "/api/v1/scheduler", JSON, &call).await;
        assert_eq!(answer.status, 200);
        let stream_id = answer.header("mesos-stream-id").unwrap().to_owned();
        let subscribed = events.event().await.unwrap();
        assert_eq!(subscribed["type"], "SUBSCRIBED");
        Self {
            id: subscribed["subscribed"]["framework_id"].clone(),
            stream_id,
            events,
            to,
        }
    }

    /// Makes a call, with the framework's id and stream.
    pub(crate) async fn call(&self, mut call: Value) -> Answer {
        call["framework_id"] = self.id.clone();
        let headers = [JSON[0], JSON[1], ("mesos-stream-id", self.stream_id.as_str())];
        http(
            self.to,
            "POST",
            "/api/v1/scheduler",
            &headers,
            call.to_string().as_bytes(),
        )
        .await
    }
}
