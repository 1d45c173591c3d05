//! A socket under hyper: gives first what was read already, and notes when it was last of use.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::Stream;
use crate::{Clock, Time};

/// What a connection is up to, for the one who closes idle ones.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Clock,
    /// When it last came to rest or made progress, in nanoseconds since the epoch.
    last: AtomicI64,
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// The peer does not read what is written.
    stuck: AtomicBool,
    /// It has carried a libprocess message.
    peer: AtomicBool,
}

impl Activity {
    pub(super) fn new(clock: Clock, peer: bool) -> Arc<Self> {
        let last = AtomicI64::new(clock.now().as_nanos());
        let (busy, stuck, peer) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicBool::new(peer));
        Arc::new(Self {
            clock,
            last,
            busy,
            stuck,
            peer,
        })
    }

    fn touch(&self) {
        self.last.store(self.clock.now().as_nanos(), Ordering::Relaxed);
    }

    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy {
            activity: Arc::clone(self),
        }
    }

    pub(super) fn is_peer(&self) {
        self.peer.store(true, Ordering::Relaxed);
    }

    /// Since when it has been of no use; `None` when it is, or may be idle.
    pub(super) fn idle_since(&self) -> Option<Time> {
        if self.peer.load(Ordering::Relaxed) {
            return None;
        }
        let waits_for_us = self.busy.load(Ordering::Relaxed) > 0 && !self.stuck.load(Ordering::Relaxed);
        (!waits_for_us).then(|| Time::from_nanos(self.last.load(Ordering::Relaxed)))
    }
}

/// A request is being answered for as long as this lives.
#[derive(Debug)]
pub(super) struct Busy {
    activity: Arc<Activity>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.touch();
        self.activity.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Rewind {
    stream: Stream,
    first: Bytes,
    activity: Arc<Activity>,
}

impl Rewind {
    pub(super) const fn new(stream: Stream, first: Bytes, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            first,
            activity,
        }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Pending => {
                if !self.activity.stuck.swap(true, Ordering::Relaxed) {
                    self.activity.touch();
                }
            }
            Poll::Ready(_) => {
                if self.activity.stuck.swap(false, Ordering::Relaxed) {
                    self.activity.touch();
                }
            }
        }
        result
    }
}

impl AsyncRead for Rewind {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.first.len().min(buf.remaining());
        buf.put_slice(self.first.get(..length).unwrap_or_default());
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewind {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
