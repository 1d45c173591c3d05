//! One task in its container.

use process::Time;
use proto::v1::{ContainerId, TaskInfo, TaskState};

use super::input::Launched;
use crate::Status;
use crate::core::checked::Checked;

/// How far a task is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its launch, or that of another one of its group, is not answered yet.
    Launching {
        /// What came of its own.
        answer: Option<Launched>,
    },
    /// It runs. `wait` is when to ask again how it ends, if nobody does at the moment.
    Running { wait: Option<Time> },
}

/// Why a task ends, if not by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Killed,
    Overdue,
}

#[derive(Debug)]
pub(super) struct Kill {
    pub(super) cause: Cause,
    /// From SIGTERM to SIGKILL.
    pub(super) grace: std::time::Duration,
    /// When SIGKILL follows; none before SIGTERM was sent, and once SIGKILL was.
    pub(super) deadline: Option<Time>,
    /// The signal sent last, and when to send it again, if that failed.
    pub(super) signal: i32,
    pub(super) retry: Option<Time>,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) task: TaskInfo,
    pub(super) group: u64,
    pub(super) container: ContainerId,
    pub(super) phase: Phase,
    pub(super) kill: Option<Kill>,
    pub(super) checked: Checked,
    /// It is killed because its health check failed.
    pub(super) unhealthy: bool,
    /// When it must have ended (`max_completion_time`).
    pub(super) overdue: Option<Time>,
}

impl Child {
    pub(super) fn new(
        task: TaskInfo,
        group: u64,
        container: ContainerId,
        checked: Checked,
        overdue: Option<Time>,
    ) -> Self {
        Self {
            task,
            group,
            container,
            phase: Phase::Launching { answer: None },
            kill: None,
            checked,
            unhealthy: false,
            overdue,
        }
    }

    /// It runs from now on, and so do its checks, unless it is being killed.
    pub(super) fn start(&mut self, now: Time) {
        self.phase = Phase::Running { wait: None };
        if self.kill.is_none()
            && let Ok(checked) = Checked::of(&self.task, now)
        {
            self.checked = checked;
        }
    }

    /// Goes on with checks that were paused while there was no agent.
    pub(super) fn resume(&mut self, now: Time) {
        if self.kill.is_none() {
            self.checked.resume(now);
        }
    }

    pub(super) fn status(&self, state: TaskState) -> Status {
        Status::new(self.task.task_id.clone(), state)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let Phase::Running { wait } = &self.phase else {
            return None;
        };
        let killing = self.kill.as_ref();
        let kill = killing.and_then(|kill| kill.deadline);
        let retry = killing.and_then(|kill| kill.retry);
        let (overdue, checks) = match killing {
            None => (self.overdue, self.checked.deadline()),
            Some(_) => (None, None),
        };
        [*wait, kill, retry, overdue, checks].into_iter().flatten().min()
    }
}
