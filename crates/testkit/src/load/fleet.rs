//! Emulated agents: processes that say what agents say and run nothing.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use process::{Context, Environment, Handle, LinkMode, Message, Process, Runtime, Settings, Upid};
use proto::{internal, v1};

use super::error::wait_until;
use super::{Error, Target, identity};

/// Agents that one runtime of its own address may have, of 127.1.0.0/16.
const MOST_ADDRESSES: usize = 60_000;
/// How long the first agent waits for an answer before it says its registration again.
const KNOCK: Duration = Duration::from_millis(200);
/// When any other registration that is not answered is said again.
const AGAIN: Duration = Duration::from_secs(10);
/// The port in the description of agents that come back: the same in every run, so that a master that was started again
/// finds them unchanged in its registry.
const SAID_PORT: u16 = 5051;
/// Bytes of registrations that may be unanswered before more are said: a quarter of what a connection may hold back.
const UNANSWERED: u64 = 64 << 20;

/// How emulated agents are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// All at one ip and port, told apart by their ids: one connection each way.
    Shared,
    /// Each at an address of its own, 127.1.a.b: a connection each way for every agent.
    Distinct,
}

/// The tasks agents come back with; without any they register as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Population {
    /// Frameworks, each with tasks on every agent.
    pub frameworks: usize,
    /// Tasks of each framework on each agent.
    pub tasks: usize,
    /// The state of those tasks.
    pub state: v1::TaskState,
    /// Tasks that ended on each agent, of all frameworks in turn.
    pub completed: usize,
}

impl Population {
    /// Tasks on an agent.
    pub const fn tasks_per_agent(&self) -> usize {
        self.frameworks * self.tasks
    }
}

/// What the agents of a fleet have seen.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) registered: AtomicU64,
    pub(super) launched: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) pings: AtomicU64,
}

/// Emulated agents.
#[derive(Debug)]
pub struct Fleet {
    agents: Vec<Handle<Agent>>,
    counters: Arc<Counters>,
    _runtimes: Vec<Runtime>,
    /// Bytes of all registrations.
    registration_bytes: u64,
    /// From the second registration sent to the last answered; the first finds out whether the master leads.
    pub took: Duration,
}

impl Fleet {
    /// Starts so many agents with these resources each, and waits until the master has admitted all.
    ///
    /// # Errors
    /// [`Error::Agent`] when an agent cannot start, [`Error::TimedOut`] when the master does not admit all within `limit`.
    pub async fn start(
        target: &Target,
        count: usize,
        resources: &str,
        addresses: Addresses,
        population: Option<Population>,
        limit: Duration,
    ) -> Result<Self, Error> {
        let counters = Arc::new(Counters::default());
        let resources: Arc<[v1::Resource]> = identity::resources(resources).into();
        let mut runtimes = Vec::new();
        if addresses == Addresses::Shared {
            runtimes.push(runtime(Ipv4Addr::LOCALHOST).await?);
        }
        let mut agents = Vec::with_capacity(count);
        for index in 0..count {
            if addresses == Addresses::Distinct {
                runtimes.push(runtime(own_address(index % MOST_ADDRESSES)).await?);
            }
            let agent = Agent {
                index,
                master: target.upid(),
                resources: Arc::clone(&resources),
                population,
                registration: None,
                id: None,
                updates: 0,
                counters: Arc::clone(&counters),
            };
            let home = runtimes
                .last()
                .ok_or_else(|| Error::Wrong("no agents".to_owned()))?;
            let id = match addresses {
                Addresses::Shared => format!("slave({})", index + 1),
                Addresses::Distinct => "slave(1)".to_owned(),
            };
            agents.push(home.spawn(id, agent).map_err(Error::Agent)?);
        }
        // All registrations are made before the first is sent, so that only the master is measured.
        let mut registration_bytes = 0;
        for agent in &agents {
            registration_bytes += agent.call(Agent::prepare).await.map_err(Error::Agent)?;
        }
        let Some((first, others)) = agents.split_first() else {
            return Err(Error::Wrong("a fleet has at least one agent".to_owned()));
        };
        // A master that has just been started drops what comes before it leads: the first agent finds that out.
        let knock = async {
            while counters.registered.load(Ordering::Relaxed) == 0 {
                first.dispatch(Agent::register);
                // Time is up soon enough when nobody answers.
                let _answered = wait_until("the first agent", KNOCK, || {
                    counters.registered.load(Ordering::Relaxed) > 0
                })
                .await;
            }
        };
        tokio::time::timeout(limit, knock)
            .await
            .map_err(|_| Error::TimedOut {
                what: "the first agent to be admitted".to_owned(),
                limit,
            })?;
        let begun = target.clock.now();
        let each = registration_bytes / count.max(1) as u64;
        let window = (UNANSWERED / each.max(1)).max(1);
        for (sent, agent) in (1..).zip(others) {
            if counters.registered.load(Ordering::Relaxed) + window < sent {
                wait_until(format!("{count} agents to be admitted"), limit, || {
                    counters.registered.load(Ordering::Relaxed) + window / 2 >= sent
                })
                .await?;
            }
            agent.dispatch(Agent::register);
        }
        let admitted = count as u64;
        wait_until(format!("{count} agents to be admitted"), limit, || {
            counters.registered.load(Ordering::Relaxed) >= admitted
        })
        .await?;
        Ok(Self {
            agents,
            counters,
            _runtimes: runtimes,
            registration_bytes,
            took: target.clock.now() - begun,
        })
    }

    /// Bytes of what all agents said to be admitted.
    pub const fn registration_bytes(&self) -> u64 {
        self.registration_bytes
    }

    /// Tasks that agents were told to run.
    pub fn launched(&self) -> u64 {
        self.counters.launched.load(Ordering::Relaxed)
    }

    /// Updates that were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.counters.acknowledged.load(Ordering::Relaxed)
    }

    /// Pings that were answered.
    pub fn pings(&self) -> u64 {
        self.counters.pings.load(Ordering::Relaxed)
    }

    /// Lets an agent report this state of the n-th of the tasks it came back with.
    pub fn report(&self, agent: usize, task: usize, state: v1::TaskState) {
        if let Some(agent) = self.agents.get(agent) {
            agent.dispatch(move |agent, ctx| agent.report(ctx, task, state));
        }
    }
}

async fn runtime(ip: Ipv4Addr) -> Result<Runtime, Error> {
    let environment = Environment {
        ip: Some(ip),
        ..Environment::loopback(0)
    };
    Runtime::start(Settings::new(environment))
        .await
        .map_err(Error::Agent)
}

fn own_address(index: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(index + 1).unwrap_or(1).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

/// Full names of what an agent sends.
const REGISTER: &str = "mesos.internal.RegisterSlaveMessage";
const REREGISTER: &str = "mesos.internal.ReregisterSlaveMessage";
const UPDATE: &str = "mesos.internal.StatusUpdateMessage";
const PONG: &str = "mesos.internal.PongSlaveMessage";

/// One emulated agent.
#[derive(Debug)]
struct Agent {
    index: usize,
    master: Upid,
    resources: Arc<[v1::Resource]>,
    population: Option<Population>,
    /// The first message, ready to be sent.
    registration: Option<(&'static str, Bytes)>,
    id: Option<v1::AgentId>,
    updates: u64,
    counters: Arc<Counters>,
}

impl Process for Agent {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.install(
            |agent: &mut Self, _, _, message: internal::SlaveRegisteredMessage| {
                agent.on_admitted(message.slave_id);
            },
        );
        ctx.install(
            |agent: &mut Self, _, _, message: internal::SlaveReregisteredMessage| {
                agent.on_admitted(message.slave_id);
            },
        );
        ctx.install(|agent: &mut Self, ctx, from, _: internal::PingSlaveMessage| {
            agent.counters.pings.fetch_add(1, Ordering::Relaxed);
            ctx.send_bytes(from, PONG, Bytes::new());
        });
        ctx.install(|agent: &mut Self, ctx, _, message: internal::RunTaskMessage| agent.run(ctx, message));
        ctx.install(
            |agent: &mut Self, _, _, _: internal::StatusUpdateAcknowledgementMessage| {
                agent.counters.acknowledged.fetch_add(1, Ordering::Relaxed);
            },
        );
    }

    /// An emulated agent has an ear for few things.
    fn unhandled(&mut self, _: &mut Context<Self>, _: Message) {}
}

impl Agent {
    /// Makes the first message; its length.
    fn prepare(&mut self, ctx: &mut Context<Self>) -> u64 {
        use proto::Message as _;
        ctx.link(&self.master, LinkMode::Reuse);
        let address = ctx.upid().address();
        let version_uuid = v1::Uuid {
            value: Bytes::copy_from_slice(&identity::uuid(self.index, 0)),
        };
        let (name, body): (_, Bytes) = match self.population {
            None => {
                let message = internal::RegisterSlaveMessage {
                    slave: identity::agent(address, None, &self.resources),
                    version: Some(identity::VERSION.to_owned()),
                    agent_capabilities: identity::agent_capabilities(),
                    resource_version_uuid: Some(version_uuid),
                    ..internal::RegisterSlaveMessage::default()
                };
                (REGISTER, message.encode_to_vec().into())
            }
            Some(population) => {
                let id = agent_id(self.index);
                let message = internal::ReregisterSlaveMessage {
                    slave: identity::agent(
                        SocketAddrV4::new(*address.ip(), SAID_PORT),
                        Some(id),
                        &self.resources,
                    ),
                    version: Some(identity::VERSION.to_owned()),
                    agent_capabilities: identity::agent_capabilities(),
                    resource_version_uuid: Some(version_uuid),
                    frameworks: (0..population.frameworks)
                        .map(|number| identity::framework("populated", Some(framework_id(number))))
                        .collect(),
                    tasks: (0..population.tasks_per_agent())
                        .map(|number| self.task(population, number))
                        .collect(),
                    completed_frameworks: self.history(population),
                    ..internal::ReregisterSlaveMessage::default()
                };
                (REREGISTER, message.encode_to_vec().into())
            }
        };
        let length = body.len() as u64;
        self.registration = Some((name, body));
        length
    }

    /// Says the first message, and again until it is answered.
    fn register(&mut self, ctx: &mut Context<Self>) {
        if self.id.is_some() {
            return;
        }
        if let Some((name, body)) = &self.registration {
            ctx.send_bytes(&self.master, *name, body.clone());
        }
        ctx.delay(AGAIN, Self::register);
    }

    fn on_admitted(&mut self, id: v1::AgentId) {
        if self.id.replace(id).is_none() {
            self.registration = None;
            self.counters.registered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The n-th task it comes back with.
    fn task(&self, population: Population, number: usize) -> v1::Task {
        v1::Task {
            name: "task".to_owned(),
            task_id: task_id(self.index, number),
            framework_id: framework_id(number % population.frameworks.max(1)),
            agent_id: agent_id(self.index),
            state: population.state.into(),
            resources: identity::allocated("cpus:0.1;mem:32"),
            labels: Some(identity::labels()),
            ..v1::Task::default()
        }
    }

    /// What ended on it, by framework.
    fn history(&self, population: Population) -> Vec<Bytes> {
        use proto::Message as _;
        let frameworks = population.frameworks.max(1);
        let of = |framework: usize| internal::archive::Framework {
            framework_info: identity::framework("populated", Some(framework_id(framework))),
            pid: None,
            tasks: (0..population.completed)
                .filter(|number| number % frameworks == framework)
                .map(|number| v1::Task {
                    task_id: v1::TaskId {
                        value: format!("ended-{}-{number}", self.index),
                    },
                    state: v1::TaskState::TaskFinished.into(),
                    ..self.task(population, number)
                })
                .collect(),
        };
        (0..frameworks.min(population.completed))
            .map(|framework| of(framework).encode_to_vec().into())
            .collect()
    }

    /// The task runs at once.
    fn run(&mut self, ctx: &Context<Self>, message: internal::RunTaskMessage) {
        self.counters.launched.fetch_add(1, Ordering::Relaxed);
        if let Some(framework) = message.framework.id {
            self.update(ctx, framework, message.task.task_id, v1::TaskState::TaskRunning);
        }
    }

    fn report(&mut self, ctx: &Context<Self>, number: usize, state: v1::TaskState) {
        if let Some(population) = self.population {
            let framework = framework_id(number % population.frameworks.max(1));
            self.update(ctx, framework, task_id(self.index, number), state);
        }
    }

    fn update(
        &mut self,
        ctx: &Context<Self>,
        framework: v1::FrameworkId,
        task: v1::TaskId,
        state: v1::TaskState,
    ) {
        use proto::Message as _;
        let Some(id) = self.id.clone() else { return };
        self.updates += 1;
        let message = identity::status_update(
            framework,
            id,
            task,
            state,
            identity::uuid(self.index, self.updates),
            ctx.now().as_secs_f64(),
            ctx.upid().to_string(),
        );
        ctx.send_bytes(&self.master, UPDATE, message.encode_to_vec().into());
    }
}

/// The id an agent has from an earlier master.
fn agent_id(index: usize) -> v1::AgentId {
    v1::AgentId {
        value: format!("earlier-S{index}"),
    }
}

/// A framework known from its tasks only.
fn framework_id(number: usize) -> v1::FrameworkId {
    v1::FrameworkId {
        value: format!("earlier-{number:04}"),
    }
}

fn task_id(agent: usize, number: usize) -> v1::TaskId {
    v1::TaskId {
        value: format!("task-{agent}-{number}"),
    }
}
