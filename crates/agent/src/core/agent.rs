//! The state of an agent and the one place where inputs meet it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use process::{Time, Upid};
use proto::v1;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::authentication::Authentication;
use super::config::Config;
use super::counters::Counters;
use super::executor::Executor;
use super::framework::Framework;
use super::ids::{AgentId, ContainerId, ExecutorId, FrameworkId, StreamId, WriteId};
use super::input::{Input, Received};
use super::operations::Operations;
use super::output::{Checkpoint, Output, Sent};
use super::recovery::Recovery;
use super::registration::Master;
use super::status_updates::StatusUpdates;
use super::timers::Timers;

/// Interval of heartbeats on executors' streams.
pub(super) const EXECUTOR_HEARTBEAT: Duration = Duration::from_secs(30 * 60);

/// Where the agent is in its life (facts: agent-disk, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading what an earlier process left; executors may come back.
    Recovering,
    /// Without a master, or not yet registered with it.
    Disconnected,
    /// Registered.
    Running,
    /// Ending its frameworks, then itself.
    Terminating,
}

/// What is to happen later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Register, or try again.
    Register,
    /// An attempt to authenticate has taken too long, or the next is due.
    Authentication,
    /// The master has been silent for too long.
    Ping,
    /// Executors that have not come back are given up.
    Reregistration,
    /// Executors that speak libprocess and have not come back are called once more.
    Reconnect,
    /// An executor has not subscribed in time.
    ExecutorRegistration(ContainerId),
    /// An executor has not shut down in time.
    ExecutorShutdown(ContainerId),
    /// An executor's stream is due a heartbeat.
    ExecutorHeartbeat(ContainerId),
}

/// The agent's core.
#[derive(Debug)]
pub struct Agent {
    pub(super) config: Config,
    pub(super) rng: ChaCha8Rng,
    pub(super) phase: Phase,
    pub(super) recovery: Recovery,
    /// Whether the agent was told to end before it knew what an earlier one left.
    pub(super) shutdown_wanted: bool,
    /// As configured, with the id once there is one.
    pub(super) info: v1::AgentInfo,
    /// Whether the description differs from the checkpointed one, which needs a master with AGENT_UPDATE.
    pub(super) info_changed: bool,
    pub(super) resource_version: Bytes,
    /// Dynamic reservations and persistent volumes.
    pub(super) checkpointed: Vec<v1::Resource>,
    pub(super) master: Option<Master>,
    pub(super) authentication: Authentication,
    /// Width of the random wait before the next attempt to register.
    pub(super) backoff: Duration,
    pub(super) ping_timeout: Duration,
    pub(super) frameworks: BTreeMap<FrameworkId, Framework>,
    /// Frameworks without anything left here, oldest first.
    pub(super) completed: VecDeque<Arc<Framework>>,
    pub(super) containers: BTreeMap<ContainerId, (FrameworkId, ExecutorId)>,
    pub(super) streams: BTreeMap<StreamId, ContainerId>,
    pub(super) updates: StatusUpdates,
    pub(super) operations: Operations,
    /// How the agent is being drained, if it is.
    pub(super) draining: Option<v1::DrainConfig>,
    /// When draining began, or this process found that it had.
    pub(super) draining_since: Time,
    pub(super) timers: Timers<Timer>,
    pub(super) last_write: WriteId,
    pub(super) counters: Counters,
}

impl Agent {
    /// An agent that has not been told what is on its disk. `seed` decides ids and waits.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let resource_version = uuid(&mut rng);
        Self {
            info: config.info.clone(),
            backoff: config.registration_backoff_factor,
            config,
            rng,
            phase: Phase::Recovering,
            recovery: Recovery::Disk,
            shutdown_wanted: false,
            info_changed: false,
            resource_version,
            checkpointed: Vec::new(),
            master: None,
            authentication: Authentication::new(),
            ping_timeout: super::registration::PING_TIMEOUT,
            frameworks: BTreeMap::new(),
            completed: VecDeque::new(),
            containers: BTreeMap::new(),
            streams: BTreeMap::new(),
            updates: StatusUpdates::new(),
            operations: Operations::new(),
            draining: None,
            draining_since: Time::EPOCH,
            timers: Timers::new(),
            last_write: WriteId(0),
            counters: Counters::default(),
        }
    }

    /// Applies one input and appends, in order, what the shell must do.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Recovered(state) => self.on_recovered(now, *state, out),
            Input::ContainersRecovered => self.on_containers_recovered(now, out),
            Input::Detected(master) => self.on_detected(now, master, out),
            Input::Message { from, message } => self.on_message(now, &from, message, out),
            Input::Exited(pid) => self.on_exited(&pid, out),
            Input::Challenge {
                attempt,
                from,
                challenge,
            } => self.on_challenge(now, attempt, from, &challenge, out),
            Input::Call {
                request,
                stream,
                caller,
                call,
            } => self.on_call(now, request, stream, caller.as_ref(), *call, out),
            Input::StreamClosed(stream) => self.on_stream_closed(stream),
            Input::Launched { container, pid } => self.on_launched(&container, pid),
            Input::LaunchFailed { container, cause } => self.on_launch_failed(now, &container, &cause, out),
            Input::UpdateFailed { container, cause } => self.on_update_failed(&container, &cause, out),
            Input::Terminated {
                container,
                termination,
            } => {
                self.on_terminated(now, &container, termination.as_ref(), out);
            }
            Input::Shutdown { unregister } => self.on_shutdown(now, unregister, out),
            Input::Timeout => self.on_timeout(now, out),
        }
        self.drained(out);
    }

    /// When the shell should next feed [`Input::Timeout`].
    pub fn deadline(&self) -> Option<Time> {
        [
            self.timers.next(),
            self.updates.deadline(),
            self.operations.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_message(&mut self, now: Time, from: &Upid, message: Received, out: &mut Vec<Output>) {
        match message {
            Received::PingSlave(ping) => self.on_ping(now, from, &ping, out),
            Received::UpdateFramework(update) => self.on_update_framework(now, *update, out),
            Received::FrameworkToExecutor(message) => self.on_framework_message(&message, out),
            Received::RegisterExecutor(message) => self.on_register_executor(now, from, &message, out),
            Received::ReregisterExecutor(message) => self.on_reregister_executor(now, from, *message, out),
            Received::StatusUpdate(message) => self.on_status_update(now, from, message.update, out),
            Received::ExecutorToFramework(message) => self.on_executor_message(message, out),
            message if !self.is_master(from) => {
                tracing::warn!(%from, ?message, "ignoring a message that did not come from the leading master");
            }
            Received::SlaveRegistered(reply) => self.on_registered(now, &reply, out),
            Received::SlaveReregistered(reply) => self.on_reregistered(now, reply, out),
            Received::Shutdown(message) => {
                tracing::warn!(
                    reason = message.message(),
                    "the master asks this agent to shut down"
                );
                self.on_shutdown(now, false, out);
            }
            Received::RunTask(message) => self.on_run_task(now, *message, out),
            Received::RunTaskGroup(message) => self.on_run_task_group(now, *message, out),
            Received::KillTask(message) => self.on_kill_task(now, &message, out),
            Received::ShutdownExecutor(message) => self.on_shutdown_executor(now, &message, out),
            Received::ShutdownFramework(message) => {
                self.on_shutdown_framework(now, &FrameworkId::from(&message.framework_id), out);
            }
            Received::StatusUpdateAcknowledgement(ack) => self.on_acknowledgement(now, &ack, out),
            Received::ApplyOperation(message) => self.on_apply_operation(now, *message, out),
            Received::CheckpointResources(message) => self.on_checkpoint_resources(&message, out),
            Received::AcknowledgeOperationStatus(ack) => self.on_operation_acknowledged(&ack, out),
            Received::ReconcileOperations(message) => self.on_reconcile_operations(&message, out),
            Received::DrainSlave(message) => self.on_drain(now, &message, out),
        }
    }

    fn on_timeout(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(key) = self.updates.take_due(now) {
            self.forward(&key, out);
        }
        while let Some(uuid) = self.operations.take_due(now) {
            self.forward_operation(&uuid, out);
        }
        while let Some(timer) = self.timers.take_due(now) {
            match timer {
                Timer::Register if self.must_authenticate() => self.authenticate(now, out),
                Timer::Register => self.register(now, out),
                Timer::Authentication => self.on_authentication_timeout(now, out),
                Timer::Ping => self.on_ping_timeout(out),
                Timer::Reregistration => self.on_reregistration_timeout(now, out),
                Timer::Reconnect => self.reconnect(now, out),
                Timer::ExecutorRegistration(container) => self.on_registration_timeout(&container, out),
                Timer::ExecutorShutdown(container) => out.push(Output::Destroy(container)),
                Timer::ExecutorHeartbeat(container) => self.on_heartbeat(now, &container, out),
            }
        }
    }

    /// Numbers a write and asks for it.
    pub(super) fn checkpoint(&mut self, what: Checkpoint, out: &mut Vec<Output>) -> WriteId {
        self.last_write.0 += 1;
        out.push(Output::Checkpoint {
            write: self.last_write,
            what,
        });
        self.last_write
    }

    /// Sends to the leading master; without one the message is dropped.
    pub(super) fn tell_master(&self, message: Sent, after: Option<WriteId>, out: &mut Vec<Output>) {
        if let Some(master) = &self.master {
            out.push(Output::Send {
                to: master.pid.clone(),
                message,
                after,
            });
        }
    }

    pub(super) fn uuid(&mut self) -> Bytes {
        uuid(&mut self.rng)
    }

    /// This agent's id; empty before the first registration.
    pub(super) fn agent_id(&self) -> AgentId {
        AgentId::from(self.info.id.as_ref().map_or("", |id| id.value.as_str()))
    }

    pub(super) fn agent_id_wire(&self) -> v1::AgentId {
        self.info.id.clone().unwrap_or_default()
    }

    pub(super) fn executor_mut(
        &mut self,
        framework: &FrameworkId,
        executor: &ExecutorId,
    ) -> Option<&mut Executor> {
        self.frameworks.get_mut(framework)?.executors.get_mut(executor)
    }

    pub(super) fn executor(&self, framework: &FrameworkId, executor: &ExecutorId) -> Option<&Executor> {
        self.frameworks.get(framework)?.executors.get(executor)
    }

    pub(super) fn executor_in(&mut self, container: &ContainerId) -> Option<&mut Executor> {
        let (framework, executor) = self.containers.get(container)?;
        self.frameworks.get_mut(framework)?.executors.get_mut(executor)
    }

    /// Where the agent is in its life.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether executors may subscribe: recovery has got to the point of awaiting them.
    pub fn accepts_executors(&self) -> bool {
        self.phase != Phase::Recovering || self.recovery == Recovery::Executors
    }

    /// The agent's description; its id is unset before the first registration.
    pub const fn info(&self) -> &v1::AgentInfo {
        &self.info
    }

    /// The core's settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The leading master as far as the agent knows.
    pub fn master_info(&self) -> Option<&v1::MasterInfo> {
        self.master.as_ref().map(|master| &master.info)
    }

    /// Frameworks that have something here, ordered by id.
    pub fn frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.values()
    }

    /// Frameworks that have nothing left here, oldest first.
    pub fn completed_frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.completed.iter().map(|framework| &**framework)
    }

    /// Dynamic reservations and persistent volumes.
    pub fn checkpointed_resources(&self) -> &[v1::Resource] {
        &self.checkpointed
    }

    /// The status update manager, to look at.
    pub const fn status_updates(&self) -> &StatusUpdates {
        &self.updates
    }

    /// How the agent is being drained and since when, if it is.
    pub fn draining(&self) -> Option<(&v1::DrainConfig, Time)> {
        Some((self.draining.as_ref()?, self.draining_since))
    }

    /// Operations whose status waits for its acknowledgement.
    pub const fn operations(&self) -> &Operations {
        &self.operations
    }

    /// What was counted so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// A random UUID (version 4) as 16 bytes.
fn uuid(rng: &mut ChaCha8Rng) -> Bytes {
    let id = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
    Bytes::copy_from_slice(id.as_bytes())
}

/// The text of a random UUID (version 4).
pub(super) fn uuid_text(rng: &mut ChaCha8Rng) -> String {
    uuid::Builder::from_random_bytes(rng.random())
        .into_uuid()
        .to_string()
}
