//! Executors of the v0 protocol: the driver's core between the same executor and its agent.

use super::event::{Event, Host, Wake};
use super::framework::DEFAULT;
use super::world::World;
use crate::driver::core::{
    ExecutorDriver, ExecutorEvent, ExecutorHeard, ExecutorInput, ExecutorOutput, ExecutorSaid, ExecutorSetup,
};
use crate::invariants::Fact;
use agent::core::{ContainerId, Input, Received, Run, Sent, TaskId};
use process::Upid;
use proto::v1::TaskState;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// How long a message takes on its own machine.
const LOCAL: Duration = Duration::from_micros(300);
/// How long an executor waits for its agent to come back.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What happens to an executor that speaks through a driver.
#[derive(Clone, Debug)]
pub(crate) enum ToExecutor {
    /// It begins.
    Start,
    /// A message of its agent.
    Message(Box<ExecutorHeard>),
    /// Its link to the agent broke.
    Exited,
    /// The driver's time has come.
    Timeout,
}

/// A driver and where it listens.
#[derive(Debug)]
pub(crate) struct Driven {
    driver: ExecutorDriver,
    pub(crate) upid: Upid,
}

impl Driven {
    /// How many updates wait for their acknowledgement.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.driver.unacknowledged()
    }
}

impl World {
    /// A driver for the n-th executor of an agent; two in three speak the v1 API instead.
    pub(crate) fn new_executor_driver(&mut self, agent: usize, run: &Run) -> Option<Driven> {
        // Groups of tasks are for the v1 API.
        if !self.rng.random_ratio(1, 3) || run.executor.as_str().starts_with(DEFAULT) {
            return None;
        }
        let host = &mut self.agents[agent];
        host.next_port += 1;
        let machine = u8::try_from(agent + 1).unwrap_or(u8::MAX);
        let address = SocketAddrV4::new(Ipv4Addr::new(10, 1, 0, machine), host.next_port);
        let upid = Upid::new("executor(1)", address);
        let setup = ExecutorSetup {
            framework: run.framework.to_wire(),
            executor: run.executor.to_wire(),
            agent_id: run.agent.to_wire(),
            agent: host.upid.clone(),
            own: upid.clone(),
            recovery_timeout: Some(PATIENCE),
        };
        let rng = ChaCha8Rng::seed_from_u64(self.rng.random());
        Some(Driven {
            driver: ExecutorDriver::new(setup, rng),
            upid,
        })
    }

    /// Plans something for an executor with a driver.
    pub(crate) fn executor_driver_later(
        &mut self,
        agent: usize,
        container: &ContainerId,
        after: Duration,
        what: ToExecutor,
    ) {
        let container = container.clone();
        self.schedule(
            self.now + after,
            Event::ToDriven {
                agent,
                container,
                what: Box::new(what),
            },
        );
    }

    /// Something happens to an executor with a driver.
    pub(crate) fn executor_driver_hears(&mut self, agent: usize, container: &ContainerId, what: ToExecutor) {
        let from = self.agents[agent].upid.clone();
        let input = match what {
            ToExecutor::Start => ExecutorInput::Start,
            ToExecutor::Message(message) => ExecutorInput::Message {
                from,
                message: *message,
            },
            ToExecutor::Exited => ExecutorInput::Exited,
            ToExecutor::Timeout => ExecutorInput::Timeout,
        };
        self.step_executor_driver(agent, container, input);
    }

    /// Feeds the driver; false when this executor has none.
    pub(crate) fn step_executor_driver(
        &mut self,
        agent: usize,
        container: &ContainerId,
        input: ExecutorInput,
    ) -> bool {
        let now = self.now;
        let Some(executor) = self.agents[agent].executors.get_mut(container) else {
            return false;
        };
        let Some(driven) = &mut executor.driven else {
            return false;
        };
        let mut out = Vec::new();
        driven.driver.step(now, input, &mut out);
        let (upid, due) = (driven.upid.clone(), driven.driver.deadline());
        if let Some(due) = due.filter(|due| *due > now) {
            self.executor_driver_later(agent, container, due.since(now), ToExecutor::Timeout);
        }
        for output in out {
            match output {
                ExecutorOutput::Send { message, .. } => self.driven_says(agent, &upid, message),
                ExecutorOutput::Link { .. } if self.is_up(Host::Agent(agent)) => {}
                ExecutorOutput::Link { .. } => {
                    self.executor_driver_later(agent, container, LOCAL, ToExecutor::Exited);
                }
                ExecutorOutput::Tell(event) => self.driven_is_told(agent, container, event),
            }
        }
        self.executor_may_leave(agent, container);
        true
    }

    fn driven_is_told(&mut self, agent: usize, container: &ContainerId, event: ExecutorEvent) {
        if self.log {
            self.say(format_args!("the driver of {container} tells {event:?}"));
        }
        match event {
            ExecutorEvent::Launch(task) => self.executor_launches(agent, container, vec![*task], false),
            ExecutorEvent::Kill(task, ..) => {
                self.executor_ends_task(agent, container, &task.value, TaskState::TaskKilled);
            }
            ExecutorEvent::Shutdown => self.executor_leaves(agent, container),
            ExecutorEvent::Registered(_)
            | ExecutorEvent::Reregistered
            | ExecutorEvent::Disconnected
            | ExecutorEvent::Message(_) => {}
        }
    }

    /// A message to the agent that runs now; one that comes when it is gone is lost.
    fn driven_says(&mut self, agent: usize, from: &Upid, message: ExecutorSaid) {
        let Some(life) = self.life(Host::Agent(agent)) else {
            return;
        };
        let message = match message {
            ExecutorSaid::Register(message) => Received::RegisterExecutor(*message),
            ExecutorSaid::Reregister(message) => Received::ReregisterExecutor(message),
            ExecutorSaid::StatusUpdate(message) => Received::StatusUpdate(message),
            ExecutorSaid::ExecutorToFramework(message) => Received::ExecutorToFramework(*message),
        };
        self.schedule(
            self.now + LOCAL,
            Event::FromDriven {
                agent,
                life,
                from: from.clone(),
                message: Box::new(message),
            },
        );
    }

    /// The agent reads what a driver said.
    pub(crate) fn agent_hears_driven(&mut self, agent: usize, from: Upid, message: Received) {
        self.step_agent(agent, Input::Message { from, message });
    }

    /// The agent says something to an executor with a driver.
    pub(crate) fn agent_tells_driven(&mut self, agent: usize, to: &Upid, message: Sent) {
        let executors = self.agents[agent].executors.iter();
        let found = executors
            .filter_map(|(container, executor)| Some((container, executor, executor.driven.as_ref()?)))
            .find(|(_, _, driven)| driven.upid == *to)
            .map(|(container, executor, _)| (container.clone(), executor.run.framework.clone()));
        let Some((container, framework)) = found else {
            return;
        };
        let message = match message {
            Sent::ExecutorRegistered(message) => ExecutorHeard::Registered(message),
            Sent::ExecutorReregistered(message) => ExecutorHeard::Reregistered(message),
            Sent::ReconnectExecutor(message) => ExecutorHeard::Reconnect(Box::new(message)),
            Sent::ShutdownExecutor(message) => ExecutorHeard::Shutdown(Box::new(message)),
            Sent::RunTask(message) => ExecutorHeard::RunTask(message),
            Sent::KillTask(message) => ExecutorHeard::KillTask(Box::new(message)),
            Sent::StatusUpdateAcknowledgement(message) => {
                self.fact(Fact::Taken {
                    agent,
                    framework,
                    task: TaskId::from(&message.task_id),
                    uuid: message.uuid.clone(),
                });
                ExecutorHeard::Acknowledgement(Box::new(message))
            }
            Sent::FrameworkToExecutor(message) => ExecutorHeard::FrameworkToExecutor(Box::new(message)),
            Sent::RegisterSlave(_)
            | Sent::ReregisterSlave(_)
            | Sent::UnregisterSlave(_)
            | Sent::UpdateSlave(_)
            | Sent::UpdateOperationStatus(_)
            | Sent::PongSlave(_)
            | Sent::StatusUpdate(_)
            | Sent::ExitedExecutor(_)
            | Sent::ExecutorToFramework(_) => return,
        };
        self.executor_driver_later(agent, &container, LOCAL, ToExecutor::Message(Box::new(message)));
    }

    /// The agent is gone: drivers hear of their broken links.
    pub(crate) fn drivers_disconnect(&mut self, agent: usize) {
        let executors = self.agents[agent].executors.iter();
        let driven: Vec<ContainerId> = executors
            .filter(|(_, executor)| executor.driven.is_some())
            .map(|(container, _)| container.clone())
            .collect();
        for container in driven {
            let after = Duration::from_micros(self.rng.random_range(100..50_000));
            self.executor_driver_later(agent, &container, after, ToExecutor::Exited);
        }
    }

    /// A driver begins.
    pub(crate) fn executor_driver_starts(&mut self, agent: usize, container: &ContainerId) {
        let after = Duration::from_millis(self.rng.random_range(30..600));
        self.executor_driver_later(agent, container, after, ToExecutor::Start);
    }

    /// The executor's process ends by itself.
    pub(crate) fn executor_leaves(&mut self, agent: usize, container: &ContainerId) {
        let at = self.soon(1, 50);
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
