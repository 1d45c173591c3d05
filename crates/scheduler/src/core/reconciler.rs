//! Which tasks a framework should ask the master about, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::v1;
use proto::v1::scheduler::call::reconcile;

use super::Backoff;

/// Keeps the tasks a framework believes alive, and after a (re)subscription asks for their state until each
/// has been answered: the master may stay silent about tasks of agents that have not come back yet
/// (`scheduler-http.md` section 11, rule 2), so one question is not enough.
///
/// Holds one entry per task that is not terminal; the framework bounds their number by what it launches.
#[derive(Debug)]
pub struct Reconciler {
    tasks: BTreeMap<String, Entry>,
    backoff: Backoff,
    due: Option<Duration>,
}

#[derive(Debug)]
struct Entry {
    agent: Option<v1::AgentId>,
    answered: bool,
}

impl Reconciler {
    /// An empty one. Questions are repeated after 1 s, later after up to 60 s; `seed` decides the jitter.
    pub fn new(seed: u64) -> Self {
        let backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60), seed);
        Self {
            tasks: BTreeMap::new(),
            backoff,
            due: None,
        }
    }

    /// Remembers a task that was launched (or that an earlier run of the framework launched).
    pub fn track(&mut self, task: &v1::TaskId, agent: Option<v1::AgentId>) {
        self.tasks.insert(
            task.value.clone(),
            Entry {
                agent,
                answered: true,
            },
        );
    }

    /// Takes note of a status: it answers the question, and a terminal one ends the watch.
    pub fn observe(&mut self, status: &v1::TaskStatus) {
        if is_terminal(status.state()) {
            self.tasks.remove(&status.task_id.value);
        } else if let Some(entry) = self.tasks.get_mut(&status.task_id.value) {
            entry.answered = true;
        }
        if self.unanswered() == 0 {
            self.due = None;
        }
    }

    /// Begins a round: to be called when a subscription has begun.
    pub fn begin(&mut self, now: Duration) {
        for entry in self.tasks.values_mut() {
            entry.answered = false;
        }
        self.backoff.reset();
        self.due = (!self.tasks.is_empty()).then_some(now);
    }

    /// When [`question`](Self::question) has something to ask.
    pub fn deadline(&self) -> Option<Duration> {
        self.due
    }

    /// The tasks to name in a RECONCILE call now; empty when it is not time, or all are answered.
    pub fn question(&mut self, now: Duration) -> Vec<reconcile::Task> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.due = Some(now + self.backoff.after_failure());
        let open = self.tasks.iter().filter(|(_, entry)| !entry.answered);
        open.map(|(id, entry)| reconcile::Task {
            task_id: v1::TaskId { value: id.clone() },
            agent_id: entry.agent.clone(),
        })
        .collect()
    }

    /// Tasks whose state is not known since the round began.
    pub fn unanswered(&self) -> usize {
        self.tasks.values().filter(|entry| !entry.answered).count()
    }

    /// Tasks tracked.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task is tracked.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// Whether a task in this state never changes again (`task-states.md`).
pub fn is_terminal(state: v1::TaskState) -> bool {
    use v1::TaskState as S;
    match state {
        S::TaskFinished
        | S::TaskFailed
        | S::TaskKilled
        | S::TaskError
        | S::TaskLost
        | S::TaskDropped
        | S::TaskGone
        | S::TaskGoneByOperator => true,
        S::TaskStaging
        | S::TaskStarting
        | S::TaskRunning
        | S::TaskKilling
        | S::TaskUnreachable
        | S::TaskUnknown => false,
    }
}
