//! Draining: all tasks are killed, no others are taken, until nothing is left (facts: internal-protocol, section 10).

use process::Time;
use proto::internal::{DrainSlaveMessage, KillTaskMessage};
use proto::v1::framework_info::capability::Type as Capability;
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};

use super::agent::{Agent, Phase};
use super::ids::{FrameworkId, TaskId};
use super::output::{Checkpoint, Output};
use super::states;

impl Agent {
    pub(super) fn on_drain(&mut self, now: Time, message: &DrainSlaveMessage, out: &mut Vec<Output>) {
        if self.phase != Phase::Running {
            return;
        }
        tracing::info!("the agent is being drained");
        self.draining = Some(message.config);
        self.draining_since = now;
        let what = Checkpoint::Drain {
            agent: self.agent_id(),
            config: self.draining,
        };
        self.checkpoint(what, out);
        self.kill_all(now, out);
    }

    /// Kills every task, in the time that draining leaves it.
    pub(super) fn kill_all(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(config) = self.draining else { return };
        let mut kills = Vec::new();
        for framework in self.frameworks.values() {
            for executor in framework.executors.values() {
                let queued = executor.queued.iter().map(|(id, task)| (id, task.kill_policy));
                let launched = executor.launched.iter().map(|(id, task)| (id, task.kill_policy));
                let id = framework.info.id.clone().unwrap_or_default();
                kills.extend(queued.chain(launched).map(|(task, own)| KillTaskMessage {
                    framework_id: id.clone(),
                    task_id: task.to_wire(),
                    kill_policy: policy(&config, own.as_ref()),
                }));
            }
        }
        for kill in kills {
            // A kill takes its whole group with it.
            let (framework, task) = (FrameworkId::from(&kill.framework_id), TaskId::from(&kill.task_id));
            let here = self.frameworks.get(&framework).is_some_and(|framework| {
                framework.executor_of(&task).is_some_and(|executor| {
                    executor.queued.contains_key(&task) || executor.launched.contains_key(&task)
                })
            });
            if here {
                self.on_kill_task(now, &kill, out);
            }
        }
    }

    /// What the end of a task by draining is called.
    pub(super) fn explain_drained(&self, framework: &FrameworkId, status: &mut v1::TaskStatus) {
        let Some(config) = &self.draining else { return };
        if !matches!(status.state(), TaskState::TaskKilled | TaskState::TaskKilling) {
            return;
        }
        status.set_reason(Reason::AgentDraining);
        let aware = self
            .frameworks
            .get(framework)
            .is_some_and(|framework| states::has(&framework.info, Capability::PartitionAware));
        if config.mark_gone() && aware && status.state() == TaskState::TaskKilled {
            status.set_state(TaskState::TaskGoneByOperator);
        }
    }

    /// Ends draining once there is nothing left to drain.
    pub(super) fn drained(&mut self, out: &mut Vec<Output>) {
        let idle = self.frameworks.is_empty() && self.operations.is_empty();
        if self.draining.is_none() || !idle || self.phase != Phase::Running {
            return;
        }
        tracing::info!("the agent is drained");
        self.draining = None;
        let what = Checkpoint::Drain {
            agent: self.agent_id(),
            config: None,
        };
        self.checkpoint(what, out);
    }
}

/// A task has its own grace period or that of the draining, whichever is shorter; none: its own.
fn policy(config: &v1::DrainConfig, own: Option<&v1::KillPolicy>) -> Option<v1::KillPolicy> {
    let most = config.max_grace_period?;
    let own = own.and_then(|policy| policy.grace_period);
    let shorter = own
        .filter(|own| own.nanoseconds < most.nanoseconds)
        .unwrap_or(most);
    Some(v1::KillPolicy {
        grace_period: Some(shorter),
    })
}
