//! What runs, what should, and what a status means.

use std::collections::BTreeMap;

use proto::v1;
use proto::v1::TaskState;

use crate::offers::{Left, Wish};

/// What a status changed.
pub(crate) enum Change {
    /// The task is in this state now.
    Now(&'static str),
    /// The task is no more; a copy is missing.
    Ended(&'static str),
    /// A task of this framework that this program does not know: one from before its memory was lost.
    Stray,
    /// Nothing.
    None,
}

struct Instance {
    id: v1::TaskId,
    agent: v1::AgentId,
    state: &'static str,
}

/// The copies.
pub(crate) struct Instances {
    wish: Wish,
    count: usize,
    tasks: BTreeMap<String, Instance>,
}

impl Instances {
    pub(crate) fn new(wish: Wish, count: usize) -> Self {
        Self {
            wish,
            count,
            tasks: BTreeMap::new(),
        }
    }

    /// A copy that an earlier run launched.
    pub(crate) fn remember(&mut self, id: v1::TaskId, agent: v1::AgentId) {
        let instance = Instance {
            id: id.clone(),
            agent,
            state: "unknown",
        };
        self.tasks.insert(id.value, instance);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&v1::TaskId, &v1::AgentId)> {
        self.tasks
            .values()
            .map(|instance| (&instance.id, &instance.agent))
    }

    /// The copies to launch on this offer.
    pub(crate) fn plan(&mut self, offer: &v1::Offer) -> Vec<v1::TaskInfo> {
        let mut left = Left::of(offer);
        let mut tasks = Vec::new();
        while self.tasks.len() < self.count {
            let Some(resources) = left.take(&self.wish) else {
                break;
            };
            let id = v1::TaskId {
                value: format!("service-{}", uuid::Uuid::new_v4()),
            };
            self.remember(id.clone(), offer.agent_id.clone());
            tasks.push(v1::TaskInfo {
                name: "service".to_owned(),
                task_id: id,
                agent_id: offer.agent_id.clone(),
                resources,
                command: Some(v1::CommandInfo {
                    value: Some(self.wish.command.clone()),
                    ..v1::CommandInfo::default()
                }),
                ..v1::TaskInfo::default()
            });
        }
        tasks
    }

    /// Every state there is.
    pub(crate) fn on_status(&mut self, status: &v1::TaskStatus) -> Change {
        match status.state() {
            TaskState::TaskStaging => self.now(status, "staging"),
            TaskState::TaskStarting => self.now(status, "starting"),
            TaskState::TaskRunning => self.now(status, "running"),
            TaskState::TaskKilling => self.now(status, "killing"),
            // Its agent cannot be reached. It may come back, with the task; until somebody knows better it counts.
            TaskState::TaskUnreachable => self.now(status, "unreachable"),
            TaskState::TaskFinished => self.ended(status, "finished"),
            TaskState::TaskFailed => self.ended(status, "failed"),
            TaskState::TaskKilled => self.ended(status, "killed"),
            TaskState::TaskError => self.ended(status, "error"),
            TaskState::TaskLost => self.ended(status, "lost"),
            TaskState::TaskDropped => self.ended(status, "dropped"),
            TaskState::TaskGone => self.ended(status, "gone"),
            TaskState::TaskGoneByOperator => self.ended(status, "gone by operator"),
            // The master has never heard of it, or has forgotten it: the launch was lost, or all is long over.
            TaskState::TaskUnknown => self.ended(status, "unknown"),
        }
    }

    fn now(&mut self, status: &v1::TaskStatus, state: &'static str) -> Change {
        match self.tasks.get_mut(&status.task_id.value) {
            Some(instance) if instance.state == state => Change::None,
            Some(instance) => {
                instance.state = state;
                Change::Now(state)
            }
            None => Change::Stray,
        }
    }

    fn ended(&mut self, status: &v1::TaskStatus, why: &'static str) -> Change {
        match self.tasks.remove(&status.task_id.value) {
            Some(_) => Change::Ended(why),
            // Told twice.
            None => Change::None,
        }
    }
}
