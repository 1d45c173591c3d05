//! Tasks as they are kept: encoded.
//!
//! A decoded task is two kilobytes before it holds a text, whether its optional parts are there or not, and a master keeps
//! tasks by the hundred thousand that nobody looks at. A [`Record`] is the task's protobuf encoding (some 300 bytes), which
//! is also what most readers want: snapshots copy it as it is. What the core needs of it is read in passing, and an
//! update is written into it without reading the rest. JSON is made when first asked for, and kept.

mod fields;
mod past;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use prost::encoding;
use proto::{Message as _, json, v1};

use super::ids::{FrameworkId, ToWire};
use fields::{Content, Fields};
pub use past::Past;
pub(super) use past::{ArchivedTask, archived_tasks};

/// The numbers of a task's fields (internal-protocol §5).
mod number {
    pub(super) const NAME: u32 = 1;
    pub(super) const TASK_ID: u32 = 2;
    pub(super) const FRAMEWORK_ID: u32 = 3;
    pub(super) const EXECUTOR_ID: u32 = 4;
    pub(super) const AGENT_ID: u32 = 5;
    pub(super) const STATE: u32 = 6;
    pub(super) const RESOURCES: u32 = 7;
    pub(super) const STATUSES: u32 = 8;
    pub(super) const STATUS_UPDATE_STATE: u32 = 9;
    pub(super) const STATUS_UPDATE_UUID: u32 = 10;
    pub(super) const LABELS: u32 = 11;
    pub(super) const DISCOVERY: u32 = 12;
    pub(super) const CONTAINER: u32 = 13;
    pub(super) const USER: u32 = 14;
    pub(super) const HEALTH_CHECK: u32 = 15;
    pub(super) const KILL_POLICY: u32 = 16;
    pub(super) const LIMITS: u32 = 17;
}

/// Statuses that a task's history holds at most: the first, and the last of them.
pub(super) const HISTORY: usize = 64;

/// A task as it is kept. Cloning costs a reference count; a change leaves clones alone.
///
/// **Invariant.** The bytes are what the schema's own encoder writes for [`read`](Self::read), field by field in the order
/// of their numbers.
#[derive(Clone)]
pub struct Record(Arc<Inner>);

struct Inner {
    state: v1::TaskState,
    wire: Box<[u8]>,
    json: OnceLock<Box<[u8]>>,
    v0: OnceLock<Box<[u8]>>,
}

/// What an update changes about a task.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    /// The state it is in from now on.
    pub(super) state: v1::TaskState,
    /// What its history is told; of equal states in a row only the last is kept, and of all no more than [`HISTORY`].
    pub(super) status: &'a v1::TaskStatus,
    /// State and uuid of the update that the scheduler is to acknowledge, if that is another one now.
    pub(super) told: Option<(v1::TaskState, &'a [u8])>,
}

impl Record {
    /// Of a task in full.
    pub fn new(task: &v1::Task) -> Self {
        Self::from_wire(task.state(), task.encode_to_vec())
    }

    /// Of a task that is launched: nothing has been heard of it.
    pub(super) fn launched(info: &v1::TaskInfo, framework: &FrameworkId) -> Self {
        let state = v1::TaskState::TaskStaging;
        let user = info
            .command
            .as_ref()
            .or_else(|| info.executor.as_ref()?.command.as_ref())
            .and_then(|command| command.user.as_ref());
        let mut out = Vec::with_capacity(info.encoded_len() + framework.as_str().len() + 16);
        encoding::string::encode(number::NAME, &info.name, &mut out);
        encoding::message::encode(number::TASK_ID, &info.task_id, &mut out);
        encoding::message::encode(number::FRAMEWORK_ID, &framework.to_wire(), &mut out);
        if let Some(executor) = &info.executor {
            encoding::message::encode(number::EXECUTOR_ID, &executor.executor_id, &mut out);
        }
        encoding::message::encode(number::AGENT_ID, &info.agent_id, &mut out);
        encoding::int32::encode(number::STATE, &(state as i32), &mut out);
        encoding::message::encode_repeated(number::RESOURCES, &info.resources, &mut out);
        optional(number::LABELS, info.labels.as_ref(), &mut out);
        optional(number::DISCOVERY, info.discovery.as_ref(), &mut out);
        optional(number::CONTAINER, info.container.as_ref(), &mut out);
        if let Some(user) = user {
            encoding::string::encode(number::USER, user, &mut out);
        }
        optional(number::HEALTH_CHECK, info.health_check.as_ref(), &mut out);
        optional(number::KILL_POLICY, info.kill_policy.as_ref(), &mut out);
        encoding::btree_map::encode(
            encoding::string::encode,
            encoding::string::encoded_len,
            encoding::message::encode,
            encoding::message::encoded_len,
            number::LIMITS,
            &info.limits,
            &mut out,
        );
        Self::from_wire(state, out)
    }

    fn from_wire(state: v1::TaskState, wire: Vec<u8>) -> Self {
        Self(Arc::new(Inner {
            state,
            wire: wire.into_boxed_slice(),
            json: OnceLock::new(),
            v0: OnceLock::new(),
        }))
    }

    /// The task in full, decoded anew at each call.
    pub fn read(&self) -> v1::Task {
        v1::Task::decode(&*self.0.wire).expect("the bytes were encoded here from a task")
    }

    /// The latest state known here.
    pub fn state(&self) -> v1::TaskState {
        self.0.state
    }

    /// The task in protobuf.
    pub fn protobuf(&self) -> &[u8] {
        &self.0.wire
    }

    /// The task in the JSON of the v1 API; made when first asked for.
    pub fn json(&self) -> &[u8] {
        self.0.json.get_or_init(|| {
            let mut out = Vec::new();
            json::write(&self.read(), &mut out);
            out.into_boxed_slice()
        })
    }

    /// The task as v0 endpoints show it, which is what `write` writes; it is asked once.
    pub(crate) fn v0(&self, write: impl FnOnce(&v1::Task, &mut Vec<u8>)) -> &[u8] {
        self.0.v0.get_or_init(|| {
            let mut out = Vec::new();
            write(&self.read(), &mut out);
            out.into_boxed_slice()
        })
    }

    /// Its id.
    pub fn task_id(&self) -> &str {
        self.id(number::TASK_ID).unwrap_or_default()
    }

    /// The id of its framework.
    pub fn framework_id(&self) -> &str {
        self.id(number::FRAMEWORK_ID).unwrap_or_default()
    }

    /// The id of its agent.
    pub fn agent_id(&self) -> &str {
        self.id(number::AGENT_ID).unwrap_or_default()
    }

    /// Whom it runs as, if it says so.
    pub fn user(&self) -> Option<&str> {
        self.fields().text(number::USER)
    }

    /// Its container, if it names one.
    pub(super) fn container(&self) -> Option<v1::ContainerInfo> {
        decoded(self.fields().bytes(number::CONTAINER)?)
    }

    /// What was heard of it first.
    pub(crate) fn first_status(&self) -> Option<v1::TaskStatus> {
        decoded(self.fields().bytes(number::STATUSES)?)
    }

    /// What was heard of it last.
    pub(super) fn last_status(&self) -> Option<v1::TaskStatus> {
        let statuses = self.fields().filter(|field| field.number == number::STATUSES);
        match statuses.last()?.content {
            Content::Bytes(bytes) => decoded(bytes),
            Content::Number(_) | Content::Other => None,
        }
    }

    /// The state that the scheduler is to acknowledge, or has acknowledged last.
    pub(super) fn told_state(&self) -> Option<v1::TaskState> {
        state_of(self.fields().number(number::STATUS_UPDATE_STATE)?)
    }

    /// The uuid that goes with [`told_state`](Self::told_state).
    pub(super) fn told_uuid(&self) -> Option<&[u8]> {
        self.fields().bytes(number::STATUS_UPDATE_UUID)
    }

    /// Enters an update; all but state, history and what is to be acknowledged stays as it is, byte for byte.
    pub(super) fn advance(&mut self, progress: &Progress<'_>) {
        let mut out = Vec::with_capacity(self.0.wire.len() + progress.status.encoded_len() + 32);
        let mut statuses = self.fields().filter(|field| field.number == number::STATUSES);
        // What was heard first stays, since lists are in its order.
        let oldest = statuses.by_ref().nth(1);
        let count = oldest.map_or(0, |_| 2) + statuses.count();
        let last = self
            .fields()
            .filter(|field| field.number == number::STATUSES)
            .last();
        // Repeated states collapse into the newest, so a task's history stays short.
        let replaced = last
            .filter(|field| match field.content {
                Content::Bytes(status) => state_number(status) == progress.status.state,
                Content::Number(_) | Content::Other => false,
            })
            // One whose states take turns has a history of bounded length all the same.
            .or_else(|| oldest.filter(|_| count >= HISTORY));
        let mut fields = self.fields().peekable();
        let mut copy = |upto: u32, out: &mut Vec<u8>, keep: &dyn Fn(u32, &[u8]) -> bool| {
            while let Some(field) = fields.next_if(|field| field.number <= upto) {
                if keep(field.number, field.whole) {
                    out.extend_from_slice(field.whole);
                }
            }
        };
        copy(number::STATE, &mut out, &|number, _| number != number::STATE);
        encoding::int32::encode(number::STATE, &(progress.state as i32), &mut out);
        let stays = |_: u32, whole: &[u8]| replaced.is_none_or(|old| !std::ptr::eq(old.whole, whole));
        copy(number::STATUSES, &mut out, &stays);
        encoding::message::encode(number::STATUSES, progress.status, &mut out);
        match progress.told {
            Some((state, uuid)) => {
                copy(number::STATUS_UPDATE_UUID, &mut out, &|_, _| false);
                encoding::int32::encode(number::STATUS_UPDATE_STATE, &(state as i32), &mut out);
                encoding::bytes::encode(number::STATUS_UPDATE_UUID, &uuid.to_vec(), &mut out);
            }
            None => copy(number::STATUS_UPDATE_UUID, &mut out, &|_, _| true),
        }
        copy(u32::MAX, &mut out, &|_, _| true);
        *self = Self::from_wire(progress.state, out);
    }

    fn fields(&self) -> Fields<'_> {
        Fields::of(&self.0.wire)
    }

    /// The text in an id's message.
    fn id(&self, number: u32) -> Option<&str> {
        Fields::of(self.fields().bytes(number)?).text(1)
    }
}

impl From<v1::Task> for Record {
    fn from(task: v1::Task) -> Self {
        Self::new(&task)
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.wire == other.0.wire
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

fn optional<M: proto::Message>(number: u32, message: Option<&M>, out: &mut Vec<u8>) {
    if let Some(message) = message {
        encoding::message::encode(number, message, out);
    }
}

/// A part of a record, whose bytes were encoded here.
fn decoded<M: proto::Message + Default>(bytes: &[u8]) -> Option<M> {
    M::decode(bytes).ok()
}

/// The number of a status's state.
fn state_number(status: &[u8]) -> i32 {
    /// Of `TaskStatus.state`.
    const STATE: u32 = 2;
    Fields::of(status).number(STATE).map_or(0, low)
}

fn state_of(number: u64) -> Option<v1::TaskState> {
    v1::TaskState::try_from(low(number)).ok()
}

/// An enum is the low half of its number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the upper half is the sign, repeated"
)]
const fn low(number: u64) -> i32 {
    number as i32
}
