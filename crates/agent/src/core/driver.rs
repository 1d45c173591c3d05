//! Executors that speak libprocess: the v0 driver's side of the executor API (facts: internal-protocol, section 11).
//!
//! Inside, executors are told things as events of the v1 API; here they become the driver's messages, and the
//! driver's messages become what the v1 calls do.

use process::{Time, Upid};
use proto::internal::{self, StatusUpdate};
use proto::v1::executor::{Event, event};
use proto::v1::task_status::Source;
use proto::v1::{self, TaskState};

use super::agent::{Agent, Phase, Timer};
use super::executor::{self, Connection};
use super::framework;
use super::ids::{ExecutorId, FrameworkId, TaskId};
use super::output::{Checkpoint, Output, Sent};
use super::recovery::Recovery;
use super::updates::Taken;

impl Agent {
    /// A new executor's first message.
    pub(super) fn on_register_executor(
        &mut self,
        now: Time,
        from: &Upid,
        message: &internal::RegisterExecutorMessage,
        out: &mut Vec<Output>,
    ) {
        let framework = FrameworkId::from(&message.framework_id);
        let executor = ExecutorId::from(&message.executor_id);
        if self.phase == Phase::Recovering
            || self.greeting(&framework, &executor) != Some(executor::Phase::Registering)
        {
            turn_away(from, &executor, out);
            return;
        }
        self.reach(&framework, &executor, from, out);
        let Some(entry) = self.executor(&framework, &executor) else {
            return;
        };
        let run = entry.run.clone();
        let idle = !entry.had_task() && entry.queued.is_empty();
        if entry.checkpoint {
            let pid = from.clone();
            self.checkpoint(Checkpoint::LibprocessPid { run, pid }, out);
        }
        if idle {
            self.shutdown_executor(now, &framework, &executor, out);
            return;
        }
        let subscribed = self.subscribed(&framework, &executor);
        if let Some(event) = subscribed {
            self.tell_executor(&framework, &executor, event, None, out);
        }
        self.deliver(now, &framework, &executor, out);
    }

    /// An executor answers [`Agent::reconnect`].
    pub(super) fn on_reregister_executor(
        &mut self,
        now: Time,
        from: &Upid,
        message: internal::ReregisterExecutorMessage,
        out: &mut Vec<Output>,
    ) {
        if !self.accepts_executors() {
            tracing::warn!(%from, "ignoring an executor that comes back before it was called");
            return;
        }
        let framework = FrameworkId::from(&message.framework_id);
        let executor = ExecutorId::from(&message.executor_id);
        match self.greeting(&framework, &executor) {
            Some(executor::Phase::Registering) => {}
            Some(executor::Phase::Running)
                if self.config.executor_reregistration_retry_interval.is_some() =>
            {
                tracing::info!(%from, %executor, "ignoring an executor that comes back a second time");
                return;
            }
            _ => {
                turn_away(from, &executor, out);
                return;
            }
        }
        self.reach(&framework, &executor, from, out);
        let reregistered = internal::ExecutorReregisteredMessage {
            slave_id: self.agent_id_wire(),
            slave_info: self.info.clone(),
        };
        out.push(Output::Send {
            to: from.clone(),
            message: Sent::ExecutorReregistered(Box::new(reregistered)),
            after: None,
        });
        for update in message.updates {
            self.on_status_update(now, from, update, out);
        }
        self.settle(now, &framework, &executor, &message.tasks, out);
    }

    /// Where an executor that introduces itself is in its life; none: it is unknown or not wanted.
    fn greeting(&self, framework: &FrameworkId, executor: &ExecutorId) -> Option<executor::Phase> {
        let entry = self.frameworks.get(framework)?;
        if self.phase == Phase::Terminating || entry.phase == framework::Phase::Terminating {
            return None;
        }
        entry.executors.get(executor).map(|entry| entry.phase)
    }

    fn reach(&mut self, framework: &FrameworkId, executor: &ExecutorId, pid: &Upid, out: &mut Vec<Output>) {
        let Some(entry) = self.executor_mut(framework, executor) else {
            return;
        };
        tracing::info!(%framework, %executor, %pid, "an executor has registered");
        entry.phase = executor::Phase::Running;
        entry.connection = Connection::Pid(pid.clone());
        let container = entry.run.container.clone();
        self.timers.cancel(&Timer::ExecutorRegistration(container));
        out.push(Output::Link(pid.clone()));
    }

    /// Takes a driver's update, and acknowledges it once it is on disk.
    pub(super) fn on_status_update(
        &mut self,
        now: Time,
        from: &Upid,
        mut update: StatusUpdate,
        out: &mut Vec<Output>,
    ) {
        let own = self.info.id.as_ref();
        let status = &mut update.status;
        let foreign = update.slave_id.as_ref() != own || status.agent_id.as_ref() != own;
        let Some(uuid) = update.uuid.clone().filter(|uuid| uuid.len() == 16 && !foreign) else {
            tracing::warn!(%from, "ignoring an update without an id, or of another agent");
            self.counters.invalid_status_updates += 1;
            return;
        };
        status.uuid = Some(uuid.clone());
        status.source = Some(Source::Executor as i32);
        if update.executor_id.is_some() {
            status.executor_id.clone_from(&update.executor_id);
        }
        let framework = FrameworkId::from(&update.framework_id);
        let task = status.task_id.clone();
        let Some(executor) = self.reporter(&framework, &update) else {
            tracing::warn!(%framework, %from, "ignoring an update of nobody that is known");
            self.counters.invalid_status_updates += 1;
            return;
        };
        if update.status.state() == TaskState::TaskStaging {
            tracing::error!(%framework, %executor, "an executor says TASK_STAGING, which is not its to say");
            self.shutdown_executor(now, &framework, &executor, out);
            return;
        }
        let (taken, after) = self.take_from_executor(now, &framework, &executor, update, out);
        if taken == Taken::Full {
            // The driver keeps it, and sends it again when it registers again.
            tracing::warn!(%framework, %executor, "too many updates of a task are unacknowledged");
            return;
        }
        let acknowledgement = internal::StatusUpdateAcknowledgementMessage {
            slave_id: self.agent_id_wire(),
            framework_id: framework.to_wire(),
            task_id: task,
            uuid,
        };
        out.push(Output::Send {
            to: from.clone(),
            message: Sent::StatusUpdateAcknowledgement(acknowledgement),
            after,
        });
    }

    /// The executor whose task an update is about; the one it names when the task is nobody's any more. None: the
    /// framework is unknown or being removed, or so is the executor.
    fn reporter(&self, framework: &FrameworkId, update: &StatusUpdate) -> Option<ExecutorId> {
        let entry = self
            .frameworks
            .get(framework)
            .filter(|entry| entry.phase == framework::Phase::Running)?;
        if let Some(owner) = entry.executor_of(&TaskId::from(&update.status.task_id)) {
            return Some(owner.id().clone());
        }
        let named = ExecutorId::from(update.executor_id.as_ref()?);
        entry.executors.contains_key(&named).then_some(named)
    }

    /// Passes a driver's message on to its scheduler.
    pub(super) fn on_executor_message(
        &mut self,
        message: internal::ExecutorToFrameworkMessage,
        out: &mut Vec<Output>,
    ) {
        let framework = FrameworkId::from(&message.framework_id);
        let executor = ExecutorId::from(&message.executor_id);
        self.executor_message(&framework, &executor, message.data, out);
    }

    /// Calls the executors that speak libprocess and have not come back, and does so again if so configured.
    pub(super) fn reconnect(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.recovery != Recovery::Executors {
            return;
        }
        let slave_id = self.agent_id_wire();
        let awaited = self
            .frameworks
            .values()
            .flat_map(|framework| framework.executors.values())
            .filter(|executor| executor.phase == executor::Phase::Registering);
        let mut any = false;
        for executor in awaited {
            if let Connection::Pid(pid) = &executor.connection {
                any = true;
                out.push(Output::Send {
                    to: pid.clone(),
                    message: Sent::ReconnectExecutor(internal::ReconnectExecutorMessage {
                        slave_id: slave_id.clone(),
                    }),
                    after: None,
                });
            }
        }
        if let Some(interval) = self.config.executor_reregistration_retry_interval.filter(|_| any) {
            self.timers.set(Timer::Reconnect, now + interval);
        }
    }

    /// What the driver is sent for an event; none: it has no such message.
    pub(super) fn driver_message(
        &self,
        framework: &FrameworkId,
        executor: &ExecutorId,
        event: Event,
    ) -> Option<Sent> {
        match event.r#type() {
            event::Type::Subscribed => {
                let subscribed = event.subscribed?;
                Some(Sent::ExecutorRegistered(Box::new(
                    internal::ExecutorRegisteredMessage {
                        executor_info: subscribed.executor_info,
                        framework_id: framework.to_wire(),
                        framework_info: subscribed.framework_info,
                        slave_id: self.agent_id_wire(),
                        slave_info: subscribed.agent_info,
                    },
                )))
            }
            event::Type::Launch => self.run_task(framework, event.launch?.task),
            event::Type::Kill => {
                let kill = event.kill?;
                Some(Sent::KillTask(internal::KillTaskMessage {
                    framework_id: framework.to_wire(),
                    task_id: kill.task_id,
                    kill_policy: kill.kill_policy,
                }))
            }
            event::Type::Acknowledged => {
                let acknowledged = event.acknowledged?;
                Some(Sent::StatusUpdateAcknowledgement(
                    internal::StatusUpdateAcknowledgementMessage {
                        slave_id: self.agent_id_wire(),
                        framework_id: framework.to_wire(),
                        task_id: acknowledged.task_id,
                        uuid: acknowledged.uuid,
                    },
                ))
            }
            event::Type::Message => Some(Sent::FrameworkToExecutor(internal::FrameworkToExecutorMessage {
                slave_id: self.agent_id_wire(),
                framework_id: framework.to_wire(),
                executor_id: executor.to_wire(),
                data: event.message?.data,
            })),
            event::Type::Shutdown => Some(Sent::ShutdownExecutor(
                internal::ShutdownExecutorMessage::default(),
            )),
            // Groups are not delivered to drivers, and connections tell them that the agent is alive.
            event::Type::LaunchGroup | event::Type::Error | event::Type::Heartbeat | event::Type::Unknown => {
                None
            }
        }
    }

    fn run_task(&self, framework: &FrameworkId, task: v1::TaskInfo) -> Option<Sent> {
        let entry = self.frameworks.get(framework)?;
        Some(Sent::RunTask(Box::new(internal::RunTaskMessage {
            framework: entry.info.clone(),
            task,
            // Compat: old drivers do not take the message without it.
            pid: Some(entry.pid.to_string()),
            ..Default::default()
        })))
    }
}

/// An executor that is not wanted ends itself.
fn turn_away(from: &Upid, executor: &ExecutorId, out: &mut Vec<Output>) {
    tracing::warn!(%from, %executor, "telling an executor that is not awaited to end");
    out.push(Output::Send {
        to: from.clone(),
        message: Sent::ShutdownExecutor(internal::ShutdownExecutorMessage::default()),
        after: None,
    });
}
