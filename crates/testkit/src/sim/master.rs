//! The machine of the master: its core, its registry, its open streams.

use super::driver::framework_of;
use super::event::{Event, Host};
use super::messages::{Packet, to_agent};
use super::options::Plant;
use super::world::World;
use crate::invariants::Fact;
use master::core::{AgentBound, AgentId, Config, FrameworkId, Input, Master, ObserverId};
use master::core::{OperatorAction, Output, RegistryOperation, Sender, StreamId};
use process::{Time, Upid};
use proto::v1;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use storage::registry::Operation;
use storage::{Memory, Registrar, Store};

const ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 5050);

/// The master and what it has on disk.
#[derive(Debug)]
pub struct MasterHost {
    core: Option<Master>,
    lives: u64,
    info: Option<v1::MasterInfo>,
    store: Arc<dyn Store>,
    registrar: Option<Registrar>,
    /// Writes that are not durable yet, in order.
    pending: VecDeque<(u64, Vec<RegistryOperation>)>,
    stored: BTreeSet<u64>,
    last_write: Time,
    pub(crate) links: BTreeSet<Upid>,
    /// Which framework reads a stream.
    streams: BTreeMap<StreamId, usize>,
    next_stream: u64,
    /// By how much its clock is ahead.
    pub(crate) skew: Duration,
    /// Orders that are not answered.
    pub(crate) orders: BTreeMap<u64, OperatorAction>,
    requests: u64,
}

impl MasterHost {
    pub(crate) fn new() -> Self {
        Self {
            core: None,
            lives: 0,
            info: None,
            store: Arc::new(Memory::new()),
            registrar: None,
            pending: VecDeque::new(),
            stored: BTreeSet::new(),
            last_write: Time::EPOCH,
            links: BTreeSet::new(),
            streams: BTreeMap::new(),
            next_stream: 1,
            skew: Duration::ZERO,
            orders: BTreeMap::new(),
            requests: 0,
        }
    }

    /// The running master; none while it is down.
    pub fn core(&self) -> Option<&Master> {
        self.core.as_ref()
    }

    /// The registry as a master started now would find it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn durable(&self) -> Result<storage::Registry, storage::Error> {
        storage::Registry::load(self.store.scan("registry/")?)
    }

    pub(crate) fn life(&self) -> Option<u64> {
        self.core.as_ref().map(|_| self.lives)
    }

    pub(crate) fn info(&self) -> Option<v1::MasterInfo> {
        self.info.clone()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let due = self.core.as_ref().and_then(Master::deadline)?;
        Some(Time::EPOCH + due.since(Time::EPOCH + self.skew))
    }

    /// A number for a request.
    pub(crate) fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }
}

pub(crate) fn master_upid() -> Upid {
    Upid::new("master", ADDRESS)
}

impl World {
    pub(crate) fn start_master(&mut self) {
        self.master.lives += 1;
        let id = format!("{:08x}-master-{}", self.seed, self.master.lives);
        let info = election::MasterInfoBuilder::new(id, SocketAddr::V4(ADDRESS))
            .version("1.12.0")
            .build();
        let mut config = Config::new(info.clone());
        config.allocator.seed = self.rng.random();
        self.master.core = Some(Master::new(config));
        self.master.info = Some(info.clone());
        self.master.stored.clear();
        let registrar = Registrar::recover(Arc::clone(&self.master.store), info);
        let registrar = match registrar {
            Ok(registrar) => registrar,
            Err(error) => {
                self.fact(Fact::Broken(format!("the registry cannot be read: {error}")));
                return;
            }
        };
        let registry = registrar.to_proto();
        self.master.registrar = Some(registrar);
        self.step_master(Input::Recovered(Box::new(registry)));
        self.announce_master();
    }

    pub(crate) fn stop_master(&mut self) {
        self.master.core = None;
        self.master.info = None;
        self.master.links.clear();
        self.master.orders.clear();
        self.forget_rivals();
        // Of the writes under way some reached the disk, others did not.
        let durable = self.rng.random_range(0..=self.master.pending.len());
        let pending = std::mem::take(&mut self.master.pending);
        for (_, operations) in pending.into_iter().take(durable) {
            self.write_registry(operations);
        }
        self.master.registrar = None;
        if self.rng.random_bool(0.5) {
            self.announce_master();
        }
    }

    /// Whoever looks for the leader finds it, or finds that there is none.
    fn announce_master(&mut self) {
        for index in 0..self.agents.len() {
            let at = self.soon(10, 2_000);
            let host = Host::Agent(index);
            if let Some(life) = self.life(host) {
                self.schedule(at, Event::Detected { at: host, life });
            }
        }
        self.announce_to_drivers();
    }

    pub(crate) fn step_master(&mut self, input: Input) {
        let now = self.clock(Host::Master);
        let Some(core) = &mut self.master.core else { return };
        let mut out = Vec::new();
        core.step(now, input, &mut out);
        for output in out {
            self.master_does(output);
        }
    }

    fn master_does(&mut self, output: Output) {
        match output {
            Output::Send {
                from,
                to,
                message,
                after,
            } => {
                self.check_stored(after.map(|write| write.0));
                self.master_sends(from, &to, *message);
            }
            Output::Link(upid) => self.master_links(upid),
            Output::ToDriver {
                to, message, after, ..
            } => {
                self.check_stored(after.map(|write| write.0));
                if let Some(index) = framework_of(&to) {
                    let packet = Packet::ToDriver { to, message };
                    self.send(Host::Master, Host::Framework(index), packet);
                }
            }
            Output::LinkDriver(upid) => self.master_links_driver(upid),
            Output::OpenObserver(_) | Output::CloseObserver(_) | Output::Publish(_) => {}
            Output::Reply {
                request,
                reply,
                after,
            } => {
                self.check_stored(after.map(|write| write.0));
                self.order_is_answered(request.0, &reply);
            }
            Output::Event { stream, event, after } => {
                self.check_stored(after.map(|write| write.0));
                if event.error.is_some() && self.planted(Plant::RivalsAreNotTold) {
                    return;
                }
                if let Some(&framework) = self.master.streams.get(&stream) {
                    self.send(
                        Host::Master,
                        Host::Framework(framework),
                        Packet::Event { stream, event },
                    );
                }
            }
            Output::CloseStream(_) if self.planted(Plant::RivalsAreNotTold) => {}
            Output::CloseStream(stream) => {
                if let Some(framework) = self.master.streams.remove(&stream) {
                    self.send(
                        Host::Master,
                        Host::Framework(framework),
                        Packet::StreamEnd { stream },
                    );
                }
            }
            Output::Store { write, operations } => self.master_stores(write.0, operations),
            Output::Log(level, text) => self.say(format_args!("master {level:?} {text}")),
            Output::Abort(text) => {
                self.say(format_args!("master aborts: {text}"));
                self.crash(Host::Master);
                self.restart_after(Host::Master, 1_000);
            }
        }
    }

    fn check_stored(&mut self, after: Option<u64>) {
        if let Some(write) = after.filter(|write| !self.master.stored.contains(write)) {
            self.fact(Fact::Broken(format!(
                "an output of the master rests on write {write}, which is not stored"
            )));
        }
    }

    fn master_sends(&mut self, from: Sender, to: &Upid, message: AgentBound) {
        let Some(index) = self.agent_at(to) else { return };
        match &message {
            AgentBound::Registered(message) => self.fact(Fact::Admitted(AgentId::from(&message.slave_id))),
            AgentBound::Reregistered(message) => self.fact(Fact::Admitted(AgentId::from(&message.slave_id))),
            _ => {}
        }
        let from = match from {
            Sender::Master => master_upid(),
            Sender::Observer(observer) => Upid::new(format!("slave-observer({})", observer.0), ADDRESS),
        };
        if let Some(message) = to_agent(message) {
            let packet = Packet::ToAgent {
                from,
                message: Box::new(message),
            };
            self.send(Host::Master, Host::Agent(index), packet);
        }
    }

    fn agent_at(&self, upid: &Upid) -> Option<usize> {
        self.agents
            .iter()
            .position(|agent| agent.upid.address() == upid.address())
    }

    fn master_links(&mut self, upid: Upid) {
        let Some(index) = self.agent_at(&upid) else { return };
        self.master.links.insert(upid);
        if !self.is_up(Host::Agent(index)) {
            self.report_gone(Host::Master, Host::Agent(index));
        }
    }

    fn master_stores(&mut self, write: u64, operations: Vec<RegistryOperation>) {
        let delay = Duration::from_micros(self.rng.random_range(500..self.disk_millis * 1_000));
        let at = (self.now + delay).max(self.master.last_write + Duration::from_nanos(1));
        self.master.last_write = at;
        self.master.pending.push_back((write, operations));
        self.schedule(
            at,
            Event::Stored {
                life: self.master.lives,
                write,
            },
        );
        if self.planted(Plant::MasterDoesNotWait) {
            self.master.stored.insert(write);
            self.step_master(Input::Stored(master::core::WriteId(write)));
        }
    }

    pub(crate) fn stored(&mut self, write: u64) {
        let Some((first, operations)) = self.master.pending.pop_front() else {
            return;
        };
        if first != write {
            self.fact(Fact::Broken(format!("write {write} overtook write {first}")));
        }
        self.write_registry(operations);
        if self.master.stored.insert(write) {
            self.step_master(Input::Stored(master::core::WriteId(write)));
        }
    }

    fn write_registry(&mut self, mut operations: Vec<RegistryOperation>) {
        if self.planted(Plant::OrdersAreNotKept) {
            operations.retain(|operation| {
                !matches!(
                    operation,
                    RegistryOperation::DrainAgent { .. }
                        | RegistryOperation::DeactivateAgent { .. }
                        | RegistryOperation::UpdateQuota { .. }
                )
            });
        }
        let operations: Vec<Operation> = operations.iter().map(master::registry_operation).collect();
        let Some(registrar) = &mut self.master.registrar else {
            return;
        };
        match registrar.apply(&operations) {
            Ok(results) => {
                let orders = self.options.orders > 0;
                for refused in results.into_iter().filter_map(Result::err) {
                    // An order may find its object gone: it has no effect then. Agents change one at a time.
                    if !orders {
                        self.fact(Fact::Broken(format!("the registry refused: {refused}")));
                    }
                }
            }
            Err(error) => self.fact(Fact::Broken(format!("the registry failed: {error}"))),
        }
    }

    pub(crate) fn master_receives(&mut self, from: Host, packet: Packet) {
        match packet {
            Packet::ToMaster { from, message } => {
                self.step_master(Input::Agent {
                    from,
                    message: *message,
                });
            }
            Packet::Pong { from, observer } => self.step_master(Input::Pong { observer, from }),
            Packet::Subscribe { attempt, subscribe } => {
                let Host::Framework(framework) = from else { return };
                let stream = StreamId(self.master.next_stream);
                self.master.next_stream += 1;
                self.master.streams.insert(stream, framework);
                self.send(Host::Master, from, Packet::Opened { attempt, stream });
                self.step_master(Input::Subscribe {
                    stream,
                    principal: None,
                    subscribe,
                });
            }
            Packet::Call { stream, call } => self.master_is_called(stream, call),
            Packet::Hangup { stream } => {
                if self.master.streams.remove(&stream).is_some() {
                    self.step_master(Input::StreamClosed(stream));
                }
            }
            Packet::FromDriver { from, message } => {
                let message = *message;
                self.step_master(Input::Driver { from, message });
            }
            Packet::ToAgent { .. }
            | Packet::ToDriver { .. }
            | Packet::Opened { .. }
            | Packet::Event { .. }
            | Packet::StreamEnd { .. } => {}
        }
    }

    fn master_is_called(&mut self, stream: StreamId, call: Box<v1::scheduler::Call>) {
        let Some(framework) = call.framework_id.as_ref().map(FrameworkId::from) else {
            return;
        };
        let admitted = self.master.core.as_ref().is_some_and(|core| {
            core.is_recovered() && core.admit(&framework, None).is_ok_and(|mine| mine == stream)
        });
        if admitted {
            self.step_master(Input::Call { framework, call });
        }
    }

    /// The streams between the master and a framework end with their connection.
    pub(crate) fn drop_streams(&mut self, a: Host, b: Host) {
        let ((Host::Master, Host::Framework(framework)) | (Host::Framework(framework), Host::Master)) =
            (a, b)
        else {
            return;
        };
        let streams: Vec<StreamId> = self
            .master
            .streams
            .iter()
            .filter(|(_, reader)| **reader == framework)
            .map(|(id, _)| *id)
            .collect();
        if self.is_up(Host::Master) {
            let (from, to) = (Host::Framework(framework), Host::Master);
            let connection = self.network.connection(from, to);
            for stream in streams {
                let at = self.soon(1, 200);
                let packet = Box::new(Packet::Hangup { stream });
                self.schedule(
                    at,
                    Event::Deliver {
                        from,
                        to,
                        connection,
                        packet,
                    },
                );
            }
        } else {
            self.master.streams.retain(|_, reader| *reader != framework);
        }
        self.framework_disconnects(framework);
    }

    /// Takes the link that `at` has to `gone`, if there is one.
    pub(crate) fn unlink(&mut self, at: Host, gone: Host) -> Option<Upid> {
        match (at, gone) {
            (Host::Master, Host::Agent(index)) => {
                let upid = self.agents[index].upid.clone();
                self.master.links.take(&upid)
            }
            (Host::Master, Host::Framework(index)) => {
                let links = self.master.links.iter();
                let upid = links
                    .into_iter()
                    .find(|upid| framework_of(upid) == Some(index))
                    .cloned()?;
                self.master.links.take(&upid)
            }
            (Host::Agent(index), Host::Master) => self.agents[index].links.take(&master_upid()),
            _ => None,
        }
    }
}

/// An observer's number, of its address.
pub(crate) fn observer(upid: &Upid) -> Option<ObserverId> {
    let number = upid.id().strip_prefix("slave-observer(")?.strip_suffix(')')?;
    number.parse().ok().map(ObserverId)
}
