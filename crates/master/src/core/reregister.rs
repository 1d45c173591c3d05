//! ReregisterSlaveMessage (internal-protocol §6): agents that this master, or one before it, knows.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use process::Upid;
use proto::internal::{
    ReconcileTasksMessage, ReregisterSlaveMessage, ShutdownFrameworkMessage, SlaveReregisteredMessage,
};
use proto::v1::agent_info::capability::Type as Capability;
use proto::v1::task_status::{Reason, Source};
use proto::v1::{self, TaskStatus};
use resources::Resources;

use super::Master;
use super::agents::{Profile, by_id, registry_form};
use super::authentication::Held;
use super::books::remember_completed;
use super::events::{self, info, send, send_after, send_shutdown, warning};
use super::frameworks::update_message;
use super::ids::{AgentId, ExecutorId, FrameworkId, TaskId, ToWire, WriteId};
use super::input::AgentMessage;
use super::output::{AgentBound, OperatorEvent, Output, RegistryOperation};
use super::record::{ArchivedTask, Record, archived_tasks};
use super::registry::Pending;
use super::state::Task;
use super::statuses::{Cause, is_terminal};
use super::tasks::executor;
use super::validation;

impl Master {
    pub(super) fn on_reregister(
        &mut self,
        from: Upid,
        mut message: ReregisterSlaveMessage,
        out: &mut Vec<Output>,
    ) {
        self.counters.messages_reregister_slave += 1;
        if self.hold(&from, || {
            Held::Agent(AgentMessage::Reregister(Box::new(message.clone())))
        }) {
            return;
        }
        if !self.may_register(&from) {
            let text = format!("Refusing reregistration of agent at {from}: it is not authenticated");
            return warning(out, text);
        }
        if let Err(fault) = validation::agent::reregistration(&self.config, &message) {
            return warning(
                out,
                format!("Refusing reregistration of agent at {from}: {fault}"),
            );
        }
        // Compat: an agent may mix the formats of reservations.
        resources::format::upgrade(&mut message.slave.resources);
        if let Err(fault) = self.check_agent_allowed(&from, &message.slave) {
            let text = format!("Refusing reregistration of agent at {from}: {fault}");
            return warning(out, text);
        }
        if self.refuse_if_down(&from, &message.slave, out) {
            return;
        }
        let Some(id) = message.slave.id.as_ref().map(AgentId::from) else {
            return;
        };
        if self.state.gone_agents.contains(&id) {
            return send_shutdown(&from, "Agent has been marked gone", out);
        }
        if self.in_flight.contains(&id) {
            return;
        }
        if let Some(known) = self.state.agents.get(&id) {
            if known.pid.address().ip() != from.address().ip()
                || known.info.hostname != message.slave.hostname
            {
                warning(
                    out,
                    format!(
                        "Agent {id} at {from} reregistered with another IP or hostname than {}",
                        known.pid
                    ),
                );
                let reason = "Agent attempted to reregister with a different IP or hostname";
                return send_shutdown(&from, reason, out);
            }
            if *known.info == message.slave {
                return self.finish_update(&id, from, message, None, out);
            }
            let update = RegistryOperation::UpdateAgent {
                info: Box::new(registry_form(&message.slave)),
            };
            self.in_flight.insert(id.clone());
            return self.store(
                vec![update],
                Pending::Update {
                    id,
                    from,
                    message: Box::new(message),
                },
                out,
            );
        }
        let operation = match self.state.recovered_agents.get(&id) {
            Some(known) if **known == message.slave => None,
            Some(_) => Some(RegistryOperation::UpdateAgent {
                info: Box::new(registry_form(&message.slave)),
            }),
            None => Some(RegistryOperation::MarkReachable {
                info: Box::new(registry_form(&message.slave)),
            }),
        };
        match operation {
            None => self.finish_readmission(&id, from, message, None, out),
            Some(operation) => {
                self.in_flight.insert(id.clone());
                self.store(
                    vec![operation],
                    Pending::Readmit {
                        id,
                        from,
                        message: Box::new(message),
                    },
                    out,
                );
            }
        }
    }

    /// Enters an agent that was not registered here, with all it runs.
    pub(super) fn finish_readmission(
        &mut self,
        id: &AgentId,
        from: Upid,
        message: ReregisterSlaveMessage,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) {
        self.state.version += 1;
        let was_recovered = self.state.recovered_agents.remove(id).is_some();
        let was_unreachable = self.state.unreachable_agents.remove(id).is_some();
        self.gauges.slaves_unreachable = self.state.unreachable_agents.len() as u64;
        self.counters.slave_reregistrations += 1;
        self.displace(&from, id, out);
        let (profile, load) = split(message);
        info(
            out,
            format!(
                "Reregistered agent {id} at {from} with {} tasks",
                load.tasks.len()
            ),
        );
        let frameworks = by_id(load.frameworks);
        for (framework, description) in &frameworks {
            if !self.state.frameworks.contains_key(framework) && !self.is_completed(framework) {
                self.recover_framework(framework, description.clone(), out);
            }
        }
        self.add_agent(id, &from, profile, out);
        if let Some(agent) = self.state.agent_mut(id) {
            agent.reregistered = Some(self.now);
        }
        self.take_executors(id, load.executors);
        let taken = self.take_tasks(id, load.tasks, out);
        self.admit_to_allocator(id);
        self.publish_agent(id, out);
        self.take_history(&load.completed);
        let reply = SlaveReregisteredMessage {
            slave_id: id.to_wire(),
            connection: Some(self.connection()),
            ..Default::default()
        };
        send_after(&from, AgentBound::Reregistered(reply), after, out);
        self.tell_of_frameworks(&from, frameworks.keys(), out);
        self.deactivate_again(id, out);
        if !was_recovered {
            let text = if was_unreachable {
                "Unreachable agent re-reregistered"
            } else {
                "Unknown agent reregistered"
            };
            self.tell_of_return(&taken, text, after, out);
        }
    }

    /// An agent is not at this address any more; another may be.
    pub(super) fn forget_pid(&mut self, pid: &Upid, id: &AgentId) {
        if self.agents_by_pid.get(pid) == Some(id) {
            self.agents_by_pid.remove(pid);
        }
    }

    /// Another agent may have been registered at this address; it cannot be there any more.
    pub(super) fn displace(&mut self, from: &Upid, id: &AgentId, out: &mut Vec<Output>) {
        let Some(other) = self.agents_by_pid.get(from).filter(|other| *other != id).cloned() else {
            return;
        };
        if self.state.agents.get(&other).is_some_and(|agent| agent.connected) {
            self.disconnect_agent(&other, out);
        }
        self.agents_by_pid.remove(from);
    }

    fn take_executors(&mut self, id: &AgentId, executors: Vec<v1::ExecutorInfo>) {
        for mut each in executors {
            let Some(framework) = each.framework_id.as_ref().map(FrameworkId::from) else {
                continue;
            };
            if self.state.frameworks.contains_key(&framework) {
                resources::format::upgrade(&mut each.resources);
                let resources = self.interned.read(&each.resources);
                self.book_executor(executor(id, &framework, each, resources).into());
            }
        }
    }

    /// Enters the tasks that an agent lists; those of completed frameworks are not taken, their agent shuts them down.
    fn take_tasks(
        &mut self,
        id: &AgentId,
        tasks: Vec<v1::Task>,
        out: &mut Vec<Output>,
    ) -> Vec<(FrameworkId, TaskId)> {
        let mut taken = Vec::with_capacity(tasks.len());
        for mut message in tasks {
            let framework = message.framework_id.value.as_str();
            let Some(framework) = self.state.frameworks.get(framework).map(|known| known.id.clone()) else {
                continue;
            };
            let Some(known) = self.state.framework_mut(&framework) else {
                continue;
            };
            let task = TaskId::from(&message.task_id);
            if let Some(twin) = known.tasks.get(&task) {
                let text = format!(
                    "Ignoring task {task} of agent {id}: it runs on agent {} too",
                    twin.agent
                );
                warning(out, text);
                continue;
            }
            if let Some(lost) = known.unreachable_tasks.remove(&task) {
                self.gauges.move_task(Some(lost.state()), None);
            }
            resources::format::upgrade(&mut message.resources);
            let resources = self.interned.read(&message.resources);
            let executor = message.executor_id.as_ref().map(ExecutorId::from);
            let record = Record::from(message);
            out.push(Output::Publish(OperatorEvent::TaskAdded(record.clone())));
            taken.push((framework.clone(), task.clone()));
            self.book_task(Task {
                id: task,
                framework,
                agent: id.clone(),
                executor,
                resources,
                record,
            });
        }
        taken
    }

    /// Remembers what an agent tells of tasks that ended, unread, as far as the limits let it stay.
    fn take_history(&mut self, archives: &[Bytes]) {
        let limit = self.config.max_completed_tasks_per_framework;
        let mut by_framework: BTreeMap<&str, Vec<ArchivedTask<'_>>> = BTreeMap::new();
        for task in archives.iter().flat_map(|archive| archived_tasks(archive)) {
            by_framework.entry(task.framework).or_default().push(task);
        }
        for (framework, tasks) in by_framework {
            let id = FrameworkId::from(framework);
            let Some(framework) = self.state.framework_mut(&id) else {
                continue;
            };
            // The others would be pushed out again at once.
            let stay = tasks.len().saturating_sub(limit);
            for task in tasks.iter().skip(stay) {
                remember_completed(framework, task.remembered(), limit);
            }
        }
    }

    /// The current state of tasks that their frameworks were told are lost.
    fn tell_of_return(
        &mut self,
        tasks: &[(FrameworkId, TaskId)],
        text: &str,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) {
        for (framework, id) in tasks {
            let Some(task) = self.state.task(framework, id) else {
                continue;
            };
            let status = self.make_status_of(task, Cause::new(task.state(), Reason::AgentReregistered, text));
            self.tell_after(framework, events::update(status), after, out);
        }
    }

    /// Tells an agent what became of the frameworks it lists.
    fn tell_of_frameworks<'a>(
        &self,
        to: &Upid,
        frameworks: impl Iterator<Item = &'a FrameworkId>,
        out: &mut Vec<Output>,
    ) {
        for id in frameworks {
            match self.state.frameworks.get(id) {
                Some(framework) => send(to, AgentBound::UpdateFramework(update_message(framework)), out),
                None => {
                    let message = ShutdownFrameworkMessage {
                        framework_id: id.to_wire(),
                    };
                    send(to, AgentBound::ShutdownFramework(message), out);
                }
            }
        }
    }

    /// Goes on with an agent that is registered here.
    pub(super) fn finish_update(
        &mut self,
        id: &AgentId,
        from: Upid,
        message: ReregisterSlaveMessage,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) {
        if !self.state.agents.contains_key(id) {
            return;
        }
        self.counters.slave_reregistrations += 1;
        self.displace(&from, id, out);
        let (profile, load) = split(message);
        info(out, format!("Agent {id} at {from} reregistered"));
        self.refresh_agent(id, &from, profile, out);
        out.push(Output::Link(from.clone()));
        let frameworks: BTreeSet<FrameworkId> = load
            .frameworks
            .iter()
            .filter_map(|info| info.id.as_ref().map(FrameworkId::from))
            .collect();
        let reconciliations = self.missing_tasks(id, &load.tasks);
        let reply = SlaveReregisteredMessage {
            slave_id: id.to_wire(),
            reconciliations,
            connection: Some(self.connection()),
        };
        send_after(&from, AgentBound::Reregistered(reply), after, out);
        self.drop_missing_executors(id, &load.executors, out);
        self.kill_again(id, &from, &load.tasks, out);
        self.tell_of_frameworks(&from, frameworks.iter(), out);
        self.end_strangers(id, &from, &load, out);
        self.deactivate_again(id, out);
        let agent = self.state.agents.get(id);
        if let Some(agent) = agent.filter(|agent| !agent.capabilities.has(Capability::ResourceProvider)) {
            let message = super::apply::checkpoint_message(agent);
            send(&from, AgentBound::CheckpointResources(message), out);
        }
    }

    /// Takes over what may have changed about an agent, and makes it active.
    fn refresh_agent(&mut self, id: &AgentId, from: &Upid, profile: Profile, out: &mut Vec<Output>) {
        if let Some(timer) = self.reregister_timers.remove(id) {
            self.timers.cancel(timer);
        }
        let (mut total, mut checkpointed) = profile.total(&mut self.interned);
        let Some(agent) = self.state.agent_mut(id) else {
            return;
        };
        let capabilities = super::AgentCapabilities::new(&profile.capabilities);
        if !capabilities.has(Capability::ResourceProvider) {
            // Compat: such an agent keeps what it is told to, which may not have reached it.
            let configured = Resources::from_proto_lenient(&profile.info.resources);
            if let Some(ours) = configured.with_checkpointed(&agent.checkpointed) {
                (total, checkpointed) = (ours, agent.checkpointed.clone());
            }
        }
        let old_pid = std::mem::replace(&mut agent.pid, from.clone());
        let was_connected = std::mem::replace(&mut agent.connected, true);
        let active = !agent.deactivated;
        let was_active = std::mem::replace(&mut agent.active, active);
        total += &agent.total.revocable();
        let changed =
            agent.total != total || *agent.info != profile.info || agent.capabilities != capabilities;
        agent.reregistered = Some(self.now);
        agent.version = profile.version;
        agent.capabilities = capabilities;
        agent.checkpointed = checkpointed;
        agent.resource_version = profile.resource_version;
        agent.info = profile.info.into();
        if old_pid != *from {
            self.forget_pid(&old_pid, id);
        }
        self.agents_by_pid.insert(from.clone(), id.clone());
        if !was_connected {
            self.gauges.slaves_connected += 1;
            self.gauges.slaves_disconnected -= 1;
        }
        if changed {
            self.change_total(id, total, out);
        }
        if !was_active && active {
            self.gauges.slaves_active += 1;
            self.gauges.slaves_inactive -= 1;
            self.allocator.activate_agent(id, self.now);
        }
    }

    /// Tasks in the books that the agent does not list: it must have lost them, and will say so.
    fn missing_tasks(&self, id: &AgentId, listed: &[v1::Task]) -> Vec<ReconcileTasksMessage> {
        let Some(agent) = self.state.agents.get(id) else {
            return Vec::new();
        };
        let listed: BTreeSet<(&str, &str)> = listed
            .iter()
            .map(|task| (task.framework_id.value.as_str(), task.task_id.value.as_str()))
            .collect();
        let mut missing: BTreeMap<&FrameworkId, Vec<TaskStatus>> = BTreeMap::new();
        for (framework, task) in agent.tasks.iter() {
            if listed.contains(&(framework.as_str(), task.as_str())) {
                continue;
            }
            if let Some(task) = self.state.task(framework, task) {
                missing.entry(framework).or_default().push(TaskStatus {
                    task_id: task.id.to_wire(),
                    state: task.state() as i32,
                    source: Some(Source::Master as i32),
                    reason: Some(Reason::Reconciliation as i32),
                    message: Some("Reconciliation request".to_owned()),
                    agent_id: Some(id.to_wire()),
                    timestamp: Some(self.now.as_secs_f64()),
                    ..TaskStatus::default()
                });
            }
        }
        let message = |(framework, statuses): (&FrameworkId, Vec<TaskStatus>)| ReconcileTasksMessage {
            framework_id: framework.to_wire(),
            statuses,
            framework: self
                .state
                .frameworks
                .get(framework)
                .map(|known| (*known.info).clone()),
        };
        missing.into_iter().map(message).collect()
    }

    /// Executors in the books that the agent does not list are gone.
    fn drop_missing_executors(&mut self, id: &AgentId, listed: &[v1::ExecutorInfo], out: &mut Vec<Output>) {
        let Some(agent) = self.state.agents.get(id) else {
            return;
        };
        let here: BTreeSet<(FrameworkId, ExecutorId)> = listed
            .iter()
            .filter_map(|info| {
                Some((
                    info.framework_id.as_ref().map(FrameworkId::from)?,
                    ExecutorId::from(&info.executor_id),
                ))
            })
            .collect();
        let gone: Vec<(FrameworkId, ExecutorId)> = agent
            .executors
            .keys()
            .filter(|key| !here.contains(*key))
            .cloned()
            .collect();
        for (framework, executor) in gone {
            warning(
                out,
                format!(
                    "Removing executor {executor} of framework {framework}, which agent {id} does not have"
                ),
            );
            self.end_executor(id, &framework, &executor);
        }
    }

    /// Kills that the agent may not have heard. Compat: without their policy.
    fn kill_again(&mut self, id: &AgentId, to: &Upid, listed: &[v1::Task], out: &mut Vec<Output>) {
        for task in listed {
            let (framework, name) = (FrameworkId::from(&task.framework_id), TaskId::from(&task.task_id));
            if !is_terminal(task.state()) && self.wants_dead(id, &framework, &name) {
                send_kill(to, task, out);
            }
        }
    }

    /// What runs on a registered agent without being in the books was told lost when its link broke: it ends.
    fn end_strangers(&mut self, id: &AgentId, to: &Upid, load: &Load, out: &mut Vec<Output>) {
        for task in &load.tasks {
            let (framework, name) = (FrameworkId::from(&task.framework_id), TaskId::from(&task.task_id));
            let stranger = self.state.frameworks.contains_key(&framework)
                && self
                    .state
                    .task(&framework, &name)
                    .is_none_or(|known| known.agent != *id);
            if stranger && !is_terminal(task.state()) {
                warning(
                    out,
                    format!(
                        "Killing task {name} of framework {framework}, which was reported lost, on agent {id}"
                    ),
                );
                send_kill(to, task, out);
            }
        }
        let Some(agent) = self.state.agents.get(id) else {
            return;
        };
        for info in &load.executors {
            let Some(framework) = info.framework_id.as_ref().map(FrameworkId::from) else {
                continue;
            };
            let key = (framework, ExecutorId::from(&info.executor_id));
            if self.state.frameworks.contains_key(&key.0) && !agent.executors.contains_key(&key) {
                let message = proto::internal::ShutdownExecutorMessage {
                    executor_id: Some(info.executor_id.clone()),
                    framework_id: info.framework_id.clone(),
                };
                send(to, AgentBound::ShutdownExecutor(message), out);
            }
        }
    }
}

fn send_kill(to: &Upid, task: &v1::Task, out: &mut Vec<Output>) {
    let message = proto::internal::KillTaskMessage {
        framework_id: task.framework_id.clone(),
        task_id: task.task_id.clone(),
        kill_policy: None,
    };
    send(to, AgentBound::KillTask(message), out);
}

/// What an agent says it runs.
#[derive(Debug)]
struct Load {
    frameworks: Vec<v1::FrameworkInfo>,
    executors: Vec<v1::ExecutorInfo>,
    tasks: Vec<v1::Task>,
    /// An encoded `Archive.Framework` each.
    completed: Vec<Bytes>,
}

fn split(message: ReregisterSlaveMessage) -> (Profile, Load) {
    let profile = Profile {
        info: message.slave,
        version: message.version.unwrap_or_default().into(),
        capabilities: message.agent_capabilities,
        checkpointed: message.checkpointed_resources,
        resource_version: message.resource_version_uuid,
    };
    let load = Load {
        frameworks: message.frameworks,
        executors: message.executor_infos,
        tasks: message.tasks,
        completed: message.completed_frameworks,
    };
    (profile, load)
}
