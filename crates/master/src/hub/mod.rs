//! The operator event stream's hub: one ring of events, any number of readers.
//!
//! The master pushes an event once ([`Hub::publish`]: an append under a short lock). Each subscriber is a cursor into
//! the ring ([`Subscription`]); an event is encoded at most once per content type, on the first reader's thread, as a
//! complete RecordIO record, and its bytes are shared by all. A subscriber that stops reading costs nothing until the
//! ring, bounded by count and weight, has moved past its cursor: then it is cut off, counted, and its connection
//! closed, while nobody else notices.
//!
//! **Joining.** [`Hub::subscribe`] fixes the cursor at the head of the ring. Called in the step that took a snapshot
//! of the master's state, it makes snapshot and stream meet without loss or repeat, however long the snapshot then
//! takes to encode and send.

mod events;
mod notice;
mod ring;
mod subscription;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

use bytes::Bytes;
use parking_lot::Mutex;
use proto::ContentType;
use tokio::sync::Notify;

pub(crate) use events::{heartbeat, record};
pub(crate) use notice::{Notice, Users};
use ring::Ring;
pub use subscription::{Filter, Shown, Subscription};

/// What a hub carries.
pub trait Event: Send + Sync + 'static {
    /// About how many bytes of memory it and its encodings take.
    fn weight(&self) -> usize;

    /// The event as one complete record of that content type.
    fn record(&self, content_type: ContentType) -> Bytes;
}

/// A future that ends when the next heartbeat is due.
pub type Beat = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The bounds of a hub.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Subscribers at a time; beyond it the oldest is closed (`--max_operator_event_stream_subscribers`).
    pub subscribers: usize,
    /// Events kept for slow subscribers (`--operator_event_stream_events`).
    pub events: usize,
    /// Bytes, by [`Event::weight`], kept for slow subscribers (`--operator_event_stream_buffer`).
    pub weight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscribers: 1000,
            events: 65_536,
            weight: 32 << 20,
        }
    }
}

/// How a hub's subscribers fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Subscribers now.
    pub subscribers: usize,
    /// Subscribers closed to make room for newer ones, so far.
    pub evicted: u64,
    /// Subscribers cut off because they did not read, so far.
    pub lagging: u64,
}

/// The one end that publishes; dropping it ends all subscriptions after what they can still read.
pub struct Hub<E: Event> {
    shared: Arc<Shared<E>>,
}

struct Shared<E> {
    state: Mutex<State<E>>,
    limits: Limits,
    /// Rings when there is something to read. Waking is not done by the publisher, for it takes a while with a
    /// thousand subscribers, and what is published meanwhile is then read together.
    published: Notify,
    beat: Box<dyn Fn() -> Beat + Send + Sync>,
}

struct State<E> {
    ring: Ring<Arc<Entry<E>>>,
    /// By number, hence by age.
    subscribers: BTreeMap<u64, Subscriber>,
    next: u64,
    /// No cursor is below this; raised only when the ring reaches it, so that a push is cheap.
    lowest: u64,
    counters: Counters,
    closed: bool,
}

/// One event with its records.
struct Entry<E> {
    event: E,
    protobuf: OnceLock<Bytes>,
    json: OnceLock<Bytes>,
}

/// What the hub knows of a subscription.
struct Subscriber {
    cursor: u64,
    /// Set while it has read everything.
    waker: Option<Waker>,
    closer: Box<dyn FnOnce() + Send>,
}

impl<E: Event> Entry<E> {
    fn record(&self, content_type: ContentType) -> Bytes {
        let slot = match content_type {
            ContentType::Protobuf => &self.protobuf,
            ContentType::Json => &self.json,
        };
        slot.get_or_init(|| self.event.record(content_type)).clone()
    }
}

impl<E: Event> Hub<E> {
    /// An empty hub. `beat` is asked for the time between two heartbeats of a subscriber. Must be called within a
    /// tokio runtime, which from then on runs the task that wakes subscribers.
    pub fn new(limits: Limits, beat: impl Fn() -> Beat + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                ring: Ring::new(limits.events, limits.weight),
                subscribers: BTreeMap::new(),
                next: 0,
                lowest: 0,
                counters: Counters::default(),
                closed: false,
            }),
            limits,
            published: Notify::new(),
            beat: Box::new(beat),
        });
        tokio::spawn(wake_subscribers(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// Appends an event; every subscriber will read it, unless it falls too far behind.
    pub fn publish(&self, event: E) {
        if self.shared.state.lock().subscribers.is_empty() {
            // Nobody reads it, and whoever comes next starts behind it.
            return;
        }
        let weight = event.weight();
        let entry = Arc::new(Entry {
            event,
            protobuf: OnceLock::new(),
            json: OnceLock::new(),
        });
        let cut = {
            let mut state = self.shared.state.lock();
            if state.subscribers.is_empty() {
                return;
            }
            state.ring.push(entry, weight);
            state.cut_laggards()
        };
        for subscriber in cut {
            subscriber.end();
        }
        self.shared.published.notify_one();
    }

    /// Adds a subscriber that will read what is published from now on.
    ///
    /// `closer` is called at most once, when the subscriber is cut off for not reading; it must close the
    /// connection, for a connection that cannot be written to does not ask for more and would never learn of it.
    pub fn subscribe(
        &self,
        content_type: ContentType,
        closer: impl FnOnce() + Send + 'static,
    ) -> Subscription<E> {
        self.subscribe_filtered(content_type, None, closer)
    }

    /// As [`Hub::subscribe`], for somebody who may not see everything.
    pub fn subscribe_filtered(
        &self,
        content_type: ContentType,
        filter: Option<Filter<E>>,
        closer: impl FnOnce() + Send + 'static,
    ) -> Subscription<E> {
        let (id, cursor, evicted) = {
            let mut state = self.shared.state.lock();
            let mut evicted = Vec::new();
            while state.subscribers.len() >= self.shared.limits.subscribers.max(1) {
                let Some((_, oldest)) = state.subscribers.pop_first() else {
                    break;
                };
                state.counters.evicted += 1;
                evicted.push(oldest);
            }
            let (id, cursor) = (state.next, state.ring.head());
            state.next += 1;
            state.subscribers.insert(
                id,
                Subscriber {
                    cursor,
                    waker: None,
                    closer: Box::new(closer),
                },
            );
            (id, cursor, evicted)
        };
        for subscriber in evicted {
            subscriber.retire();
        }
        Subscription::new(Arc::clone(&self.shared), id, cursor, content_type, filter)
    }

    /// How its subscribers fared so far.
    pub fn counters(&self) -> Counters {
        let state = self.shared.state.lock();
        Counters {
            subscribers: state.subscribers.len(),
            ..state.counters
        }
    }
}

impl<E> State<E> {
    /// Takes out the subscribers whose next event is no longer held.
    fn cut_laggards(&mut self) -> Vec<Subscriber> {
        let first = self.ring.first();
        if first <= self.lowest {
            return Vec::new();
        }
        let late: Vec<u64> = self
            .subscribers
            .iter()
            .filter(|(_, s)| s.cursor < first)
            .map(|(id, _)| *id)
            .collect();
        self.counters.lagging += late.len() as u64;
        let cut = late.iter().filter_map(|id| self.subscribers.remove(id)).collect();
        self.lowest = self
            .subscribers
            .values()
            .map(|s| s.cursor)
            .min()
            .unwrap_or_else(|| self.ring.head());
        cut
    }
}

impl Subscriber {
    /// Ends a subscription whose connection cannot be written to.
    fn end(self) {
        (self.closer)();
        if let Some(waker) = self.waker {
            waker.wake();
        }
    }

    /// Ends a subscription that made room: in good order if it has read all, at once otherwise.
    fn retire(self) {
        match self.waker {
            Some(waker) => waker.wake(),
            None => (self.closer)(),
        }
    }
}

impl<E: Event> Drop for Hub<E> {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.published.notify_one();
    }
}

impl<E: Event> fmt::Debug for Hub<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("limits", &self.shared.limits)
            .field("counters", &self.counters())
            .finish()
    }
}

/// Wakes every subscriber that waits, each time something was published.
async fn wake_subscribers<E: Event>(hub: Weak<Shared<E>>) {
    loop {
        let Some(shared) = hub.upgrade() else { return };
        shared.published.notified().await;
        let (wakers, closed) = {
            let mut state = shared.state.lock();
            let wakers: Vec<Waker> = state
                .subscribers
                .values_mut()
                .filter_map(|s| s.waker.take())
                .collect();
            (wakers, state.closed)
        };
        for waker in wakers {
            waker.wake();
        }
        if closed {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
