//! Streamed responses fed by a writer.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Body, BodyError};

/// Why a [`Pipe`] did not take what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PipeError {
    /// The reader lags by more than the pipe holds.
    #[error("the reader does not keep up")]
    Full,
    /// The reader is gone.
    #[error("the reader is gone")]
    Closed,
}

/// The writing end of a streamed response. Each write is one chunk. Dropping the last clone ends the response.
pub struct Pipe {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when the reader takes something or goes.
    changed: Notify,
    limit: usize,
}

struct State {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    reader: Option<Waker>,
    writers: usize,
    failed: Option<String>,
    reader_gone: bool,
}

impl Pipe {
    /// A pipe that holds at most `limit` bytes that are written and not yet taken by the connection. A single chunk
    /// beyond the limit passes when nothing else waits.
    pub fn new(limit: usize) -> (Self, Body) {
        let state = State {
            chunks: VecDeque::new(),
            bytes: 0,
            reader: None,
            writers: 1,
            failed: None,
            reader_gone: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            limit,
        });
        (
            Self {
                shared: Arc::clone(&shared),
            },
            Body::from_http_body(PipeReader { shared }),
        )
    }

    /// Writes one chunk without waiting. An empty one is ignored, since it would end the response.
    ///
    /// # Errors
    /// [`PipeError::Full`] when it does not fit, [`PipeError::Closed`] when nobody reads; nothing is written then.
    pub fn try_send(&self, chunk: Bytes) -> Result<(), PipeError> {
        let waker = {
            let mut state = self.shared.state.lock();
            if state.reader_gone || state.failed.is_some() {
                return Err(PipeError::Closed);
            }
            if chunk.is_empty() {
                return Ok(());
            }
            if !state.chunks.is_empty() && state.bytes.saturating_add(chunk.len()) > self.shared.limit {
                return Err(PipeError::Full);
            }
            state.bytes += chunk.len();
            state.chunks.push_back(chunk);
            state.reader.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Writes one chunk, waiting until it fits.
    ///
    /// # Errors
    /// [`PipeError::Closed`] when nobody reads.
    pub async fn send(&self, chunk: Bytes) -> Result<(), PipeError> {
        loop {
            let changed = self.shared.changed.notified();
            match self.try_send(chunk.clone()) {
                Err(PipeError::Full) => changed.await,
                done => return done,
            }
        }
    }

    /// Breaks the response off: the connection is closed without a proper end, so that the client notices.
    pub fn fail(&self, reason: impl Into<String>) {
        let waker = {
            let mut state = self.shared.state.lock();
            state.failed = Some(reason.into());
            state.chunks.clear();
            state.bytes = 0;
            state.reader.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the reader is gone.
    pub fn is_closed(&self) -> bool {
        self.shared.state.lock().reader_gone
    }

    /// Waits until the reader is gone.
    pub async fn closed(&self) {
        loop {
            let changed = self.shared.changed.notified();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// Bytes written and not yet taken.
    pub fn pending(&self) -> usize {
        self.shared.state.lock().bytes
    }
}

impl Clone for Pipe {
    fn clone(&self) -> Self {
        self.shared.state.lock().writers += 1;
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.shared.state.lock();
            state.writers -= 1;
            if state.writers == 0 {
                state.reader.take()
            } else {
                None
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe")
            .field("pending", &self.pending())
            .field("closed", &self.is_closed())
            .finish()
    }
}

struct PipeReader {
    shared: Arc<Shared>,
}

impl http_body::Body for PipeReader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.shared.state.lock();
        if let Some(reason) = &state.failed {
            return Poll::Ready(Some(Err(BodyError(reason.clone()))));
        }
        if let Some(chunk) = state.chunks.pop_front() {
            state.bytes -= chunk.len();
            drop(state);
            self.shared.changed.notify_waiters();
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if state.writers == 0 {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let dropped = {
            let mut state = self.shared.state.lock();
            state.reader_gone = true;
            state.bytes = 0;
            std::mem::take(&mut state.chunks)
        };
        drop(dropped);
        self.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn read(body: &mut Body) -> Bytes {
        let mut data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let length = bytes::Buf::remaining(&data);
        bytes::Buf::copy_to_bytes(&mut data, length)
    }

    #[tokio::test]
    async fn each_write_is_one_frame_and_the_last_drop_ends_it() {
        let (pipe, mut body) = Pipe::new(100);
        pipe.try_send(Bytes::from("a")).unwrap();
        pipe.try_send(Bytes::new()).unwrap();
        pipe.try_send(Bytes::from("bc")).unwrap();
        drop(pipe);
        assert_eq!(read(&mut body).await, "a");
        assert_eq!(read(&mut body).await, "bc");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_full_pipe_says_so_and_a_waiting_writer_goes_on_when_it_drains() {
        let (pipe, mut body) = Pipe::new(4);
        pipe.try_send(Bytes::from("123456")).unwrap();
        assert_eq!(pipe.try_send(Bytes::from("7")), Err(PipeError::Full));
        let writer = tokio::spawn(async move { pipe.send(Bytes::from("7")).await });
        assert_eq!(read(&mut body).await, "123456");
        assert_eq!(read(&mut body).await, "7");
        writer.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_writer_learns_that_the_reader_is_gone() {
        let (pipe, body) = Pipe::new(4);
        let waiting = pipe.clone();
        let closed = tokio::spawn(async move { waiting.closed().await });
        drop(body);
        closed.await.unwrap();
        assert_eq!(pipe.try_send(Bytes::from("x")), Err(PipeError::Closed));
    }

    #[tokio::test]
    async fn a_failed_pipe_breaks_the_response_off() {
        let (pipe, mut body) = Pipe::new(4);
        pipe.fail("lost");
        assert!(body.frame().await.unwrap().is_err());
    }
}
