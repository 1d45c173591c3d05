//! The status update manager: one stream per task, its head sent again until it is acknowledged.
//!
//! Facts: agent-disk, section 5. Only the head of a stream is ever under way; the next follows its
//! acknowledgement. While no master is known the manager is paused and sends nothing. What the caller writes to
//! disk, and that it does so before anything is sent, is its own business: [`Agent`](super::Agent) names the
//! write in what it sends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use process::Time;
use proto::internal::StatusUpdate;
use proto::v1::TaskState;

use super::ids::{FrameworkId, Run, TaskId, WriteId};
use super::states;
use super::timers::Timers;

/// Wait before the head of a stream is sent again; doubles each time.
pub const RETRY_MIN: Duration = Duration::from_secs(10);
/// The longest such wait.
pub const RETRY_MAX: Duration = Duration::from_secs(10 * 60);
/// Unacknowledged updates one stream holds; further ones that are not terminal are refused.
pub const MAX_PENDING: usize = 4096;
/// Acknowledged updates one stream remembers to recognise repeats.
const MAX_REMEMBERED: usize = 4096;

/// Whose updates.
pub type Key = (FrameworkId, TaskId);

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is the head of its stream and is to be sent now.
    Forward,
    /// It waits for others, or for a master.
    Queued,
    /// It is known already: to be acknowledged to its sender and otherwise ignored.
    Duplicate,
    /// The stream is full; the update was not taken.
    Full,
}

/// What an acknowledgement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// The terminal update was acknowledged; the stream is gone.
    Ended,
    /// There is a next update, to be sent now.
    Next,
    /// Nothing is to be sent now.
    Idle,
}

/// Why an acknowledgement was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such stream.
    UnknownStream,
    /// The uuid is not that of the stream's head.
    NotHead,
}

#[derive(Clone, Debug)]
struct Stream {
    /// Where the stream is checkpointed; none for frameworks that do not checkpoint.
    run: Option<Run>,
    /// Unacknowledged updates in order.
    pending: VecDeque<StatusUpdate>,
    /// Uuids of the pending and of the last acknowledged updates.
    seen: BTreeSet<Bytes>,
    /// The acknowledged ones among them, oldest first.
    acknowledged: VecDeque<Bytes>,
    retry: Duration,
    /// The last write of this stream.
    written: Option<WriteId>,
}

impl Stream {
    fn new(run: Option<Run>) -> Self {
        Self {
            run,
            pending: VecDeque::new(),
            seen: BTreeSet::new(),
            acknowledged: VecDeque::new(),
            retry: RETRY_MIN,
            written: None,
        }
    }

    fn remember(&mut self, uuid: Bytes) {
        self.seen.insert(uuid.clone());
        self.acknowledged.push_back(uuid);
        if self.acknowledged.len() > MAX_REMEMBERED
            && let Some(oldest) = self.acknowledged.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }
}

/// All streams of one agent.
#[derive(Clone, Debug)]
pub struct StatusUpdates {
    streams: BTreeMap<Key, Stream>,
    retries: Timers<Key>,
    paused: bool,
}

impl Default for StatusUpdates {
    fn default() -> Self {
        Self::new()
    }
}

impl StatusUpdates {
    /// No streams, paused.
    pub const fn new() -> Self {
        Self {
            streams: BTreeMap::new(),
            retries: Timers::new(),
            paused: true,
        }
    }

    /// Takes an update with a uuid. `run` says where the stream is checkpointed, and counts when the stream is new.
    pub fn update(&mut self, now: Time, key: &Key, update: StatusUpdate, run: Option<&Run>) -> Added {
        let uuid = update.uuid.clone().unwrap_or_default();
        let stream = self
            .streams
            .entry(key.clone())
            .or_insert_with(|| Stream::new(run.cloned()));
        if stream.seen.contains(&uuid) {
            return Added::Duplicate;
        }
        if stream.pending.len() >= MAX_PENDING && !states::is_terminal(update.status.state()) {
            return Added::Full;
        }
        stream.seen.insert(uuid);
        stream.pending.push_back(update);
        if self.paused || stream.pending.len() > 1 {
            return Added::Queued;
        }
        stream.retry = RETRY_MIN;
        self.retries.set(key.clone(), now + RETRY_MIN);
        Added::Forward
    }

    /// Takes the acknowledgement of the head of a stream.
    ///
    /// # Errors
    /// When there is no such stream or its head is another update; nothing has changed then.
    pub fn acknowledge(&mut self, now: Time, key: &Key, uuid: &[u8]) -> Result<Acknowledged, Refused> {
        let stream = self.streams.get_mut(key).ok_or(Refused::UnknownStream)?;
        if stream.pending.front().and_then(|head| head.uuid.as_deref()) != Some(uuid) {
            return Err(Refused::NotHead);
        }
        let Some(head) = stream.pending.pop_front() else {
            return Err(Refused::NotHead);
        };
        stream.remember(head.uuid.unwrap_or_default());
        self.retries.cancel(key);
        if states::is_terminal(head.status.state()) {
            self.streams.remove(key);
            return Ok(Acknowledged::Ended);
        }
        stream.retry = RETRY_MIN;
        if self.paused || stream.pending.is_empty() {
            return Ok(Acknowledged::Idle);
        }
        self.retries.set(key.clone(), now + RETRY_MIN);
        Ok(Acknowledged::Next)
    }

    /// Rebuilds a stream from its log: updates in order, acknowledgements as a set.
    ///
    /// Answers whether it goes on; a stream whose terminal update is acknowledged does not.
    pub fn recover(
        &mut self,
        key: Key,
        run: Run,
        updates: Vec<StatusUpdate>,
        acknowledged: &[Bytes],
    ) -> bool {
        let acknowledged: BTreeSet<&Bytes> = acknowledged.iter().collect();
        let mut stream = Stream::new(Some(run));
        let mut ended = false;
        for update in updates {
            let uuid = update.uuid.clone().unwrap_or_default();
            if stream.seen.contains(&uuid) {
                continue;
            }
            if acknowledged.contains(&uuid) {
                ended |= states::is_terminal(update.status.state());
                stream.remember(uuid);
            } else {
                stream.seen.insert(uuid);
                stream.pending.push_back(update);
            }
        }
        if ended || stream.seen.is_empty() {
            return !ended;
        }
        self.streams.insert(key, stream);
        true
    }

    /// Stops all sending.
    pub fn pause(&mut self) {
        self.paused = true;
        self.retries.retain(|_| false);
    }

    /// Starts sending again; answers the streams whose heads are to be sent now.
    pub fn resume(&mut self, now: Time) -> Vec<Key> {
        self.paused = false;
        let keys: Vec<Key> = self
            .streams
            .iter()
            .filter(|(_, stream)| !stream.pending.is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        for key in &keys {
            self.restart(now, key);
        }
        keys
    }

    /// As [`resume`](Self::resume), for the streams of one framework, unless paused.
    pub fn resend(&mut self, now: Time, framework: &FrameworkId) -> Vec<Key> {
        if self.paused {
            return Vec::new();
        }
        let keys: Vec<Key> = self
            .streams
            .iter()
            .filter(|((of, _), stream)| of == framework && !stream.pending.is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        for key in &keys {
            self.restart(now, key);
        }
        keys
    }

    fn restart(&mut self, now: Time, key: &Key) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.retry = RETRY_MIN;
            self.retries.set(key.clone(), now + RETRY_MIN);
        }
    }

    /// Takes a stream whose head is to be sent again, and doubles its wait.
    pub fn take_due(&mut self, now: Time) -> Option<Key> {
        let key = self.retries.take_due(now)?;
        let stream = self.streams.get_mut(&key)?;
        stream.retry = (stream.retry * 2).min(RETRY_MAX);
        self.retries.set(key.clone(), now + stream.retry);
        Some(key)
    }

    /// When [`take_due`](Self::take_due) has something.
    pub fn deadline(&self) -> Option<Time> {
        self.retries.next()
    }

    /// The update to be sent for a stream, with the newest state the stream knows, and the write it rests on.
    pub fn head(&self, key: &Key) -> Option<(StatusUpdate, Option<WriteId>)> {
        let stream = self.streams.get(key)?;
        let mut head = stream.pending.front()?.clone();
        let latest = stream
            .pending
            .back()
            .map_or(head.status.state, |update| update.status.state);
        head.latest_state = Some(latest);
        Some((head, stream.written))
    }

    /// Where a stream is checkpointed.
    pub fn run(&self, key: &Key) -> Option<&Run> {
        self.streams.get(key)?.run.as_ref()
    }

    /// Notes the last write of a stream; what is sent of it from now on rests on that.
    pub fn written(&mut self, key: &Key, write: WriteId) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.written = Some(write);
        }
    }

    /// Whether there is a stream for a task.
    pub fn contains(&self, key: &Key) -> bool {
        self.streams.contains_key(key)
    }

    /// The states of the unacknowledged updates of a task, oldest first.
    pub fn pending_states(&self, key: &Key) -> Vec<TaskState> {
        self.streams.get(key).map_or_else(Vec::new, |s| {
            s.pending.iter().map(|update| update.status.state()).collect()
        })
    }

    /// Drops all streams of a framework.
    pub fn remove_framework(&mut self, framework: &FrameworkId) {
        self.streams.retain(|(of, _), _| of != framework);
        self.retries.retain(|(of, _)| of != framework);
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}
