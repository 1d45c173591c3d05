//! A raw socket to a runtime, and a process to talk to.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::time::Duration;

use process::http::{Body, Closer, HeaderMap, Pipe, Reply, Request, Response, StatusCode};
use process::{Clock, Context, HttpLimits, Process, Runtime, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits, with a bound, for something that must happen.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it happens in time")
}

/// What the process under test has done.
#[derive(Debug)]
pub enum Did {
    Streams(Pipe),
    Message(String, bytes::Bytes),
    Closer(Closer),
}

/// A process with routes of every kind.
pub struct Web {
    pub did: mpsc::UnboundedSender<Did>,
}

impl Process for Web {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.route("/", |_, _, request: Request| {
            Response::text(StatusCode::OK, format!("root {}", request.tail()))
        });
        ctx.route("/echo", |_, _, request: Request| {
            Response::with_body(StatusCode::OK, Body::from(request.body.clone()))
        });
        ctx.route("/a/b", |_, _, request: Request| {
            let text = format!("{} {} tail={}", request.method, request.target(), request.tail());
            Response::text(StatusCode::OK, text)
        });
        ctx.route("/get", |_, _, request: Request| {
            if request.method == "GET" {
                return Response::ok();
            }
            Response::method_not_allowed(&["GET"], Some(request.method.as_str()))
        });
        ctx.route("/big", |_, _, _: Request| {
            let slices = (0..100).map(|_| bytes::Bytes::from(vec![b'x'; 1_000]));
            Response::with_body(StatusCode::OK, Body::slices(slices)).header("content-type", "text/plain")
        });
        ctx.route("/later", |_, ctx, _: Request| {
            let handle = ctx.handle();
            Reply::later(async move {
                let id = handle
                    .call(|_, ctx| ctx.upid().id().to_owned())
                    .await
                    .unwrap_or_default();
                Response::text(StatusCode::OK, id)
            })
        });
        ctx.route("/stream", |this, _, _: Request| {
            let (pipe, body) = Pipe::new(1 << 20);
            this.did.send(Did::Streams(pipe)).unwrap();
            let closer = Closer::new();
            this.did.send(Did::Closer(closer.clone())).unwrap();
            Response::with_body(StatusCode::OK, body).closer(&closer)
        });
        ctx.route("/never", |_, _, _: Request| Reply::later(std::future::pending()));
        ctx.route("/die", |_, ctx, _: Request| {
            ctx.terminate();
            let handle = ctx.handle();
            Reply::later(async move {
                handle.wait().await;
                Response::ok()
            })
        });
        ctx.install_raw("p.M", |this, _, from, body| {
            this.did.send(Did::Message(from.to_string(), body)).unwrap();
        });
    }
}

pub struct Served {
    pub runtime: Runtime,
    pub did: mpsc::UnboundedReceiver<Did>,
    pub web: process::Handle<Web>,
}

pub async fn serve_with(settings: Settings) -> Served {
    let runtime = Runtime::start(settings).await.unwrap();
    let (sender, did) = mpsc::unbounded_channel();
    let web = runtime.spawn("web", Web { did: sender }).unwrap();
    Served { runtime, did, web }
}

pub async fn serve() -> Served {
    serve_with(settings()).await
}

pub fn settings() -> Settings {
    Settings {
        delegate: Some("web".to_owned()),
        ..Settings::loopback(0)
    }
}

pub fn small_limits() -> Settings {
    let limits = HttpLimits {
        head: 8 << 10,
        body: 64 << 10,
        connections: 100,
        idle: Duration::from_secs(10),
    };
    Settings {
        limits,
        clock: Clock::paused(process::Time::from_secs(1_000)),
        ..settings()
    }
}

impl Served {
    pub async fn connect(&self) -> Raw {
        Raw {
            stream: TcpStream::connect(self.runtime.bound_address()).await.unwrap(),
            read: Vec::new(),
        }
    }

    pub async fn get(&self, target: &str) -> Answer {
        let mut raw = self.connect().await;
        raw.write(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        raw.answer().await
    }

    pub async fn did(&mut self) -> Did {
        soon(self.did.recv()).await.expect("the process lives")
    }
}

/// A connection on which bytes are written and read as they are.
pub struct Raw {
    pub stream: TcpStream,
    pub read: Vec<u8>,
}

/// A response as read.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub line: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Raw {
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads some more; false at the end (a reset counts as one).
    pub async fn more(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        let read = soon(self.stream.read(&mut buffer)).await.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..read]);
        read > 0
    }

    pub async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return self.read.drain(..at + end.len()).collect();
            }
            assert!(
                self.more().await,
                "ended before {end:?}: {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.more().await, "ended early");
        }
        self.read.drain(..count).collect()
    }

    /// Reads status line and headers.
    pub async fn head(&mut self) -> Answer {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let name = process::http::HeaderName::try_from(name).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        Answer {
            status,
            line,
            headers,
            body: Vec::new(),
        }
    }

    /// Reads one chunk.
    pub async fn chunk(&mut self) -> Vec<u8> {
        let line = String::from_utf8(self.until(b"\r\n").await).unwrap();
        let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let mut chunk = self.exactly(size + 2).await;
        chunk.truncate(size);
        chunk
    }

    /// Reads a response with its length.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if let Some(length) = answer.header("content-length") {
            let length = length.parse().unwrap();
            answer.body = self.exactly(length).await;
        }
        answer
    }

    /// Reads to the end and gives everything.
    pub async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }
}
