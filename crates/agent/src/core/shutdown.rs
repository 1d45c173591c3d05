//! Ending executors, frameworks and the agent itself.

use process::Time;
use proto::internal::{ShutdownExecutorMessage, UnregisterSlaveMessage};

use super::agent::{Agent, Phase, Timer};
use super::calls::shutdown_event;
use super::environment;
use super::executor;
use super::framework;
use super::ids::{ExecutorId, FrameworkId};
use super::output::{Checkpoint, Exit, Output, Sent};
use super::recovery::Recovery;

impl Agent {
    pub(super) fn on_shutdown_executor(
        &mut self,
        now: Time,
        message: &ShutdownExecutorMessage,
        out: &mut Vec<Output>,
    ) {
        if matches!(self.phase, Phase::Recovering | Phase::Terminating) {
            return;
        }
        let (Some(framework), Some(executor)) = (&message.framework_id, &message.executor_id) else {
            return;
        };
        self.shutdown_executor(
            now,
            &FrameworkId::from(framework),
            &ExecutorId::from(executor),
            out,
        );
    }

    /// Asks an executor to end, and has its container killed if it does not.
    pub(super) fn shutdown_executor(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        out: &mut Vec<Output>,
    ) {
        let Some(entry) = self.executor(framework, executor) else {
            return;
        };
        if matches!(
            entry.phase,
            executor::Phase::Terminating | executor::Phase::Terminated
        ) {
            return;
        }
        tracing::info!(%framework, %executor, "shutting an executor down");
        let deadline = now + environment::shutdown_grace(&self.config, &entry.info);
        let container = entry.run.container.clone();
        self.tell_executor(framework, executor, shutdown_event(), None, out);
        if let Some(entry) = self.executor_mut(framework, executor) {
            entry.phase = executor::Phase::Terminating;
        }
        self.timers
            .cancel(&Timer::ExecutorRegistration(container.clone()));
        self.timers.set(Timer::ExecutorShutdown(container), deadline);
    }

    /// A framework is removed: its updates are dropped, its executors end.
    pub(super) fn on_shutdown_framework(&mut self, now: Time, id: &FrameworkId, out: &mut Vec<Output>) {
        if self.phase == Phase::Recovering {
            return;
        }
        self.updates.remove_framework(id);
        let Some(framework) = self.frameworks.get_mut(id) else {
            return;
        };
        if framework.phase == framework::Phase::Terminating {
            return;
        }
        tracing::info!(framework = %id, "shutting a framework down");
        framework.phase = framework::Phase::Terminating;
        let executors: Vec<(ExecutorId, executor::Phase)> = framework
            .executors
            .iter()
            .map(|(id, executor)| (id.clone(), executor.phase))
            .collect();
        for (executor, phase) in executors {
            if phase == executor::Phase::Terminated {
                self.retire(id, &executor, out);
            } else {
                self.shutdown_executor(now, id, &executor, out);
            }
        }
        self.remove_idle_framework(id, out);
    }

    /// The agent ends: first its frameworks, then itself.
    pub(super) fn on_shutdown(&mut self, now: Time, unregister: bool, out: &mut Vec<Output>) {
        if self.phase == Phase::Terminating {
            return;
        }
        if matches!(self.recovery, Recovery::Disk | Recovery::Containers) {
            // What is to be ended is not known yet.
            self.shutdown_wanted = true;
            return;
        }
        if unregister && self.phase == Phase::Running {
            let message = UnregisterSlaveMessage {
                slave_id: self.agent_id_wire(),
            };
            self.tell_master(Sent::UnregisterSlave(message), None, out);
        }
        self.phase = Phase::Terminating;
        self.updates.pause();
        self.timers.cancel(&Timer::Register);
        self.forget_authentication(out);
        self.timers.cancel(&Timer::Ping);
        self.timers.cancel(&Timer::Reregistration);
        self.timers.cancel(&Timer::Reconnect);
        let frameworks: Vec<FrameworkId> = self.frameworks.keys().cloned().collect();
        for framework in frameworks {
            self.on_shutdown_framework(now, &framework, out);
        }
        self.exit_if_done(out);
    }

    /// Exits when no framework is left. The next agent here registers anew: what this one had is over.
    pub(super) fn exit_if_done(&mut self, out: &mut Vec<Output>) {
        let exited = matches!(out.last(), Some(Output::Exit(_)));
        if self.frameworks.is_empty() && !exited {
            self.checkpoint(Checkpoint::ForgetAgent, out);
            out.push(Output::Exit(Exit::Done));
        }
    }
}
