//! What a recorded scheduler wrote to its two connections, byte for byte to our port: what comes back has the heads that
//! the real master's answers had.

use proto::v1::scheduler::{Event, event};
use proto::v1::task_status::Reason;
use proto::{Message as _, v1};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Stream, master};

const SUBSCRIBE: &[u8] = include_bytes!("../golden/captured/http/subscribe.bin");
const SUBSCRIBED: &[u8] = include_bytes!("../golden/captured/http/subscribed-head.bin");
const CALLS: &[u8] = include_bytes!("../golden/captured/http/calls.bin");
const ANSWERS: &[u8] = include_bytes!("../golden/captured/http/answers.bin");
/// The recorded stream and framework.
const STREAM: &str = "6b612c40-83f7-4742-9cbd-da7b0db16449";
const FRAMEWORK: &str = "ff7137f9-224e-4b3c-afe3-11a84ff4c15f-0003";

/// A status line, and the names and fixed values of headers in order of names.
type Head = (String, Vec<String>);

/// Reads one head.
async fn head(reader: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Head {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert_ne!(reader.read_line(&mut line).await.unwrap(), 0, "{lines:?}");
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |line: &String| {
        let (name, value) = line.split_once(": ").unwrap();
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "date" | "mesos-stream-id" => name,
            _ => format!("{name}: {value}"),
        }
    };
    let mut headers: Vec<String> = lines[1..].iter().map(header).collect();
    headers.sort();
    (lines[0].clone(), headers)
}

/// Bytes with one text in the place of another that is as long.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

async fn next(stream: &mut Stream) -> Event {
    let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await;
    let chunk = chunk.expect("no event in time").unwrap();
    let feed = chunk.iter().position(|byte| *byte == b'\n').unwrap();
    Event::decode(&chunk[feed + 1..]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_scheduler_is_answered_as_it_was() {
    let server = master(&[]).await;
    let mut connection = TcpStream::connect(server.address()).await.unwrap();
    connection.write_all(SUBSCRIBE).await.unwrap();
    let mut events = Stream {
        reader: BufReader::new(connection),
    };
    let answer = events.head().await;
    let told: Vec<String> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
    let recorded = head(&mut &SUBSCRIBED[..]).await;
    let names = |headers: Vec<String>| {
        let name = |header: String| header.split(':').next().unwrap().to_owned();
        let mut names: Vec<String> = headers.into_iter().map(name).collect();
        names.sort();
        names
    };
    assert_eq!((answer.status, names(told)), (200, names(recorded.1)));
    assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
    let subscribed = next(&mut events).await.subscribed.unwrap();
    assert_eq!(next(&mut events).await.r#type(), event::Type::Heartbeat);

    let stream_id = answer.header("mesos-stream-id").unwrap();
    let calls = replaced(CALLS, STREAM, stream_id);
    let calls = replaced(&calls, FRAMEWORK, &subscribed.framework_id.value);
    let mut connection = TcpStream::connect(server.address()).await.unwrap();
    connection.write_all(&calls).await.unwrap();
    let mut answers = BufReader::new(connection);
    let mut recorded = ANSWERS;
    let mut count = 0;
    while !recorded.is_empty() {
        let expected = head(&mut recorded).await;
        let answered = tokio::time::timeout(PATIENCE, head(&mut answers)).await;
        assert_eq!(answered.expect("no answer in time"), expected, "call {count}");
        count += 1;
    }
    assert_eq!(count, 12);
    // None of its offers is one of ours.
    for _ in 0..5 {
        let update = next(&mut events).await.update.unwrap().status;
        assert_eq!(
            (update.state(), update.reason()),
            (v1::TaskState::TaskLost, Reason::InvalidOffers)
        );
    }
    // Nothing else was said in answer, and the connection goes on.
    let mut connection = answers.into_inner();
    connection
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 15];
    connection.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    server.stop().await;
}
