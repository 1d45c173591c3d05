//! Taking over what an earlier agent process left (facts: agent-disk, section 4).

use std::collections::VecDeque;
use std::sync::Arc;

use containerizer::Recoverable;
use indexmap::IndexMap;
use process::Time;
use proto::v1;
use proto::v1::TaskState;
use proto::v1::task_status::Reason;
use resources::Resources;

use super::agent::{Agent, Phase, Timer};
use super::config::{ReconfigurationPolicy, RecoverMode};
use super::environment::duration_text;
use super::executor::{self, Connection, Executor};
use super::framework::Framework;
use super::ids::{AgentId, ContainerId, ExecutorId, FrameworkId, Run, TaskId};
use super::output::{Checkpoint, Discarded, Exit, Output};
use super::recovered::{RecoveredAgent, RecoveredExecutor, RecoveredFramework, RecoveredRun, RecoveredState};
use super::{paths, states};

/// How far recovery has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// The disk has not been read.
    Disk,
    /// The containerizer looks for containers.
    Containers,
    /// Executors are awaited.
    Executors,
    /// Over.
    Done,
}

impl Agent {
    pub(super) fn on_recovered(&mut self, now: Time, state: RecoveredState, out: &mut Vec<Output>) {
        if self.recovery != Recovery::Disk {
            return;
        }
        self.recovery = Recovery::Containers;
        self.counters.recovery_errors += state.errors;
        self.checkpointed = state.resources;
        let (operations, drain) = (state.operations, state.drain);
        if let Some(agent) = state.agent {
            match compare(&agent.info, &self.config.info, self.config.reconfiguration_policy) {
                Ok(changed) => {
                    self.info.id.clone_from(&agent.info.id);
                    self.info_changed = changed;
                    self.draining = drain;
                    self.draining_since = now;
                    self.take_over(now, agent, out);
                    self.recover_operations(now, operations, out);
                }
                Err(difference) if state.rebooted => {
                    tracing::warn!("starting as a new agent after a reboot: {difference}");
                    self.checkpoint(Checkpoint::ForgetAgent, out);
                }
                Err(difference) => {
                    let latest = paths::latest_agent(&paths::meta(&self.config.work_dir));
                    let message = format!(
                        "the agent's description does not fit the one in the checkpoint: {difference}; restore the \
                         flags, or remove {} to start as a new agent, which loses this one's tasks",
                        latest.display()
                    );
                    out.push(Output::Exit(Exit::Failed(message)));
                    return;
                }
            }
        }
        let live = self
            .frameworks
            .values()
            .flat_map(|framework| framework.executors.values());
        let containers = live
            .map(|executor| Recoverable {
                id: executor.run.container.to_wire(),
                pid: executor.pid,
                directory: executor.directory.clone(),
                resources: executor.allocated().to_proto(),
            })
            .collect();
        out.push(Output::RecoverContainers(containers));
    }

    fn take_over(&mut self, now: Time, agent: RecoveredAgent, out: &mut Vec<Output>) {
        let id = agent.id();
        for recovered in agent.frameworks {
            let Some(key) = recovered.info.id.as_ref().map(FrameworkId::from) else {
                continue;
            };
            let framework = self.recover_framework(now, &id, &key, recovered, out);
            if framework.executors.is_empty() {
                out.push(Output::ScheduleGc(vec![Discarded::Framework(id.clone(), key)]));
                if self.completed.len() >= super::framework::MAX_COMPLETED_FRAMEWORKS {
                    self.completed.pop_front();
                }
                self.completed.push_back(Arc::new(framework));
            } else {
                self.frameworks.insert(key, framework);
            }
        }
    }

    fn recover_framework(
        &mut self,
        now: Time,
        agent: &AgentId,
        id: &FrameworkId,
        recovered: RecoveredFramework,
        out: &mut Vec<Output>,
    ) -> Framework {
        let mut framework = Framework::new(recovered.info, recovered.pid);
        for executor in recovered.executors {
            let name = ExecutorId::from(&executor.info.executor_id);
            let latest = executor.latest.clone();
            for run in &executor.runs {
                let key = Run {
                    agent: agent.clone(),
                    framework: id.clone(),
                    executor: name.clone(),
                    container: run.container.clone(),
                };
                let is_latest = latest.as_ref() == Some(&run.container);
                if !is_latest || run.completed {
                    let mut discarded = vec![Discarded::Run(key.clone())];
                    if is_latest {
                        discarded.push(Discarded::Executor(agent.clone(), id.clone(), name.clone()));
                    }
                    out.push(Output::ScheduleGc(discarded));
                }
                if is_latest {
                    let entry = self.recover_executor(now, &framework.info, key, &executor, run);
                    if run.completed {
                        framework.completed.push_back(Arc::new(entry));
                    } else {
                        self.containers
                            .insert(run.container.clone(), (id.clone(), name.clone()));
                        framework.executors.insert(name.clone(), entry);
                    }
                }
            }
        }
        let limit = self.config.max_completed_executors_per_framework;
        while framework.completed.len() > limit {
            framework.completed.pop_front();
        }
        framework
    }

    fn recover_executor(
        &mut self,
        now: Time,
        framework: &v1::FrameworkInfo,
        run: Run,
        recovered: &RecoveredExecutor,
        state: &RecoveredRun,
    ) -> Executor {
        let mut info = recovered.info.clone();
        allocate(framework, &mut info.resources);
        let mut executor = Executor {
            info,
            directory: paths::run(&self.config.work_dir, &run),
            generated: recovered.generated,
            checkpoint: true,
            user: None,
            phase: if state.completed {
                executor::Phase::Terminated
            } else {
                executor::Phase::Registering
            },
            connection: state
                .libprocess_pid
                .clone()
                .filter(|pid| pid.is_valid() && !state.http && !state.completed)
                .map_or(Connection::None, Connection::Pid),
            pid: state.forked_pid,
            launching: false,
            verdict: None,
            queued: IndexMap::new(),
            groups: Vec::new(),
            launched: IndexMap::new(),
            terminated: IndexMap::new(),
            completed: VecDeque::new(),
            since: now,
            run,
        };
        for recovered in &state.tasks {
            let id = TaskId::from(&recovered.task.task_id);
            let mut task = recovered.task.clone();
            allocate(framework, &mut task.resources);
            executor.launched.insert(id.clone(), task);
            for update in &recovered.updates {
                // The first terminal state wins, as it did when it was written.
                if executor.terminated.contains_key(&id) {
                    break;
                }
                executor.note(&update.status);
            }
            let goes_on = state.completed
                || self.updates.recover(
                    (executor.run.framework.clone(), id.clone()),
                    executor.run.clone(),
                    recovered.updates.clone(),
                    &recovered.acknowledged,
                );
            if !goes_on || state.completed {
                executor.complete(&id);
            }
        }
        executor
    }

    pub(super) fn on_containers_recovered(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.recovery != Recovery::Containers {
            return;
        }
        self.recovery = Recovery::Executors;
        for framework in self.frameworks.values() {
            for executor in framework.executors.values() {
                out.push(Output::Wait {
                    container: executor.run.container.clone(),
                    run: executor.run.clone(),
                });
            }
        }
        if self.shutdown_wanted || self.config.recover == RecoverMode::Cleanup {
            self.on_shutdown(now, false, out);
            return;
        }
        if !self.frameworks.is_empty() {
            self.timers.set(
                Timer::Reregistration,
                now + self.config.executor_reregistration_timeout,
            );
        }
        self.reconnect(now, out);
        self.recovery_progressed(now, out);
    }

    /// Ends recovery once no executor is awaited any more.
    pub(super) fn recovery_progressed(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.recovery == Recovery::Executors && self.awaited().is_empty() {
            self.finish_recovery(now, out);
        }
    }

    /// Containers of executors that have not come back.
    fn awaited(&self) -> Vec<ContainerId> {
        self.frameworks
            .values()
            .flat_map(|framework| framework.executors.values())
            .filter(|executor| executor.phase == executor::Phase::Registering)
            .map(|executor| executor.run.container.clone())
            .collect()
    }

    pub(super) fn on_reregistration_timeout(&mut self, now: Time, out: &mut Vec<Output>) {
        let timeout = duration_text(self.config.executor_reregistration_timeout);
        for container in self.awaited() {
            let message = format!("Executor did not reregister within {timeout}");
            let reason = Reason::ExecutorReregistrationTimeout;
            self.condemn(&container, TaskState::TaskGone, reason, message, out);
        }
        self.recovery_progressed(now, out);
    }

    fn finish_recovery(&mut self, now: Time, out: &mut Vec<Output>) {
        self.recovery = Recovery::Done;
        self.timers.cancel(&Timer::Reregistration);
        self.timers.cancel(&Timer::Reconnect);
        if self.phase != Phase::Recovering {
            return;
        }
        self.checkpoint(Checkpoint::BootId, out);
        tracing::info!("finished recovery");
        self.phase = Phase::Disconnected;
        self.kill_all(now, out);
        out.push(Output::Detect);
    }
}

/// Gives resources that old agents wrote without an allocation that of the framework's only role.
fn allocate(framework: &v1::FrameworkInfo, resources: &mut [v1::Resource]) {
    let multi = states::has(framework, v1::framework_info::capability::Type::MultiRole);
    let role = match (multi, &*framework.roles) {
        (false, _) => framework.role().to_owned(),
        (true, [role]) => role.clone(),
        (true, _) => return,
    };
    for resource in resources {
        resource
            .allocation_info
            .get_or_insert_with(|| v1::resource::AllocationInfo {
                role: Some(role.clone()),
            });
    }
}

/// Whether the agent as it was and as it is configured now may be the same; answers whether anything changed, or
/// what differs.
fn compare(old: &v1::AgentInfo, new: &v1::AgentInfo, policy: ReconfigurationPolicy) -> Result<bool, String> {
    let (old_resources, new_resources) = (
        Resources::from_proto_lenient(&old.resources),
        Resources::from_proto_lenient(&new.resources),
    );
    if old.hostname != new.hostname {
        return Err(format!("hostname was {}, is {}", old.hostname, new.hostname));
    }
    if old.port() != new.port() {
        return Err(format!("port was {}, is {}", old.port(), new.port()));
    }
    if old.domain != new.domain && (policy == ReconfigurationPolicy::Equal || old.domain.is_some()) {
        return Err("the domain differs".to_owned());
    }
    let resources_fit = match policy {
        ReconfigurationPolicy::Equal => old_resources == new_resources,
        ReconfigurationPolicy::Additive => new_resources.contains(&old_resources),
    };
    if !resources_fit {
        return Err(format!("resources were {old_resources}, are {new_resources}"));
    }
    if policy == ReconfigurationPolicy::Equal && old.attributes != new.attributes {
        return Err("the attributes differ".to_owned());
    }
    for attribute in &old.attributes {
        if !new
            .attributes
            .iter()
            .any(|candidate| covers(candidate, attribute))
        {
            return Err(format!("attribute {} is gone or differs", attribute.name));
        }
    }
    Ok(old_resources != new_resources || old.attributes != new.attributes || old.domain != new.domain)
}

/// Whether an attribute says all that the old one of its name and type said.
fn covers(new: &v1::Attribute, old: &v1::Attribute) -> bool {
    if new.name != old.name || new.r#type != old.r#type {
        return false;
    }
    if old.r#type() != v1::value::Type::Ranges {
        return new == old;
    }
    let within = |inner: &v1::value::Range| {
        new.ranges
            .iter()
            .flat_map(|ranges| &ranges.range)
            .any(|outer| outer.begin <= inner.begin && inner.end <= outer.end)
    };
    old.ranges.iter().flat_map(|ranges| &ranges.range).all(within)
}
