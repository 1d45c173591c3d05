//! Status updates of tasks, from agents and made here, and their acknowledgements (task-states.md §4.1,
//! scheduler-http.md §9).

use std::sync::Arc;
use std::time::Duration;

use process::Upid;
use proto::internal::{StatusUpdateAcknowledgementMessage, StatusUpdateMessage};
use proto::v1::scheduler::call;
use proto::v1::{TaskState, TaskStatus};

use super::Master;
use super::books::holds;
use super::events::{self, send, warning};
use super::ids::{AgentId, FrameworkId, TaskId, ToWire, WriteId};
use super::output::{AgentBound, OperatorEvent, Output};
use super::record::Progress;
use super::statuses::{Cause, is_terminal, is_unreachable};
use super::validation::call::UUID_LENGTH;

impl Master {
    pub(super) fn on_status_update(
        &mut self,
        from: &Upid,
        message: StatusUpdateMessage,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_status_update += 1;
        let framework = FrameworkId::from(&message.update.framework_id);
        let by_driver = self
            .state
            .frameworks
            .get(&framework)
            .is_some_and(|known| known.driver().is_some());
        let original = by_driver.then(|| message.clone());
        let update = message.update;
        let mut status = update.status;
        let Some(agent) = update.slave_id.as_ref().map(AgentId::from) else {
            self.counters.invalid_status_updates += 1;
            return;
        };
        if self
            .state
            .agents
            .get(&agent)
            .is_none_or(|agent| agent.pid != *from)
        {
            self.counters.invalid_status_updates += 1;
            return warning(
                out,
                format!(
                    "Ignoring status update of task {} from unknown agent {agent} at {from}",
                    status.task_id.value
                ),
            );
        }
        // Compat: nobody could acknowledge it.
        if update.uuid.as_ref().is_none_or(|uuid| uuid.len() != UUID_LENGTH) {
            self.counters.invalid_status_updates += 1;
            return warning(
                out,
                format!(
                    "Ignoring status update of task {} from agent {agent}: it has no valid uuid",
                    status.task_id.value
                ),
            );
        }
        if !self.state.frameworks.contains_key(&framework) {
            self.counters.invalid_status_updates += 1;
            return warning(
                out,
                format!(
                    "Ignoring status update of task {} of unknown framework {framework}",
                    status.task_id.value
                ),
            );
        }
        if status.uuid.is_none() {
            status.uuid = update.uuid;
        }
        status.timestamp.get_or_insert(update.timestamp);
        status.agent_id.get_or_insert_with(|| agent.to_wire());
        let id = TaskId::from(&status.task_id);
        let latest = update
            .latest_state
            .and_then(|state| TaskState::try_from(state).ok());
        let known = self.state.task(&framework, &id);
        let Some(task) = known.filter(|task| task.agent == agent) else {
            self.counters.invalid_status_updates += 1;
            self.tell_forwarded(&framework, status, original, out);
            return;
        };
        // Only a master says what is out of sight. An executor that says it of its own task still has what the task holds.
        let mut state = latest.unwrap_or_else(|| status.state());
        if is_unreachable(state) {
            state = task.state();
        }
        let status = self.apply_status(&framework, &id, status, Some(state), out);
        if self.tell_forwarded(&framework, status, original, out) {
            self.counters.valid_status_updates += 1;
        } else {
            // The agent repeats it until the scheduler is there to hear it.
            self.counters.invalid_status_updates += 1;
        }
    }

    /// Ends (or hides) a task for a cause of the master's own, and tells its framework. The task stays in the books,
    /// holding nothing.
    pub(super) fn end_task(
        &mut self,
        framework: &FrameworkId,
        id: &TaskId,
        cause: Cause,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) {
        let Some(task) = self.state.task(framework, id) else {
            return;
        };
        let status = self.make_status_of(task, cause);
        let status = self.apply_status(framework, id, status, None, out);
        self.tell_after(framework, events::update(status), after, out);
    }

    /// Enters a status into the books: the task's state moves unless it is over, what it held is free once it no longer
    /// runs, and subscribers hear of it. Gives the status back for the scheduler.
    pub(super) fn apply_status(
        &mut self,
        framework: &FrameworkId,
        id: &TaskId,
        mut status: TaskStatus,
        latest: Option<TaskState>,
        out: &mut Vec<Output>,
    ) -> TaskStatus {
        let heard = self
            .state
            .frameworks
            .get(framework)
            .is_some_and(|known| known.connected());
        let Some(task) = self.state.task_mut(framework, id) else {
            return status;
        };
        let before = task.state();
        let next = latest.unwrap_or_else(|| status.state());
        // What a task has given back, it does not get again.
        let state = if is_terminal(before) || (!holds(before) && holds(next)) {
            before
        } else {
            next
        };
        let last = task.record.last_status();
        let news = last.is_none_or(|last| differs(&last, &status));
        let shared = news.then(|| Arc::new(status.clone()));
        // A copy of an earlier update may come late, over an older connection: the end stays what is to be
        // acknowledged, or the task would never go.
        let late = task.record.told_state().is_some_and(is_terminal) && !is_terminal(status.state());
        let told = status.uuid.clone().filter(|_| heard && !late);
        // A history is to be looked at; data is for the scheduler.
        let data = status.data.take();
        task.record.advance(&Progress {
            state,
            status: &status,
            told: told.as_deref().map(|uuid| (status.state(), uuid)),
        });
        status.data = data;
        let (agent, resources) = (task.agent.clone(), task.resources.clone());
        if before != state {
            self.gauges.move_task(Some(before), Some(state));
            if is_terminal(state) || is_unreachable(state) {
                self.counters.count_transition(&status, state);
            }
        }
        if holds(before) && !holds(state) {
            self.free_task(&agent, framework, &resources);
            // What the scheduler has not been told waits for the next batch, so that an offer does not overtake the news.
            let told = !holds(status.state());
            let wait = if told { None } else { Some(Duration::ZERO) };
            self.allocator
                .recover(framework, &agent, &resources, wait, self.now);
        }
        if let Some(status) = shared {
            out.push(Output::Publish(OperatorEvent::TaskUpdated {
                framework: framework.clone(),
                status,
                state,
            }));
        }
        status
    }

    pub(super) fn on_acknowledge(
        &mut self,
        framework: &FrameworkId,
        acknowledge: call::Acknowledge,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_status_update_acknowledgement += 1;
        let agent = AgentId::from(&acknowledge.agent_id);
        let id = TaskId::from(&acknowledge.task_id);
        let Some(pid) = self
            .state
            .agents
            .get(&agent)
            .filter(|agent| agent.connected)
            .map(|agent| agent.pid.clone())
        else {
            self.counters.invalid_status_update_acknowledgements += 1;
            return warning(
                out,
                format!(
                    "Cannot acknowledge status update of task {id} of framework {framework}: agent {agent} is not connected"
                ),
            );
        };
        if let Some(task) = self.state.task(framework, &id).filter(|task| task.agent == agent) {
            let told = task.record.told_uuid();
            if told.is_none() {
                self.counters.invalid_status_update_acknowledgements += 1;
                return warning(
                    out,
                    format!("Ignoring acknowledgement of task {id}, which was never updated"),
                );
            }
            let last = told == Some(acknowledge.uuid.as_ref());
            if last && task.record.told_state().is_some_and(is_terminal) {
                self.strike_task(framework, &id, false);
            }
        }
        self.counters.valid_status_update_acknowledgements += 1;
        let message = StatusUpdateAcknowledgementMessage {
            slave_id: acknowledge.agent_id,
            framework_id: framework.to_wire(),
            task_id: acknowledge.task_id,
            uuid: acknowledge.uuid,
        };
        send(&pid, AgentBound::Acknowledge(message), out);
    }
}

/// Whether subscribers of the operator API should hear of a status that follows another.
fn differs(last: &TaskStatus, next: &TaskStatus) -> bool {
    last.state != next.state || last.healthy != next.healthy || last.check_status != next.check_status
}
