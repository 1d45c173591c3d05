//! The mailbox of one process.
//!
//! A cell is a FIFO queue with any number of writers and one reader, the task that runs the process. The reader
//! takes events in batches, so that a busy process pays one lock for many events.
//!
//! **Bounds.** What a process sends to another one of its runtime is never refused: the sender is code of ours and
//! bounds itself. What comes from sockets is weighed: above [`INBOUND_HIGH_WATER`] bytes or
//! [`INBOUND_HIGH_WATER_EVENTS`] events waiting here, the socket's reader waits until half of it is handled, and so
//! holds its peer back by TCP.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::sync::oneshot;

use super::context::Context;
use super::message::{AnyLetter, Message};
use crate::Upid;
use crate::http::{Reply, Request};

/// Bytes of remote messages and requests that may wait in one mailbox before its readers are held back: 64 MiB.
pub const INBOUND_HIGH_WATER: usize = 64 << 20;
/// Remote messages and requests that may wait in one mailbox before its readers are held back.
pub const INBOUND_HIGH_WATER_EVENTS: usize = 100_000;

/// Events taken under one lock.
const BATCH: usize = 256;

pub(crate) type Job<P> = Box<dyn FnOnce(&mut P, &mut Context<P>) + Send>;

/// One thing that happens to a process.
pub(crate) enum Event<P> {
    Message(Box<dyn AnyLetter>),
    Dispatch(Job<P>),
    Http(Box<HttpEvent>),
    Exited(Box<Upid>),
    Terminate,
}

/// A request and where its answer goes.
pub(crate) struct HttpEvent {
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Reply>,
    pub(crate) weight: Weight,
}

/// Room that a remote event takes up in the mailbox: its bytes and one (a larger event counts 4 GiB), zero for local
/// ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight(u32);

impl Weight {
    pub(crate) const LOCAL: Self = Self(0);

    pub(crate) fn remote(bytes: usize) -> Self {
        Self(u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(1))
    }

    const fn is_remote(self) -> bool {
        self.0 > 0
    }

    const fn bytes(self) -> usize {
        self.0 as usize
    }
}

/// What waits in a mailbox, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Messages.
    pub messages: usize,
    /// Dispatched calls, timers included.
    pub dispatches: usize,
    /// HTTP requests.
    pub http_requests: usize,
}

struct Queue<P> {
    events: VecDeque<Event<P>>,
    /// The sender whom the next letter need not name: that of the last one here, if it came by [`Cell::push_letter`].
    run_of: Option<Upid>,
    /// The sender of the first letter, should it not be named.
    before: Option<Upid>,
    reader: Option<Waker>,
    active: bool,
    closed: bool,
}

impl<P> Queue<P> {
    /// Moves the first events to `batch`.
    fn take(&mut self, batch: &mut VecDeque<Event<P>>) {
        if self.events.len() <= BATCH {
            (self.run_of, self.before) = (None, None);
            std::mem::swap(&mut self.events, batch);
            return;
        }
        batch.extend(self.events.drain(..BATCH));
        let named = batch.iter().rev().find_map(|event| match event {
            Event::Message(letter) => letter.head().from(),
            _ => None,
        });
        if let Some(from) = named {
            self.before = Some(from.clone());
        }
    }
}

/// See the module.
pub(crate) struct Cell<P> {
    upid: Upid,
    queue: Mutex<Queue<P>>,
    /// Set to stop at once, before what is queued.
    killed: AtomicBool,
    gone: AtomicBool,
    ended: Notify,
    inbound_bytes: AtomicUsize,
    inbound_events: AtomicUsize,
    room: Notify,
    /// Processes of the clock's runtimes that have something to do; what [`crate::Clock::settle`] waits for.
    busy: Arc<Busy>,
}

/// Counts processes that are not idle.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    count: AtomicUsize,
    idle: Notify,
}

impl Busy {
    pub(crate) fn enter(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn leave(&self) {
        if self.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.idle.notify_waiters();
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Waits until nothing is running.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.is_idle() {
                return;
            }
            notified.await;
        }
    }
}

impl<P> Cell<P> {
    /// An empty mailbox, active until its task first finds it empty.
    pub(crate) fn new(upid: Upid, busy: Arc<Busy>) -> Self {
        busy.enter();
        let queue = Queue {
            events: VecDeque::new(),
            run_of: None,
            before: None,
            reader: None,
            active: true,
            closed: false,
        };
        Self {
            upid,
            queue: Mutex::new(queue),
            killed: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            ended: Notify::new(),
            inbound_bytes: AtomicUsize::new(0),
            inbound_events: AtomicUsize::new(0),
            room: Notify::new(),
            busy,
        }
    }

    pub(crate) const fn upid(&self) -> &Upid {
        &self.upid
    }

    /// Appends an event; gives it back when the process is gone.
    pub(crate) fn push(&self, event: Event<P>) -> Result<(), Event<P>> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(event);
        }
        if matches!(event, Event::Message(_)) {
            queue.run_of = None;
        }
        self.append(queue, event);
        Ok(())
    }

    /// Appends a letter; gives it back when the process is gone.
    fn push_letter(&self, from: &Upid, mut letter: Box<dyn AnyLetter>) -> Result<(), Box<dyn AnyLetter>> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(letter);
        }
        if !queue.run_of.as_ref().is_some_and(|run| run.shares(from)) {
            queue.run_of = Some(from.clone());
            letter.head_mut().set_from(from.clone());
        }
        self.append(queue, Event::Message(letter));
        Ok(())
    }

    fn append(&self, mut queue: MutexGuard<'_, Queue<P>>, event: Event<P>) {
        queue.events.push_back(event);
        if queue.active {
            return;
        }
        queue.active = true;
        self.busy.enter();
        let waker = queue.reader.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Counts a remote event in; [`Cell::done`] counts it out.
    fn weigh(&self, weight: Weight) {
        if weight.is_remote() {
            self.inbound_bytes.fetch_add(weight.bytes(), Ordering::Relaxed);
            self.inbound_events.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn done(&self, weight: Weight) {
        if weight.is_remote() {
            let bytes = self.inbound_bytes.fetch_sub(weight.bytes(), Ordering::Relaxed) - weight.bytes();
            let events = self.inbound_events.fetch_sub(1, Ordering::Relaxed) - 1;
            if bytes <= INBOUND_HIGH_WATER / 2 && events <= INBOUND_HIGH_WATER_EVENTS / 2 {
                self.room.notify_waiters();
            }
        }
    }

    fn is_full(&self) -> bool {
        self.inbound_bytes.load(Ordering::Relaxed) > INBOUND_HIGH_WATER
            || self.inbound_events.load(Ordering::Relaxed) > INBOUND_HIGH_WATER_EVENTS
    }

    /// Asks the process to stop before it handles what is queued.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        // The event itself only wakes the task.
        drop(self.push(Event::Terminate));
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Waits for events and moves a batch of them to `batch`, which must be empty.
    pub(crate) async fn take(&self, batch: &mut VecDeque<Event<P>>) {
        poll_fn(|cx| {
            let mut queue = self.queue.lock();
            if queue.events.is_empty() {
                if queue.active {
                    queue.active = false;
                    self.busy.leave();
                }
                match &mut queue.reader {
                    Some(reader) => reader.clone_from(cx.waker()),
                    None => queue.reader = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            }
            queue.take(batch);
            Poll::Ready(())
        })
        .await;
    }

    /// Refuses further events and drops those that wait.
    pub(crate) fn close(&self) {
        let dropped = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            if queue.active {
                queue.active = false;
                self.busy.leave();
            }
            std::mem::take(&mut queue.events)
        };
        drop(dropped);
        self.gone.store(true, Ordering::Release);
        self.ended.notify_waiters();
        self.room.notify_waiters();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Waits until the process is gone.
    pub(crate) async fn ended(&self) {
        loop {
            let notified = self.ended.notified();
            if self.is_gone() {
                return;
            }
            notified.await;
        }
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        let mut counts = QueueCounts::default();
        for event in &self.queue.lock().events {
            match event {
                Event::Message(_) => counts.messages += 1,
                Event::Dispatch(_) => counts.dispatches += 1,
                Event::Http(_) => counts.http_requests += 1,
                Event::Exited(_) | Event::Terminate => {}
            }
        }
        counts
    }
}

/// One waiting event, as `/__processes__` shows it.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub(crate) enum EventSummary {
    Message {
        name: String,
        from: String,
        to: String,
        body: String,
    },
    Http {
        method: String,
        url: String,
    },
    Dispatch,
    Exited,
    Terminate,
}

/// Events listed per process; a longer queue is cut off there.
const LISTED_EVENTS: usize = 1_000;
/// Bytes shown of a message's body.
const LISTED_BODY: usize = 1_024;

/// Describes an event; `from` is the sender of the letter before, and then of this one.
fn summary<P>(event: &Event<P>, from: &mut Option<Upid>, to: &Upid) -> EventSummary {
    match event {
        Event::Message(letter) => {
            if let Some(named) = letter.head().from() {
                *from = Some(named.clone());
            }
            let body = letter.body();
            EventSummary::Message {
                name: letter.name(),
                from: from.as_ref().map_or_else(String::new, Upid::to_string),
                to: to.to_string(),
                body: String::from_utf8_lossy(body.get(..LISTED_BODY).unwrap_or(&body)).into_owned(),
            }
        }
        Event::Dispatch(_) => EventSummary::Dispatch,
        Event::Http(event) => EventSummary::Http {
            method: event.request.method.to_string(),
            url: event.request.target(),
        },
        Event::Exited(_) => EventSummary::Exited,
        Event::Terminate => EventSummary::Terminate,
    }
}

/// A cell of whatever process.
pub(crate) trait AnyCell: Send + Sync {
    fn upid(&self) -> &Upid;
    /// Delivers a message; false when the process is gone.
    fn deliver(&self, message: Message) -> bool;
    /// Delivers a letter that has no weight; gives it back when the process is gone.
    fn post(&self, from: &Upid, letter: Box<dyn AnyLetter>) -> Result<(), Box<dyn AnyLetter>>;
    /// Delivers a request; false when the process is gone.
    fn http(&self, request: Request, reply: oneshot::Sender<Reply>) -> bool;
    fn exited(&self, upid: Upid);
    fn kill(&self);
    fn is_full(&self) -> bool;
    fn room(&self) -> &Notify;
    fn is_gone(&self) -> bool;
    fn ended(&self) -> futures_util::future::BoxFuture<'_, ()>;
    fn counts(&self) -> QueueCounts;
    fn events(&self) -> Vec<EventSummary>;
}

impl<P: Send + 'static> AnyCell for Cell<P> {
    fn upid(&self) -> &Upid {
        &self.upid
    }

    fn deliver(&self, message: Message) -> bool {
        let letter = message.into_letter();
        let weight = letter.head().weight();
        self.weigh(weight);
        let delivered = self.push(Event::Message(letter)).is_ok();
        if !delivered {
            self.done(weight);
        }
        delivered
    }

    fn post(&self, from: &Upid, letter: Box<dyn AnyLetter>) -> Result<(), Box<dyn AnyLetter>> {
        self.push_letter(from, letter)
    }

    fn http(&self, request: Request, reply: oneshot::Sender<Reply>) -> bool {
        let weight = Weight::remote(request.body.len());
        self.weigh(weight);
        let delivered = self
            .push(Event::Http(Box::new(HttpEvent {
                request,
                reply,
                weight,
            })))
            .is_ok();
        if !delivered {
            self.done(weight);
        }
        delivered
    }

    fn exited(&self, upid: Upid) {
        drop(self.push(Event::Exited(Box::new(upid))));
    }

    fn kill(&self) {
        Self::kill(self);
    }

    fn is_full(&self) -> bool {
        Self::is_full(self)
    }

    fn room(&self) -> &Notify {
        &self.room
    }

    fn is_gone(&self) -> bool {
        Self::is_gone(self)
    }

    fn ended(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(Self::ended(self))
    }

    fn counts(&self) -> QueueCounts {
        Self::counts(self)
    }

    fn events(&self) -> Vec<EventSummary> {
        let queue = self.queue.lock();
        let mut from = queue.before.clone();
        let listed = queue.events.iter().take(LISTED_EVENTS);
        listed
            .map(|event| summary(event, &mut from, &self.upid))
            .collect()
    }
}

/// Waits until the mailbox has room for more from sockets.
pub(crate) async fn wait_for_room(cell: &Arc<dyn AnyCell>) {
    loop {
        let notified = cell.room().notified();
        if !cell.is_full() || cell.is_gone() {
            return;
        }
        notified.await;
    }
}
