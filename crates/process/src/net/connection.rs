//! One outgoing connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::Net;
use crate::{Upid, wire};

/// Bytes that may wait for one connection: 256 MiB. A peer that lags by more is as good as gone: its connection is
/// closed and whoever is linked hears of it. A single message may be larger when nothing else waits.
pub const SEND_QUEUE_LIMIT: usize = 256 << 20;

/// How long a temporary connection whose messages are all sent may wait for its peer to have read them.
const LINGER: Duration = Duration::from_secs(5);

/// Slices given to one write.
const SLICES: usize = 64;

/// Bytes of small messages that are joined in one buffer: beyond, growing it costs more than a further slice.
const JOINED: usize = 64 << 10;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Persistent,
    Temporary,
}

#[derive(Default)]
struct Queue {
    /// Encoded messages, in order; small ones are joined in `open` first.
    slices: VecDeque<Bytes>,
    open: BytesMut,
    bytes: usize,
    closed: bool,
}

pub(super) struct Connection {
    address: SocketAddrV4,
    kind: Kind,
    queue: Mutex<Queue>,
    /// Tells the writer that something waits.
    changed: Notify,
    /// Tells the task that the queue is closed.
    shut: Notify,
}

impl Connection {
    pub(super) fn new(address: SocketAddrV4, kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            address,
            kind,
            queue: Mutex::default(),
            changed: Notify::new(),
            shut: Notify::new(),
        })
    }

    pub(super) const fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Queues a message; false when the connection takes no more.
    pub(super) fn push(&self, from: &Upid, to: &Upid, name: &str, body: &Bytes) -> bool {
        let mut queue = self.queue.lock();
        if queue.closed {
            return false;
        }
        if queue.bytes > 0 && queue.bytes.saturating_add(body.len()) > SEND_QUEUE_LIMIT {
            tracing::warn!(
                "Closing the connection to {}: {} bytes wait for it",
                self.address,
                queue.bytes
            );
            queue.closed = true;
            drop(queue);
            self.shut.notify_one();
            return true;
        }
        let idle = queue.bytes == 0;
        queue.append(from, to, name, body);
        drop(queue);
        if idle {
            self.changed.notify_one();
        }
        true
    }

    /// Moves the unsent messages of `old` here and shuts it. What it was just writing is lost.
    pub(super) fn take_over(&self, old: &Self) {
        let mut taken = std::mem::replace(
            &mut *old.queue.lock(),
            Queue {
                closed: true,
                ..Queue::default()
            },
        );
        old.shut.notify_one();
        taken.bytes = taken.slices.iter().map(Bytes::len).sum::<usize>() + taken.open.len();
        taken.closed = false;
        *self.queue.lock() = taken;
    }

    /// Takes no more, drops what waits, ends the task. Gives the number of bytes dropped.
    pub(super) fn close(&self) -> usize {
        let dropped = std::mem::replace(
            &mut *self.queue.lock(),
            Queue {
                closed: true,
                ..Queue::default()
            },
        );
        self.shut.notify_one();
        dropped.bytes
    }

    pub(super) fn close_if_empty(&self) -> bool {
        let mut queue = self.queue.lock();
        if queue.bytes > 0 && !queue.closed {
            return false;
        }
        queue.closed = true;
        true
    }

    /// Connects, then writes what is queued and discards what comes in, until either side ends.
    pub(super) async fn run(self: &Arc<Self>, net: &Arc<Net>) {
        let stream = tokio::select! {
            connected = net.connect(self.address) => connected,
            () = self.closed() => return,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("Failed to connect to {}: {error}", self.address);
                return;
            }
        };
        let (mut reader, mut writer) = tokio::io::split(stream);
        let sent = tokio::select! {
            ended = discard(&mut reader) => ended.map(|()| false),
            sent = self.write(net, &mut writer) => sent,
            () = self.closed() => Ok(false),
        };
        match sent {
            // All is sent and nothing more will come: let the peer read to the end before the socket goes.
            Ok(true) => {
                drop(writer.shutdown().await);
                drop(net.clock().timeout(LINGER, discard(&mut reader)).await);
            }
            Ok(false) => {}
            Err(error) => tracing::debug!("Lost the connection to {}: {error}", self.address),
        }
    }

    /// Waits until the queue is closed.
    async fn closed(&self) {
        while !self.queue.lock().closed {
            self.shut.notified().await;
        }
    }

    /// Writes until the connection is closed (false), or, for a temporary one, nothing waits (true).
    async fn write(
        self: &Arc<Self>,
        net: &Net,
        writer: &mut (impl AsyncWriteExt + Unpin),
    ) -> io::Result<bool> {
        let mut batch = VecDeque::new();
        loop {
            {
                let mut queue = self.queue.lock();
                if queue.closed {
                    return Ok(false);
                }
                queue.take(&mut batch);
            }
            if batch.is_empty() {
                if self.kind == Kind::Temporary && net.retire(self) {
                    return Ok(true);
                }
                self.changed.notified().await;
                continue;
            }
            let written = batch.iter().map(Bytes::len).sum();
            write_all(writer, &mut batch).await?;
            // What is encrypted may still wait for the socket.
            writer.flush().await?;
            self.queue.lock().written(written);
        }
    }
}

impl Queue {
    fn append(&mut self, from: &Upid, to: &Upid, name: &str, body: &Bytes) {
        let before = self.open.len();
        if body.len() <= wire::COPY_LIMIT {
            wire::encode_into(from, to, name, body, &mut self.open);
            self.bytes += self.open.len() - before;
            if self.open.len() >= JOINED {
                let full = self.open.split().freeze();
                self.slices.push_back(full);
            }
            return;
        }
        wire::encode_head_into(from, to, name, body.len(), &mut self.open);
        self.bytes += self.open.len() - before + body.len() + wire::TAIL.len();
        let head = self.open.split().freeze();
        self.slices
            .extend([head, body.clone(), Bytes::from_static(wire::TAIL)]);
    }

    /// Moves what waits to `batch`; it counts until it is written.
    fn take(&mut self, batch: &mut VecDeque<Bytes>) {
        std::mem::swap(&mut self.slices, batch);
        if !self.open.is_empty() {
            batch.push_back(self.open.split().freeze());
        }
    }

    const fn written(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

async fn write_all(writer: &mut (impl AsyncWriteExt + Unpin), batch: &mut VecDeque<Bytes>) -> io::Result<()> {
    while !batch.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        for (slot, bytes) in slices.iter_mut().zip(batch.iter()) {
            *slot = IoSlice::new(bytes);
            used += 1;
        }
        let mut written = writer
            .write_vectored(slices.get(..used).unwrap_or_default())
            .await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(first) = batch.front_mut() {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            batch.pop_front();
        }
    }
    Ok(())
}

/// Reads and throws away until the other side ends.
async fn discard(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<()> {
    let mut scratch = vec![0; 8 << 10];
    while reader.read(&mut scratch).await? > 0 {}
    Ok(())
}
