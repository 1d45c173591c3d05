//! How tasks end: kills, waits, and what one's end means for the others.

use std::time::Duration;

use containerizer::program::exit_status;
use process::Time;
use proto::v1::TaskState;
use proto::v1::framework_info::capability::Type as Capability;
use proto::v1::task_status::Reason;

use super::{
    ACKNOWLEDGEMENT_TIMEOUT, Cause, Default, Ended, Kill, Output, Phase, RETRY, SIGKILL, SIGTERM, Waited,
    kill_grace,
};
use crate::Status;

impl Default {
    /// Kills a task as its own policy says.
    pub(super) fn kill_by_policy(&mut self, now: Time, container: &str, out: &mut Vec<Output>) {
        if let Some(child) = self.children.get(container) {
            let grace = kill_grace(None, &child.task);
            self.kill(now, container, grace, Cause::Killed, out);
        }
    }

    /// The first kill counts; what is launching yet is signalled as soon as it runs.
    pub(super) fn kill(
        &mut self,
        now: Time,
        container: &str,
        grace: Duration,
        cause: Cause,
        out: &mut Vec<Output>,
    ) {
        let Some(child) = self
            .children
            .get_mut(container)
            .filter(|child| child.kill.is_none())
        else {
            return;
        };
        child.kill = Some(Kill {
            cause,
            grace,
            deadline: None,
            signal: SIGTERM,
            retry: None,
        });
        let runs = matches!(child.phase, Phase::Running { .. });
        let mut wanted = Vec::new();
        child.checked.pause(&mut wanted);
        self.carry(now, container, wanted, out);
        if cause == Cause::Killed
            && self.framework_can(Capability::TaskKillingState)
            && let Some(child) = self.children.get(container)
        {
            self.update(
                child,
                TaskState::TaskKilling,
                child.status(TaskState::TaskKilling),
                out,
            );
        }
        if runs {
            self.signal(now, container, out);
        }
    }

    /// Sends SIGTERM, from which on the grace counts.
    pub(super) fn signal(&mut self, now: Time, container: &str, out: &mut Vec<Output>) {
        let child = self.children.get_mut(container);
        if let Some(kill) = child.and_then(|child| child.kill.as_mut()) {
            kill.deadline = Some(now + kill.grace);
            out.push(Output::Kill(container.to_owned(), SIGTERM));
            self.on_child_timeout(now, container, out);
        }
    }

    pub(super) fn on_kill_failed(&mut self, now: Time, container: &str) {
        let child = self.children.get_mut(container);
        if let Some(kill) = child.and_then(|child| child.kill.as_mut()) {
            kill.retry = Some(now + RETRY);
        }
    }

    pub(super) fn on_child_timeout(&mut self, now: Time, container: &str, out: &mut Vec<Output>) {
        let Some(child) = self.children.get_mut(container) else {
            return;
        };
        let due = |time: &mut Option<Time>| time.take_if(|time| *time <= now).is_some();
        if let Phase::Running { wait } = &mut child.phase
            && due(wait)
        {
            out.push(Output::Wait(child.container.clone()));
        }
        match &mut child.kill {
            Some(kill) => {
                if due(&mut kill.deadline) {
                    kill.signal = SIGKILL;
                    kill.retry = None;
                    out.push(Output::Kill(container.to_owned(), SIGKILL));
                } else if due(&mut kill.retry) {
                    out.push(Output::Kill(container.to_owned(), kill.signal));
                }
            }
            None if due(&mut child.overdue) => {
                self.kill(now, container, Duration::ZERO, Cause::Overdue, out);
            }
            None => {
                let mut wanted = Vec::new();
                child.checked.on_timeout(now, &mut wanted);
                self.carry(now, container, wanted, out);
            }
        }
    }

    pub(super) fn on_waited(&mut self, now: Time, container: &str, waited: Waited, out: &mut Vec<Output>) {
        let Some(child) = self.children.get_mut(container) else {
            return;
        };
        match waited {
            Waited::Ended(ended) => self.on_ended(now, container, *ended, out),
            Waited::Unknown => self.on_ended(now, container, Ended::default(), out),
            Waited::Unreachable => {
                child.phase = Phase::Running {
                    wait: Some(now + RETRY),
                };
            }
            // The agent may never tell: all ends here.
            Waited::Refused(_) => {
                child.phase = Phase::Running {
                    wait: Some(now + RETRY),
                };
                self.give_up.get_or_insert(now + ACKNOWLEDGEMENT_TIMEOUT);
                self.shut_down(now, out);
            }
        }
    }

    fn on_ended(&mut self, now: Time, container: &str, ended: Ended, out: &mut Vec<Output>) {
        let Some(child) = self.children.get(container) else {
            return;
        };
        let Ended {
            termination,
            limitation,
        } = ended;
        let cause = child.kill.as_ref().map(|kill| kill.cause);
        let own = match cause {
            Some(Cause::Killed) => TaskState::TaskKilled,
            Some(Cause::Overdue) => TaskState::TaskFailed,
            None if termination.status.and_then(exit_status) == Some(0) => TaskState::TaskFinished,
            None => TaskState::TaskFailed,
        };
        // What the agent says of it is the better knowledge.
        let state = termination.state.unwrap_or(own);
        let reason = match cause {
            Some(Cause::Overdue) => Some(Reason::MaxCompletionTimeReached),
            _ => None,
        };
        let reason = termination.reason.or(reason);
        let described = termination.describe().map(|status| format!("Command {status}"));
        let message = match (described, termination.message) {
            (Some(own), Some(agents)) => Some(format!("{own}: {agents}")),
            (own, agents) => own.or(agents),
        };
        let unhealthy = child.unhealthy;
        let complete = |mut status: Status| {
            if let Some(reason) = reason {
                status = status.reason(reason);
            }
            if let Some(message) = message {
                status = status.message(message);
            }
            if let Some(limitation) = limitation {
                status = status.limitation(limitation);
            }
            if unhealthy { status.healthy(false) } else { status }
        };
        self.end(now, container, state, complete, out);
    }

    /// A task has ended: says so, and ends the rest of its group unless it finished.
    pub(super) fn end(
        &mut self,
        now: Time,
        container: &str,
        state: TaskState,
        complete: impl FnOnce(Status) -> Status,
        out: &mut Vec<Output>,
    ) {
        let mut wanted = Vec::new();
        if let Some(child) = self.children.get_mut(container) {
            child.checked.pause(&mut wanted);
        }
        self.carry(now, container, wanted, out);
        let Some(child) = self.children.shift_remove(container) else {
            return;
        };
        self.update(&child, state, complete(child.status(state)), out);
        if state != TaskState::TaskFinished {
            let rest: Vec<String> = self
                .of_group(child.group)
                .map(|child| child.container.value.clone())
                .collect();
            for container in rest {
                self.kill_by_policy(now, &container, out);
            }
        }
        if self.children.is_empty() {
            self.until = Some(now + ACKNOWLEDGEMENT_TIMEOUT);
        }
    }
}
