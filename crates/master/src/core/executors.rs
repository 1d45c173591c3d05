//! Executors: charged when the master believes they start, freed when an agent says they are gone.

use process::Upid;
use proto::internal::{ExecutorToFrameworkMessage, ExitedExecutorMessage};

use super::Master;
use super::events::{self, warning};
use super::ids::{AgentId, ExecutorId, FrameworkId};
use super::output::Output;
use super::registry::Pending;

impl Master {
    pub(super) fn on_exited_executor(
        &mut self,
        from: &Upid,
        message: &ExitedExecutorMessage,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_exited_executor += 1;
        let agent = AgentId::from(&message.slave_id);
        let framework = FrameworkId::from(&message.framework_id);
        let executor = ExecutorId::from(&message.executor_id);
        self.strike_from_readmission(from, message);
        if self
            .state
            .agents
            .get(&agent)
            .is_none_or(|agent| agent.pid != *from)
        {
            return warning(
                out,
                format!("Ignoring exited executor {executor} on unknown agent {agent} at {from}"),
            );
        }
        let key = (framework.clone(), executor.clone());
        if self
            .state
            .agents
            .get(&agent)
            .is_none_or(|agent| !agent.executors.contains_key(&key))
        {
            return warning(
                out,
                format!("Ignoring exited executor {executor} of framework {framework}, which is not known"),
            );
        }
        self.end_executor(&agent, &framework, &executor);
        self.tell(&framework, events::executor_failure(message), out);
    }

    /// An agent that is being readmitted said before that this executor runs, and will not say again that it ended.
    fn strike_from_readmission(&mut self, from: &Upid, exited: &ExitedExecutorMessage) {
        for pending in self.pending.values_mut() {
            if let Pending::Readmit {
                from: pid, message, ..
            }
            | Pending::Update {
                from: pid, message, ..
            } = pending
                && pid == from
            {
                message.executor_infos.retain(|info| {
                    info.executor_id != exited.executor_id
                        || info.framework_id.as_ref() != Some(&exited.framework_id)
                });
            }
        }
    }

    /// Strikes an executor out and gives back what it held.
    pub(super) fn end_executor(&mut self, agent: &AgentId, framework: &FrameworkId, executor: &ExecutorId) {
        if let Some(executor) = self.strike_executor(agent, framework, executor) {
            self.allocator
                .recover(framework, agent, &executor.resources, None, self.now);
        }
    }

    pub(super) fn on_executor_message(
        &mut self,
        from: &Upid,
        message: ExecutorToFrameworkMessage,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_executor_to_framework += 1;
        let agent = AgentId::from(&message.slave_id);
        let framework = FrameworkId::from(&message.framework_id);
        let known = self
            .state
            .agents
            .get(&agent)
            .is_some_and(|agent| agent.pid == *from);
        if known && self.tell(&framework, events::message(message), out) {
            self.counters.valid_executor_to_framework_messages += 1;
        } else {
            self.counters.invalid_executor_to_framework_messages += 1;
        }
    }
}
