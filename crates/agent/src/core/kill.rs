//! Killing tasks (facts: internal-protocol, section 8, table Kill).

use process::Time;
use proto::internal::KillTaskMessage;
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};

use super::agent::{Agent, Phase};
use super::executor::{self, Verdict};
use super::framework;
use super::ids::{ExecutorId, FrameworkId, TaskId};
use super::output::Output;
use super::states;

impl Agent {
    pub(super) fn on_kill_task(&mut self, now: Time, message: &KillTaskMessage, out: &mut Vec<Output>) {
        if matches!(self.phase, Phase::Recovering | Phase::Terminating) {
            return;
        }
        let id = FrameworkId::from(&message.framework_id);
        let task = TaskId::from(&message.task_id);
        let Some(entry) = self.frameworks.get(&id) else {
            return;
        };
        if entry.phase == framework::Phase::Terminating {
            return;
        }
        let Some(executor) = entry.executor_of(&task) else {
            let state = states::aware(&entry.info, TaskState::TaskDropped);
            let reason = Reason::ExecutorTerminated;
            let end = Verdict::new(state, reason, "Cannot find executor");
            self.agent_update(now, &id, None, &task, &end, out);
            return;
        };
        let executor_id = executor.id().clone();
        match executor.phase {
            executor::Phase::Registering | executor::Phase::Running
                if executor.queued.contains_key(&task) =>
            {
                self.take_back(now, &id, &executor_id, &task, out);
            }
            executor::Phase::Running if executor.launched.contains_key(&task) => {
                let kill = v1::executor::event::Kill {
                    task_id: message.task_id.clone(),
                    kill_policy: message.kill_policy,
                };
                let event = v1::executor::Event {
                    r#type: Some(v1::executor::event::Type::Kill as i32),
                    kill: Some(kill),
                    ..Default::default()
                };
                self.tell_executor(&id, &executor_id, event, None, out);
            }
            executor::Phase::Registering
            | executor::Phase::Running
            | executor::Phase::Terminating
            | executor::Phase::Terminated => {
                tracing::info!(framework = %id, %task, "nothing to kill: the task or its executor is ending");
            }
        }
    }

    /// Kills a task that its executor has not been given, and with it the group it belongs to.
    fn take_back(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        task: &TaskId,
        out: &mut Vec<Output>,
    ) {
        let Some(entry) = self.executor(framework, executor) else {
            return;
        };
        let grouped = entry.groups.iter().any(|group| group.contains(task));
        let message = if grouped && entry.phase == executor::Phase::Registering {
            "A task within the task group was killed before delivery to the executor"
        } else {
            "Killed before delivery to the executor"
        };
        for task in entry.group_of(task) {
            let reason = Reason::TaskKilledDuringLaunch;
            let end = Verdict::new(TaskState::TaskKilled, reason, message);
            self.agent_update(now, framework, Some(executor), &task, &end, out);
        }
        let idle = self.executor(framework, executor).is_some_and(|entry| {
            entry.phase == executor::Phase::Running
                && !entry.had_task()
                && entry.queued.is_empty()
                && entry.launched.is_empty()
        });
        if idle {
            self.shutdown_executor(now, framework, executor, out);
        }
    }
}
