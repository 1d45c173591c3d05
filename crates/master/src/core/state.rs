//! What a master knows, as values that readers may keep: taking a [`State`] is O(1), and later changes do not touch it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use imbl::{OrdMap, OrdSet, Vector};
use process::{Time, Upid};
use proto::Shared;
use proto::v1::master::response::{get_agents, get_executors, get_frameworks};
use proto::v1::{self, scheduler};
use resources::Resources;

use super::capabilities::{AgentCapabilities, FrameworkCapabilities};
use super::history::History;
use super::ids::{AgentId, ExecutorId, FrameworkId, OfferId, StreamId, TaskId};
use super::maintenance::MachineKey;
use super::record::{Past, Record};

/// A consistent view of everything, at the end of one step.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Grows with every step that changed anything; equal versions are equal states.
    pub version: u64,
    /// When this master had read its registry.
    pub elected: Option<Time>,
    /// Agents registered with this master, connected or not.
    pub agents: OrdMap<AgentId, Arc<Agent>>,
    /// Agents of the registry that have not re-registered since this master was elected.
    pub recovered_agents: OrdMap<AgentId, Shared<v1::AgentInfo>>,
    /// Agents marked unreachable, and when, the longest first.
    pub unreachable_agents: History<AgentId, v1::TimeInfo>,
    /// Agents an operator marked gone, and when, the longest first.
    pub gone_agents: History<AgentId, v1::TimeInfo>,
    /// Frameworks that are not completed.
    pub frameworks: OrdMap<FrameworkId, Arc<Framework>>,
    /// Frameworks that ended, oldest first (`--max_completed_frameworks`).
    pub completed_frameworks: History<FrameworkId, Arc<Framework>>,
    /// Quotas by role.
    pub quotas: OrdMap<String, v1::quota::QuotaConfig>,
    /// Weights by role, where one was set.
    pub weights: OrdMap<String, f64>,
    /// Machines that are scheduled for maintenance, or down.
    pub machines: OrdMap<MachineKey, v1::MachineInfo>,
    /// When machines are to be unavailable; without windows there is no schedule.
    pub schedule: Arc<v1::maintenance::Schedule>,
    /// Offers that stand.
    pub offers: OrdMap<OfferId, Arc<Offer>>,
    /// Operations whose status is not acknowledged, by their uuid.
    pub operations: OrdMap<Bytes, Arc<Operation>>,
    /// Agents that are or were drained and have not been reactivated, registered or not.
    pub draining: OrdMap<AgentId, v1::DrainInfo>,
    /// Agents that an operator wants no offers of, registered or not.
    pub deactivated: OrdSet<AgentId>,
}

/// An agent registered with this master.
#[derive(Debug, Clone)]
pub struct Agent {
    pub id: AgentId,
    /// With `id`; its `resources` are those it registered with.
    pub info: Shared<v1::AgentInfo>,
    pub pid: Upid,
    pub version: Arc<str>,
    pub capabilities: AgentCapabilities,
    /// When it registered with this master, if it did so for the first time here.
    pub registered: Time,
    /// When it last re-registered.
    pub reregistered: Option<Time>,
    /// Whether its link stands.
    pub connected: bool,
    /// Whether its resources may be offered.
    pub active: bool,
    /// Whether an operator wants no offers of it.
    pub deactivated: bool,
    /// How far draining is, if it is or was drained.
    pub drain: Option<v1::DrainInfo>,
    /// When draining began, if this master began it.
    pub drain_started: Option<v1::TimeInfo>,
    /// Uuids of operations it has been sent, or has told of, whose status is not acknowledged.
    pub operations: OrdSet<Bytes>,
    /// Changes when the agent's own resources change (16 bytes).
    pub resource_version: Option<v1::Uuid>,
    /// Dynamic reservations and volumes it has on disk.
    pub checkpointed: Resources,
    pub total: Resources,
    /// What tasks and executors of each framework hold.
    pub used: OrdMap<FrameworkId, Resources>,
    /// What stands offered.
    pub offered: Resources,
    pub tasks: OrdSet<(FrameworkId, TaskId)>,
    pub executors: OrdMap<(FrameworkId, ExecutorId), Arc<Executor>>,
    pub offers: OrdSet<OfferId>,
    /// What the operator API shows; made when first asked for, by whoever asks.
    pub(super) message: OnceLock<Shared<get_agents::Agent>>,
    /// The same for `/state`.
    pub(super) v0: OnceLock<Box<[u8]>>,
}

impl Agent {
    /// The agent as `/state` shows it to who may see all roles, which is what `write` writes; it is asked once.
    pub(crate) fn v0(&self, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        self.v0.get_or_init(|| {
            let mut out = Vec::new();
            write(&mut out);
            out.into_boxed_slice()
        })
    }

    /// Forgets what was made to be shown: the agent is about to change.
    pub(super) fn forget_shown(&mut self) {
        self.message = OnceLock::new();
        self.v0 = OnceLock::new();
    }
}

/// An executor that this master believes to run.
#[derive(Debug, Clone)]
pub struct Executor {
    pub id: ExecutorId,
    pub agent: AgentId,
    pub framework: FrameworkId,
    pub resources: Resources,
    /// Its description and its agent, as the operator API shows them.
    pub message: Shared<get_executors::Executor>,
}

impl Executor {
    /// Its description.
    pub fn info(&self) -> &v1::ExecutorInfo {
        &self.message.executor_info
    }
}

/// A framework.
#[derive(Debug, Clone)]
pub struct Framework {
    pub id: FrameworkId,
    /// With `id`.
    pub info: Shared<v1::FrameworkInfo>,
    pub capabilities: FrameworkCapabilities,
    pub roles: Arc<BTreeSet<String>>,
    pub suppressed: Arc<BTreeSet<String>>,
    pub offer_constraints: Option<Arc<scheduler::OfferConstraints>>,
    pub connection: Connection,
    /// Whether it gets offers.
    pub active: bool,
    pub registered: Time,
    pub reregistered: Option<Time>,
    pub unregistered: Option<Time>,
    /// Tasks on registered agents that are not completed.
    pub tasks: OrdMap<TaskId, Arc<Task>>,
    /// Tasks of agents that are unreachable (`--max_unreachable_tasks_per_framework`).
    pub unreachable_tasks: History<TaskId, Arc<Task>>,
    /// Tasks that ended (`--max_completed_tasks_per_framework`), oldest first. Ids may repeat.
    pub completed_tasks: Vector<Past>,
    /// Executors of this framework.
    pub executors: OrdMap<(AgentId, ExecutorId), Arc<Executor>>,
    pub offers: OrdMap<OfferId, Arc<Offer>>,
    /// Inverse offers that stand for it.
    pub inverse_offers: OrdMap<OfferId, Shared<v1::InverseOffer>>,
    /// Uuids of operations by the ids it gave them.
    pub operation_ids: OrdMap<String, Bytes>,
    /// What its tasks and executors hold, by agent: equal ports of two agents are not the same.
    pub used: OrdMap<AgentId, Resources>,
    /// What stands offered to it, by agent.
    pub offered: OrdMap<AgentId, Resources>,
    /// What the operator API shows; made when first asked for, by whoever asks.
    pub(super) message: OnceLock<Shared<get_frameworks::Framework>>,
    /// What it uses and is offered in all; made when first asked for.
    pub(super) totals: OnceLock<(Resources, Resources)>,
}

/// How a framework is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Known from agents that re-registered; its scheduler has not subscribed with this master.
    Recovered,
    /// Its scheduler is away. The address of a driver is kept: it may still speak, not knowing that it was cut off.
    Disconnected(Option<Upid>),
    /// Through an open stream of the v1 API.
    Http(StreamId),
    /// Through messages to the v0 driver at this address, which is linked to.
    Driver(Upid),
}

impl Framework {
    /// Whether its scheduler can be told anything.
    pub fn connected(&self) -> bool {
        match self.connection {
            Connection::Http(_) | Connection::Driver(_) => true,
            Connection::Recovered | Connection::Disconnected(_) => false,
        }
    }

    /// Where its v0 driver is, or was when it was last connected; none if that was over HTTP.
    pub fn driver(&self) -> Option<&Upid> {
        match &self.connection {
            Connection::Driver(pid) => Some(pid),
            Connection::Disconnected(pid) => pid.as_ref(),
            Connection::Http(_) | Connection::Recovered => None,
        }
    }

    /// What its tasks and executors hold, all agents together; O(agents) after a change.
    pub fn total_used(&self) -> Resources {
        self.totals().0.clone()
    }

    /// What stands offered to it, all agents together; O(agents) after a change.
    pub fn total_offered(&self) -> Resources {
        self.totals().1.clone()
    }

    fn totals(&self) -> &(Resources, Resources) {
        let sum = |by_agent: &OrdMap<AgentId, Resources>| {
            by_agent.values().fold(Resources::new(), |sum, each| sum + each)
        };
        self.totals.get_or_init(|| (sum(&self.used), sum(&self.offered)))
    }

    /// Forgets what was made to be shown: the framework is about to change.
    pub(super) fn forget_shown(&mut self) {
        self.message = OnceLock::new();
        self.totals = OnceLock::new();
    }

    /// Whether it is known from agents alone.
    pub fn recovered(&self) -> bool {
        self.connection == Connection::Recovered
    }
}

/// A task.
#[derive(Debug, Clone)]
pub struct Task {
    pub id: TaskId,
    pub framework: FrameworkId,
    pub agent: AgentId,
    pub executor: Option<ExecutorId>,
    /// What it holds while it is neither terminal nor unreachable.
    pub resources: Resources,
    /// What readers see.
    pub record: Record,
}

impl Task {
    /// The latest state known here.
    pub fn state(&self) -> v1::TaskState {
        self.record.state()
    }
}

/// An operation that an agent has been sent.
#[derive(Debug, Clone)]
pub struct Operation {
    pub agent: AgentId,
    /// Whose it is; none: an operator's.
    pub framework: Option<FrameworkId>,
    /// What readers see.
    pub message: Shared<v1::Operation>,
}

/// Resources of one agent offered to one role of one framework.
#[derive(Debug, Clone)]
pub struct Offer {
    pub id: OfferId,
    pub framework: FrameworkId,
    pub agent: AgentId,
    pub role: Arc<str>,
    /// Allocated to `role`.
    pub resources: Resources,
    /// As the operator API shows it: in full form, with `allocation_info`.
    pub message: Shared<v1::Offer>,
}
