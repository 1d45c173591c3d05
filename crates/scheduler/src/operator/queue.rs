//! A bounded queue between the socket and a consumer with a pace of its own.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::events::{EventStream, Update};
use crate::Error;

/// What happens when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Stop reading: TCP holds the master back, which may cut the stream.
    Wait,
    /// Drop the connection at once, let the consumer have what is queued, tell it
    /// [`Error::Overflow`], and connect again (with a snapshot) when it has caught up.
    Disconnect,
}

/// The bounds of a queue, and the rule at the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Most updates waiting. At least 1.
    pub records: usize,
    /// Most bytes of records waiting; a single larger record waits alone. At least 1.
    pub bytes: usize,
    /// What happens at the bound.
    pub overflow: Overflow,
}

impl Default for Queue {
    /// 1,024 records, 16 MiB, [`Overflow::Wait`].
    fn default() -> Self {
        Self {
            records: 1024,
            bytes: 16 * 1024 * 1024,
            overflow: Overflow::Wait,
        }
    }
}

/// An [`EventStream`] behind a bounded queue. Dropping it ends the stream.
#[derive(Debug)]
pub struct Buffered {
    queue: mpsc::Receiver<Queued>,
    reader: JoinHandle<()>,
}

#[derive(Debug)]
struct Queued {
    update: Result<Update, Error>,
    /// Its share of the bytes, given back when the consumer takes it.
    _bytes: OwnedSemaphorePermit,
}

impl Buffered {
    pub(crate) fn start(stream: EventStream, queue: Queue) -> Self {
        let (sender, receiver) = mpsc::channel(queue.records.max(1));
        let reader = tokio::spawn(Reader::new(stream, queue, sender).run());
        Self {
            queue: receiver,
            reader,
        }
    }

    /// The next update; like [`EventStream::next`].
    pub async fn next(&mut self) -> Option<Result<Update, Error>> {
        self.queue.recv().await.map(|queued| queued.update)
    }

    /// Updates waiting in the queue.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Reader {
    stream: EventStream,
    sender: mpsc::Sender<Queued>,
    budget: Arc<Semaphore>,
    /// All permits of `budget`, one for each byte.
    total: u32,
    overflow: Overflow,
}

/// The consumer is gone.
struct Gone;

impl Reader {
    fn new(stream: EventStream, queue: Queue, sender: mpsc::Sender<Queued>) -> Self {
        let total = u32::try_from(queue.bytes.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        // A u32 fits in usize wherever tokio runs.
        let permits = usize::try_from(total).unwrap_or(usize::MAX);
        Self {
            stream,
            sender,
            budget: Arc::new(Semaphore::new(permits)),
            total,
            overflow: queue.overflow,
        }
    }

    async fn run(mut self) {
        while let Some(update) = self.stream.next().await {
            let pushed = match self.overflow {
                Overflow::Wait => self.push(update).await,
                Overflow::Disconnect => self.push_or_disconnect(update).await,
            };
            if pushed.is_err() {
                return;
            }
        }
    }

    fn share(&self, update: &Result<Update, Error>) -> u32 {
        let size = update.as_ref().map_or(0, Update::size);
        u32::try_from(size).unwrap_or(u32::MAX).min(self.total)
    }

    async fn push(&mut self, update: Result<Update, Error>) -> Result<(), Gone> {
        let share = self.share(&update);
        let bytes = Arc::clone(&self.budget)
            .acquire_many_owned(share)
            .await
            .map_err(|_| Gone)?;
        self.sender
            .send(Queued {
                update,
                _bytes: bytes,
            })
            .await
            .map_err(|_| Gone)
    }

    async fn push_or_disconnect(&mut self, update: Result<Update, Error>) -> Result<(), Gone> {
        let share = self.share(&update);
        let room = Arc::clone(&self.budget).try_acquire_many_owned(share);
        if let (Ok(bytes), Ok(slot)) = (room, self.sender.try_reserve()) {
            slot.send(Queued {
                update,
                _bytes: bytes,
            });
            return Ok(());
        }
        if self.sender.is_closed() {
            return Err(Gone);
        }
        if !matches!(update, Ok(Update::Snapshot { .. } | Update::Event { .. })) {
            // News of the connection itself is worth waiting for; there is no connection to hold up.
            return self.push(update).await;
        }
        // The update that found no room is dropped: the next snapshot holds what it said.
        let records = self.sender.max_capacity() - self.sender.capacity();
        let bytes = usize::try_from(self.total).unwrap_or(usize::MAX) - self.budget.available_permits();
        self.stream.fail(Error::Overflow { records, bytes });
        let Some(lost) = self.stream.next().await else {
            return Ok(());
        };
        self.push(lost).await?;
        self.caught_up().await
    }

    /// Waits until the consumer has taken everything.
    async fn caught_up(&mut self) -> Result<(), Gone> {
        drop(self.budget.acquire_many(self.total).await.map_err(|_| Gone)?);
        drop(
            self.sender
                .reserve_many(self.sender.max_capacity())
                .await
                .map_err(|_| Gone)?,
        );
        Ok(())
    }
}
