//! The master's decisions.
//!
//! [`Master`] takes `(now, Input)` and appends [`Output`]s. It opens no socket, reads no clock, draws no random number of
//! its own and never waits; the shell does that.
//!
//! How to drive it: feed inputs with [`Master::step`] in the order they arrived and carry the outputs out in order; when
//! [`Master::deadline`] has come and nothing else is waiting, feed [`Input::Timeout`]. Feeding what has queued up first
//! lets one allocation cycle serve many events.
//!
//! **Invariants** ([`Master::check`]). Per agent, offered and used together never exceed the total, and equal what its
//! offers, tasks and executors hold. Every offer, task and executor is known to its agent and its framework alike.
//! Nothing is told to anyone before the write it rests on is stored. Maps that are iterated are ordered: same inputs,
//! same outputs.
//!
//! Absent here: operations on resources other than launches, maintenance, and calls that change quota and weights (those
//! in the registry count). Each has its seam: [`OperatorAction`], the operation loop of `accept`.

mod accept;
mod agent_loss;
mod agents;
mod apply;
mod authentication;
mod books;
mod capabilities;
mod check;
mod config;
mod counters;
mod described;
mod drain;
mod driver_bound;
mod drivers;
mod events;
mod executors;
mod frameworks;
mod gone;
mod history;
mod ids;
mod input;
mod interned;
mod inverse_offers;
mod kill;
mod maintenance;
mod observer;
mod offers;
mod operations;
mod operator;
mod output;
mod pacing;
mod permissions;
mod quota;
mod reconcile;
mod record;
mod recovery;
mod registry;
mod reregister;
mod settings;
mod state;
mod statuses;
mod subscribe;
mod tasks;
mod telling;
#[cfg(test)]
mod tests;
mod timers;
mod updates;
pub mod validation;
mod view;
mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use process::{Time, Upid};
use proto::v1;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use apply::Unfit;
pub use capabilities::{AgentCapabilities, FrameworkCapabilities};
pub use check::Violation;
pub use config::{Config, HEARTBEAT_INTERVAL, MINIMUM_AGENT_VERSION};
pub use counters::{Counters, Gauges, Messages, TASK_STATES, Transition};
pub use described::{RunTask, UpdateFramework};
pub use driver_bound::DriverBound;
pub use frameworks::Refusal;
pub use history::History;
pub use ids::{AgentId, ExecutorId, FrameworkId, ObserverId, OfferId, RequestId, StreamId, TaskId, WriteId};
pub use input::{AgentMessage, Authentication, DriverMessage, Input, OperatorAction};
pub use maintenance::{MachineKey, Maintenance};
pub use output::{AgentBound, Level, OperatorEvent, Output, RegistryOperation, Reply, Sender};
pub use quota::{Overcommit, Rescinding};
pub use record::{Past, Record};
pub use state::{Agent, Connection, Executor, Framework, Offer, Operation, State, Task};

use observer::Observer;
use registry::Pending;
use subscribe::Subscriber;
use timers::{Timer, TimerKey, Timers};

/// The resource manager.
#[derive(Debug)]
pub struct Master {
    config: Arc<Config>,
    /// The time of the step being applied.
    now: Time,
    /// Whether the registry has been read; before that everything is dropped.
    recovered: bool,
    state: State,
    counters: Counters,
    gauges: Gauges,
    allocator: allocator::Allocator,
    timers: Timers,
    next_agent: u64,
    next_framework: u64,
    next_offer: u64,
    next_write: u64,
    next_observer: u64,
    /// Registered agents by their UPID.
    agents_by_pid: BTreeMap<Upid, AgentId>,
    /// Pinging, one for each registered agent.
    observers: BTreeMap<AgentId, Observer>,
    observed: BTreeMap<ObserverId, AgentId>,
    /// Set while a disconnected agent may still come back.
    reregister_timers: BTreeMap<AgentId, TimerKey>,
    /// Kills that agents have been told, or will be when they come back.
    killed: BTreeMap<AgentId, BTreeSet<(FrameworkId, TaskId)>>,
    /// Frameworks by the stream that reaches them.
    streams: BTreeMap<StreamId, FrameworkId>,
    heartbeats: BTreeMap<StreamId, TimerKey>,
    /// Frameworks by the driver that speaks for them, connected or not.
    drivers: BTreeMap<Upid, FrameworkId>,
    authentications: authentication::Authentications,
    /// Messages of drivers that are faster than they may be.
    throttle: auth::rate_limits::Throttle<pacing::Paced>,
    failovers: BTreeMap<FrameworkId, TimerKey>,
    offer_timers: BTreeMap<OfferId, TimerKey>,
    /// What goes on when a write is stored.
    pending: BTreeMap<WriteId, Pending>,
    /// Agents whose transition is being written, and pids that are being admitted.
    in_flight: BTreeSet<AgentId>,
    admitting: BTreeSet<Upid>,
    /// Inverse offers that stand.
    inverse_offers: inverse_offers::InverseOffers,
    /// Makes the uuids of operations.
    rng: ChaCha8Rng,
    /// Agents that are being marked drained.
    drained: BTreeSet<AgentId>,
    /// Recovered agents whose time is up, waiting for a permit to be marked unreachable.
    removals: recovery::Removals,
    /// Resources that agents told of.
    interned: interned::Interned,
}

impl Master {
    /// A master that has not read its registry. All ids it makes begin with `config.info.id`.
    pub fn new(config: Config) -> Self {
        let allocator = allocator::Allocator::new(config.allocator.clone());
        // A list that is wrong has been refused with the command line.
        let throttle = auth::rate_limits::Throttle::new(&config.rate_limits).unwrap_or_default();
        // Apart from the allocator's draws.
        let rng = ChaCha8Rng::seed_from_u64(config.allocator.seed.rotate_left(32) ^ 0x6f70);
        let removals = recovery::Removals::new(config.agent_removal_rate_limit);
        Self {
            config: Arc::new(config),
            now: Time::EPOCH,
            recovered: false,
            state: State::default(),
            counters: Counters::default(),
            gauges: Gauges::default(),
            allocator,
            timers: Timers::default(),
            next_agent: 0,
            next_framework: 0,
            next_offer: 0,
            next_write: 1,
            next_observer: 1,
            agents_by_pid: BTreeMap::new(),
            observers: BTreeMap::new(),
            observed: BTreeMap::new(),
            reregister_timers: BTreeMap::new(),
            killed: BTreeMap::new(),
            streams: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            drivers: BTreeMap::new(),
            authentications: authentication::Authentications::default(),
            throttle,
            failovers: BTreeMap::new(),
            offer_timers: BTreeMap::new(),
            pending: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            admitting: BTreeSet::new(),
            inverse_offers: inverse_offers::InverseOffers::default(),
            rng,
            drained: BTreeSet::new(),
            removals,
            interned: interned::Interned::default(),
        }
    }

    /// Applies one input and appends, in order, what the shell must do.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        self.now = self.now.max(now);
        match input {
            Input::Recovered(registry) => self.on_recovered(*registry, out),
            Input::Whitelist(hosts) => self.on_whitelist(hosts),
            _ if !self.recovered => self.on_early(input, out),
            Input::Stored(write) => self.on_stored(write, out),
            Input::Agent { from, message } => self.on_agent(from, message, out),
            Input::Pong { observer, from } => self.on_pong(observer, &from),
            Input::Exited(upid) => self.on_any_exited(upid, out),
            Input::Subscribe {
                stream,
                principal,
                subscribe,
            } => self.on_subscribe(Subscriber::Http(stream), principal, *subscribe, out),
            Input::Driver { from, message } => self.on_driver(from, message, out),
            Input::Authentication { pid, step } => self.on_authentication(pid, step, out),
            Input::Call { framework, call } => self.on_call(&framework, *call, out),
            Input::StreamClosed(stream) => self.on_stream_closed(stream, out),
            Input::UpdateFramework {
                request,
                framework,
                update,
            } => {
                self.on_update_framework(request, &framework, *update, out);
            }
            Input::Operator { request, action } => self.on_operator(request, action, out),
            Input::Timeout => self.on_timeout(out),
        }
        if !self.state.draining.is_empty() {
            self.progress_draining(out);
        }
    }

    /// When the shell should next feed [`Input::Timeout`]. It may lie in the past: then at once.
    pub fn deadline(&self) -> Option<Time> {
        let paced = self.throttle.deadline();
        let own = self.timers.next().into_iter().chain(paced).min();
        let allocation = if self.recovered {
            self.allocator.deadline()
        } else {
            None
        };
        match (own, allocation) {
            (Some(own), Some(allocation)) => Some(own.min(allocation)),
            (own, allocation) => own.or(allocation),
        }
    }

    /// What this master knows now; O(1), and later steps do not change it.
    pub fn snapshot(&self) -> State {
        self.state.clone()
    }

    /// What this master knows now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Counted since start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Current numbers.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// The settings it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the registry has been read. Before that, HTTP requests are to be answered 503.
    pub fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// The allocator, to read.
    pub fn allocator(&self) -> &allocator::Allocator {
        &self.allocator
    }

    /// What came before the registry was read: dropped, but a stream must not hang and a request must be answered.
    fn on_early(&mut self, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Subscribe { stream, .. } => out.push(Output::CloseStream(stream)),
            Input::UpdateFramework { request, .. } | Input::Operator { request, .. } => {
                out.push(Output::Reply {
                    request,
                    reply: Reply::Unavailable("Master has not finished recovery".to_owned()),
                    after: None,
                })
            }
            Input::Agent { .. } | Input::Driver { .. } => self.counters.dropped_messages += 1,
            Input::Recovered(_)
            | Input::Stored(_)
            | Input::Pong { .. }
            | Input::Exited(_)
            | Input::Call { .. }
            | Input::StreamClosed(_)
            | Input::Whitelist(_)
            | Input::Authentication { .. }
            | Input::Timeout => {}
        }
    }

    fn on_agent(&mut self, from: Upid, message: AgentMessage, out: &mut Vec<Output>) {
        match message {
            AgentMessage::Register(message) => self.on_register(from, *message, out),
            AgentMessage::Reregister(message) => self.on_reregister(from, *message, out),
            AgentMessage::Unregister(message) => self.on_unregister(&from, &message, out),
            AgentMessage::UpdateAgent(message) => self.on_update_agent(&from, *message, out),
            AgentMessage::StatusUpdate(message) => self.on_status_update(&from, *message, out),
            AgentMessage::ExitedExecutor(message) => self.on_exited_executor(&from, &message, out),
            AgentMessage::ExecutorToFramework(message) => self.on_executor_message(&from, message, out),
            AgentMessage::UpdateOperationStatus(message) => self.on_operation_status(&from, &message, out),
        }
    }

    fn on_timeout(&mut self, out: &mut Vec<Output>) {
        self.release_paced(out);
        while let Some(timer) = self.timers.pop_due(self.now) {
            match timer {
                Timer::Ping(agent) => self.on_ping(agent, out),
                Timer::AgentReregister(agent) => self.on_reregister_timeout(agent, out),
                Timer::Recovery => self.on_recovery_timeout(out),
                Timer::RemovalPermit => self.on_removal_permit(out),
                Timer::Failover(framework) => self.on_failover_timeout(&framework, out),
                Timer::Heartbeat(stream) => self.on_heartbeat(stream, out),
                Timer::OfferExpiry(offer) => self.on_offer_expired(&offer, out),
                Timer::InverseOfferExpiry(offer) => self.on_inverse_offer_expired(&offer, out),
                Timer::RegistryGc => self.on_registry_gc(out),
            }
        }
        if self.allocator.deadline().is_some_and(|at| at <= self.now) {
            self.allocate(out);
        }
    }

    /// The present as messages carry it.
    fn time_info(&self) -> v1::TimeInfo {
        v1::TimeInfo {
            nanoseconds: self.now.as_nanos(),
        }
    }
}
