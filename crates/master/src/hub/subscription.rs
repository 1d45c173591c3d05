//! One subscriber's end of the hub.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use proto::ContentType;

use super::{Beat, Event, Shared, heartbeat};

/// Events taken from the ring at a time.
const BATCH: usize = 64;
/// Weight taken at a time: what a subscriber may pin beyond the ring's own limit.
const BATCH_WEIGHT: usize = 256 << 10;

/// What of an event is shown to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// All of it: the record that everybody shares.
    Whole,
    /// Nothing.
    Hidden,
    /// This record instead.
    Instead(Bytes),
}

/// Decides what of each event is shown, on the subscriber's own thread.
pub type Filter<E> = Box<dyn Fn(&E, ContentType) -> Shown + Send>;

/// A stream of records. Ends when the subscriber was closed to make room, cut off, or the hub is gone.
pub struct Subscription<E: Event> {
    hub: Arc<Shared<E>>,
    id: u64,
    cursor: u64,
    content_type: ContentType,
    filter: Option<Filter<E>>,
    ready: VecDeque<Bytes>,
    beat: Beat,
}

impl<E: Event> Subscription<E> {
    pub(super) fn new(
        hub: Arc<Shared<E>>,
        id: u64,
        cursor: u64,
        content_type: ContentType,
        filter: Option<Filter<E>>,
    ) -> Self {
        let beat = (hub.beat)();
        // Compat: the first heartbeat follows the snapshot at once.
        let ready = VecDeque::from([heartbeat(content_type)]);
        Self {
            hub,
            id,
            cursor,
            content_type,
            filter,
            ready,
            beat,
        }
    }

    /// What its records hold.
    pub const fn content_type(&self) -> ContentType {
        self.content_type
    }

    /// The next record: a heartbeat at once and then every interval, and every event published meanwhile, in order.
    pub fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(record) = self.ready.pop_front() {
            return Poll::Ready(Some(record));
        }
        if self.beat.as_mut().poll(context).is_ready() {
            self.beat = (self.hub.beat)();
            // Registers the new beat with the waker; it cannot be due yet, and if it is, the next poll sees it.
            if self.beat.as_mut().poll(context).is_ready() {
                context.waker().wake_by_ref();
            }
            return Poll::Ready(Some(heartbeat(self.content_type)));
        }
        loop {
            match self.take(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(false) => return Poll::Ready(None),
                // What was taken may all be hidden.
                Poll::Ready(true) => {
                    if let Some(record) = self.ready.pop_front() {
                        return Poll::Ready(Some(record));
                    }
                }
            }
        }
    }

    /// Fills `ready` from the ring: true if there was something (be it hidden), false if this is the end.
    fn take(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let mut entries = Vec::new();
        {
            let mut state = self.hub.state.lock();
            let state = &mut *state;
            let Some(subscriber) = state.subscribers.get_mut(&self.id) else {
                return Poll::Ready(false);
            };
            // While it is subscribed its events are held; were they not, the end is the right answer.
            let Some(items) = state.ring.from(self.cursor) else {
                return Poll::Ready(false);
            };
            let mut weight = 0;
            for (entry, size) in items.take(BATCH) {
                entries.push(Arc::clone(entry));
                weight += size;
                if weight > BATCH_WEIGHT {
                    break;
                }
            }
            if entries.is_empty() {
                if state.closed {
                    return Poll::Ready(false);
                }
                match &mut subscriber.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                return Poll::Pending;
            }
            self.cursor += entries.len() as u64;
            subscriber.cursor = self.cursor;
            subscriber.waker = None;
        }
        let (content_type, filter) = (self.content_type, &self.filter);
        let shown = entries.iter().filter_map(|entry| {
            let shown = filter
                .as_ref()
                .map_or(Shown::Whole, |filter| filter(&entry.event, content_type));
            match shown {
                Shown::Whole => Some(entry.record(content_type)),
                Shown::Hidden => None,
                Shown::Instead(record) => Some(record),
            }
        });
        self.ready.extend(shown);
        Poll::Ready(true)
    }
}

/// One record is one frame, hence one chunk.
impl<E: Event> http_body::Body for Subscription<E> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_record(context)
            .map(|record| record.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl<E: Event> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.hub.state.lock().subscribers.remove(&self.id);
    }
}

impl<E: Event> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.id)
            .field("cursor", &self.cursor)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}
