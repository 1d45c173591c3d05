//! The executor driver.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use process::{Time, Upid};
use proto::internal;
use proto::v1;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::messages::{ExecutorHeard, ExecutorSaid};

/// What an executor learns from its environment.
#[derive(Debug, Clone)]
pub struct ExecutorSetup {
    /// `MESOS_FRAMEWORK_ID`
    pub framework: v1::FrameworkId,
    /// `MESOS_EXECUTOR_ID`
    pub executor: v1::ExecutorId,
    /// `MESOS_SLAVE_ID`
    pub agent_id: v1::AgentId,
    /// `MESOS_SLAVE_PID`
    pub agent: Upid,
    /// Where this driver listens.
    pub own: Upid,
    /// `MESOS_CHECKPOINT` and `MESOS_RECOVERY_TIMEOUT`: how long to wait for an agent that went away; none: not at all.
    pub recovery_timeout: Option<Duration>,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum ExecutorInput {
    /// The executor begins.
    Start,
    /// Something came in.
    Message {
        /// Who says to have sent it.
        from: Upid,
        /// What.
        message: ExecutorHeard,
    },
    /// The link to the agent broke.
    Exited,
    /// `sendStatusUpdate`.
    Update(Box<v1::TaskStatus>),
    /// `sendFrameworkMessage`.
    Send(Bytes),
    /// The time of [`ExecutorDriver::deadline`] has come.
    Timeout,
}

/// What an executor is told.
#[derive(Debug, Clone, PartialEq)]
pub enum ExecutorEvent {
    /// With its own, the framework's and the agent's description.
    Registered(Box<internal::ExecutorRegisteredMessage>),
    /// The agent is back.
    Reregistered,
    /// The agent is gone, perhaps for a while.
    Disconnected,
    /// Run this.
    Launch(Box<v1::TaskInfo>),
    /// Kill this.
    Kill(v1::TaskId, Option<v1::KillPolicy>),
    /// From the scheduler.
    Message(Bytes),
    /// End, with all tasks.
    Shutdown,
}

/// One thing the shell must do.
#[derive(Debug, Clone)]
pub enum ExecutorOutput {
    /// Send this to the agent.
    Send {
        /// The agent.
        to: Upid,
        /// What.
        message: ExecutorSaid,
    },
    /// Link to the agent.
    Link {
        /// The agent.
        to: Upid,
        /// Over a connection of its own, whatever stands.
        anew: bool,
    },
    /// Tell the executor.
    Tell(ExecutorEvent),
}

/// A v0 executor driver.
#[derive(Debug)]
pub struct ExecutorDriver {
    setup: ExecutorSetup,
    rng: ChaCha8Rng,
    connected: bool,
    running: bool,
    give_up: Option<Time>,
    /// Tasks of which no update has been acknowledged.
    tasks: BTreeMap<String, v1::TaskInfo>,
    /// Updates that have not been acknowledged, oldest first.
    updates: Vec<internal::StatusUpdate>,
}

impl ExecutorDriver {
    /// A driver that has not begun. Updates get ids from `rng`.
    pub fn new(setup: ExecutorSetup, rng: ChaCha8Rng) -> Self {
        Self {
            setup,
            rng,
            connected: false,
            running: true,
            give_up: None,
            tasks: BTreeMap::new(),
            updates: Vec::new(),
        }
    }

    /// When to feed [`ExecutorInput::Timeout`].
    pub fn deadline(&self) -> Option<Time> {
        self.give_up
    }

    /// Updates that wait for their acknowledgement.
    pub fn unacknowledged(&self) -> usize {
        self.updates.len()
    }

    /// Applies one input and appends, in order, what the shell must do.
    pub fn step(&mut self, now: Time, input: ExecutorInput, out: &mut Vec<ExecutorOutput>) {
        if !self.running {
            return;
        }
        match input {
            ExecutorInput::Start => self.start(out),
            ExecutorInput::Message { from, message } => self.on_message(from, message, out),
            ExecutorInput::Exited => self.on_exited(now, out),
            ExecutorInput::Update(status) => self.update(now, *status, out),
            ExecutorInput::Send(data) => self.send_message(data, out),
            ExecutorInput::Timeout if self.give_up.is_some_and(|at| at <= now) => self.shut_down(out),
            ExecutorInput::Timeout => {}
        }
    }

    fn start(&self, out: &mut Vec<ExecutorOutput>) {
        out.push(ExecutorOutput::Link {
            to: self.setup.agent.clone(),
            anew: false,
        });
        let register = internal::RegisterExecutorMessage {
            framework_id: self.setup.framework.clone(),
            executor_id: self.setup.executor.clone(),
        };
        self.say(ExecutorSaid::Register(Box::new(register)), out);
    }

    fn on_message(&mut self, from: Upid, message: ExecutorHeard, out: &mut Vec<ExecutorOutput>) {
        let told = match message {
            ExecutorHeard::Registered(message) => {
                self.connect();
                ExecutorEvent::Registered(message)
            }
            ExecutorHeard::Reregistered(_) => {
                self.connect();
                ExecutorEvent::Reregistered
            }
            ExecutorHeard::Reconnect(_) => return self.reconnect(from, out),
            ExecutorHeard::Shutdown(_) => return self.shut_down(out),
            _ if !self.connected => return,
            ExecutorHeard::RunTask(message) => {
                let task = message.task;
                self.tasks.insert(task.task_id.value.clone(), task.clone());
                ExecutorEvent::Launch(Box::new(task))
            }
            ExecutorHeard::KillTask(message) => ExecutorEvent::Kill(message.task_id, message.kill_policy),
            ExecutorHeard::Acknowledgement(message) => return self.on_acknowledged(&message),
            ExecutorHeard::FrameworkToExecutor(message) => ExecutorEvent::Message(message.data),
        };
        out.push(ExecutorOutput::Tell(told));
    }

    fn connect(&mut self) {
        self.connected = true;
        self.give_up = None;
    }

    fn on_acknowledged(&mut self, message: &internal::StatusUpdateAcknowledgementMessage) {
        let before = self.updates.len();
        self.updates
            .retain(|update| update.uuid.as_deref() != Some(message.uuid.as_ref()));
        if self.updates.len() < before {
            // The agent knows by it that the task has arrived.
            self.tasks.remove(&message.task_id.value);
        }
    }

    /// The agent came back, perhaps elsewhere: everything it may not know is said again.
    fn reconnect(&mut self, from: Upid, out: &mut Vec<ExecutorOutput>) {
        self.setup.agent = from.clone();
        out.push(ExecutorOutput::Link { to: from, anew: true });
        let reregister = internal::ReregisterExecutorMessage {
            executor_id: self.setup.executor.clone(),
            framework_id: self.setup.framework.clone(),
            tasks: self.tasks.values().cloned().collect(),
            updates: self.updates.clone(),
        };
        self.say(ExecutorSaid::Reregister(Box::new(reregister)), out);
    }

    fn on_exited(&mut self, now: Time, out: &mut Vec<ExecutorOutput>) {
        match self.setup.recovery_timeout {
            Some(patience) if self.connected => {
                self.connected = false;
                self.give_up = Some(now + patience);
                out.push(ExecutorOutput::Tell(ExecutorEvent::Disconnected));
            }
            // Waiting already.
            Some(_) if self.give_up.is_some() => {}
            _ => self.shut_down(out),
        }
    }

    fn shut_down(&mut self, out: &mut Vec<ExecutorOutput>) {
        self.running = false;
        self.connected = false;
        self.give_up = None;
        out.push(ExecutorOutput::Tell(ExecutorEvent::Shutdown));
    }

    fn update(&mut self, now: Time, mut status: v1::TaskStatus, out: &mut Vec<ExecutorOutput>) {
        let mut uuid = [0; 16];
        self.rng.fill_bytes(&mut uuid);
        // Version 4, variant 1: the agent checks that it is a uuid.
        uuid[6] = uuid[6] & 0x0f | 0x40;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        let uuid = Bytes::copy_from_slice(&uuid);
        let timestamp = now.as_secs_f64();
        status.uuid = Some(uuid.clone());
        status.timestamp = Some(timestamp);
        status.agent_id = Some(self.setup.agent_id.clone());
        status.executor_id = Some(self.setup.executor.clone());
        status.source = Some(v1::task_status::Source::Executor.into());
        let update = internal::StatusUpdate {
            framework_id: self.setup.framework.clone(),
            executor_id: Some(self.setup.executor.clone()),
            slave_id: Some(self.setup.agent_id.clone()),
            status,
            timestamp,
            uuid: Some(uuid),
            latest_state: None,
        };
        self.updates.push(update.clone());
        let message = internal::StatusUpdateMessage {
            update,
            pid: Some(self.setup.own.to_string()),
        };
        self.say(ExecutorSaid::StatusUpdate(Box::new(message)), out);
    }

    fn send_message(&self, data: Bytes, out: &mut Vec<ExecutorOutput>) {
        let message = internal::ExecutorToFrameworkMessage {
            slave_id: self.setup.agent_id.clone(),
            framework_id: self.setup.framework.clone(),
            executor_id: self.setup.executor.clone(),
            data,
        };
        self.say(ExecutorSaid::ExecutorToFramework(Box::new(message)), out);
    }

    fn say(&self, message: ExecutorSaid, out: &mut Vec<ExecutorOutput>) {
        out.push(ExecutorOutput::Send {
            to: self.setup.agent.clone(),
            message,
        });
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
