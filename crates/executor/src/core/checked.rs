//! The check and the health check of one task, and what its statuses say of them.

use containerizer::checks::{Answer, Checker, Finding, Output, Probe};
use process::Time;
use proto::v1::task_status::Reason;
use proto::v1::{CheckStatusInfo, TaskInfo, TaskState};

use crate::Status;

/// A question of one of a task's checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Question {
    checker: usize,
    number: u64,
}

/// What a task's checkers want done, or have found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// Ask.
    Ask(Question, Box<Probe>),
    /// The answer is not wanted any more.
    Cancel(Question),
    /// Tell the scheduler, with this reason.
    Tell(Reason),
    /// Kill the task: it is unhealthy.
    Kill,
}

/// What is checked of a task. Without checks it does nothing.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    checkers: Vec<Checker>,
    /// Of the check: part of every status, from the first on.
    status: Option<CheckStatusInfo>,
    /// The last verdict of the health check.
    healthy: Option<bool>,
    outputs: Vec<Output>,
}

impl Checked {
    /// The checks of a task that starts now.
    ///
    /// # Errors
    /// What is wrong with one of them, in words.
    pub(crate) fn of(task: &TaskInfo, now: Time) -> Result<Self, String> {
        let mut checked = Self::default();
        if let Some(check) = &task.check {
            let checker = Checker::of_check(check, now)?;
            checked.status = checker.initial_status();
            checked.checkers.push(checker);
        }
        if let Some(health) = &task.health_check {
            checked.checkers.push(Checker::of_health(health, now)?);
        }
        Ok(checked)
    }

    /// When [`on_timeout`](Self::on_timeout) should be called next.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.checkers.iter().filter_map(Checker::deadline).min()
    }

    pub(crate) fn on_timeout(&mut self, now: Time, wanted: &mut Vec<Wanted>) {
        self.each(wanted, |checker, out| checker.on_timeout(now, out));
    }

    pub(crate) fn on_answer(
        &mut self,
        now: Time,
        question: Question,
        answer: &Answer,
        wanted: &mut Vec<Wanted>,
    ) {
        if let Some(checker) = self.checkers.get_mut(question.checker) {
            let mut out = std::mem::take(&mut self.outputs);
            checker.on_answer(now, question.number, answer, &mut out);
            self.carry(question.checker, &mut out, wanted);
            self.outputs = out;
        }
    }

    /// Asks nothing from here on; what is open is cancelled.
    pub(crate) fn pause(&mut self, wanted: &mut Vec<Wanted>) {
        self.each(wanted, |checker, out| checker.pause(out));
    }

    /// Goes on after a pause.
    pub(crate) fn resume(&mut self, now: Time) {
        self.checkers.iter_mut().for_each(|checker| checker.resume(now));
    }

    fn each(&mut self, wanted: &mut Vec<Wanted>, step: impl Fn(&mut Checker, &mut Vec<Output>)) {
        let mut out = std::mem::take(&mut self.outputs);
        for index in 0..self.checkers.len() {
            if let Some(checker) = self.checkers.get_mut(index) {
                step(checker, &mut out);
            }
            self.carry(index, &mut out, wanted);
        }
        self.outputs = out;
    }

    fn carry(&mut self, checker: usize, out: &mut Vec<Output>, wanted: &mut Vec<Wanted>) {
        for output in out.drain(..) {
            match output {
                Output::Ask(number) => {
                    let probe = self.checkers.get(checker).map(|checker| checker.probe().clone());
                    let question = Question { checker, number };
                    wanted.extend(probe.map(|probe| Wanted::Ask(question, Box::new(probe))));
                }
                Output::Cancel(number) => wanted.push(Wanted::Cancel(Question { checker, number })),
                Output::Found(Finding::Check(status)) => {
                    self.status = Some(status);
                    wanted.push(Wanted::Tell(Reason::TaskCheckStatusUpdated));
                }
                Output::Found(Finding::Health { healthy, kill }) => {
                    self.healthy = Some(healthy);
                    wanted.push(Wanted::Tell(Reason::TaskHealthCheckStatusUpdated));
                    if kill {
                        wanted.push(Wanted::Kill);
                    }
                }
            }
        }
    }

    /// Adds to a status what is known: the check's last answer, even if there is none yet, and, of a task that
    /// runs, the last verdict on its health.
    pub(crate) fn describe(&self, state: TaskState, mut status: Status) -> Status {
        if let Some(check) = self.status {
            status = status.check_status(check);
        }
        match self.healthy {
            Some(healthy) if state == TaskState::TaskRunning => status.healthy(healthy),
            _ => status,
        }
    }
}
