//! The machine of one agent: its core, its disk, its containers.

use super::disk::Disk;
use super::event::{Event, Host};
use super::executor::ExecutorProcess;
use super::master::{master_upid, observer};
use super::messages::{Packet, to_master};
use super::options::Plant;
use super::world::World;
use crate::invariants::Fact;
use agent::core::{
    Agent, Checkpoint, Config, ContainerId, Exit, FrameworkId, Input, Output, Received,
    ReconfigurationPolicy, Reply, RequestId, Run, Sent, StreamId, TaskId,
};
use bytes::Bytes;
use process::{Time, Upid};
use proto::v1;
use rand::Rng;
use resources::Resources;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// An agent, its disk and the executors on its machine.
#[derive(Debug)]
pub struct AgentHost {
    /// Its number.
    pub index: usize,
    pub(crate) upid: Upid,
    config: Config,
    core: Option<Agent>,
    lives: u64,
    /// What it would find if it were started now.
    pub disk: Disk,
    pending: VecDeque<(u64, Checkpoint)>,
    written: u64,
    last_write: Time,
    /// Outputs that wait for writes, in order.
    held: VecDeque<Output>,
    pub(crate) links: BTreeSet<Upid>,
    /// Containers asked for whose process does not exist yet.
    launching: BTreeMap<ContainerId, Run>,
    /// Executors whose processes run, whether the agent does or not.
    pub(crate) executors: BTreeMap<ContainerId, ExecutorProcess>,
    /// Containers whose end the agent wants to know.
    watched: BTreeSet<ContainerId>,
    requests: BTreeMap<u64, ContainerId>,
    next_request: u64,
    pub(crate) next_stream: u64,
    /// The port of the last driver.
    pub(crate) next_port: u16,
    streams: BTreeMap<u64, ContainerId>,
    rebooted: bool,
    /// By how much its clock is ahead.
    pub(crate) skew: Duration,
    /// Operations that it got.
    operations: u64,
}

impl AgentHost {
    pub(crate) fn new(index: usize, rng: &mut impl Rng) -> Self {
        let last = u8::try_from(index % 200).unwrap_or(0) + 10;
        let upid = Upid::new("slave(1)", SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, last), 5051));
        let size: u32 = rng.random_range(2..6);
        let total = format!("cpus:{size};mem:{};disk:10000;ports:[31000-31100]", size * 512);
        let info = v1::AgentInfo {
            hostname: format!("agent-{index}"),
            port: Some(5051),
            checkpoint: Some(true),
            resources: Resources::parse(&total)
                .map(|total| total.to_proto())
                .unwrap_or_default(),
            ..v1::AgentInfo::default()
        };
        let mut config = Config::new(upid.clone(), info, format!("/agent-{index}"));
        config.reconfiguration_policy = ReconfigurationPolicy::Additive;
        Self {
            index,
            upid,
            config,
            core: None,
            lives: 0,
            disk: Disk::default(),
            pending: VecDeque::new(),
            written: 0,
            last_write: Time::EPOCH,
            held: VecDeque::new(),
            links: BTreeSet::new(),
            launching: BTreeMap::new(),
            executors: BTreeMap::new(),
            watched: BTreeSet::new(),
            requests: BTreeMap::new(),
            next_request: 1,
            next_stream: 1,
            next_port: 20_000,
            streams: BTreeMap::new(),
            rebooted: false,
            skew: Duration::ZERO,
            operations: 0,
        }
    }

    /// The running agent; none while it is down.
    pub fn core(&self) -> Option<&Agent> {
        self.core.as_ref()
    }

    /// How many executors' processes run on the machine.
    pub fn live_executors(&self) -> usize {
        self.executors.len()
    }

    pub(crate) fn life(&self) -> Option<u64> {
        self.core.as_ref().map(|_| self.lives)
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let due = self.core.as_ref().and_then(Agent::deadline)?;
        Some(Time::EPOCH + due.since(Time::EPOCH + self.skew))
    }

    /// Its next start is with more of everything.
    pub(crate) fn grow(&mut self) {
        let more = Resources::parse("cpus:1;mem:512;disk:1000").unwrap_or_default();
        let total = Resources::from_proto_lenient(&self.config.info.resources) + &more;
        self.config.info.resources = total.to_proto();
    }

    /// What it is configured with.
    pub(crate) fn configured(&self) -> Resources {
        Resources::from_proto_lenient(&self.config.info.resources)
    }
}

impl World {
    pub(crate) fn start_agent(&mut self, index: usize) {
        let seed = self.rng.random();
        let host = &mut self.agents[index];
        host.lives += 1;
        host.core = Some(Agent::new(host.config.clone(), seed));
        host.written = 0;
        host.last_write = self.now;
        let state = host.disk.recover(std::mem::take(&mut host.rebooted));
        let life = host.lives;
        self.step_agent(index, Input::Recovered(Box::new(state)));
        let at = self.soon(10, 1_000);
        self.schedule(
            at,
            Event::Detected {
                at: Host::Agent(index),
                life,
            },
        );
    }

    pub(crate) fn stop_agent(&mut self, index: usize) {
        let durable = self.rng.random_range(0..=self.agents[index].pending.len());
        let loses = self.planted(Plant::DiskLosesUpdates);
        let loses_reservations = self.planted(Plant::DiskLosesReservations);
        let host = &mut self.agents[index];
        host.core = None;
        let pending = std::mem::take(&mut host.pending);
        for (_, what) in pending.into_iter().take(durable) {
            host.disk.write(what);
        }
        if loses {
            host.disk.lose_updates();
        }
        if loses_reservations {
            host.disk.lose_reservations();
        }
        host.held.clear();
        host.links.clear();
        host.launching.clear();
        host.watched.clear();
        host.requests.clear();
        host.streams.clear();
        self.executors_disconnect(index);
    }

    /// Every third operation, with [`Plant::OperationsAreDropped`].
    fn is_dropped(&mut self, index: usize, input: &Input) -> bool {
        let Input::Message { message, .. } = input else {
            return false;
        };
        let host = &mut self.agents[index];
        host.operations += u64::from(matches!(message, Received::ApplyOperation(_)));
        matches!(message, Received::ApplyOperation(_)) && host.operations.is_multiple_of(3)
    }

    /// The machine is off and its disk is empty when it comes back.
    pub(crate) fn lose_disk(&mut self, index: usize) {
        if let Some(core) = &self.agents[index].core
            && let Some(id) = core.info().id.as_ref()
        {
            self.removed.insert(id.value.as_str().into());
        } else if let Some(id) = self.agents[index].disk.agent_id() {
            self.removed.insert(id.value.as_str().into());
        }
        self.crash(Host::Agent(index));
        self.power_off(index);
        self.agents[index].disk.lose_all();
    }

    /// The machine is off: every process on it is gone.
    pub(crate) fn power_off(&mut self, index: usize) {
        let host = &mut self.agents[index];
        host.executors.clear();
        host.rebooted = true;
    }

    pub(crate) fn step_agent(&mut self, index: usize, input: Input) {
        if self.planted(Plant::OperationsAreDropped) && self.is_dropped(index, &input) {
            return;
        }
        let now = self.clock(Host::Agent(index));
        let Some(core) = &mut self.agents[index].core else {
            return;
        };
        let mut out = Vec::new();
        core.step(now, input, &mut out);
        for output in out {
            match output {
                Output::Checkpoint { write, what } => self.agent_writes(index, write.0, what),
                other => self.agents[index].held.push_back(other),
            }
        }
        self.agent_goes_on(index);
    }

    fn agent_writes(&mut self, index: usize, write: u64, what: Checkpoint) {
        let delay = Duration::from_micros(self.rng.random_range(100..8_000));
        let host = &mut self.agents[index];
        let at = (self.now + delay).max(host.last_write + Duration::from_nanos(1));
        host.last_write = at;
        host.pending.push_back((write, what));
        let life = host.lives;
        self.schedule(
            at,
            Event::Wrote {
                agent: index,
                life,
                write,
            },
        );
    }

    pub(crate) fn wrote(&mut self, index: usize, write: u64) {
        let host = &mut self.agents[index];
        if let Some((first, what)) = host.pending.pop_front() {
            host.written = write;
            host.disk.write(what);
            if first != write {
                self.fact(Fact::Broken(format!(
                    "agent {index}: write {write} overtook write {first}"
                )));
            }
        }
        self.agent_goes_on(index);
    }

    /// Carries out what waits for nothing any more.
    fn agent_goes_on(&mut self, index: usize) {
        let careless = self.planted(Plant::AgentDoesNotWait);
        while let Some(output) = self.agents[index].held.front() {
            let after = match output {
                Output::Send { after, .. } | Output::Event { after, .. } | Output::Launch { after, .. } => {
                    *after
                }
                _ => None,
            };
            if after.is_some_and(|write| write.0 > self.agents[index].written) && !careless {
                return;
            }
            if let Some(output) = self.agents[index].held.pop_front() {
                self.agent_does(index, output);
            }
        }
    }

    fn agent_does(&mut self, index: usize, output: Output) {
        let host = Host::Agent(index);
        let life = self.agents[index].lives;
        match output {
            // Written when the core said so, without waiting for its turn.
            Output::Checkpoint { .. } => {}
            Output::Detect => {
                let at = self.soon(10, 500);
                self.schedule(at, Event::Detected { at: host, life });
            }
            Output::Link(upid) => {
                let to_master = upid == master_upid();
                self.agents[index].links.insert(upid);
                if to_master && !self.is_up(Host::Master) {
                    self.report_gone(host, Host::Master);
                }
            }
            Output::Send { to, message, .. } => self.agent_sends(index, &to, message),
            Output::Reply { request, reply } => self.agent_replies(index, request, &reply),
            Output::Event { stream, event, .. } => self.agent_tells(index, stream.0, event),
            Output::CloseStream(stream) => {
                if let Some(container) = self.agents[index].streams.remove(&stream.0) {
                    self.executor_is_sent(index, container, stream.0, None);
                }
            }
            // Agents here have no credential.
            Output::Prove { .. } | Output::EndProof => {}
            Output::RecoverContainers(_) => {
                let at = self.soon(1, 50);
                self.schedule(at, Event::ContainersRecovered { agent: index, life });
            }
            Output::Launch { container, run, .. } => {
                self.agents[index].launching.insert(container.clone(), run);
                let at = self.soon(5, 200);
                self.schedule(
                    at,
                    Event::Forked {
                        agent: index,
                        life,
                        container,
                    },
                );
            }
            Output::Wait { container, .. } => {
                self.agents[index].watched.insert(container.clone());
                if !self.agents[index].executors.contains_key(&container) {
                    let at = self.soon(1, 10);
                    self.schedule(
                        at,
                        Event::Destroyed {
                            agent: index,
                            container,
                        },
                    );
                }
            }
            Output::Destroy(container) => {
                let at = self.soon(1, 100);
                self.schedule(
                    at,
                    Event::Destroyed {
                        agent: index,
                        container,
                    },
                );
            }
            Output::UpdateContainer { .. } | Output::ScheduleGc(_) | Output::UnscheduleGc(_) => {}
            Output::Exit(exit) => {
                if let Exit::Failed(text) = exit {
                    self.say(format_args!("agent {index} fails: {text}"));
                }
                self.crash(host);
                self.restart_after(host, 2_000);
            }
        }
    }

    fn agent_sends(&mut self, index: usize, to: &Upid, message: Sent) {
        if to.address() != master_upid().address() {
            return self.agent_tells_driven(index, to, message);
        }
        let (host, from) = (Host::Agent(index), self.agents[index].upid.clone());
        if let Sent::StatusUpdate(update) = &message
            && self.planted(Plant::UpdatesAreForged)
        {
            let mut forged = update.clone();
            let uuid = Bytes::from(vec![7; 16]);
            forged.update.uuid = Some(uuid.clone());
            forged.update.status.uuid = Some(uuid);
            let message = Box::new(master::core::AgentMessage::StatusUpdate(forged));
            self.send(
                host,
                Host::Master,
                Packet::ToMaster {
                    from: from.clone(),
                    message,
                },
            );
        }
        if let Sent::UpdateOperationStatus(update) = &message
            && self.planted(Plant::OperationsAreForged)
        {
            let mut forged = update.clone();
            forged.status.set_state(v1::OperationState::OperationFailed);
            let message = Box::new(master::core::AgentMessage::UpdateOperationStatus(forged));
            let from = from.clone();
            self.send(host, Host::Master, Packet::ToMaster { from, message });
        }
        match (to_master(message), observer(to)) {
            (Some(message), _) => {
                let message = Box::new(message);
                self.send(host, Host::Master, Packet::ToMaster { from, message });
            }
            (None, Some(observer)) => self.send(host, Host::Master, Packet::Pong { from, observer }),
            (None, None) => {}
        }
    }

    fn agent_tells(&mut self, index: usize, stream: u64, event: Box<v1::executor::Event>) {
        let Some(container) = self.agents[index].streams.get(&stream).cloned() else {
            return;
        };
        if let Some(acknowledged) = &event.acknowledged
            && let Some(executor) = self.agents[index].executors.get(&container)
        {
            let framework = executor.run.framework.clone();
            self.fact(Fact::Taken {
                agent: index,
                framework,
                task: TaskId::from(&acknowledged.task_id),
                uuid: acknowledged.uuid.clone(),
            });
        }
        self.executor_is_sent(index, container, stream, Some(event));
    }

    fn agent_replies(&mut self, index: usize, request: RequestId, reply: &Reply) {
        let Some(container) = self.agents[index].requests.remove(&request.0) else {
            return;
        };
        match reply {
            Reply::Subscribed | Reply::Accepted => {}
            Reply::Unavailable(_) | Reply::Forbidden(_) => self.executor_retries(index, &container),
            // The agent does not know the executor: there is nothing to stay for.
            Reply::BadRequest(_) => self.executor_leaves(index, &container),
        }
    }

    /// The agent reads a call of an executor.
    pub(crate) fn executor_calls(
        &mut self,
        index: usize,
        container: &ContainerId,
        stream: u64,
        call: v1::executor::Call,
    ) {
        let host = &mut self.agents[index];
        if host.core.is_none() || !host.executors.contains_key(container) {
            return;
        }
        let request = host.next_request;
        host.next_request += 1;
        host.requests.insert(request, container.clone());
        if call.subscribe.is_some() {
            host.streams.insert(stream, container.clone());
        }
        let call = Box::new(call);
        self.step_agent(
            index,
            Input::Call {
                request: RequestId(request),
                stream: StreamId(stream),
                caller: None,
                call,
            },
        );
    }

    /// A container's first process exists, and the containerizer has noted it.
    pub(crate) fn forked(&mut self, index: usize, container: &ContainerId) {
        let pid = self.rng.random_range(1_000..30_000);
        let host = &mut self.agents[index];
        let Some(run) = host.launching.remove(container) else {
            return;
        };
        host.disk.write_pid(container, pid);
        host.watched.insert(container.clone());
        let driven = self.new_executor_driver(index, &run);
        self.agents[index]
            .executors
            .insert(container.clone(), ExecutorProcess::new(run, driven));
        self.executor_starts(index, container);
        self.step_agent(
            index,
            Input::Launched {
                container: container.clone(),
                pid,
            },
        );
    }

    /// A container is gone (or never was): the agent hears of it if it asked.
    pub(crate) fn executor_ended(&mut self, index: usize, container: &ContainerId, status: i32) {
        let host = &mut self.agents[index];
        let process = host.executors.remove(container);
        let lived = process.is_some();
        let link = process
            .and_then(|process| process.driven)
            .and_then(|driven| host.links.take(&driven.upid));
        let launching = host.launching.remove(container).is_some();
        let watched = host.watched.remove(container);
        let streams: Vec<u64> = host
            .streams
            .iter()
            .filter(|(_, owner)| *owner == container)
            .map(|(stream, _)| *stream)
            .collect();
        for stream in &streams {
            host.streams.remove(stream);
        }
        for stream in streams {
            self.step_agent(index, Input::StreamClosed(StreamId(stream)));
        }
        if let Some(upid) = link {
            self.step_agent(index, Input::Exited(upid));
        }
        if watched || launching {
            let status = lived.then_some(status);
            let termination = containerizer::Termination {
                status,
                ..Default::default()
            };
            let container = container.clone();
            self.step_agent(
                index,
                Input::Terminated {
                    container,
                    termination: Some(termination),
                },
            );
        }
    }

    /// What an update's record on the disk of any agent says.
    pub(crate) fn recorded(&self, framework: &FrameworkId, task: &TaskId) -> Option<&super::disk::Recorded> {
        self.agents
            .iter()
            .find_map(|agent| agent.disk.recorded.get(&(framework.clone(), task.clone())))
    }
}
