//! Agents that are lost: disconnected, unreachable, removed (internal-protocol §7, task-states.md §3.1).

use std::sync::Arc;

use proto::v1::task_status::Reason;
use proto::v1::{self, OperationState, TaskState};

use super::Master;
use super::events::{info, warning};
use super::ids::{AgentId, FrameworkId, TaskId, WriteId};
use super::output::{OperatorEvent, Output};
use super::state::Task;
use super::statuses::{Cause, is_terminal};
use super::timers::Timer;

/// Why an agent is no longer registered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// It does not answer; it may come back.
    Unreachable(v1::TimeInfo),
    /// It left.
    Unregistered,
    /// A new agent runs at its address.
    Replaced,
    /// An operator said it will not return.
    Gone,
    /// An operator took its machine down.
    Down,
}

impl Master {
    /// The link broke: the agent gets no more offers, and may come back.
    pub(super) fn disconnect_agent(&mut self, id: &AgentId, out: &mut Vec<Output>) {
        let Some(agent) = self.state.agent_mut(id) else {
            return;
        };
        agent.connected = false;
        let was_active = std::mem::replace(&mut agent.active, false);
        let pid = agent.pid.clone();
        self.gauges.slaves_connected -= 1;
        self.gauges.slaves_disconnected += 1;
        if was_active {
            self.gauges.slaves_active -= 1;
            self.gauges.slaves_inactive += 1;
        }
        info(out, format!("Agent {id} at {pid} disconnected"));
        // It authenticates anew before it registers anew.
        self.forget_principal(&pid);
        self.allocator.deactivate_agent(id);
        self.rescind_offers_of_agent(id, None, out);
        self.rescind_inverse_offers_of_agent(id, None, out);
        self.drop_frameworks_that_do_not_checkpoint(id, out);
        let timer = self.timers.set(
            self.now + self.config.agent_reregister_timeout,
            Timer::AgentReregister(id.clone()),
        );
        if let Some(old) = self.reregister_timers.insert(id.clone(), timer) {
            self.timers.cancel(old);
        }
    }

    /// Frameworks that do not checkpoint lose all they have on an agent as soon as its link breaks, PARTITION_AWARE or not.
    fn drop_frameworks_that_do_not_checkpoint(&mut self, id: &AgentId, out: &mut Vec<Output>) {
        let Some(agent) = self.state.agents.get(id).cloned() else {
            return;
        };
        let mut owners: Vec<FrameworkId> = agent
            .tasks
            .iter()
            .map(|(framework, _)| framework.clone())
            .collect();
        owners.extend(agent.executors.keys().map(|(framework, _)| framework.clone()));
        owners.sort_unstable();
        owners.dedup();
        owners.retain(|framework| {
            self.state
                .frameworks
                .get(framework)
                .is_some_and(|known| !known.info.checkpoint())
        });
        for framework in owners {
            for task in agent.tasks_of(&framework) {
                let cause = Cause::new(
                    TaskState::TaskLost,
                    Reason::AgentDisconnected,
                    "Agent disconnected",
                );
                self.end_task(&framework, task, cause, None, out);
                self.strike_task(&framework, task, false);
            }
            for executor in agent.executors_of(&framework) {
                self.end_executor(id, &framework, &executor.id);
            }
        }
    }

    pub(super) fn finish_unreachable(
        &mut self,
        id: &AgentId,
        at: v1::TimeInfo,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        self.counters.slave_unreachable_completed += 1;
        self.counters.slave_removals += 1;
        self.counters.slave_removals_reason_unhealthy += 1;
        if self.state.recovered_agents.remove(id).is_some() {
            self.counters.recovery_slave_removals += 1;
            warning(out, format!("Agent {id} did not reregister and is unreachable"));
            self.remember_unreachable(id, at);
            return self.tell_all_lost(id, write, out);
        }
        if !self.state.agents.contains_key(id) {
            return;
        }
        if let Some(observer) = self.observers.get_mut(id) {
            observer.condemned = false;
        }
        self.lose_agent(id, Loss::Unreachable(at), write, out);
        self.remember_unreachable(id, at);
        warning(out, format!("Agent {id} is unreachable"));
        self.tell_all_lost(id, write, out);
    }

    pub(super) fn finish_unregistered(&mut self, id: &AgentId, write: WriteId, out: &mut Vec<Output>) {
        self.counters.slave_removals += 1;
        self.counters.slave_removals_reason_unregistered += 1;
        info(out, format!("Removed agent {id}: it unregistered"));
        self.finish_removal(id, Loss::Unregistered, write, out);
    }

    pub(super) fn finish_replaced(&mut self, id: &AgentId, write: WriteId, out: &mut Vec<Output>) {
        self.counters.slave_removals += 1;
        self.counters.slave_removals_reason_registered += 1;
        info(
            out,
            format!("Removed agent {id}: a new agent registered at its address"),
        );
        self.finish_removal(id, Loss::Replaced, write, out);
    }

    pub(super) fn finish_removal(&mut self, id: &AgentId, loss: Loss, write: WriteId, out: &mut Vec<Output>) {
        if !self.state.agents.contains_key(id) {
            return;
        }
        self.lose_agent(id, loss, write, out);
        self.tell_all_lost(id, write, out);
        out.push(Output::Publish(OperatorEvent::AgentRemoved(id.clone())));
    }

    pub(super) fn lose_gone_agent(&mut self, id: &AgentId, write: WriteId, out: &mut Vec<Output>) {
        self.lose_agent(id, Loss::Gone, write, out);
    }

    fn remember_unreachable(&mut self, id: &AgentId, at: v1::TimeInfo) {
        self.state.version += 1;
        self.state.unreachable_agents.insert(id.clone(), at, usize::MAX);
        self.gauges.slaves_unreachable = self.state.unreachable_agents.len() as u64;
    }

    /// Strikes an agent out with all that is on it, and tells the frameworks of its tasks and offers.
    fn lose_agent(&mut self, id: &AgentId, loss: Loss, write: WriteId, out: &mut Vec<Output>) {
        // First, so that nothing freed below is offered again.
        self.allocator.remove_agent(id, self.now);
        self.rescind_offers_of_agent(id, Some(write), out);
        self.rescind_inverse_offers_of_agent(id, Some(write), out);
        let Some(agent) = self.state.agents.get(id).cloned() else {
            return;
        };
        for (framework, task) in agent.tasks.iter() {
            self.lose_task(framework, task, loss, &agent.info.hostname, write, out);
        }
        for (framework, executor) in agent.executors.keys() {
            self.strike_executor(id, framework, executor);
        }
        let unreachable = format!(
            "Agent {} is unreachable: health check timed out",
            agent.info.hostname
        );
        let fate = match loss {
            Loss::Unreachable(_) => Some((OperationState::OperationUnreachable, unreachable.as_str())),
            Loss::Gone => Some((OperationState::OperationGoneByOperator, super::gone::TEXT)),
            Loss::Unregistered | Loss::Replaced | Loss::Down => None,
        };
        self.lose_operations(id, fate, write, out);
        if !matches!(loss, Loss::Unreachable(_)) {
            self.forget_deactivation(id);
        }
        self.state.version += 1;
        self.state.agents.remove(id);
        self.forget_pid(&agent.pid, id);
        self.killed.remove(id);
        if let Some(timer) = self.reregister_timers.remove(id) {
            self.timers.cancel(timer);
        }
        self.close_observer(id, out);
        let connected = if agent.connected {
            &mut self.gauges.slaves_connected
        } else {
            &mut self.gauges.slaves_disconnected
        };
        *connected = connected.saturating_sub(1);
        let active = if agent.active {
            &mut self.gauges.slaves_active
        } else {
            &mut self.gauges.slaves_inactive
        };
        *active = active.saturating_sub(1);
    }

    fn lose_task(
        &mut self,
        framework: &FrameworkId,
        task: &TaskId,
        loss: Loss,
        hostname: &str,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        let Some(known) = self.state.frameworks.get(framework) else {
            return;
        };
        let over = known
            .tasks
            .get(task)
            .is_none_or(|task: &Arc<Task>| is_terminal(task.state()));
        let (cause, unreachable) = match loss {
            Loss::Unreachable(at) => {
                let text = format!("Agent {hostname} is unreachable: health check timed out");
                let state = known.told_state(TaskState::TaskUnreachable);
                (
                    Cause {
                        unreachable: Some(at),
                        ..Cause::new(state, Reason::AgentRemoved, text)
                    },
                    true,
                )
            }
            // Compat: frameworks that do not know better are told LOST, and keep the task among the unreachable.
            Loss::Gone if !known.partition_aware() => {
                let cause = Cause::new(TaskState::TaskLost, Reason::AgentRemoved, super::gone::TEXT);
                (cause, true)
            }
            Loss::Gone => {
                let state = TaskState::TaskGoneByOperator;
                let cause = Cause::new(state, Reason::AgentRemovedByOperator, super::gone::TEXT);
                (cause, false)
            }
            Loss::Unregistered => {
                let text = format!("Agent {hostname} removed: the agent unregistered");
                (Cause::new(TaskState::TaskLost, Reason::AgentRemoved, text), false)
            }
            Loss::Down => {
                let text = Self::text_of_down(hostname);
                (Cause::new(TaskState::TaskLost, Reason::AgentRemoved, text), false)
            }
            Loss::Replaced => {
                let text = format!("Agent {hostname} removed: a new agent registered at the same address");
                (Cause::new(TaskState::TaskLost, Reason::AgentRemoved, text), false)
            }
        };
        // One that is over already has its last state; its agent may bring the update again.
        if !over {
            self.end_task(framework, task, cause, Some(write), out);
        }
        self.strike_task(framework, task, unreachable);
    }
}
