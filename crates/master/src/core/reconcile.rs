//! Answers about tasks (scheduler-http.md §11). All carry SOURCE_MASTER, REASON_RECONCILIATION and no uuid.

use proto::v1::scheduler::call;
use proto::v1::task_status::Reason;
use proto::v1::{TaskState, TaskStatus};

use super::Master;
use super::ids::{AgentId, FrameworkId, TaskId};
use super::output::Output;
use super::state::{Framework, Task};
use super::statuses::Cause;

impl Master {
    pub(super) fn on_reconcile(
        &mut self,
        id: &FrameworkId,
        reconcile: &call::Reconcile,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_reconcile_tasks += 1;
        let Some(framework) = self.state.frameworks.get(id) else {
            return;
        };
        let statuses: Vec<TaskStatus> = if reconcile.tasks.is_empty() {
            framework
                .tasks
                .values()
                .map(|task| self.latest_status(task))
                .collect()
        } else {
            let asked = |task: &call::reconcile::Task| {
                self.answer(
                    framework,
                    &TaskId::from(&task.task_id),
                    task.agent_id.as_ref().map(AgentId::from),
                )
            };
            reconcile.tasks.iter().filter_map(asked).collect()
        };
        for status in statuses {
            self.tell_answer(id, status, out);
        }
    }

    /// Answers for one task, as explicit reconciliation does; `None`: nothing can be said yet.
    pub(super) fn answer(
        &self,
        framework: &Framework,
        task: &TaskId,
        agent: Option<AgentId>,
    ) -> Option<TaskStatus> {
        if let Some(known) = framework.tasks.get(task) {
            return Some(self.latest_status(known));
        }
        let recovered = &self.state.recovered_agents;
        let unsettled = agent
            .as_ref()
            .map_or(!recovered.is_empty(), |agent| recovered.contains_key(agent));
        if unsettled {
            return None;
        }
        let mut unreachable = None;
        let (state, text) = match &agent {
            Some(agent) if self.state.agents.contains_key(agent) => (
                TaskState::TaskGone,
                "Reconciliation: Task is unknown to the agent",
            ),
            Some(agent) if self.state.unreachable_agents.contains(agent) => {
                unreachable = self.state.unreachable_agents.get(agent).copied();
                (TaskState::TaskUnreachable, "Reconciliation: Task is unreachable")
            }
            Some(agent) if self.state.gone_agents.contains(agent) => {
                (TaskState::TaskGoneByOperator, "Reconciliation: Task is gone")
            }
            _ => (TaskState::TaskUnknown, "Reconciliation: Task is unknown"),
        };
        let cause = Cause {
            unreachable,
            ..Cause::new(framework.told_state(state), Reason::Reconciliation, text)
        };
        Some(self.make_status(task, agent.as_ref(), None, cause))
    }

    /// What the scheduler was told last of a task that is known; else its state.
    pub(super) fn latest_status(&self, task: &Task) -> TaskStatus {
        let state = task.record.told_state().unwrap_or_else(|| task.state());
        let cause = Cause::new(state, Reason::Reconciliation, "Reconciliation: Latest task state");
        let mut status = self.make_status_of(task, cause);
        if let Some(last) = task.record.last_status() {
            status.healthy = last.healthy;
            status.check_status = last.check_status;
            status.container_status = last.container_status;
        }
        status
    }
}
