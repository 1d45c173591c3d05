//! The end of containers: what becomes of the executor's tasks, and when the executor is forgotten.

use containerizer::Termination;
use process::Time;
use proto::internal::ExitedExecutorMessage;
use proto::v1::TaskState;
use proto::v1::task_status::Reason;
use std::sync::Arc;

use super::agent::{Agent, Phase, Timer};
use super::environment::duration_text;
use super::executor::{self, Connection, Executor, Verdict};
use super::framework::{self, MAX_COMPLETED_FRAMEWORKS};
use super::ids::{ContainerId, ExecutorId, FrameworkId, TaskId};
use super::output::{Checkpoint, Discarded, Output, Sent};
use super::states;

impl Agent {
    pub(super) fn on_launched(&mut self, container: &ContainerId, pid: i32) {
        if let Some(entry) = self.executor_in(container) {
            entry.pid = Some(pid);
            entry.launching = false;
        }
    }

    pub(super) fn on_launch_failed(
        &mut self,
        now: Time,
        container: &ContainerId,
        cause: &str,
        out: &mut Vec<Output>,
    ) {
        self.counters.container_launch_errors += 1;
        if let Some(entry) = self.executor_in(container)
            && entry.verdict.is_none()
        {
            entry.verdict = Some(Verdict {
                state: TaskState::TaskFailed,
                reason: Reason::ContainerLaunchFailed,
                message: format!("Failed to launch container: {cause}"),
                limited: Vec::new(),
            });
        }
        self.on_terminated(now, container, None, out);
    }

    pub(super) fn on_update_failed(&mut self, container: &ContainerId, cause: &str, out: &mut Vec<Output>) {
        let message = format!("Failed to update resources for container: {cause}");
        self.condemn(
            container,
            TaskState::TaskGone,
            Reason::ContainerUpdateFailed,
            message,
            out,
        );
    }

    pub(super) fn on_registration_timeout(&mut self, container: &ContainerId, out: &mut Vec<Output>) {
        let timeout = duration_text(self.config.executor_registration_timeout);
        let message = format!("Executor did not register within {timeout}");
        self.condemn(
            container,
            TaskState::TaskFailed,
            Reason::ExecutorRegistrationTimeout,
            message,
            out,
        );
    }

    /// Decides the end of an executor that has not ended, and has its container killed.
    pub(super) fn condemn(
        &mut self,
        container: &ContainerId,
        state: TaskState,
        reason: Reason,
        message: String,
        out: &mut Vec<Output>,
    ) {
        let Some((framework, executor)) = self.containers.get(container).cloned() else {
            return;
        };
        let Some(entry) = self.frameworks.get_mut(&framework) else {
            return;
        };
        let state = match state {
            TaskState::TaskGone => states::aware(&entry.info, TaskState::TaskGone),
            state => state,
        };
        let Some(entry) = entry.executors.get_mut(&executor) else {
            return;
        };
        if entry.phase == executor::Phase::Terminated {
            return;
        }
        tracing::warn!(%framework, %executor, %container, "killing an executor: {message}");
        entry.phase = executor::Phase::Terminating;
        entry.verdict.get_or_insert(Verdict {
            state,
            reason,
            message,
            limited: Vec::new(),
        });
        out.push(Output::Destroy(container.clone()));
    }

    pub(super) fn on_terminated(
        &mut self,
        now: Time,
        container: &ContainerId,
        termination: Option<&Termination>,
        out: &mut Vec<Output>,
    ) {
        let Some((framework, executor)) = self.containers.get(container).cloned() else {
            return;
        };
        let Some(entry) = self.executor_mut(&framework, &executor) else {
            return;
        };
        if entry.phase == executor::Phase::Terminated {
            return;
        }
        tracing::info!(%framework, %executor, %container, status = ?termination.and_then(|end| end.status),
            "an executor has terminated");
        entry.phase = executor::Phase::Terminated;
        entry.launching = false;
        let stream = std::mem::replace(&mut entry.connection, Connection::None);
        let end = end_of(entry, termination);
        let generated = entry.generated;
        let tasks: Vec<TaskId> = entry
            .launched
            .keys()
            .chain(entry.queued.keys())
            .cloned()
            .collect();
        if let Connection::Http(stream) = stream {
            self.streams.remove(&stream);
            out.push(Output::CloseStream(stream));
        }
        self.cancel_timers(container);
        self.counters.executors_terminated += 1;
        if self
            .frameworks
            .get(&framework)
            .is_some_and(|entry| entry.phase == framework::Phase::Running)
        {
            for task in tasks {
                self.agent_update(now, &framework, Some(&executor), &task, &end, out);
            }
        }
        if !generated {
            let message = ExitedExecutorMessage {
                slave_id: self.agent_id_wire(),
                framework_id: framework.to_wire(),
                executor_id: executor.to_wire(),
                status: termination.and_then(|end| end.status).unwrap_or(-1),
            };
            self.tell_master(Sent::ExitedExecutor(message), None, out);
        }
        self.retire(&framework, &executor, out);
        self.recovery_progressed(now, out);
    }

    fn cancel_timers(&mut self, container: &ContainerId) {
        for timer in [
            Timer::ExecutorRegistration,
            Timer::ExecutorShutdown,
            Timer::ExecutorHeartbeat,
        ] {
            self.timers.cancel(&timer(container.clone()));
        }
    }

    /// Forgets an executor that has ended and whose updates are all acknowledged, or dropped with its framework.
    pub(super) fn retire(&mut self, framework: &FrameworkId, executor: &ExecutorId, out: &mut Vec<Output>) {
        let limit = self.config.max_completed_executors_per_framework;
        let agent = self.agent_id();
        let Some(entry) = self.frameworks.get_mut(framework) else {
            return;
        };
        let dropped = entry.phase == framework::Phase::Terminating;
        let over = entry
            .executors
            .get(executor)
            .is_some_and(|entry| entry.phase == executor::Phase::Terminated && (dropped || !entry.is_busy()));
        if !over {
            return;
        }
        let Some(ended) = entry.executors.shift_remove(executor) else {
            return;
        };
        let run = ended.run.clone();
        let checkpoint = ended.checkpoint;
        while entry.completed.len() >= limit.max(1) {
            entry.completed.pop_front();
        }
        if limit > 0 {
            entry.completed.push_back(Arc::new(ended));
        }
        self.containers.remove(&run.container);
        if checkpoint {
            self.checkpoint(Checkpoint::Sentinel(run.clone()), out);
        }
        let discarded = Discarded::Executor(agent, framework.clone(), executor.clone());
        out.push(Output::ScheduleGc(vec![Discarded::Run(run), discarded]));
        self.remove_idle_framework(framework, out);
    }

    /// Moves a framework without executors to the completed ones.
    pub(super) fn remove_idle_framework(&mut self, id: &FrameworkId, out: &mut Vec<Output>) {
        if self
            .frameworks
            .get(id)
            .is_none_or(|framework| !framework.executors.is_empty())
        {
            return;
        }
        let Some(framework) = self.frameworks.remove(id) else {
            return;
        };
        if self.completed.len() >= MAX_COMPLETED_FRAMEWORKS {
            self.completed.pop_front();
        }
        self.completed.push_back(Arc::new(framework));
        out.push(Output::ScheduleGc(vec![Discarded::Framework(
            self.agent_id(),
            id.clone(),
        )]));
        if self.phase == Phase::Terminating {
            self.exit_if_done(out);
        }
    }
}

/// What an ended executor's tasks are told: what the containerizer says, else what the agent decided.
fn end_of(executor: &Executor, termination: Option<&Termination>) -> Verdict {
    let verdict = executor.verdict.as_ref();
    let said = match termination {
        Some(end) => end.message.as_deref(),
        None if verdict.is_some_and(|verdict| verdict.reason == Reason::ContainerLaunchFailed) => None,
        None => Some("Abnormal executor termination: unknown container"),
    };
    let decided = verdict.map(|verdict| verdict.message.as_str());
    let messages: Vec<&str> = decided.into_iter().chain(said).collect();
    let message = if messages.is_empty() {
        "Executor terminated".to_owned()
    } else {
        messages.join("; ")
    };
    Verdict {
        state: termination
            .and_then(|end| end.state)
            .or_else(|| verdict.map(|verdict| verdict.state))
            .unwrap_or(TaskState::TaskFailed),
        reason: termination
            .and_then(|end| end.reason)
            .or_else(|| verdict.map(|verdict| verdict.reason))
            .unwrap_or(Reason::ExecutorTerminated),
        message,
        limited: termination.map_or_else(Vec::new, |end| end.limited_resources.clone()),
    }
}
