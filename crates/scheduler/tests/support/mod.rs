//! A master on a real socket that answers as the test says.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::v1;
use proto::v1::master::{Event, event, response};
use proto::{ContentType, Json, Message};
use scheduler::{Address, Options, StaticMasters};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const PROTOBUF: &str = "application/x-protobuf";

/// How a server answers one request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, then the connection closes.
    Close(Vec<u8>),
    /// These bytes, then silence until the client closes.
    Hold(Vec<u8>),
    /// These bytes; the connection serves further requests.
    Keep(Vec<u8>),
    /// The first bytes, then the second ones `times` times, as far as the client takes them; then silence.
    Endless(Vec<u8>, Vec<u8>, usize),
    /// Each of these when the one before has had time to be read; then silence.
    Staged(Vec<Vec<u8>>),
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

type Handler = dyn FnMut(&Request) -> Answer + Send;

/// A server; it ends when dropped.
pub(crate) struct Server {
    pub(crate) address: Address,
    requests: Arc<Mutex<Vec<Request>>>,
    /// Bytes written on endless answers.
    pub(crate) written: Arc<Mutex<usize>>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Answers the n-th request with the n-th answer, and the last one for ever.
    pub(crate) async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: Vec<Answer> = answers.into_iter().collect();
        Self::with(move |_| {
            if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers[0].clone()
            }
        })
        .await
    }

    /// Answers each request as the function says.
    pub(crate) async fn with(handler: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::new(Mutex::new(0));
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(handler));
        let accepting = tokio::spawn({
            let (requests, written) = (Arc::clone(&requests), Arc::clone(&written));
            async move {
                for connection in 0.. {
                    let Ok((socket, _)) = listener.accept().await else {
                        return;
                    };
                    let (handler, requests, written) =
                        (Arc::clone(&handler), Arc::clone(&requests), Arc::clone(&written));
                    tokio::spawn(async move {
                        serve(socket, connection, handler, requests, written).await;
                    });
                }
            }
        });
        Self {
            address,
            requests,
            written,
            accepting,
        }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn masters(&self) -> Arc<StaticMasters> {
        Arc::new(StaticMasters::new(vec![self.address.clone()]))
    }
}

async fn serve(
    mut socket: TcpStream,
    connection: usize,
    handler: Arc<Mutex<Handler>>,
    requests: Arc<Mutex<Vec<Request>>>,
    written: Arc<Mutex<usize>>,
) -> Option<()> {
    loop {
        let request = Request {
            connection,
            ..read_request(&mut socket).await?
        };
        let answer = {
            let answer = handler.lock().unwrap()(&request);
            requests.lock().unwrap().push(request);
            answer
        };
        match answer {
            Answer::Keep(bytes) => socket.write_all(&bytes).await.ok()?,
            Answer::Close(bytes) => return socket.write_all(&bytes).await.ok(),
            Answer::Hold(bytes) => {
                socket.write_all(&bytes).await.ok()?;
                return hold(&mut socket).await;
            }
            Answer::Endless(first, again, times) => {
                socket.write_all(&first).await.ok()?;
                for _ in 0..times {
                    socket.write_all(&again).await.ok()?;
                    *written.lock().unwrap() += again.len();
                }
                return hold(&mut socket).await;
            }
            Answer::Staged(parts) => {
                for part in parts {
                    socket.write_all(&part).await.ok()?;
                    tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>())
                        .await
                        .ok();
                }
                return hold(&mut socket).await;
            }
        }
    }
}

/// Keeps the connection until the client closes it.
async fn hold(socket: &mut TcpStream) -> Option<()> {
    let mut sink = [0; 1024];
    while socket.read(&mut sink).await.ok()? > 0 {}
    Some(())
}

async fn read_request(socket: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut request = Request {
                head,
                ..Request::default()
            };
            let length: usize = request
                .header("content-length")
                .map_or(0, |text| text.parse().unwrap());
            request.body = bytes.split_off(end + 4);
            while request.body.len() < length {
                socket
                    .read_buf(&mut request.body)
                    .await
                    .ok()
                    .filter(|count| *count > 0)?;
            }
            return Some(request);
        }
        socket
            .read_buf(&mut bytes)
            .await
            .ok()
            .filter(|count| *count > 0)?;
    }
}

/// Options with limits that a test can wait for.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.policy.min_backoff = Duration::from_millis(1);
    options.policy.max_backoff = Duration::from_millis(10);
    options.seed = Some(1);
    options
}

/// A whole answer with a length.
pub(crate) fn plain(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The head of a stream.
pub(crate) fn head(content_type: &str, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{more}Transfer-Encoding: chunked\r\n\r\n")
        .into_bytes()
}

pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

pub(crate) fn record<M: Message>(message: &M) -> Vec<u8> {
    recordio::encode(&message.encode_to_vec()).to_vec()
}

pub(crate) fn json_record<M: Json + Message>(message: &M) -> Vec<u8> {
    recordio::encode(&ContentType::Json.encode(message)).to_vec()
}

/// A protobuf stream of these records, each in a chunk of its own, as Mesos sends them.
pub(crate) fn stream(records: &[Vec<u8>]) -> Vec<u8> {
    let chunks = records.iter().map(|record| chunk(record));
    [head(PROTOBUF, "")]
        .into_iter()
        .chain(chunks)
        .collect::<Vec<_>>()
        .concat()
}

pub(crate) fn subscribed(heartbeat_seconds: f64) -> Event {
    Event {
        r#type: Some(event::Type::Subscribed.into()),
        subscribed: Some(event::Subscribed {
            get_state: Some(response::GetState::default()),
            heartbeat_interval_seconds: Some(heartbeat_seconds),
        }),
        ..Event::default()
    }
}

pub(crate) fn heartbeat() -> Event {
    Event {
        r#type: Some(event::Type::Heartbeat.into()),
        ..Event::default()
    }
}

pub(crate) fn task_added(name: &str) -> Event {
    let task = v1::Task {
        name: name.to_owned(),
        task_id: v1::TaskId {
            value: name.to_owned(),
        },
        framework_id: v1::FrameworkId {
            value: "f1".to_owned(),
        },
        agent_id: v1::AgentId {
            value: "a1".to_owned(),
        },
        state: v1::TaskState::TaskStaging.into(),
        ..v1::Task::default()
    };
    Event {
        r#type: Some(event::Type::TaskAdded.into()),
        task_added: Some(event::TaskAdded { task }),
        ..Event::default()
    }
}

/// A stream that does everything right and stays open: SUBSCRIBED, HEARTBEAT, TASK_ADDED.
pub(crate) fn good() -> Answer {
    Answer::Hold(stream(&[
        record(&subscribed(15.0)),
        record(&heartbeat()),
        record(&task_added("t1")),
    ]))
}

/// Waits, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("nothing happened in 30 s")
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..6_000 {
        if condition() {
            return;
        }
        tick.tick().await;
    }
    panic!("{what}: did not happen in 30 s");
}
