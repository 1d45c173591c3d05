//! Which agents the next runs visit, and when.

use process::Time;
use std::collections::BTreeSet;
use std::time::Duration;

/// Agents by number, with the reason for which they are remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// To be visited as soon as possible.
    prompt: BTreeSet<u32>,
    prompt_at: Option<Time>,
    /// To be visited with the next batch.
    waiting: BTreeSet<u32>,
    waiting_at: Option<Time>,
    /// Have something free.
    pub(crate) open: BTreeSet<u32>,
    /// Kept something back because of a limit or for the headroom.
    limited: BTreeSet<u32>,
}

impl Marks {
    pub(crate) fn prompt(&mut self, agent: u32, now: Time, coalesce: Duration) {
        self.prompt.insert(agent);
        self.prompt_at.get_or_insert(now + coalesce);
    }

    pub(crate) fn waiting(&mut self, agent: u32, now: Time, interval: Duration) {
        self.waiting.insert(agent);
        self.waiting_at.get_or_insert(now + interval);
    }

    pub(crate) fn all_prompt(&mut self, now: Time, coalesce: Duration) {
        if self.open.is_empty() {
            return;
        }
        self.prompt.extend(self.open.iter().copied());
        self.prompt_at.get_or_insert(now + coalesce);
    }

    pub(crate) fn all_waiting(&mut self, now: Time, interval: Duration) {
        if self.open.is_empty() {
            return;
        }
        self.waiting.extend(self.open.iter().copied());
        self.waiting_at.get_or_insert(now + interval);
    }

    pub(crate) fn limit(&mut self, agent: u32) {
        self.limited.insert(agent);
    }

    /// Quota or headroom may allow more than before.
    pub(crate) fn wake_limited(&mut self, now: Time, interval: Duration) {
        if self.limited.is_empty() {
            return;
        }
        self.waiting.append(&mut self.limited);
        self.waiting_at.get_or_insert(now + interval);
    }

    pub(crate) fn forget(&mut self, agent: u32) {
        for set in [
            &mut self.prompt,
            &mut self.waiting,
            &mut self.open,
            &mut self.limited,
        ] {
            set.remove(&agent);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        [self.prompt_at, self.waiting_at].into_iter().flatten().min()
    }

    /// The agents whose time has come.
    pub(crate) fn take_due(&mut self, now: Time) -> Vec<u32> {
        let mut due = BTreeSet::new();
        if self.prompt_at.is_some_and(|at| at <= now) {
            self.prompt_at = None;
            due = std::mem::take(&mut self.prompt);
        }
        if self.waiting_at.is_some_and(|at| at <= now) {
            self.waiting_at = None;
            due.append(&mut self.waiting);
        }
        due.into_iter().collect()
    }

    /// Agents that this run leaves to the next, which may follow at once.
    pub(crate) fn put_back(&mut self, agents: &[u32], now: Time) {
        if !agents.is_empty() {
            self.prompt.extend(agents.iter().copied());
            self.prompt_at = Some(now);
        }
    }
}
