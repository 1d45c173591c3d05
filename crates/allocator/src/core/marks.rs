//! Which agents the next runs visit, for whom, and when.

use super::bits::Bits;
use process::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Some frameworks, each in a role: role, framework.
pub(crate) type Seekers = BTreeSet<(u32, u32)>;

/// An agent that a run visits: for everybody, or only for those who may have become interested.
pub(crate) type Due = (u32, Option<Arc<Seekers>>);

/// Agents by number, with the reason for which they are remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// To be visited as soon as possible.
    prompt: Bits,
    /// To be visited as soon as possible, but only for the frameworks named.
    some: BTreeMap<u32, Arc<Seekers>>,
    /// Who wants whatever is free on any agent.
    seekers: Seekers,
    /// When the three above are due.
    prompt_at: Option<Time>,
    /// To be visited with the next batch.
    waiting: Bits,
    waiting_at: Option<Time>,
    /// Have something free.
    pub(crate) open: Bits,
    /// Kept something back because of a limit or for the headroom.
    limited: Bits,
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

    /// The framework may want something of the agent again; nothing changed for others.
    pub(crate) fn prompt_for(&mut self, agent: u32, role: u32, framework: u32, now: Time) {
        Arc::make_mut(self.some.entry(agent).or_default()).insert((role, framework));
        self.prompt_at = Some(self.prompt_at.map_or(now, |at| at.min(now)));
    }

    /// The framework may want something of any agent; nothing changed for others.
    pub(crate) fn seek(&mut self, role: u32, framework: u32, now: Time, coalesce: Duration) {
        if self.open.is_empty() {
            return;
        }
        self.seekers.insert((role, framework));
        self.prompt_at.get_or_insert(now + coalesce);
    }

    pub(crate) fn all_waiting(&mut self, now: Time, interval: Duration) {
        if self.open.is_empty() {
            return;
        }
        self.waiting.extend(&self.open);
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
        self.waiting.extend(&std::mem::take(&mut self.limited));
        self.waiting_at.get_or_insert(now + interval);
    }

    pub(crate) fn forget(&mut self, agent: u32) {
        for set in [
            &mut self.prompt,
            &mut self.waiting,
            &mut self.open,
            &mut self.limited,
        ] {
            set.remove(agent);
        }
        self.some.remove(&agent);
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        [self.prompt_at, self.waiting_at].into_iter().flatten().min()
    }

    /// The agents whose time has come.
    pub(crate) fn take_due(&mut self, now: Time) -> Vec<Due> {
        let mut whole = Bits::default();
        let mut some = BTreeMap::new();
        let mut seekers = Seekers::new();
        if self.prompt_at.is_some_and(|at| at <= now) {
            self.prompt_at = None;
            whole = std::mem::take(&mut self.prompt);
            some = std::mem::take(&mut self.some);
            seekers = std::mem::take(&mut self.seekers);
        }
        if self.waiting_at.is_some_and(|at| at <= now) {
            self.waiting_at = None;
            whole.extend(&std::mem::take(&mut self.waiting));
        }
        // Who waits for the next batch may want it as much as those for whom it is visited now.
        let early = some
            .keys()
            .copied()
            .chain(self.open.iter().filter(|_| !seekers.is_empty()));
        for agent in early {
            if self.waiting.contains(agent) {
                self.waiting.remove(agent);
                whole.insert(agent);
            }
        }
        let mut due: Vec<Due> = whole.iter().map(|agent| (agent, None)).collect();
        if !seekers.is_empty() {
            let everywhere = Arc::new(seekers);
            for agent in self.open.iter().filter(|agent| !whole.contains(*agent)) {
                let wanted = match some.remove(&agent) {
                    None => Arc::clone(&everywhere),
                    Some(here) => Arc::new(here.union(&everywhere).copied().collect()),
                };
                due.push((agent, Some(wanted)));
            }
        }
        let left = some.into_iter().filter(|(agent, _)| !whole.contains(*agent));
        due.extend(left.map(|(agent, wanted)| (agent, Some(wanted))));
        due
    }

    /// Agents that this run leaves to the next, which may follow at once.
    pub(crate) fn put_back(&mut self, agents: Vec<Due>, now: Time) {
        if agents.is_empty() {
            return;
        }
        for (agent, wanted) in agents {
            match wanted {
                None => self.prompt.insert(agent),
                Some(wanted) => {
                    self.some.insert(agent, wanted);
                }
            }
        }
        self.prompt_at = Some(now);
    }
}
