//! Agents that an operator marks gone: they will not return (master-http.md, MARK_AGENT_GONE; internal-protocol §7).

use std::sync::Arc;

use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};

use super::Master;
use super::books::remember_completed;
use super::events::{self, info, send_shutdown};
use super::ids::{AgentId, FrameworkId, RequestId, TaskId, WriteId};
use super::output::{OperatorEvent, Output, RegistryOperation, Reply};
use super::record::{Past, Progress};
use super::registry::Pending;
use super::statuses::Cause;

/// What agent and frameworks are told.
pub(super) const TEXT: &str = "Agent has been marked gone";

impl Master {
    /// Has an agent marked gone in the registry; gives an answer when that can be told at once.
    pub(super) fn mark_gone(
        &mut self,
        request: Option<RequestId>,
        id: AgentId,
        out: &mut Vec<Output>,
    ) -> Option<Reply> {
        if self.state.gone_agents.contains(&id) {
            return Some(Reply::Done);
        }
        if self.in_flight.contains(&id) {
            return Some(Reply::Unavailable(self.transition_of(&id)));
        }
        let known = self.state.agents.contains_key(&id)
            || self.state.recovered_agents.contains_key(&id)
            || self.state.unreachable_agents.contains(&id);
        if !known {
            return Some(Reply::NotFound(format!("Agent '{id}' not found")));
        }
        info(out, format!("Marking agent {id} gone"));
        self.in_flight.insert(id.clone());
        let at = self.time_info();
        let operation = RegistryOperation::MarkGone { id: id.clone(), at };
        self.store(vec![operation], Pending::Gone { id, at, request }, out);
        None
    }

    /// What is being written about an agent, in words for the operator.
    fn transition_of(&self, id: &AgentId) -> String {
        let of_this = |pending: &&Pending| match pending {
            Pending::Gone { id: other, .. }
            | Pending::Remove { id: other }
            | Pending::Down { id: other }
            | Pending::Unreachable { id: other, .. } => other == id,
            Pending::Admit { replaced, .. } => replaced.as_ref() == Some(id),
            Pending::Readmit { .. }
            | Pending::Update { .. }
            | Pending::Prune { .. }
            | Pending::Quota { .. }
            | Pending::Weights { .. }
            | Pending::Maintenance { .. }
            | Pending::Activation { .. }
            | Pending::Kept => false,
        };
        match self.pending.values().find(of_this) {
            Some(Pending::Gone { .. }) => format!("Agent '{id}' is already being transitioned to gone"),
            Some(Pending::Unreachable { .. }) => {
                format!("Agent '{id}' is being transitioned to unreachable")
            }
            Some(_) => format!("Agent '{id}' is being transitioned to removed"),
            None => format!("Agent '{id}' is reregistering"),
        }
    }

    pub(super) fn finish_gone(
        &mut self,
        id: &AgentId,
        at: v1::TimeInfo,
        request: Option<RequestId>,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        self.state.version += 1;
        self.state.gone_agents.insert(id.clone(), at, usize::MAX);
        if let Some(agent) = self.state.agents.get(id) {
            send_shutdown(&agent.pid, TEXT, out);
            self.lose_gone_agent(id, write, out);
            self.tell_all_lost(id, write, out);
        } else if self.state.unreachable_agents.remove(id).is_some() {
            self.gauges.slaves_unreachable = self.state.unreachable_agents.len() as u64;
            self.end_unreachable_tasks(id, write, out);
        } else {
            // Compat: what a recovered agent ran is not known, so nobody is told.
            self.state.recovered_agents.remove(id);
        }
        info(out, format!("Agent {id} is gone"));
        self.forget_deactivation(id);
        if let Some(request) = request {
            out.push(Output::Reply {
                request,
                reply: Reply::Done,
                after: Some(write),
            });
        }
    }

    /// Ends the tasks that were out of sight with an agent which is gone now.
    fn end_unreachable_tasks(&mut self, agent: &AgentId, write: WriteId, out: &mut Vec<Output>) {
        let mut ended: Vec<(FrameworkId, TaskId)> = Vec::new();
        for framework in self.state.frameworks.values() {
            let here = framework
                .unreachable_tasks
                .iter()
                .filter(|(_, task)| task.agent == *agent);
            ended.extend(here.map(|(id, _)| (framework.id.clone(), id.clone())));
        }
        for (framework, task) in ended {
            self.end_unreachable_task(&framework, &task, write, out);
        }
    }

    fn end_unreachable_task(
        &mut self,
        id: &FrameworkId,
        task: &TaskId,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        let limit = self.config.max_completed_tasks_per_framework;
        let Some(framework) = self.state.framework_mut(id) else {
            return;
        };
        let cause = if framework.partition_aware() {
            Cause::new(
                TaskState::TaskGoneByOperator,
                Reason::AgentRemovedByOperator,
                TEXT,
            )
        } else {
            Cause::new(TaskState::TaskLost, Reason::AgentRemoved, TEXT)
        };
        let Some(mut known) = framework.unreachable_tasks.remove(task) else {
            return;
        };
        let before = known.state();
        let status = self.make_status_of(&known, cause);
        Arc::make_mut(&mut known).record.advance(&Progress {
            state: status.state(),
            status: &status,
            told: None,
        });
        self.gauges.move_task(Some(before), None);
        if before != status.state() {
            self.counters.count_transition(&status, status.state());
        }
        if let Some(framework) = self.state.framework_mut(id) {
            remember_completed(framework, Past::Known(known.record.clone()), limit);
        }
        let event = OperatorEvent::TaskUpdated {
            framework: id.clone(),
            state: status.state(),
            status: Arc::new(status.clone()),
        };
        out.push(Output::Publish(event));
        self.tell_after(id, events::update(status), Some(write), out);
    }
}
