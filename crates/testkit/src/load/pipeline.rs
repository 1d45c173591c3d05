//! Calls on one connection, sent without waiting for the answers of those before.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use std::sync::{Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Error;
use super::http::{Framing, find, parse_head};

/// A pipelined connection for POSTs with one set of headers. What waits to be written is bounded by what its user lets be
/// under way: each bench has a window.
#[derive(Debug)]
pub(super) struct Pipeline {
    head: String,
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<BytesMut>,
    more: Notify,
    answered: AtomicU64,
    refused: Mutex<Option<String>>,
}

impl Pipeline {
    /// Connects. `headers` are whole lines, each ended by CR LF.
    pub(super) async fn open(to: SocketAddrV4, path: &str, headers: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(to)
            .await
            .map_err(Error::socket("failed to connect"))?;
        stream
            .set_nodelay(true)
            .map_err(Error::socket("failed to set a socket up"))?;
        let (reader, writer) = stream.into_split();
        let shared = Arc::new(Shared::default());
        Ok(Self {
            head: format!("POST {path} HTTP/1.1\r\nHost: {to}\r\n{headers}Content-Length: "),
            tasks: [
                tokio::spawn(write(Arc::clone(&shared), writer)),
                tokio::spawn(read(Arc::clone(&shared), reader)),
            ],
            shared,
        })
    }

    /// Queues one call.
    pub(super) fn call(&self, body: &[u8]) {
        {
            let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend_from_slice(self.head.as_bytes());
            waiting.extend_from_slice(body.len().to_string().as_bytes());
            waiting.extend_from_slice(b"\r\n\r\n");
            waiting.extend_from_slice(body);
        }
        self.shared.more.notify_one();
    }

    /// Calls that were answered with 200 or 202.
    pub(super) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// What went wrong first, if anything did.
    pub(super) fn refused(&self) -> Option<String> {
        self.shared
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn refuse(&self, why: String) {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
    }

    fn take(&self) -> Bytes {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.split().freeze()
    }
}

async fn write(shared: Arc<Shared>, mut writer: OwnedWriteHalf) {
    loop {
        let bytes = shared.take();
        if bytes.is_empty() {
            shared.more.notified().await;
        } else if let Err(error) = writer.write_all(&bytes).await {
            return shared.refuse(error.to_string());
        }
    }
}

async fn read(shared: Arc<Shared>, mut reader: OwnedReadHalf) {
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    loop {
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return shared.refuse("the master closed the connection".to_owned()),
            Ok(_) => {}
            Err(error) => return shared.refuse(error.to_string()),
        }
        if let Err(error) = answers(&shared, &mut buffer) {
            return shared.refuse(error.to_string());
        }
    }
}

/// Takes whole answers off the buffer. They are short: a refusal has a sentence, the rest nothing.
fn answers(shared: &Shared, buffer: &mut BytesMut) -> Result<(), Error> {
    while let Some(end) = find(buffer, b"\r\n\r\n").map(|at| at + 4) {
        let (status, framing) = parse_head(buffer.get(..end).unwrap_or_default())?;
        let Framing::Length(length) = framing else {
            return Err(Error::answer("a call was answered with a stream", ""));
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(body) = buffer.get(end..end.saturating_add(length)) else {
            return Ok(());
        };
        if matches!(status, 200 | 202) {
            shared.answered.fetch_add(1, Ordering::Relaxed);
        } else {
            shared.refuse(format!("{status}: {}", String::from_utf8_lossy(body)));
        }
        drop(buffer.split_to(end + length));
    }
    Ok(())
}
