//! What the core is told once, at start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::v1;

/// Settings of a [`Master`](super::Master); each field is the flag of the same name unless its doc says more.
#[derive(Debug, Clone)]
pub struct Config {
    /// Sent in SUBSCRIBED events and to drivers. Its `id` (a UUID in text, one per process start) prefixes all ids made here.
    pub info: v1::MasterInfo,
    /// How long an agent may take to answer a ping.
    pub agent_ping_timeout: Duration,
    /// Consecutive pings an agent may miss before it is marked unreachable.
    pub max_agent_ping_timeouts: u32,
    /// How long a disconnected or recovered agent may stay away before it is marked unreachable.
    pub agent_reregister_timeout: Duration,
    /// Agents marked unreachable: at most `.0` in each period of `.1`. `None`: no limit.
    pub agent_removal_rate_limit: Option<(u32, Duration)>,
    /// The share (0 to 1) of recovered agents that may stay away; beyond it the master gives up.
    pub recovery_agent_removal_limit: f64,
    /// How long an offer stands before it is rescinded; `None`: for ever.
    pub offer_timeout: Option<Duration>,
    /// Completed frameworks remembered.
    pub max_completed_frameworks: usize,
    /// Completed tasks remembered for each framework.
    pub max_completed_tasks_per_framework: usize,
    /// Unreachable tasks remembered for each framework.
    pub max_unreachable_tasks_per_framework: usize,
    /// Roles a framework may have; `None`: any.
    pub roles: Option<BTreeSet<String>>,
    /// Whether frameworks may run as root.
    pub root_submissions: bool,
    /// Decides who may do what (`--acls`).
    pub authorizer: auth::Authorizer,
    /// How fast drivers' frameworks may send (`--rate_limits`).
    pub rate_limits: v1::RateLimits,
    /// Whether a driver must authenticate before it registers a framework.
    pub authenticate_frameworks: bool,
    /// Whether an agent must authenticate before it registers.
    pub authenticate_agents: bool,
    /// Whether an agent without a domain is refused.
    pub require_agent_domain: bool,
    /// Time between two sweeps of unreachable and gone agents from the registry.
    pub registry_gc_interval: Duration,
    /// How long an unreachable or gone agent is remembered in the registry.
    pub registry_max_agent_age: Duration,
    /// How many unreachable and gone agents (each) are remembered in the registry.
    pub registry_max_agent_count: usize,
    /// The share (0 to 1) of recovered agents that must be back before offers are made again, if there is a quota
    /// (`--allocator_agent_recovery_factor`).
    pub agent_recovery_factor: f64,
    /// How long offers wait for them at most.
    pub allocator_recovery_timeout: Duration,
    /// Weights of roles, for a registry that holds none.
    pub weights: BTreeMap<String, f64>,
    /// Settings of the allocator, its seed and the allocation interval among them.
    pub allocator: allocator::Config,
}

/// HEARTBEAT events to schedulers; the interval is told in SUBSCRIBED (internal-protocol §1).
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// The oldest agent version that may register (internal-protocol §1).
pub const MINIMUM_AGENT_VERSION: (u64, u64, u64) = (1, 0, 0);

impl Config {
    /// Mesos's defaults (internal-protocol §1, flags.tsv) for a master with this identity.
    pub fn new(info: v1::MasterInfo) -> Self {
        Self {
            info,
            agent_ping_timeout: Duration::from_secs(15),
            max_agent_ping_timeouts: 5,
            agent_reregister_timeout: Duration::from_secs(600),
            agent_removal_rate_limit: None,
            recovery_agent_removal_limit: 1.0,
            offer_timeout: None,
            max_completed_frameworks: 50,
            max_completed_tasks_per_framework: 1000,
            max_unreachable_tasks_per_framework: 1000,
            roles: None,
            root_submissions: true,
            authorizer: auth::Authorizer::open(),
            rate_limits: v1::RateLimits::default(),
            authenticate_frameworks: false,
            authenticate_agents: false,
            require_agent_domain: false,
            registry_gc_interval: Duration::from_secs(15 * 60),
            registry_max_agent_age: Duration::from_secs(14 * 24 * 3600),
            registry_max_agent_count: 102_400,
            agent_recovery_factor: 0.8,
            allocator_recovery_timeout: Duration::from_secs(600),
            weights: BTreeMap::new(),
            allocator: allocator::Config::default(),
        }
    }

    /// How long a silent agent is waited for, told to agents when they register.
    pub fn total_ping_timeout(&self) -> Duration {
        self.agent_ping_timeout
            .saturating_mul(self.max_agent_ping_timeouts)
    }
}
