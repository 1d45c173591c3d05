//! Executors: processes of their own that outlive their agent and speak the v1 executor API, or the v0 protocol through a
//! driver.

use super::event::{Event, Wake};
use super::executor_driver::Driven;
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
use std::time::Duration;

/// How long a call or an event takes on its own machine.
const LOCAL: Duration = Duration::from_micros(300);
/// How long an executor waits for its agent before it gives up.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A command executor: one task, from LAUNCH to its last acknowledged update.
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
    task: Option<v1::TaskInfo>,
    /// Not acknowledged by the agent.
    updates: Vec<Update>,
    /// The terminal update has been made.
    pub(crate) ended: bool,
}

impl ExecutorProcess {
    pub(crate) fn new(run: Run, driven: Option<Driven>) -> Self {
        Self {
            run,
            driven,
            stream: None,
            connecting: false,
            alone_since: None,
            task: None,
            updates: Vec::new(),
            ended: false,
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
            Wake::Finish(state) => self.executor_updates(agent, container, state),
            Wake::Exit => self.executor_ended(agent, container, 0),
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
            unacknowledged_tasks: if executor.updates.is_empty() {
                Vec::new()
            } else {
                executor.task.iter().cloned().collect()
            },
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
                    self.executor_launches(agent, container, launch.task);
                }
            }
            event::Type::Acknowledged => {
                if let Some(acknowledged) = event.acknowledged {
                    self.executor_is_acknowledged(agent, container, &acknowledged.uuid);
                }
            }
            event::Type::Kill => self.executor_updates(agent, container, TaskState::TaskKilled),
            event::Type::Shutdown => self.executor_leaves(agent, container),
            _ => {}
        }
    }

    pub(crate) fn executor_launches(&mut self, agent: usize, container: &ContainerId, task: v1::TaskInfo) {
        let duration = self.rng.random_range(500..60_000);
        let fails = self.rng.random_ratio(1, 8);
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        if executor.task.is_some() {
            return;
        }
        executor.task = Some(task);
        self.executor_updates(agent, container, TaskState::TaskStarting);
        self.executor_updates(agent, container, TaskState::TaskRunning);
        let state = if fails {
            TaskState::TaskFailed
        } else {
            TaskState::TaskFinished
        };
        let at = self.now + Duration::from_millis(duration);
        let container = container.clone();
        self.schedule(
            at,
            Event::Executor {
                agent,
                container,
                wake: Wake::Finish(state),
            },
        );
    }

    pub(crate) fn executor_updates(&mut self, agent: usize, container: &ContainerId, state: TaskState) {
        let uuid: [u8; 16] = self.rng.random();
        let now = self.now;
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        let Some(task) = &executor.task else { return };
        if executor.ended {
            return;
        }
        executor.ended = !matches!(state, TaskState::TaskStarting | TaskState::TaskRunning);
        let status = v1::TaskStatus {
            task_id: task.task_id.clone(),
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

    fn executor_is_acknowledged(&mut self, agent: usize, container: &ContainerId, uuid: &Bytes) {
        let Some(executor) = self.executor(agent, container) else {
            return;
        };
        executor
            .updates
            .retain(|update| update.status.uuid.as_ref() != Some(uuid));
        if executor.ended && executor.updates.is_empty() {
            let at = self.soon(10, 1_000);
            self.schedule(
                at,
                Event::Executor {
                    agent,
                    container: container.clone(),
                    wake: Wake::Exit,
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
