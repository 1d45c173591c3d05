//! Finding the master, registering with it, and noticing when it is gone (facts: internal-protocol, 6, 7, 10).

use std::time::Duration;

use process::{Time, Upid};
use proto::v1::master_info::capability::Type as MasterCapability;
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};
use proto::{Message as _, internal, v1::agent_info::Capability};
use rand::Rng;
use resources::format;

use super::agent::{Agent, Phase, Timer};
use super::executor::{self, Verdict};
use super::framework::Framework;
use super::ids::{FrameworkId, TaskId, is_valid};
use super::output::{Checkpoint, Exit, Output, Sent};
use super::states;

/// The longest wait between two attempts to register.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Silence after which the agent registers anew, unless the master names another span.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(75);
/// The longest such silence that a master may name.
const PING_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The leading master.
#[derive(Clone, Debug)]
pub(super) struct Master {
    pub(super) info: v1::MasterInfo,
    pub(super) pid: Upid,
}

impl Agent {
    pub(super) fn is_master(&self, from: &Upid) -> bool {
        self.master.as_ref().is_some_and(|master| master.pid == *from)
    }

    pub(super) fn on_detected(&mut self, now: Time, info: Option<v1::MasterInfo>, out: &mut Vec<Output>) {
        if matches!(self.phase, Phase::Terminating | Phase::Recovering) {
            return;
        }
        self.disconnect(out);
        self.master = info.and_then(|info| match info.pid().parse() {
            Ok(pid) => Some(Master { info, pid }),
            Err(error) => {
                tracing::error!(%error, "the detected master has no usable address");
                None
            }
        });
        let Some(master) = &self.master else {
            tracing::info!("lost the leading master");
            return;
        };
        tracing::info!(master = %master.pid, "new master detected");
        if self.info_changed && !has(&master.info, MasterCapability::AgentUpdate) {
            let message = "the agent's description has changed, which the master does not accept from an agent \
                           that was registered before; restore the flags";
            out.push(Output::Exit(Exit::Failed(message.to_owned())));
            return;
        }
        self.backoff = self.config.registration_backoff_factor;
        self.register_later(now);
    }

    /// Stops everything that needs a master.
    fn disconnect(&mut self, out: &mut Vec<Output>) {
        self.forget_authentication(out);
        self.phase = Phase::Disconnected;
        self.updates.pause();
        self.operations.pause();
        self.timers.cancel(&Timer::Register);
        self.timers.cancel(&Timer::Ping);
    }

    fn register_later(&mut self, now: Time) {
        let most = u64::try_from(self.backoff.as_nanos()).unwrap_or(u64::MAX);
        let wait = Duration::from_nanos(self.rng.random_range(0..=most));
        self.timers.set(Timer::Register, now + wait);
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    /// Sends the registration that fits, and arms the next attempt.
    pub(super) fn register(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.phase != Phase::Disconnected {
            return;
        }
        let Some(pid) = self.master.as_ref().map(|master| master.pid.clone()) else {
            return;
        };
        out.push(Output::Link(pid));
        let message = if self.info.id.is_none() {
            Sent::RegisterSlave(Box::new(self.registration()))
        } else {
            Sent::ReregisterSlave(Box::new(self.reregistration()))
        };
        self.tell_master(message, None, out);
        self.register_later(now);
    }

    fn registration(&self) -> internal::RegisterSlaveMessage {
        internal::RegisterSlaveMessage {
            slave: self.info_for_master(),
            version: Some(self.config.version.clone()),
            checkpointed_resources: downgraded(&self.checkpointed),
            agent_capabilities: self.capabilities(),
            resource_version_uuid: Some(self.resource_version()),
        }
    }

    fn reregistration(&self) -> internal::ReregisterSlaveMessage {
        let mut message = internal::ReregisterSlaveMessage {
            slave: self.info_for_master(),
            version: Some(self.config.version.clone()),
            checkpointed_resources: downgraded(&self.checkpointed),
            agent_capabilities: self.capabilities(),
            resource_version_uuid: Some(self.resource_version()),
            ..Default::default()
        };
        for framework in self.frameworks.values() {
            message.frameworks.push(framework.info.clone());
            for executor in framework.executors.values() {
                if !executor.generated && executor.phase != executor::Phase::Terminated {
                    let mut info = executor.info.clone();
                    downgrade(&mut info.resources);
                    message.executor_infos.push(info);
                }
                let queued = executor.queued.values().map(|info| executor.task_of(info));
                let known = executor
                    .launched
                    .values()
                    .chain(executor.terminated.values())
                    .cloned();
                message.tasks.extend(queued.chain(known).map(downgraded_task));
            }
        }
        message.completed_frameworks = self
            .completed
            .iter()
            .map(|framework| archived(framework).encode_to_vec().into())
            .collect();
        message
    }

    fn info_for_master(&self) -> v1::AgentInfo {
        let mut info = self.info.clone();
        downgrade(&mut info.resources);
        info
    }

    fn capabilities(&self) -> Vec<Capability> {
        self.config
            .capabilities
            .iter()
            .map(|kind| Capability {
                r#type: Some(*kind as i32),
            })
            .collect()
    }

    fn resource_version(&self) -> v1::Uuid {
        v1::Uuid {
            value: self.resource_version.clone(),
        }
    }

    pub(super) fn on_registered(
        &mut self,
        now: Time,
        reply: &internal::SlaveRegisteredMessage,
        out: &mut Vec<Output>,
    ) {
        let id = &reply.slave_id;
        match self.phase {
            Phase::Disconnected => {}
            Phase::Running if self.info.id.as_ref() == Some(id) => return,
            Phase::Running => {
                out.push(Output::Exit(Exit::Failed(format!(
                    "registered as {} again as {}",
                    self.agent_id(),
                    id.value
                ))));
                return;
            }
            Phase::Recovering | Phase::Terminating => return,
        }
        if self.info.id.as_ref().is_some_and(|own| own != id) {
            out.push(Output::Exit(Exit::Failed(format!(
                "agent {} was registered as {}",
                self.agent_id(),
                id.value
            ))));
            return;
        }
        if !is_valid(&id.value) {
            tracing::error!(
                agent = id.value,
                "ignoring a registration under an identifier that cannot be one"
            );
            return;
        }
        tracing::info!(agent = id.value, "registered with the master");
        self.info.id = Some(id.clone());
        let write = self.checkpoint(Checkpoint::Agent(Box::new(self.info.clone())), out);
        self.run(now, reply.connection.as_ref(), out);
        let message = self.update_slave();
        self.tell_master(message, Some(write), out);
        self.resume_operations(now, out);
    }

    pub(super) fn on_reregistered(
        &mut self,
        now: Time,
        reply: internal::SlaveReregisteredMessage,
        out: &mut Vec<Output>,
    ) {
        if matches!(self.phase, Phase::Recovering | Phase::Terminating) {
            return;
        }
        if self.info.id.as_ref() != Some(&reply.slave_id) {
            let id = reply.slave_id.value;
            out.push(Output::Exit(Exit::Failed(format!(
                "agent {} was re-registered as {id}",
                self.agent_id()
            ))));
            return;
        }
        if self.phase == Phase::Disconnected {
            tracing::info!(agent = %self.agent_id(), "re-registered with the master");
            let write = self.info_changed.then(|| {
                self.info_changed = false;
                self.checkpoint(Checkpoint::Agent(Box::new(self.info.clone())), out)
            });
            self.run(now, reply.connection.as_ref(), out);
            let message = self.update_slave();
            self.tell_master(message, write, out);
            self.resume_operations(now, out);
        }
        for reconciliation in reply.reconciliations {
            self.reconcile(now, &reconciliation, out);
        }
    }

    fn run(
        &mut self,
        now: Time,
        connection: Option<&internal::MasterSlaveConnection>,
        out: &mut Vec<Output>,
    ) {
        self.phase = Phase::Running;
        self.timers.cancel(&Timer::Register);
        if let Some(seconds) = connection.and_then(|connection| connection.total_ping_timeout_seconds)
            && let Ok(timeout) = Duration::try_from_secs_f64(seconds)
            && !timeout.is_zero()
        {
            self.ping_timeout = timeout.min(PING_TIMEOUT_MAX);
        }
        self.timers.set(Timer::Ping, now + self.ping_timeout);
        for key in self.updates.resume(now) {
            self.forward(&key, out);
        }
    }

    /// Statuses of operations follow the list of them, so that a new master knows what they are about.
    fn resume_operations(&mut self, now: Time, out: &mut Vec<Output>) {
        for uuid in self.operations.resume(now) {
            self.forward_operation(&uuid, out);
        }
    }

    fn update_slave(&self) -> Sent {
        Sent::UpdateSlave(Box::new(internal::UpdateSlaveMessage {
            slave_id: self.agent_id_wire(),
            update_oversubscribed_resources: Some(false),
            operations: Some(internal::update_slave_message::Operations {
                operations: self.operations.iter().cloned().collect(),
            }),
            resource_version_uuid: Some(self.resource_version()),
            resource_providers: Some(internal::update_slave_message::ResourceProviders::default()),
            ..Default::default()
        }))
    }

    /// Tasks that the master believes here and the agent does not know end.
    fn reconcile(&mut self, now: Time, message: &internal::ReconcileTasksMessage, out: &mut Vec<Output>) {
        let id = FrameworkId::from(&message.framework_id);
        for status in &message.statuses {
            let task = TaskId::from(&status.task_id);
            let known = self
                .frameworks
                .get(&id)
                .is_some_and(|framework| framework.executor_of(&task).is_some())
                || self.updates.contains(&(id.clone(), task.clone()));
            if known {
                continue;
            }
            let state = message
                .framework
                .as_ref()
                .map_or(TaskState::TaskLost, |framework| {
                    states::aware(framework, TaskState::TaskDropped)
                });
            let text = "Reconciliation: task unknown to the agent";
            let end = Verdict::new(state, Reason::Reconciliation, text);
            self.agent_update(now, &id, None, &task, &end, out);
        }
    }

    pub(super) fn on_ping(
        &mut self,
        now: Time,
        from: &Upid,
        ping: &internal::PingSlaveMessage,
        out: &mut Vec<Output>,
    ) {
        let message = Sent::PongSlave(internal::PongSlaveMessage::default());
        out.push(Output::Send {
            to: from.clone(),
            message,
            after: None,
        });
        if self.phase != Phase::Running {
            return;
        }
        self.timers.set(Timer::Ping, now + self.ping_timeout);
        if !ping.connected {
            tracing::info!("the master considers this agent disconnected; registering again");
            self.detect_again(out);
        }
    }

    pub(super) fn on_ping_timeout(&mut self, out: &mut Vec<Output>) {
        tracing::info!(timeout = ?self.ping_timeout, "no ping from the master; looking for it again");
        self.detect_again(out);
    }

    /// A broken link to the master ends the registration at once. A master that was started again at the same
    /// address does not know this agent, and would be silent until the ping timeout.
    pub(super) fn on_exited(&mut self, pid: &Upid, out: &mut Vec<Output>) {
        if self.phase == Phase::Running && self.is_master(pid) {
            tracing::warn!(master = %pid, "the link to the master broke");
            self.detect_again(out);
        }
    }

    pub(super) fn detect_again(&mut self, out: &mut Vec<Output>) {
        self.disconnect(out);
        out.push(Output::Detect);
    }

    pub(super) fn on_update_framework(
        &mut self,
        now: Time,
        update: internal::UpdateFrameworkMessage,
        out: &mut Vec<Output>,
    ) {
        if matches!(self.phase, Phase::Recovering | Phase::Terminating) {
            return;
        }
        let id = FrameworkId::from(&update.framework_id);
        let agent = self.agent_id();
        let Some(framework) = self.frameworks.get_mut(&id) else {
            return;
        };
        if framework.phase == super::framework::Phase::Terminating {
            return;
        }
        if let Some(mut info) = update.framework_info {
            info.id = Some(update.framework_id);
            // What is on disk was begun with the old choice.
            info.checkpoint = framework.info.checkpoint;
            framework.info = info;
        }
        framework.pid = update
            .pid
            .as_deref()
            .map_or_else(Upid::empty, Upid::parse_or_empty);
        if framework.checkpoint() {
            let what = Checkpoint::Framework {
                agent,
                info: Box::new(framework.info.clone()),
                pid: framework.pid.clone(),
            };
            self.checkpoint(what, out);
        }
        for key in self.updates.resend(now, &id) {
            self.forward(&key, out);
        }
    }
}

fn has(master: &v1::MasterInfo, capability: MasterCapability) -> bool {
    master
        .capabilities
        .iter()
        .any(|have| have.r#type == Some(capability as i32))
}

/// Converts to the form of old peers up to the first resource that has no such form (facts: section 6).
fn downgrade(resources: &mut [v1::Resource]) {
    for resource in resources {
        if format::downgrade_one(resource).is_err() {
            return;
        }
    }
}

fn downgraded(resources: &[v1::Resource]) -> Vec<v1::Resource> {
    let mut resources = resources.to_vec();
    downgrade(&mut resources);
    resources
}

fn downgraded_task(mut task: v1::Task) -> v1::Task {
    downgrade(&mut task.resources);
    task
}

/// A completed framework for the master's books.
fn archived(framework: &Framework) -> internal::archive::Framework {
    let tasks = framework
        .completed
        .iter()
        .flat_map(|executor| executor.terminated.values().chain(&executor.completed))
        .cloned()
        .map(downgraded_task)
        .collect();
    internal::archive::Framework {
        framework_info: framework.info.clone(),
        pid: framework.pid.is_valid().then(|| framework.pid.to_string()),
        tasks,
    }
}
