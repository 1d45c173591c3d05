//! KILL, SHUTDOWN and MESSAGE (scheduler-http.md §3, §10).

use proto::internal::{FrameworkToExecutorMessage, KillTaskMessage, ShutdownExecutorMessage};
use proto::v1::scheduler::call;

use super::Master;
use super::events::{send, warning};
use super::ids::{AgentId, FrameworkId, TaskId, ToWire};
use super::output::{AgentBound, Output};

impl Master {
    pub(super) fn on_kill(&mut self, framework: &FrameworkId, kill: call::Kill, out: &mut Vec<Output>) {
        self.counters.messages_kill_task += 1;
        let id = TaskId::from(&kill.task_id);
        let named = kill.agent_id.as_ref().map(AgentId::from);
        let Some(task) = self.state.task(framework, &id) else {
            let Some(framework_state) = self.state.frameworks.get(framework) else {
                return;
            };
            warning(
                out,
                format!("Cannot kill unknown task {id} of framework {framework}; reconciling it"),
            );
            if let Some(status) = self.answer(framework_state, &id, named) {
                self.tell_answer(framework, status, out);
            }
            return;
        };
        let agent = task.agent.clone();
        if named.is_some_and(|named| named != agent) {
            return warning(
                out,
                format!("Ignoring kill of task {id}, which is on agent {agent}"),
            );
        }
        // Remembered until the task is over: an agent that is away, or never hears it, is told again when it returns.
        self.killed
            .entry(agent.clone())
            .or_default()
            .insert((framework.clone(), id));
        let Some(agent) = self.state.agents.get(&agent).filter(|agent| agent.connected) else {
            return;
        };
        let message = KillTaskMessage {
            framework_id: framework.to_wire(),
            task_id: kill.task_id,
            kill_policy: kill.kill_policy,
        };
        send(&agent.pid, AgentBound::KillTask(message), out);
    }

    pub(super) fn on_shutdown(
        &mut self,
        framework: &FrameworkId,
        shutdown: call::Shutdown,
        out: &mut Vec<Output>,
    ) {
        let id = AgentId::from(&shutdown.agent_id);
        let Some(agent) = self.state.agents.get(&id).filter(|agent| agent.connected) else {
            return warning(
                out,
                format!("Cannot shut down an executor on agent {id}: it is not connected"),
            );
        };
        let message = ShutdownExecutorMessage {
            executor_id: Some(shutdown.executor_id),
            framework_id: Some(framework.to_wire()),
        };
        send(&agent.pid, AgentBound::ShutdownExecutor(message), out);
    }

    pub(super) fn on_message(
        &mut self,
        framework: &FrameworkId,
        message: call::Message,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_framework_to_executor += 1;
        let id = AgentId::from(&message.agent_id);
        let Some(agent) = self.state.agents.get(&id).filter(|agent| agent.connected) else {
            self.counters.invalid_framework_to_executor_messages += 1;
            return warning(
                out,
                format!("Cannot send a message to an executor on agent {id}: it is not connected"),
            );
        };
        self.counters.valid_framework_to_executor_messages += 1;
        let message = FrameworkToExecutorMessage {
            slave_id: message.agent_id,
            framework_id: framework.to_wire(),
            executor_id: message.executor_id,
            data: message.data,
        };
        send(&agent.pid, AgentBound::FrameworkToExecutor(message), out);
    }
}
