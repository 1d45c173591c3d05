//! Executors: processes of their own that outlive their agent and speak the v1 executor API, or the v0 protocol through a
//! driver.

use super::event::{Event, Wake};
use super::executor_driver::Driven;
use super::framework::CUSTOM;
use super::world::World;
use crate::driver::core::ExecutorInput;
use agent::core::{ContainerId, Run};
use bytes::Bytes;
use process::Time;
use proto::v1;
use proto::v1::TaskState;
use proto::v1::executor::call::{Subscribe, Type, Update};
use proto::v1::executor::{Call, event};
use rand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a call or an event takes on its own machine.
const LOCAL: Duration = Duration::from_micros(300);
/// How long an executor waits for its agent before it gives up.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// One task of an executor.
#[derive(Debug)]
struct Running {
    info: v1::TaskInfo,
    /// Of the group that it was launched in.
    group: Option<u64>,
    /// The terminal update has been made.
    ended: bool,
    /// An update has been acknowledged.
    acknowledged: bool,
}

/// An executor of commands, of groups of tasks, or a framework's own: it runs its tasks, and exits when all updates are
/// acknowledged and no further task comes.
#[derive(Debug)]
pub(crate) struct ExecutorProcess {
    pub(crate) run: Run,
    /// Of one that speaks the v0 protocol.
    pub(crate) driven: Option<Driven>,
    /// The stream it reads.
    stream: Option<u64>,
    /// A SUBSCRIBE is planned.
    connecting: bool,
    /// Since when it has no agent.
    alone_since: Option<Time>,
    tasks: BTreeMap<String, Running>,
    groups: u64,
    /// Not acknowledged by the agent.
    updates: Vec<Update>,
}

impl ExecutorProcess {
    pub(crate) fn new(run: Run, driven: Option<Driven>) -> Self {
        Self {
            run,
            driven,
            stream: None,
            connecting: false,
            alone_since: None,
            tasks: BTreeMap::new(),
            groups: 0,
            updates: Vec::new(),
        }
    }

    /// Whether it had tasks and all of them are over.
    pub(crate) fn is_idle(&self) -> bool {
        !self.tasks.is_empty() && self.tasks.values().all(|task| task.ended)
    }

    /// Whether nothing is left to say.
    fn is_done(&self) -> bool {
        let driven = self.driven.as_ref();
        self.is_idle() && self.updates.is_empty() && driven.is_none_or(|driven| driven.unacknowledged() == 0)
    }

    /// How long it waits for a further task, in milliseconds at most.
    fn patience(&self) -> u64 {
        if self.run.executor.as_str().starts_with(CUSTOM) {
            12_000
        } else {
            1_000
        }
    }

    fn call(&self, kind: Type) -> Call {
        Call {
            framework_id: self.run.framework.to_wire(),
            executor_id: self.run.executor.to_wire(),
            r#type: Some(kind.into()),
            ..Call::default()
        }
    }
}

impl World {
    fn executor(&mut self, agent: usize, container: &ContainerId) -> Option<&mut ExecutorProcess> {
        self.agents[agent].executors.get_mut(container)
    }

    pub(crate) fn executor_starts(&mut self, agent: usize, container: &ContainerId) {
        match self.executor(agent, container) {
            Some(executor) if executor.driven.is_some() => self.executor_driver_starts(agent, container),
            _ => self.connect_later(agent, container, 30, 600),
        }
    }

    fn connect_later(&mut self, agent: usize, container: &ContainerId, least: u64, most: u64) {
        let at = self.soon(least, most);
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        if !executor.connecting && executor.driven.is_none() {
            executor.connecting = true;
            let container = container.clone();
            self.schedule(
                at,
                Event::Executor {
                    agent,
                    container,
                    wake: Wake::Connect,
                },
            );
        }
    }

    /// The agent is gone: its executors wait for the next.
    pub(crate) fn executors_disconnect(&mut self, agent: usize) {
        let containers: Vec<ContainerId> = self.agents[agent].executors.keys().cloned().collect();
        let now = self.now;
        for container in containers {
            if let Some(executor) = self.executor(agent, &container) {
                executor.stream = None;
                executor.alone_since.get_or_insert(now);
            }
            self.connect_later(agent, &container, 100, 900);
        }
        self.drivers_disconnect(agent);
    }

    pub(crate) fn executor_retries(&mut self, agent: usize, container: &ContainerId) {
        if let Some(executor) = self.executor(agent, container) {
            executor.stream = None;
        }
        self.connect_later(agent, container, 100, 900);
    }

    pub(crate) fn executor_wakes(&mut self, agent: usize, container: &ContainerId, wake: Wake) {
        match wake {
            Wake::Connect => self.executor_connects(agent, container),
            Wake::Finish(task, state) => self.executor_ends_task(agent, container, &task, state),
            Wake::Exit => self.executor_ended(agent, container, 0),
            Wake::IfIdle => {
                if self
                    .executor(agent, container)
                    .is_some_and(|executor| executor.is_done())
                {
                    self.executor_ended(agent, container, 0);
                }
            }
        }
    }

    fn executor_connects(&mut self, agent: usize, container: &ContainerId) {
        let now = self.now;
        let up = self.agents[agent].life().is_some();
        let stream = self.agents[agent].next_stream;
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        executor.connecting = false;
        if executor.stream.is_some() {
            return;
        }
        if executor
            .alone_since
            .is_some_and(|since| now.since(since) > PATIENCE)
        {
            self.executor_leaves(agent, container);
            return;
        }
        if !up {
            self.connect_later(agent, container, 300, 900);
            return;
        }
        let mut call = executor.call(Type::Subscribe);
        call.subscribe = Some(Subscribe {
            unacknowledged_tasks: executor
                .tasks
                .values()
                .filter(|task| !task.acknowledged)
                .map(|task| task.info.clone())
                .collect(),
            unacknowledged_updates: executor.updates.clone(),
        });
        executor.stream = Some(stream);
        self.agents[agent].next_stream += 1;
        self.executor_sends(agent, container, stream, call);
        // If the agent never answers, the executor tries again.
        self.connect_later(agent, container, 2_000, 3_000);
    }

    fn executor_sends(&mut self, agent: usize, container: &ContainerId, stream: u64, call: Call) {
        let container = container.clone();
        let call = Box::new(call);
        self.schedule(
            self.now + LOCAL,
            Event::FromExecutor {
                agent,
                container,
                stream,
                call,
            },
        );
    }

    /// An event on its way to an executor; none = the end of its stream.
    pub(crate) fn executor_is_sent(
        &mut self,
        agent: usize,
        container: ContainerId,
        stream: u64,
        event: Option<Box<v1::executor::Event>>,
    ) {
        self.schedule(
            self.now + LOCAL,
            Event::ToExecutor {
                agent,
                container,
                stream,
                event,
            },
        );
    }

    pub(crate) fn executor_reads(
        &mut self,
        agent: usize,
        container: &ContainerId,
        stream: u64,
        event: Option<Box<v1::executor::Event>>,
    ) {
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        if executor.stream != Some(stream) {
            return;
        }
        let Some(event) = event else {
            self.executor_retries(agent, container);
            return;
        };
        executor.alone_since = None;
        match event.r#type() {
            event::Type::Launch => {
                if let Some(launch) = event.launch {
                    self.executor_launches(agent, container, vec![launch.task], false);
                }
            }
            event::Type::LaunchGroup => {
                if let Some(launch) = event.launch_group {
                    self.executor_launches(agent, container, launch.task_group.tasks, true);
                }
            }
            event::Type::Acknowledged => {
                if let Some(acknowledged) = event.acknowledged {
                    self.executor_is_acknowledged(agent, container, &acknowledged);
                }
            }
            event::Type::Kill => {
                if let Some(kill) = event.kill {
                    let task = kill.task_id.value;
                    self.executor_ends_task(agent, container, &task, TaskState::TaskKilled);
                }
            }
            event::Type::Shutdown => self.executor_leaves(agent, container),
            _ => {}
        }
    }

    /// Tasks start, each for a time of its own, to end well or not.
    pub(crate) fn executor_launches(
        &mut self,
        agent: usize,
        container: &ContainerId,
        tasks: Vec<v1::TaskInfo>,
        group: bool,
    ) {
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        executor.groups += 1;
        let group = group.then_some(executor.groups);
        for info in tasks {
            let id = info.task_id.value.clone();
            let Some(executor) = self.executor(agent, container) else {
                return;
            };
            if executor.tasks.contains_key(&id) {
                continue;
            }
            let running = Running {
                info,
                group,
                ended: false,
                acknowledged: false,
            };
            executor.tasks.insert(id.clone(), running);
            self.executor_updates(agent, container, &id, TaskState::TaskStarting);
            self.executor_updates(agent, container, &id, TaskState::TaskRunning);
            let duration = self.rng.random_range(500..60_000);
            let state = if self.rng.random_ratio(1, 8) {
                TaskState::TaskFailed
            } else {
                TaskState::TaskFinished
            };
            let at = self.now + Duration::from_millis(duration);
            let wake = Wake::Finish(id, state);
            let container = container.clone();
            self.schedule(
                at,
                Event::Executor {
                    agent,
                    container,
                    wake,
                },
            );
        }
    }

    /// A task ends; when it does not end well, so do the others of its group.
    pub(crate) fn executor_ends_task(
        &mut self,
        agent: usize,
        container: &ContainerId,
        task: &str,
        state: TaskState,
    ) {
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        let Some(ending) = executor.tasks.get(task) else {
            return;
        };
        let group = ending.group.filter(|_| state != TaskState::TaskFinished);
        let others: Vec<String> = executor
            .tasks
            .iter()
            .filter(|(id, other)| group.is_some() && other.group == group && id.as_str() != task)
            .map(|(id, _)| id.clone())
            .collect();
        self.executor_updates(agent, container, task, state);
        for other in others {
            self.executor_updates(agent, container, &other, TaskState::TaskKilled);
        }
    }

    pub(crate) fn executor_updates(
        &mut self,
        agent: usize,
        container: &ContainerId,
        id: &str,
        state: TaskState,
    ) {
        let uuid: [u8; 16] = self.rng.random();
        let now = self.now;
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        let Some(task) = executor.tasks.get_mut(id).filter(|task| !task.ended) else {
            return;
        };
        task.ended = !matches!(state, TaskState::TaskStarting | TaskState::TaskRunning);
        let status = v1::TaskStatus {
            task_id: task.info.task_id.clone(),
            state: state.into(),
            source: Some(v1::task_status::Source::Executor.into()),
            executor_id: Some(executor.run.executor.to_wire()),
            uuid: Some(Bytes::copy_from_slice(&uuid)),
            timestamp: Some(now.as_secs_f64()),
            ..v1::TaskStatus::default()
        };
        if executor.driven.is_some() {
            self.step_executor_driver(agent, container, ExecutorInput::Update(Box::new(status)));
            return;
        }
        let update = Update { status };
        executor.updates.push(update.clone());
        let mut call = executor.call(Type::Update);
        call.update = Some(update);
        if let Some(stream) = executor.stream {
            self.executor_sends(agent, container, stream, call);
        }
    }

    fn executor_is_acknowledged(
        &mut self,
        agent: usize,
        container: &ContainerId,
        acknowledged: &event::Acknowledged,
    ) {
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        executor
            .updates
            .retain(|update| update.status.uuid.as_ref() != Some(&acknowledged.uuid));
        if let Some(task) = executor.tasks.get_mut(&acknowledged.task_id.value) {
            task.acknowledged = true;
        }
        self.executor_may_leave(agent, container);
    }

    /// An executor with nothing left to do waits a moment, and exits unless a task comes.
    pub(crate) fn executor_may_leave(&mut self, agent: usize, container: &ContainerId) {
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        if executor.is_done() {
            let most = executor.patience();
            let at = self.soon(10, most);
            self.schedule(
                at,
                Event::Executor {
                    agent,
                    container: container.clone(),
                    wake: Wake::IfIdle,
                },
            );
        }
    }

    /// Kills one of the executors on an agent's machine.
    pub(crate) fn kill_executor(&mut self, agent: usize, pick: u64) {
        let count = self.agents[agent].executors.len();
        if count == 0 {
            return;
        }
        let at = usize::try_from(pick).unwrap_or(0) % count;
        if let Some(container) = self.agents[agent].executors.keys().nth(at).cloned() {
            self.executor_ended(agent, &container, 9);
        }
    }
}
