//! The cluster and its time.

use super::agent::AgentHost;
use super::event::{Event, Fault, Host};
use super::framework::Scheduler;
use super::master::MasterHost;
use super::messages::Packet;
use super::network::Network;
use super::options::{Options, Plant};
use super::trace::Trace;
use crate::driver::core::SchedulerInput;
use crate::invariants::{Fact, Invariants};
use master::core::AgentId;
use process::{Time, Upid};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// More events than any run needs: a run that goes on and on is a failure too.
const MAX_EVENTS: u64 = 3_000_000;

/// A run that did not go as it must.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Shows it again.
    pub seed: u64,
    /// When, since the start.
    pub after: Duration,
    /// Which invariant.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            after,
            invariant,
            what,
        } = self;
        write!(f, "seed {seed} after {after:?}: {invariant}: {what}")
    }
}

/// A simulated cluster.
#[derive(Debug)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) options: Options,
    pub(crate) now: Time,
    pub(crate) rng: ChaCha8Rng,
    queue: BTreeMap<(Time, u64), Event>,
    scheduled: u64,
    events: u64,
    pub(crate) network: Network,
    /// The master.
    pub master: MasterHost,
    /// The agents.
    pub agents: Vec<AgentHost>,
    /// The frameworks.
    pub frameworks: Vec<Scheduler>,
    trace: Trace,
    facts: Vec<Fact>,
    invariants: Invariants,
    /// The faults are over.
    pub(crate) healed: bool,
    /// How long each write of the master takes at most, in milliseconds.
    pub(crate) disk_millis: u64,
    /// Agents that may have gone for good, with what they ran: by an order, or with their disk.
    pub(crate) removed: BTreeSet<AgentId>,
    /// What happened, newest last, for who looks at a failure (`TIANGONG_TRACE`).
    pub(crate) log: bool,
}

/// When simulated time begins.
pub(crate) const START: Time = Time::from_secs(1_700_000_000);

impl World {
    /// A cluster that is about to start.
    pub fn new(seed: u64, options: Options) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let agents = (0..options.agents)
            .map(|index| AgentHost::new(index, &mut rng))
            .collect();
        let frameworks = (0..options.frameworks)
            .map(|index| Scheduler::new(index, options.tasks, options.operations))
            .collect();
        let mut world = Self {
            seed,
            options,
            now: START,
            rng,
            queue: BTreeMap::new(),
            scheduled: 0,
            events: 0,
            network: Network::default(),
            master: MasterHost::new(),
            agents,
            frameworks,
            trace: Trace::default(),
            facts: Vec::new(),
            invariants: Invariants::default(),
            healed: false,
            disk_millis: 10,
            removed: BTreeSet::new(),
            log: std::env::var_os("TIANGONG_TRACE").is_some(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        self.restart(Host::Master);
        for index in 0..self.agents.len() {
            let at = self.soon(1, 3_000);
            self.schedule(at, Event::Restart(Host::Agent(index)));
        }
        for index in 0..self.frameworks.len() {
            let at = self.soon(1, 10_000);
            self.schedule(at, Event::Restart(Host::Framework(index)));
        }
        self.plan_faults();
        self.plan_orders();
    }

    /// Lets the faults happen, heals everything, and waits for convergence. Returns the trace.
    ///
    /// # Errors
    /// The first invariant that does not hold, or what has not converged.
    pub fn run(mut self) -> Result<u64, Failure> {
        let end = START + self.options.fault_time;
        while self.now < end {
            self.advance()?;
        }
        self.heal_everything();
        let deadline = self.now + self.options.convergence;
        while let Err((invariant, what)) = self.invariants.converged(&self) {
            if self.now > deadline {
                return Err(self.failure(invariant, what));
            }
            self.advance()?;
        }
        Ok(self.trace.hash())
    }

    fn failure(&self, invariant: &'static str, what: String) -> Failure {
        Failure {
            seed: self.seed,
            after: self.now.since(START),
            invariant,
            what,
        }
    }

    /// The next event, and then the invariants.
    fn advance(&mut self) -> Result<(), Failure> {
        self.events += 1;
        if self.events > MAX_EVENTS {
            return Err(self.failure("bounded", format!("more than {MAX_EVENTS} events")));
        }
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let timer = self.next_timer();
        match (queued, timer) {
            (Some(at), Some((due, host))) if due < at => self.fire(due, host),
            (None, Some((due, host))) => self.fire(due, host),
            (Some(_), _) => {
                if let Some(((at, _), event)) = self.queue.pop_first() {
                    self.now = self.now.max(at);
                    self.handle(event);
                }
            }
            (None, None) => self.now += Duration::from_secs(1),
        }
        let mut invariants = std::mem::take(&mut self.invariants);
        let checked = invariants.check(self);
        self.invariants = invariants;
        checked.map_err(|(invariant, what)| self.failure(invariant, what))
    }

    /// The core whose time comes first.
    fn next_timer(&self) -> Option<(Time, Host)> {
        let master = self.master.deadline().map(|at| (at, Host::Master));
        let agents = self
            .agents
            .iter()
            .filter_map(|agent| Some((agent.deadline()?, Host::Agent(agent.index))));
        let drivers = self
            .frameworks
            .iter()
            .enumerate()
            .filter_map(|(index, framework)| {
                let driver = framework.driver.as_ref()?;
                Some((driver.deadline()?, Host::Framework(index)))
            });
        master.into_iter().chain(agents).chain(drivers).min()
    }

    fn fire(&mut self, due: Time, host: Host) {
        self.now = self.now.max(due);
        self.note(("timer", host, self.now.as_nanos()));
        match host {
            Host::Master => self.step_master(master::core::Input::Timeout),
            Host::Agent(index) => self.step_agent(index, agent::core::Input::Timeout),
            Host::Framework(index) => self.step_driver(index, SchedulerInput::Timeout),
        }
    }

    fn handle(&mut self, event: Event) {
        self.note((event.tag(), self.now.as_nanos()));
        match event {
            Event::Deliver {
                from,
                to,
                connection,
                packet,
            } => {
                if self.network.connection(from, to) == connection {
                    self.deliver(from, to, *packet);
                }
            }
            Event::Exited { at, life, peer } if self.life(at) == Some(life) => self.exited(at, peer),
            Event::Detected { at, life } if self.life(at) == Some(life) => self.detected(at),
            Event::Stored { life, write } if self.life(Host::Master) == Some(life) => self.stored(write),
            Event::Wrote { agent, life, write } if self.life(Host::Agent(agent)) == Some(life) => {
                self.wrote(agent, write);
            }
            Event::Forked {
                agent,
                life,
                container,
            } if self.life(Host::Agent(agent)) == Some(life) => {
                self.forked(agent, &container);
            }
            Event::ContainersRecovered { agent, life } if self.life(Host::Agent(agent)) == Some(life) => {
                self.step_agent(agent, agent::core::Input::ContainersRecovered);
            }
            Event::Exited { .. }
            | Event::Detected { .. }
            | Event::Stored { .. }
            | Event::Wrote { .. }
            | Event::Forked { .. }
            | Event::ContainersRecovered { .. } => {}
            Event::Destroyed { agent, container } => self.executor_ended(agent, &container, 9),
            Event::Executor {
                agent,
                container,
                wake,
            } => self.executor_wakes(agent, &container, wake),
            Event::ToExecutor {
                agent,
                container,
                stream,
                event,
            } => {
                self.executor_reads(agent, &container, stream, event);
            }
            Event::FromExecutor {
                agent,
                container,
                stream,
                call,
            } => {
                self.executor_calls(agent, &container, stream, *call);
            }
            Event::ToDriven {
                agent,
                container,
                what,
            } => self.executor_driver_hears(agent, &container, *what),
            Event::FromDriven {
                agent,
                life,
                from,
                message,
            } => {
                if self.life(Host::Agent(agent)) == Some(life) {
                    self.agent_hears_driven(agent, from, *message);
                }
            }
            Event::Tick { framework, life } if self.life(Host::Framework(framework)) == Some(life) => {
                self.framework_tick(framework);
            }
            Event::Subscribe { framework, life } if self.life(Host::Framework(framework)) == Some(life) => {
                self.framework_subscribes(framework);
            }
            Event::Acknowledge {
                framework,
                life,
                status,
            } if self.life(Host::Framework(framework)) == Some(life) => {
                self.framework_acknowledges(framework, &status);
            }
            Event::AcknowledgeOperation {
                framework,
                life,
                status,
            } if self.life(Host::Framework(framework)) == Some(life) => {
                self.framework_acknowledges_operation(framework, *status);
            }
            Event::Tick { .. }
            | Event::Subscribe { .. }
            | Event::Acknowledge { .. }
            | Event::AcknowledgeOperation { .. } => {}
            Event::Order => self.operator_comes(),
            Event::Fault(fault) => self.fault(fault),
            Event::Restart(host) => self.restart(host),
            Event::Heal(a, b) => self.heal(a, b),
        }
    }

    fn deliver(&mut self, from: Host, to: Host, packet: Packet) {
        if self.log {
            self.say(format_args!("{from:?} to {to:?}: {packet:?}"));
        }
        match (to, packet) {
            (Host::Master, packet) => self.master_receives(from, packet),
            (Host::Agent(index), Packet::ToAgent { from, message }) => {
                self.step_agent(
                    index,
                    agent::core::Input::Message {
                        from,
                        message: *message,
                    },
                );
            }
            (Host::Framework(index), packet) => self.framework_receives(index, packet),
            (Host::Agent(_), _) => {}
        }
    }

    fn exited(&mut self, at: Host, peer: Upid) {
        match at {
            Host::Master => self.step_master(master::core::Input::Exited(peer)),
            Host::Agent(index) => self.step_agent(index, agent::core::Input::Exited(peer)),
            Host::Framework(_) => {}
        }
    }

    fn detected(&mut self, at: Host) {
        if let Host::Agent(index) = at {
            let info = self.master.info();
            self.step_agent(index, agent::core::Input::Detected(info));
        } else if let Host::Framework(index) = at {
            self.driver_detects(index);
        }
    }

    /// A process starts (again).
    pub(crate) fn restart(&mut self, host: Host) {
        if self.is_up(host) {
            return;
        }
        match host {
            Host::Master => self.start_master(),
            Host::Agent(index) => self.start_agent(index),
            Host::Framework(index) => self.start_framework(index),
        }
    }

    /// The time as a host's clock shows it.
    pub(crate) fn clock(&self, host: Host) -> Time {
        self.now + self.skew(host)
    }

    fn skew(&self, host: Host) -> Duration {
        match host {
            Host::Master => self.master.skew,
            Host::Agent(index) => self.agents[index].skew,
            Host::Framework(_) => Duration::ZERO,
        }
    }

    pub(crate) fn schedule(&mut self, at: Time, event: Event) {
        self.scheduled += 1;
        self.queue.insert((at.max(self.now), self.scheduled), event);
    }

    /// A moment between so many milliseconds from now.
    pub(crate) fn soon(&mut self, least: u64, most: u64) -> Time {
        self.now + Duration::from_micros(self.rng.random_range(least * 1_000..most * 1_000))
    }

    pub(crate) fn note(&mut self, what: impl std::hash::Hash + fmt::Debug) {
        if self.log {
            self.say(format_args!("{what:?}"));
        }
        self.trace.note(what);
    }

    /// Something for the invariants to judge after this step.
    pub(crate) fn fact(&mut self, fact: Fact) {
        if self.log {
            self.say(format_args!("{fact:?}"));
        }
        self.facts.push(fact);
    }

    pub(crate) fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// For who looks at a failure.
    #[expect(clippy::print_stderr, reason = "asked for by TIANGONG_TRACE")]
    pub(crate) fn say(&self, what: fmt::Arguments<'_>) {
        if self.log {
            eprintln!("{:>12.6} {what}", self.now.since(START).as_secs_f64());
        }
    }

    pub(crate) fn planted(&self, plant: Plant) -> bool {
        self.options.plant == Some(plant)
    }

    /// The number of a host's present life; none while it is down.
    pub(crate) fn life(&self, host: Host) -> Option<u64> {
        match host {
            Host::Master => self.master.life(),
            Host::Agent(index) => self.agents[index].life(),
            Host::Framework(index) => self.frameworks[index].life(),
        }
    }

    pub(crate) fn is_up(&self, host: Host) -> bool {
        self.life(host).is_some()
    }

    pub(crate) fn hosts(&self) -> Vec<Host> {
        let agents = (0..self.agents.len()).map(Host::Agent);
        let frameworks = (0..self.frameworks.len()).map(Host::Framework);
        std::iter::once(Host::Master)
            .chain(agents)
            .chain(frameworks)
            .collect()
    }

    /// The faults end: everything is connected and up again.
    fn heal_everything(&mut self) {
        self.healed = true;
        self.disk_millis = 10;
        self.schedule(self.now, Event::Order);
        for (a, b) in self.network.cuts() {
            self.heal(a, b);
        }
        for host in self.hosts() {
            if !self.is_up(host) {
                let at = self.soon(1, 1_000);
                self.schedule(at, Event::Restart(host));
            }
        }
    }

    /// Whether a fault may still happen.
    pub(crate) fn allows(&self, fault: &Fault) -> bool {
        !self.healed || matches!(fault, Fault::SlowDisk(_))
    }
}
