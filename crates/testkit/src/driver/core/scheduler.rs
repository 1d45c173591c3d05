//! The scheduler driver.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use process::{Time, Upid};
use proto::internal;
use proto::scheduler::{Call, call as v0};
use proto::v1;
use proto::v1::scheduler::call;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::messages::{SchedulerHeard, SchedulerSaid};

/// The first interval from which the pause before the next registration is drawn (`MESOS_REGISTRATION_BACKOFF_FACTOR`).
const BACKOFF: Duration = Duration::from_secs(2);
/// The largest such interval.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum SchedulerInput {
    /// Who leads now; none: nobody does.
    Detected(Option<Upid>),
    /// The identity is proven to this master, after [`SchedulerOutput::Authenticate`]; false: it was refused.
    Authenticated(bool),
    /// Something came in.
    Message {
        /// Who says to have sent it.
        from: Upid,
        /// What.
        message: SchedulerHeard,
    },
    /// The framework wants something.
    Ask(Ask),
    /// The time of [`SchedulerDriver::deadline`] has come.
    Timeout,
}

/// What a framework can ask of its driver.
#[derive(Debug, Clone)]
pub enum Ask {
    /// `acceptOffers`, `launchTasks`.
    Accept {
        /// Offers of one agent.
        offers: Vec<v1::OfferId>,
        /// What to do with them.
        operations: Vec<v1::offer::Operation>,
        /// For what remains.
        filters: Option<v1::Filters>,
    },
    /// `declineOffer`.
    Decline {
        /// Which.
        offers: Vec<v1::OfferId>,
        /// For how long.
        filters: Option<v1::Filters>,
    },
    /// `reviveOffers`, for these roles or all.
    Revive(Vec<String>),
    /// `suppressOffers`, for these roles or all.
    Suppress(Vec<String>),
    /// `killTask`.
    Kill(v1::TaskId),
    /// `acknowledgeStatusUpdate`, when the driver does not acknowledge by itself.
    Acknowledge(Box<v1::TaskStatus>),
    /// `sendFrameworkMessage`.
    Message {
        /// The executor's agent.
        agent: v1::AgentId,
        /// Which.
        executor: v1::ExecutorId,
        /// What.
        data: Bytes,
    },
    /// `reconcileTasks`; none: all.
    Reconcile(Vec<call::reconcile::Task>),
    /// `requestResources`.
    Request(Vec<v1::Request>),
    /// `updateFramework`.
    Update(Box<v1::FrameworkInfo>),
    /// `stop`; with `failover` the framework lives on without this driver.
    Stop {
        /// Whether another driver will come for it.
        failover: bool,
    },
    /// `abort`.
    Abort,
}

/// What a framework is told.
#[derive(Debug, Clone, PartialEq)]
pub enum SchedulerEvent {
    /// First registration, or that of a successor.
    Registered(v1::FrameworkId),
    /// Known again by the same or another master.
    Reregistered,
    /// The master is lost; offers are void.
    Disconnected,
    /// Offers, each with its agent's address.
    Offers(Vec<(v1::Offer, Upid)>),
    /// An offer is void.
    Rescinded(v1::OfferId),
    /// A task's status; `uuid` is set when it is to be acknowledged.
    Update(Box<v1::TaskStatus>),
    /// From an executor.
    Message {
        /// The executor's agent.
        agent: v1::AgentId,
        /// Which.
        executor: v1::ExecutorId,
        /// What.
        data: Bytes,
    },
    /// An agent is gone.
    AgentLost(v1::AgentId),
    /// An executor is gone, with its wait status.
    ExecutorLost(v1::AgentId, v1::ExecutorId, i32),
    /// The driver is aborted, and why.
    Error(String),
}

/// One thing the shell must do.
#[derive(Debug, Clone)]
pub enum SchedulerOutput {
    /// Send this.
    Send {
        /// To whom.
        to: Upid,
        /// What.
        message: SchedulerSaid,
    },
    /// Link to the master.
    Link(Upid),
    /// Prove the identity to this master, then feed [`SchedulerInput::Authenticated`].
    Authenticate(Upid),
    /// Tell the framework.
    Tell(SchedulerEvent),
}

/// A v0 scheduler driver.
#[derive(Debug)]
pub struct SchedulerDriver {
    info: v1::FrameworkInfo,
    authenticates: bool,
    implicit_acknowledgements: bool,
    rng: ChaCha8Rng,
    master: Option<Upid>,
    authenticated: bool,
    connected: bool,
    /// Takes the framework over from another driver, until it is registered.
    failover: bool,
    running: bool,
    backoff: Duration,
    again: Option<Time>,
    offers: BTreeMap<String, (String, Upid)>,
    agents: BTreeMap<String, Upid>,
}

impl SchedulerDriver {
    /// A driver for this framework; with an id it takes the framework over. `authenticates` makes it prove its identity
    /// before it registers.
    pub fn new(info: v1::FrameworkInfo, authenticates: bool, rng: ChaCha8Rng) -> Self {
        Self {
            failover: info.id.is_some(),
            info,
            authenticates,
            implicit_acknowledgements: true,
            rng,
            master: None,
            authenticated: false,
            connected: false,
            running: true,
            backoff: BACKOFF,
            again: None,
            offers: BTreeMap::new(),
            agents: BTreeMap::new(),
        }
    }

    /// Leaves acknowledgements to the framework ([`Ask::Acknowledge`]).
    #[must_use]
    pub fn with_explicit_acknowledgements(mut self) -> Self {
        self.implicit_acknowledgements = false;
        self
    }

    /// When to feed [`SchedulerInput::Timeout`].
    pub fn deadline(&self) -> Option<Time> {
        self.again
    }

    /// Whether a master has registered it.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// The framework's id, once it has one.
    pub fn framework_id(&self) -> Option<&v1::FrameworkId> {
        self.info.id.as_ref()
    }

    /// Applies one input and appends, in order, what the shell must do.
    pub fn step(&mut self, now: Time, input: SchedulerInput, out: &mut Vec<SchedulerOutput>) {
        if !self.running {
            return;
        }
        match input {
            SchedulerInput::Detected(master) => self.on_detected(now, master, out),
            SchedulerInput::Authenticated(proven) => self.on_authenticated(now, proven, out),
            SchedulerInput::Message { from, message } => self.on_message(&from, message, out),
            SchedulerInput::Ask(ask) => self.on_ask(ask, out),
            SchedulerInput::Timeout if self.again.is_some_and(|at| at <= now) => self.register(now, out),
            SchedulerInput::Timeout => {}
        }
    }

    fn on_detected(&mut self, now: Time, master: Option<Upid>, out: &mut Vec<SchedulerOutput>) {
        if self.connected {
            out.push(SchedulerOutput::Tell(SchedulerEvent::Disconnected));
        }
        self.connected = false;
        self.authenticated = false;
        self.again = None;
        self.offers.clear();
        self.agents.clear();
        self.master.clone_from(&master);
        let Some(master) = master else { return };
        out.push(SchedulerOutput::Link(master.clone()));
        self.backoff = BACKOFF;
        if self.authenticates {
            out.push(SchedulerOutput::Authenticate(master));
        } else {
            self.register(now, out);
        }
    }

    fn on_authenticated(&mut self, now: Time, proven: bool, out: &mut Vec<SchedulerOutput>) {
        if proven {
            self.authenticated = true;
            self.register(now, out);
        } else {
            self.fail("Master refused authentication".to_owned(), out);
        }
    }

    /// Says SUBSCRIBE now, and again after a random pause that grows, until an answer has come.
    fn register(&mut self, now: Time, out: &mut Vec<SchedulerOutput>) {
        self.again = None;
        if self.connected || (self.authenticates && !self.authenticated) {
            return;
        }
        let force = self.info.id.as_ref().map(|_| self.failover);
        let subscribe = v0::Subscribe {
            framework_info: self.info.clone(),
            force,
            ..v0::Subscribe::default()
        };
        let call = Call {
            subscribe: Some(subscribe),
            ..self.call(call::Type::Subscribe)
        };
        self.say(call, out);
        let mut most = self.backoff.min(BACKOFF_MAX);
        if let Some(timeout) = self.info.failover_timeout.filter(|timeout| *timeout > 0.0) {
            most = most.min(Duration::try_from_secs_f64(timeout / 10.0).unwrap_or(BACKOFF_MAX));
        }
        self.backoff = most * 2;
        self.again = Some(now + most.mul_f64(self.rng.random::<f64>()));
    }

    fn on_message(&mut self, from: &Upid, message: SchedulerHeard, out: &mut Vec<SchedulerOutput>) {
        // Executors' words may come straight from their agents.
        if let SchedulerHeard::ExecutorToFramework(message) = message {
            if self.info.id.is_some() {
                out.push(SchedulerOutput::Tell(SchedulerEvent::Message {
                    agent: message.slave_id,
                    executor: message.executor_id,
                    data: message.data,
                }));
            }
            return;
        }
        if self.master.as_ref() != Some(from) {
            return;
        }
        match message {
            SchedulerHeard::Registered(message) => self.on_registered(message.framework_id, out),
            SchedulerHeard::Reregistered(message) => self.on_reregistered(&message.framework_id, out),
            SchedulerHeard::Error(message) => self.fail(message.message, out),
            SchedulerHeard::Offers(message) if self.connected => self.on_offers(*message, out),
            SchedulerHeard::Rescind(message) if self.connected => {
                self.offers.remove(&message.offer_id.value);
                out.push(SchedulerOutput::Tell(SchedulerEvent::Rescinded(message.offer_id)));
            }
            SchedulerHeard::StatusUpdate(message) if self.connected => self.on_update(*message, out),
            SchedulerHeard::LostSlave(message) if self.connected => {
                self.agents.remove(&message.slave_id.value);
                out.push(SchedulerOutput::Tell(SchedulerEvent::AgentLost(message.slave_id)));
            }
            SchedulerHeard::ExitedExecutor(message) if self.connected => {
                out.push(SchedulerOutput::Tell(SchedulerEvent::ExecutorLost(
                    message.slave_id,
                    message.executor_id,
                    message.status,
                )));
            }
            _ => {}
        }
    }

    fn on_registered(&mut self, id: v1::FrameworkId, out: &mut Vec<SchedulerOutput>) {
        if self.connected {
            return;
        }
        self.info.id = Some(id.clone());
        self.connected = true;
        self.failover = false;
        self.again = None;
        out.push(SchedulerOutput::Tell(SchedulerEvent::Registered(id)));
    }

    fn on_reregistered(&mut self, id: &v1::FrameworkId, out: &mut Vec<SchedulerOutput>) {
        if self.connected || self.info.id.as_ref() != Some(id) {
            return;
        }
        self.connected = true;
        self.failover = false;
        self.again = None;
        out.push(SchedulerOutput::Tell(SchedulerEvent::Reregistered));
    }

    fn on_offers(&mut self, message: internal::ResourceOffersMessage, out: &mut Vec<SchedulerOutput>) {
        let mut told = Vec::new();
        for (offer, pid) in message.offers.into_iter().zip(message.pids) {
            let agent = Upid::parse_or_empty(&pid);
            if agent.is_valid() {
                let place = (offer.agent_id.value.clone(), agent.clone());
                self.offers.insert(offer.id.value.clone(), place);
            }
            told.push((offer, agent));
        }
        out.push(SchedulerOutput::Tell(SchedulerEvent::Offers(told)));
    }

    fn on_update(&mut self, message: internal::StatusUpdateMessage, out: &mut Vec<SchedulerOutput>) {
        let update = message.update;
        let mut status = update.status;
        // What the master says by itself has no uuid or no address to acknowledge to.
        let acknowledge = update.uuid.clone().filter(|uuid| !uuid.is_empty()).filter(|_| {
            message
                .pid
                .as_deref()
                .is_some_and(|pid| Upid::parse_or_empty(pid).is_valid())
        });
        status.uuid.clone_from(&acknowledge);
        status.timestamp = Some(update.timestamp);
        out.push(SchedulerOutput::Tell(SchedulerEvent::Update(Box::new(
            status.clone(),
        ))));
        if acknowledge.is_some() && self.implicit_acknowledgements {
            self.acknowledge(&status, out);
        }
    }

    fn acknowledge(&self, status: &v1::TaskStatus, out: &mut Vec<SchedulerOutput>) {
        let (Some(uuid), Some(agent_id)) = (status.uuid.clone(), status.agent_id.clone()) else {
            return;
        };
        let acknowledge = call::Acknowledge {
            agent_id,
            task_id: status.task_id.clone(),
            uuid,
        };
        let call = Call {
            acknowledge: Some(acknowledge),
            ..self.call(call::Type::Acknowledge)
        };
        self.say(call, out);
    }

    /// The end, by the master's word: the driver aborts and the framework is told.
    fn fail(&mut self, message: String, out: &mut Vec<SchedulerOutput>) {
        self.abort(out);
        out.push(SchedulerOutput::Tell(SchedulerEvent::Error(message)));
    }

    fn abort(&mut self, out: &mut Vec<SchedulerOutput>) {
        self.running = false;
        self.again = None;
        if let (true, Some(to), Some(framework_id)) = (self.connected, &self.master, self.info.id.clone()) {
            let message = internal::DeactivateFrameworkMessage { framework_id };
            out.push(SchedulerOutput::Send {
                to: to.clone(),
                message: SchedulerSaid::Deactivate(Box::new(message)),
            });
        }
    }

    fn on_ask(&mut self, ask: Ask, out: &mut Vec<SchedulerOutput>) {
        match ask {
            Ask::Stop { failover } => return self.stop(failover, out),
            Ask::Abort => return self.abort(out),
            Ask::Accept { operations, .. } if !self.connected => return self.drop_tasks(&operations, out),
            Ask::Update(info) => {
                let id = self.info.id.take();
                self.info = v1::FrameworkInfo { id, ..*info };
                if self.connected {
                    self.say(self.update_call(), out);
                }
                return;
            }
            _ if !self.connected => return,
            _ => {}
        }
        match ask {
            Ask::Accept {
                offers,
                operations,
                filters,
            } => self.accept(offers, operations, filters, out),
            Ask::Acknowledge(status) => self.acknowledge(&status, out),
            Ask::Message {
                agent,
                executor,
                data,
            } => self.message(agent, executor, data, out),
            other => {
                if let Some(call) = self.plain_call(other) {
                    self.say(call, out);
                }
            }
        }
    }

    /// Calls that need nothing but to be said.
    fn plain_call(&mut self, ask: Ask) -> Option<Call> {
        let call = |what| self.call(what);
        Some(match ask {
            Ask::Decline { offers, filters } => {
                let decline = Call {
                    decline: Some(call::Decline {
                        offer_ids: offers.clone(),
                        filters,
                    }),
                    ..call(call::Type::Decline)
                };
                for offer in &offers {
                    self.offers.remove(&offer.value);
                }
                decline
            }
            Ask::Revive(roles) => Call {
                revive: (!roles.is_empty()).then_some(call::Revive { roles }),
                ..call(call::Type::Revive)
            },
            Ask::Suppress(roles) => Call {
                suppress: (!roles.is_empty()).then_some(call::Suppress { roles }),
                ..call(call::Type::Suppress)
            },
            Ask::Kill(task_id) => Call {
                kill: Some(call::Kill {
                    task_id,
                    agent_id: None,
                    kill_policy: None,
                }),
                ..call(call::Type::Kill)
            },
            Ask::Reconcile(tasks) => Call {
                reconcile: Some(call::Reconcile { tasks }),
                ..call(call::Type::Reconcile)
            },
            Ask::Request(requests) => Call {
                request: Some(call::Request { requests }),
                ..call(call::Type::Request)
            },
            Ask::Accept { .. }
            | Ask::Acknowledge(_)
            | Ask::Message { .. }
            | Ask::Update(_)
            | Ask::Stop { .. }
            | Ask::Abort => return None,
        })
    }

    fn update_call(&self) -> Call {
        Call {
            update_framework: Some(call::UpdateFramework {
                framework_info: self.info.clone(),
                ..call::UpdateFramework::default()
            }),
            ..self.call(call::Type::UpdateFramework)
        }
    }

    fn stop(&mut self, failover: bool, out: &mut Vec<SchedulerOutput>) {
        if self.connected && !failover {
            self.say(self.call(call::Type::Teardown), out);
        }
        self.running = false;
        self.again = None;
    }

    fn accept(
        &mut self,
        offer_ids: Vec<v1::OfferId>,
        operations: Vec<v1::offer::Operation>,
        filters: Option<v1::Filters>,
        out: &mut Vec<SchedulerOutput>,
    ) {
        // The agents where tasks go are remembered, so that messages to their executors can go there directly.
        for offer in &offer_ids {
            if let Some((agent, address)) = self.offers.remove(&offer.value)
                && tasks(&operations).any(|task| task.agent_id.value == agent)
            {
                self.agents.insert(agent, address);
            }
        }
        let accept = call::Accept {
            offer_ids,
            operations,
            filters,
        };
        let call = Call {
            accept: Some(accept),
            ..self.call(call::Type::Accept)
        };
        self.say(call, out);
    }

    /// Without a master no launch can have happened: the framework is told so at once.
    fn drop_tasks(&self, operations: &[v1::offer::Operation], out: &mut Vec<SchedulerOutput>) {
        use v1::framework_info::capability::Type;
        let aware = self
            .info
            .capabilities
            .iter()
            .any(|capability| capability.r#type() == Type::PartitionAware);
        let state = if aware {
            v1::TaskState::TaskDropped
        } else {
            v1::TaskState::TaskLost
        };
        for task in tasks(operations) {
            let status = v1::TaskStatus {
                task_id: task.task_id.clone(),
                agent_id: Some(task.agent_id.clone()),
                state: state.into(),
                source: Some(v1::task_status::Source::Master.into()),
                reason: Some(v1::task_status::Reason::MasterDisconnected.into()),
                message: Some("Master disconnected".to_owned()),
                ..v1::TaskStatus::default()
            };
            out.push(SchedulerOutput::Tell(SchedulerEvent::Update(Box::new(status))));
        }
    }

    fn message(
        &self,
        agent_id: v1::AgentId,
        executor_id: v1::ExecutorId,
        data: Bytes,
        out: &mut Vec<SchedulerOutput>,
    ) {
        let direct = self
            .agents
            .get(&agent_id.value)
            .cloned()
            .zip(self.info.id.clone());
        let Some((to, framework_id)) = direct else {
            let message = call::Message {
                agent_id,
                executor_id,
                data,
            };
            let call = Call {
                message: Some(message),
                ..self.call(call::Type::Message)
            };
            return self.say(call, out);
        };
        let message = internal::FrameworkToExecutorMessage {
            slave_id: agent_id,
            framework_id,
            executor_id,
            data,
        };
        out.push(SchedulerOutput::Send {
            to,
            message: SchedulerSaid::FrameworkToExecutor(Box::new(message)),
        });
    }

    fn call(&self, what: call::Type) -> Call {
        Call {
            framework_id: self.info.id.clone(),
            r#type: Some(what.into()),
            ..Call::default()
        }
    }

    fn say(&self, call: Call, out: &mut Vec<SchedulerOutput>) {
        if let Some(to) = &self.master {
            out.push(SchedulerOutput::Send {
                to: to.clone(),
                message: SchedulerSaid::Call(Box::new(call)),
            });
        }
    }
}

/// The tasks that these operations launch.
fn tasks(operations: &[v1::offer::Operation]) -> impl Iterator<Item = &v1::TaskInfo> {
    operations.iter().flat_map(|operation| {
        let single = operation.launch.iter().flat_map(|launch| &launch.task_infos);
        let group = operation
            .launch_group
            .iter()
            .flat_map(|launch| &launch.task_group.tasks);
        single.chain(group)
    })
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
