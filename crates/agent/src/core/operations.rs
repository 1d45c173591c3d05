//! The operations an agent has applied, their statuses sent again until each is acknowledged.
//!
//! Facts: agent-disk, sections 3 and 5; internal-protocol, section 10. Operations on an agent's own resources are applied
//! at once, so each has exactly one status, which is terminal; it is forgotten with the acknowledgement.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use process::Time;
use proto::{internal, v1};

use super::ids::WriteId;
use super::status_updates::{RETRY_MAX, RETRY_MIN};
use super::timers::Timers;

/// Operations whose status is not acknowledged; further ones are dropped, and the master is told so once.
pub const MAX_OPERATIONS: usize = 16_384;

#[derive(Clone, Debug)]
struct Entry {
    operation: v1::Operation,
    retry: Duration,
    /// The write its status rests on.
    written: Option<WriteId>,
}

/// All operations of one agent whose status waits for its acknowledgement.
#[derive(Clone, Debug)]
pub struct Operations {
    entries: BTreeMap<Bytes, Entry>,
    retries: Timers<Bytes>,
    paused: bool,
}

impl Default for Operations {
    fn default() -> Self {
        Self::new()
    }
}

impl Operations {
    /// None, and nothing is sent.
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            retries: Timers::new(),
            paused: true,
        }
    }

    /// Takes an operation with its status; whether that is to be sent now.
    pub(super) fn add(&mut self, now: Time, operation: v1::Operation, written: Option<WriteId>) -> bool {
        let uuid = operation.uuid.value.clone();
        let entry = Entry {
            operation,
            retry: RETRY_MIN,
            written,
        };
        self.entries.insert(uuid.clone(), entry);
        if !self.paused {
            self.retries.set(uuid, now + RETRY_MIN);
        }
        !self.paused
    }

    /// Notes the write that the status of an operation rests on.
    pub(super) fn written(&mut self, uuid: &Bytes, write: WriteId) {
        if let Some(entry) = self.entries.get_mut(uuid) {
            entry.written = Some(write);
        }
    }

    /// Forgets an operation whose status `status` is acknowledged; whether it was that.
    pub(super) fn acknowledge(&mut self, uuid: &Bytes, status: &[u8]) -> bool {
        let is_head = self.entries.get(uuid).is_some_and(|entry| {
            let sent = entry.operation.latest_status.uuid.as_ref();
            sent.is_some_and(|sent| sent.value == status)
        });
        if is_head {
            self.entries.remove(uuid);
            self.retries.cancel(uuid);
        }
        is_head
    }

    /// Stops all sending.
    pub(super) fn pause(&mut self) {
        self.paused = true;
        self.retries.retain(|_| false);
    }

    /// Starts sending again; answers whose statuses are to be sent now.
    pub(super) fn resume(&mut self, now: Time) -> Vec<Bytes> {
        self.paused = false;
        for (uuid, entry) in &mut self.entries {
            entry.retry = RETRY_MIN;
            self.retries.set(uuid.clone(), now + RETRY_MIN);
        }
        self.entries.keys().cloned().collect()
    }

    /// Takes an operation whose status is to be sent again, and doubles its wait.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Bytes> {
        let uuid = self.retries.take_due(now)?;
        let entry = self.entries.get_mut(&uuid)?;
        entry.retry = (entry.retry * 2).min(RETRY_MAX);
        self.retries.set(uuid.clone(), now + entry.retry);
        Some(uuid)
    }

    /// When [`take_due`](Self::take_due) has something.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.retries.next()
    }

    /// The message about an operation, and the write it rests on.
    pub(super) fn message(
        &self,
        uuid: &Bytes,
        agent: &v1::AgentId,
    ) -> Option<(internal::UpdateOperationStatusMessage, Option<WriteId>)> {
        let entry = self.entries.get(uuid)?;
        Some((message(&entry.operation, agent), entry.written))
    }

    /// One operation by its uuid.
    pub(super) fn get(&self, uuid: &Bytes) -> Option<&v1::Operation> {
        self.entries.get(uuid).map(|entry| &entry.operation)
    }

    /// All, ordered by uuid.
    pub fn iter(&self) -> impl Iterator<Item = &v1::Operation> {
        self.entries.values().map(|entry| &entry.operation)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What the master is told about an operation.
pub(super) fn message(
    operation: &v1::Operation,
    agent: &v1::AgentId,
) -> internal::UpdateOperationStatusMessage {
    internal::UpdateOperationStatusMessage {
        framework_id: operation.framework_id.clone(),
        slave_id: Some(agent.clone()),
        status: operation.latest_status.clone(),
        latest_status: Some(operation.latest_status.clone()),
        operation_uuid: Some(operation.uuid.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(uuid: u8) -> v1::Operation {
        let id = |value: u8| v1::Uuid {
            value: vec![value; 16].into(),
        };
        v1::Operation {
            uuid: id(uuid),
            latest_status: v1::OperationStatus {
                state: v1::OperationState::OperationFinished as i32,
                uuid: Some(id(uuid + 100)),
                ..v1::OperationStatus::default()
            },
            ..v1::Operation::default()
        }
    }

    #[test]
    fn a_status_is_sent_again_ever_more_slowly_until_it_is_acknowledged() {
        let mut all = Operations::new();
        let mut now = Time::from_secs(1);
        let uuid = Bytes::from(vec![1; 16]);
        assert!(!all.add(now, operation(1), None), "there is no master");
        assert_eq!(all.deadline(), None);
        assert_eq!(all.resume(now), std::slice::from_ref(&uuid));
        for seconds in [10, 20, 40, 80, 160, 320, 600, 600] {
            let due = now + Duration::from_secs(seconds);
            assert_eq!(all.deadline(), Some(due));
            now = due;
            assert_eq!(all.take_due(now), Some(uuid.clone()));
        }
        assert!(!all.acknowledge(&uuid, &[1; 16]), "another status");
        assert!(all.acknowledge(&uuid, &[101; 16]));
        assert!(all.is_empty() && all.deadline().is_none());
        assert!(!all.acknowledge(&uuid, &[101; 16]), "it is forgotten");
    }
}
