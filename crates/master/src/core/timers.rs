//! Everything the core waits for, in one table.

use std::collections::BTreeMap;

use process::Time;

use super::ids::{AgentId, FrameworkId, OfferId, StreamId};

/// What to do when a time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timer {
    /// Ping this agent.
    Ping(AgentId),
    /// This disconnected agent has been away too long.
    AgentReregister(AgentId),
    /// The agents of the registry that have not come back have been away too long.
    Recovery,
    /// Another agent may be marked unreachable.
    RemovalPermit,
    /// This disconnected framework has been away too long.
    Failover(FrameworkId),
    /// Send a HEARTBEAT on this stream.
    Heartbeat(StreamId),
    /// This offer has stood too long.
    OfferExpiry(OfferId),
    /// This inverse offer has stood too long.
    InverseOfferExpiry(OfferId),
    /// Forget old unreachable and gone agents.
    RegistryGc,
}

/// Names a set timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey {
    at: Time,
    sequence: u64,
}

/// Set timers, the earliest first; those of the same time in the order they were set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    sequence: u64,
    table: BTreeMap<TimerKey, Timer>,
}

impl Timers {
    pub(super) fn set(&mut self, at: Time, timer: Timer) -> TimerKey {
        let key = TimerKey {
            at,
            sequence: self.sequence,
        };
        self.sequence += 1;
        self.table.insert(key, timer);
        key
    }

    /// Does nothing when it has fired.
    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.table.remove(&key);
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.table.first_key_value().map(|(key, _)| key.at)
    }

    /// Takes out the earliest timer whose time has come.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        let entry = self.table.first_entry()?;
        (entry.key().at <= now).then(|| entry.remove())
    }
}
