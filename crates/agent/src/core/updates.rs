//! Status updates: from executors and from the agent itself, to the disk and to the master.

use process::Time;
use proto::internal::{StatusUpdate, StatusUpdateMessage};
use proto::v1::task_status::Source;
use proto::v1::{self, TaskState};

use super::agent::Agent;
use super::executor::{self, Connection, Executor, Noted, Verdict};
use super::framework;
use super::ids::{ExecutorId, FrameworkId, TaskId, WriteId};
use super::output::{Checkpoint, Output, Sent};
use super::states;
use super::status_updates::{Added, Key};

/// What became of an executor's update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was taken, or known, or is of no consequence; the executor may forget it once acknowledged.
    Yes,
    /// There are too many before it.
    Full,
}

impl Agent {
    /// Makes an update of the agent's own about a task that this executor has, if any does.
    pub(super) fn agent_update(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: Option<&ExecutorId>,
        task: &TaskId,
        end: &Verdict,
        out: &mut Vec<Output>,
    ) {
        self.update_about(now, framework, (executor, executor), task, end, out);
    }

    /// As [`Agent::agent_update`], where the executor that is named need not be the one that has the task.
    pub(super) fn update_about(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        (executor, owner): (Option<&ExecutorId>, Option<&ExecutorId>),
        task: &TaskId,
        end: &Verdict,
        out: &mut Vec<Output>,
    ) {
        let uuid = self.uuid();
        let status = v1::TaskStatus {
            task_id: task.to_wire(),
            state: end.state as i32,
            message: Some(end.message.clone()),
            source: Some(Source::Agent as i32),
            reason: Some(end.reason as i32),
            agent_id: self.info.id.clone(),
            executor_id: executor.map(ExecutorId::to_wire),
            timestamp: Some(now.as_secs_f64()),
            uuid: Some(uuid.clone()),
            limitation: (!end.limited.is_empty()).then(|| v1::TaskResourceLimitation {
                resources: end.limited.clone(),
            }),
            ..Default::default()
        };
        let update = StatusUpdate {
            framework_id: framework.to_wire(),
            executor_id: executor.map(ExecutorId::to_wire),
            slave_id: self.info.id.clone(),
            status,
            timestamp: now.as_secs_f64(),
            uuid: Some(uuid),
            latest_state: None,
        };
        self.take(now, framework, owner, update, out);
    }

    /// Takes an update that an executor sent, and acknowledges it once it is on disk.
    pub(super) fn executor_update(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        mut status: v1::TaskStatus,
        out: &mut Vec<Output>,
    ) -> Taken {
        let Some(entry) = self.frameworks.get(framework) else {
            return Taken::Yes;
        };
        if entry.phase == framework::Phase::Terminating {
            self.counters.invalid_status_updates += 1;
            return Taken::Yes;
        }
        if !entry.executors.contains_key(executor) {
            return Taken::Yes;
        }
        status.agent_id.clone_from(&self.info.id);
        let uuid = status.uuid.clone().unwrap_or_default();
        let task = status.task_id.clone();
        let update = StatusUpdate {
            framework_id: framework.to_wire(),
            // Compat: an executor that does not name itself in a status is not named to the master either.
            executor_id: status.executor_id.clone(),
            slave_id: self.info.id.clone(),
            timestamp: status.timestamp.unwrap_or_else(|| now.as_secs_f64()),
            uuid: Some(uuid.clone()),
            latest_state: None,
            status,
        };
        let (taken, write) = self.take_from_executor(now, framework, executor, update, out);
        if taken == Taken::Full {
            return Taken::Full;
        }
        let acknowledged = v1::executor::event::Acknowledged { task_id: task, uuid };
        let event = v1::executor::Event {
            r#type: Some(v1::executor::event::Type::Acknowledged as i32),
            acknowledged: Some(acknowledged),
            ..Default::default()
        };
        self.tell_executor(framework, executor, event, write, out);
        Taken::Yes
    }

    /// Takes an update of an executor, over whatever it came; tells the write that it rests on.
    pub(super) fn take_from_executor(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: &ExecutorId,
        mut update: StatusUpdate,
        out: &mut Vec<Output>,
    ) -> (Taken, Option<WriteId>) {
        if let Some(entry) = self.executor(framework, executor) {
            self.describe_container(entry, &mut update.status);
        }
        self.explain_drained(framework, &mut update.status);
        self.counters.valid_status_updates += 1;
        let (added, write) = self.take(now, framework, Some(executor), update, out);
        let taken = if added == Some(Added::Full) {
            Taken::Full
        } else {
            Taken::Yes
        };
        (taken, write)
    }

    /// Adds what the agent knows of the executor's container to a status.
    fn describe_container(&self, executor: &Executor, status: &mut v1::TaskStatus) {
        let container = status.container_status.get_or_insert_default();
        let nested = container
            .container_id
            .as_ref()
            .is_some_and(|id| id.parent.is_some());
        if container.container_id.is_none() {
            container.container_id = Some(executor.run.container.to_wire());
        }
        if container.executor_pid.is_none() && !nested {
            container.executor_pid = executor.pid.and_then(|pid| u32::try_from(pid).ok());
        }
        // A nested container without a pid does not run yet, or no longer: it has no address either.
        let runs = !nested || container.executor_pid.is_some();
        if runs && container.network_infos.is_empty() {
            let address = v1::network_info::IpAddress {
                ip_address: Some(self.config.pid.address().ip().to_string()),
                ..Default::default()
            };
            container.network_infos = vec![v1::NetworkInfo {
                ip_addresses: vec![address],
                ..Default::default()
            }];
        }
    }

    /// Notes an update, writes it, and sends it when it is its turn. Answers what the manager made of it (none:
    /// it is of no consequence) and the write it rests on.
    fn take(
        &mut self,
        now: Time,
        framework: &FrameworkId,
        executor: Option<&ExecutorId>,
        update: StatusUpdate,
        out: &mut Vec<Output>,
    ) -> (Option<Added>, Option<WriteId>) {
        let task = TaskId::from(&update.status.task_id);
        let key = (framework.clone(), task.clone());
        let mut run = None;
        if let Some(entry) = executor.and_then(|executor| self.executor(framework, executor)) {
            // A repeat must reach the manager, which knows it; anything else about a task that the executor does not
            // have, or not yet, or no longer, changes nothing.
            let takes = if states::is_terminal(update.status.state()) {
                entry.launched.contains_key(&task) || entry.queued.contains_key(&task)
            } else {
                entry.launched.contains_key(&task)
            };
            if !takes {
                return (None, self.updates.head(&key).and_then(|(_, write)| write));
            }
            run = entry.checkpoint.then(|| entry.run.clone());
        }
        let added = self.updates.update(now, &key, update.clone(), run.as_ref());
        if matches!(added, Added::Duplicate | Added::Full) {
            return (Some(added), self.updates.head(&key).and_then(|(_, write)| write));
        }
        let write = self.updates.run(&key).cloned().map(|run| {
            let what = Checkpoint::Update {
                run,
                task: task.clone(),
                update: Box::new(update.clone()),
            };
            let write = self.checkpoint(what, out);
            self.updates.written(&key, write);
            write
        });
        if let Some(executor) = executor {
            self.note(framework, executor, &update.status, out);
        }
        if added == Added::Forward {
            self.forward(&key, out);
        }
        (Some(added), write)
    }

    /// Changes the task's record; frees its resources when it has ended.
    fn note(
        &mut self,
        framework: &FrameworkId,
        executor: &ExecutorId,
        status: &v1::TaskStatus,
        out: &mut Vec<Output>,
    ) {
        let Some(entry) = self.executor_mut(framework, executor) else {
            return;
        };
        if entry.note(status) != Noted::Ended {
            return;
        }
        if entry.phase != executor::Phase::Terminated {
            let container = entry.run.container.clone();
            let (directory, resources) = (entry.directory.clone(), entry.allocated().to_proto());
            out.push(Output::UpdateContainer {
                container,
                directory,
                resources,
            });
        }
        self.count_end(status.state());
    }

    fn count_end(&mut self, state: TaskState) {
        match state {
            TaskState::TaskFinished => self.counters.tasks_finished += 1,
            TaskState::TaskFailed => self.counters.tasks_failed += 1,
            TaskState::TaskKilled => self.counters.tasks_killed += 1,
            TaskState::TaskLost => self.counters.tasks_lost += 1,
            TaskState::TaskGone => self.counters.tasks_gone += 1,
            TaskState::TaskStarting
            | TaskState::TaskRunning
            | TaskState::TaskStaging
            | TaskState::TaskError
            | TaskState::TaskKilling
            | TaskState::TaskDropped
            | TaskState::TaskUnreachable
            | TaskState::TaskGoneByOperator
            | TaskState::TaskUnknown => {}
        }
    }

    /// Sends the head of a stream to the master.
    pub(super) fn forward(&mut self, key: &Key, out: &mut Vec<Output>) {
        let Some((update, after)) = self.updates.head(key) else {
            return;
        };
        if let Some(framework) = self.frameworks.get_mut(&key.0)
            && let Some(task) = framework
                .executors
                .values_mut()
                .find_map(|executor| executor.task_mut(&key.1))
        {
            task.status_update_state = Some(update.status.state);
            task.status_update_uuid.clone_from(&update.uuid);
        }
        let message = StatusUpdateMessage {
            update,
            pid: Some(self.config.pid.to_string()),
        };
        self.tell_master(Sent::StatusUpdate(Box::new(message)), after, out);
    }

    /// Tells an executor something, if it can be reached.
    pub(super) fn tell_executor(
        &self,
        framework: &FrameworkId,
        executor: &ExecutorId,
        event: v1::executor::Event,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) {
        match self
            .executor(framework, executor)
            .map(|executor| &executor.connection)
        {
            Some(&Connection::Http(stream)) => out.push(Output::Event {
                stream,
                event: Box::new(event),
                after,
            }),
            Some(Connection::Pid(pid)) => {
                if let Some(message) = self.driver_message(framework, executor, event) {
                    let to = pid.clone();
                    out.push(Output::Send { to, message, after });
                }
            }
            Some(Connection::None) | None => {}
        }
    }
}
