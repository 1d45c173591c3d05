//! Messages on the wire, held against what a real Mesos sent and answered.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use common::{Did, PATIENCE, serve, serve_with, settings, soon};
use process::wire::{Decoder, Incoming, encode, split_target};
use process::{Context, Message, Process, Runtime, Settings, Upid};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

/// One direction of a recorded connection, if it carried messages.
struct Recording {
    name: String,
    sent: Vec<u8>,
    answered: Vec<u8>,
}

fn recordings(dir: &Path) -> Vec<Recording> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = name.strip_suffix("-c2s.bin") else {
            continue;
        };
        let sent = std::fs::read(&path).unwrap();
        // The other recordings are requests of the HTTP APIs.
        if String::from_utf8_lossy(&sent).contains("\r\nLibprocess-From: ") {
            let answered = std::fs::read(dir.join(format!("{stem}-s2c.bin"))).unwrap();
            found.push(Recording { name, sent, answered });
        }
    }
    assert!(!found.is_empty(), "{} has recordings", dir.display());
    found
}

fn captured() -> Vec<Recording> {
    recordings(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/captured"))
}

/// All recordings, where they are at hand.
fn shared() -> Vec<Recording> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("TIANGONG_SHARED")
        .map_or(default, PathBuf::from)
        .join("golden/wire");
    if !root.exists() {
        println!("skipped: needs ../shared");
        return Vec::new();
    }
    ["session", "authentication"]
        .iter()
        .flat_map(|dir| recordings(&root.join(dir)))
        .collect()
}

struct Sent {
    from: String,
    id: String,
    name: String,
    body: bytes::Bytes,
}

/// Decodes a recording, feeding it in pieces of `step` bytes.
fn decode(recording: &Recording, step: usize) -> Vec<Sent> {
    let mut decoder = Decoder::new(64 << 10, 1 << 20);
    let (mut input, mut found) = (BytesMut::new(), Vec::new());
    for piece in recording.sent.chunks(step) {
        input.extend_from_slice(piece);
        while let Some(incoming) = decoder.next(&mut input).unwrap() {
            let Incoming::Message(message) = incoming else {
                panic!("{}: not a message", recording.name)
            };
            let (id, name) = split_target(&message.target).unwrap();
            assert!(!message.close && !message.gzip);
            found.push(Sent {
                from: message.sender.clone(),
                id,
                name: name.to_owned(),
                body: message.body,
            });
        }
    }
    assert!(
        input.is_empty() && !decoder.is_within(),
        "{} ends within a message",
        recording.name
    );
    found
}

fn check_bytes(recordings: &[Recording]) {
    for recording in recordings {
        let text = String::from_utf8_lossy(&recording.sent).into_owned();
        let host = text
            .split("\r\nHost: ")
            .nth(1)
            .unwrap()
            .split("\r\n")
            .next()
            .unwrap();
        for step in [7, usize::MAX] {
            let mut encoded = BytesMut::new();
            for sent in decode(recording, step.min(recording.sent.len())) {
                let to = Upid::new(sent.id, host.parse().unwrap());
                encoded.extend_from_slice(&encode(&sent.from.parse().unwrap(), &to, &sent.name, &sent.body));
            }
            assert!(encoded == recording.sent, "{} differs", recording.name);
        }
    }
}

#[test]
fn messages_are_written_byte_for_byte_as_mesos_wrote_them() {
    check_bytes(&captured());
    check_bytes(&shared());
}

/// Takes every message.
struct Sink {
    taken: mpsc::UnboundedSender<(String, String, bytes::Bytes)>,
}

impl Process for Sink {
    fn unhandled(&mut self, ctx: &mut Context<Self>, message: Message) {
        self.taken
            .send((ctx.upid().id().to_owned(), message.name(), message.body()))
            .unwrap();
    }
}

/// Answers with their dates blanked.
fn undated(answers: &[u8]) -> String {
    let text = String::from_utf8_lossy(answers).into_owned();
    let lines = text.split("\r\n").map(|line| {
        if line.starts_with("Date: ") {
            "Date: ?"
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

#[tokio::test]
async fn recorded_messages_are_delivered_and_answered_as_mesos_answered_them() {
    let mut compared = 0;
    for recording in captured().into_iter().chain(shared()) {
        let sent = decode(&recording, recording.sent.len());
        let runtime = Runtime::start(Settings::loopback(0)).await.unwrap();
        let (taken, mut arrived) = mpsc::unbounded_channel();
        for message in &sent {
            if !runtime.is_running(&message.id) {
                runtime
                    .spawn(message.id.clone(), Sink { taken: taken.clone() })
                    .unwrap();
            }
        }
        let stream = tokio::net::TcpStream::connect(runtime.bound_address())
            .await
            .unwrap();
        let mut raw = common::Raw {
            stream,
            read: Vec::new(),
        };
        raw.write(&recording.sent).await;
        let mut found = Vec::new();
        for _ in &sent {
            found.push(soon(arrived.recv()).await.unwrap());
        }
        let mut expected: Vec<_> = sent
            .iter()
            .map(|m| (m.id.clone(), m.name.clone(), m.body.clone()))
            .collect();
        // Each receiver's messages are in order; between receivers there is none.
        found.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected, "{}", recording.name);
        let mut answers = Vec::new();
        for _ in &sent {
            answers.extend(raw.until(b"\r\n\r\n").await);
        }
        // Where the sender did not wait for the answers, there is nothing to compare.
        if undated(&recording.answered).matches("HTTP/1.1").count() == sent.len() {
            assert_eq!(
                undated(&answers),
                undated(&recording.answered),
                "{}",
                recording.name
            );
            compared += 1;
        }
        runtime.shutdown().await;
    }
    assert!(compared >= 14, "{compared} recordings compared");
}

const FROM: &str = "Libprocess-From: x@127.0.0.1:1\r\n";

#[tokio::test]
async fn messages_of_other_bindings_are_taken() {
    let mut served = serve().await;
    let mut raw = served.connect().await;
    raw.write(format!(
        "POST /web/p.M HTTP/1.1\r\n{FROM}Content-Length: 3\r\n\r\nabc"
    ))
    .await;
    raw.write(
        "POST /web/p.M HTTP/1.0\r\nConnection: keep-alive\r\nUser-Agent: libprocess/y@127.0.0.1:2\r\n\r\n",
    )
    .await;
    raw.write("POST /w%65b/p.M HTTP/1.1\r\nlibprocess-from: nonsense\r\n\r\n")
        .await;
    for (from, body) in [
        ("x@127.0.0.1:1", "abc"),
        ("y@127.0.0.1:2", ""),
        ("@0.0.0.0:0", ""),
    ] {
        let Did::Message(sender, found) = served.did().await else {
            panic!("no message")
        };
        assert_eq!((sender.as_str(), &found[..]), (from, body.as_bytes()));
        assert_eq!(raw.answer().await.status, 202);
    }
    // No such message, but such a process; and the reverse.
    raw.write(format!("POST /web/no.Such HTTP/1.1\r\n{FROM}\r\n"))
        .await;
    assert_eq!(raw.answer().await.line, "HTTP/1.1 202 Accepted");
    raw.write(format!("POST /nobody/p.M HTTP/1.1\r\n{FROM}\r\n"))
        .await;
    assert_eq!(raw.answer().await.text(), "404 Not Found.");
    // The delegate takes requests, not messages.
    raw.write(format!("POST /p.M HTTP/1.1\r\n{FROM}\r\n")).await;
    assert_eq!(raw.answer().await.status, 404);
}

#[tokio::test]
async fn requests_and_messages_may_share_a_connection() {
    let mut served = serve().await;
    let mut raw = served.connect().await;
    let message = format!("POST /web/p.M HTTP/1.1\r\n{FROM}\r\n");
    raw.write(format!(
        "{message}GET /a/b HTTP/1.1\r\n\r\n{message}GET /a/b HTTP/1.1\r\n\r\n"
    ))
    .await;
    for expected in [202, 200, 202, 200] {
        assert_eq!(raw.answer().await.status, expected);
    }
    for _ in 0..2 {
        assert!(matches!(served.did().await, Did::Message(..)));
    }
}

#[tokio::test]
async fn what_was_sent_counts_even_if_the_sender_is_gone() {
    let mut served = serve().await;
    for round in 0..20u32 {
        let mut raw = served.connect().await;
        let body = "x".repeat(100);
        let message = format!("POST /web/p.M HTTP/1.1\r\n{FROM}Content-Length: 100\r\n\r\n{body}");
        raw.write(message.repeat(200)).await;
        if round % 2 == 0 {
            // Closing with answers unread resets the connection.
            drop(raw);
        } else {
            raw.stream.shutdown().await.unwrap();
            drop(raw);
        }
        for _ in 0..200 {
            assert!(matches!(served.did().await, Did::Message(..)));
        }
    }
}

#[tokio::test]
async fn a_sender_that_never_reads_its_answers_is_heard() {
    let mut served = serve().await;
    let raw = served.connect().await;
    let (reader, mut writer) = raw.stream.into_split();
    let message = format!("POST /web/p.M HTTP/1.1\r\n{FROM}\r\n").repeat(1_000);
    let count = 20_000;
    let sending = tokio::spawn(async move {
        for _ in 0..count / 1_000 {
            writer.write_all(message.as_bytes()).await.unwrap();
        }
        writer
    });
    for _ in 0..count {
        assert!(matches!(served.did().await, Did::Message(..)));
    }
    drop((sending.await.unwrap(), reader));
}

#[tokio::test]
async fn a_sender_at_another_address_is_refused_on_request() {
    let mut strict = settings();
    strict.environment.require_peer_address_ip_match = true;
    let served = serve_with(strict).await;
    let mut raw = served.connect().await;
    raw.write("POST /web/p.M HTTP/1.1\r\nLibprocess-From: x@10.9.8.7:1\r\n\r\n")
        .await;
    let answer = raw.answer().await;
    let expected = "UPID IP address validation failed: Message from x@10.9.8.7:1 was sent from IP 127.0.0.1";
    assert_eq!((answer.status, answer.text()), (400, expected));
    raw.write(format!("POST /web/p.M HTTP/1.1\r\n{FROM}\r\n")).await;
    assert_eq!(raw.answer().await.status, 202);
}

/// Accepts connections as a peer of another make would.
struct Foreign {
    listener: tokio::net::TcpListener,
}

impl Foreign {
    async fn start() -> (Self, Upid) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upid = format!("foreign@{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        (Self { listener }, upid)
    }

    async fn accept(&self) -> common::Raw {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        common::Raw {
            stream,
            read: Vec::new(),
        }
    }
}

#[tokio::test]
async fn a_message_without_a_link_comes_alone_on_its_connection() {
    let served = serve().await;
    let (foreign, to) = Foreign::start().await;
    let from = served.runtime.upid("web");
    served
        .runtime
        .send_from(&from, &to, "p.M".into(), bytes::Bytes::from_static(b"abc"));
    let mut raw = foreign.accept().await;
    let expected = format!(
        "POST /foreign/p.M HTTP/1.1\r\nUser-Agent: libprocess/{from}\r\nLibprocess-From: {from}\r\n\
         Connection: Keep-Alive\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        to.address()
    );
    assert_eq!(raw.rest().await, expected);
    drop(raw);
    served
        .runtime
        .send_from(&from, &to, "p.N".into(), bytes::Bytes::new());
    let text = foreign.accept().await.rest().await;
    assert!(
        text.starts_with("POST /foreign/p.N ") && text.ends_with(&format!("Host: {}\r\n\r\n", to.address()))
    );
}

#[tokio::test]
async fn links_share_a_connection_and_reconnecting_replaces_it_in_silence() {
    use process::LinkMode;
    let served = serve().await;
    let (foreign, to) = Foreign::start().await;
    let (exits, mut told) = mpsc::unbounded_channel();
    let watcher = served.runtime.spawn("watcher", Watcher { exits }).unwrap();
    let link = async |mode| {
        let to = to.clone();
        watcher.call(move |_, ctx| ctx.link(&to, mode)).await.unwrap();
    };
    link(LinkMode::Reuse).await;
    let mut first = foreign.accept().await;
    link(LinkMode::Reuse).await;
    let from = served.runtime.upid("web");
    served
        .runtime
        .send_from(&from, &to, "p.One".into(), bytes::Bytes::new());
    assert!(
        String::from_utf8(first.until(b"\r\n\r\n").await)
            .unwrap()
            .starts_with("POST /foreign/p.One ")
    );
    link(LinkMode::Reconnect).await;
    let mut second = foreign.accept().await;
    assert_eq!(first.rest().await, "");
    served
        .runtime
        .send_from(&from, &to, "p.Two".into(), bytes::Bytes::new());
    assert!(
        String::from_utf8(second.until(b"\r\n\r\n").await)
            .unwrap()
            .starts_with("POST /foreign/p.Two ")
    );
    assert!(
        told.try_recv().is_err(),
        "nobody was told of the first connection's end"
    );
    drop(second);
    assert_eq!(soon(told.recv()).await.unwrap(), to);
    assert!(
        tokio::time::timeout(PATIENCE / 1_000, told.recv()).await.is_err(),
        "told once"
    );
}

struct Watcher {
    exits: mpsc::UnboundedSender<Upid>,
}

impl Process for Watcher {
    fn exited(&mut self, _ctx: &mut Context<Self>, upid: &Upid) {
        self.exits.send(upid.clone()).unwrap();
    }
}
