//! What the core needs to know of the agent's flags and machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use process::Upid;
use proto::v1;
use proto::v1::agent_info::capability::Type as Capability;

/// The capabilities a current agent has, in the order in which it lists them (facts: internal-protocol, 3).
pub const CAPABILITIES: [Capability; 8] = [
    Capability::MultiRole,
    Capability::HierarchicalRole,
    Capability::ReservationRefinement,
    Capability::ResourceProvider,
    Capability::ResizeVolume,
    Capability::AgentOperationFeedback,
    Capability::AgentDraining,
    Capability::TaskResourceLimits,
];

/// Which changes of the agent's description are accepted at a restart (`--reconfiguration_policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReconfigurationPolicy {
    /// None.
    #[default]
    Equal,
    /// More resources and attributes, never fewer.
    Additive,
}

/// What becomes of executors that an earlier agent process left (`--recover`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecoverMode {
    /// They are awaited and kept.
    #[default]
    Reconnect,
    /// They are shut down, and the agent exits when none is left.
    Cleanup,
}

/// The core's settings. Names and defaults are those of the flags (facts: flags.tsv, component `agent`).
#[derive(Clone, Debug)]
pub struct Config {
    /// The agent's own address, `slave(1)@ip:port`.
    pub pid: Upid,
    /// Hostname, port, resources, attributes and domain of the agent as configured now; `id` is unset.
    /// Resources have their reservations on the stack (the post-refinement form).
    pub info: v1::AgentInfo,
    /// Version told to the master.
    pub version: String,
    /// Capabilities told to the master.
    pub capabilities: Vec<Capability>,
    /// Root of sandboxes and checkpoints; absolute.
    pub work_dir: PathBuf,
    /// Where `mesos-executor` is.
    pub launcher_dir: String,
    /// Whether tasks run as their own user (`--switch_user`).
    pub switch_user: bool,
    /// Variables given to every executor (`--executor_environment_variables`).
    pub executor_environment: BTreeMap<String, String>,
    /// `LIBPROCESS_IP` of the agent's own environment, handed on to executors.
    pub libprocess_ip: Option<String>,
    /// Who may run tasks as whom.
    pub authorizer: auth::Authorizer,
    /// What executors' tokens are signed with; none: they get none.
    pub token_key: Option<auth::jwt::Key>,
    /// What the agent proves to the master before it registers; none: nothing.
    pub credential: Option<auth::Credential>,
    /// The least time an attempt to authenticate may take.
    pub authentication_timeout_min: Duration,
    /// The most time an attempt to authenticate may take.
    pub authentication_timeout_max: Duration,
    /// By what the range of these times widens with every attempt.
    pub authentication_backoff_factor: Duration,
    /// Base of the random wait before (re-)registration.
    pub registration_backoff_factor: Duration,
    /// How long a new executor may take to subscribe.
    pub executor_registration_timeout: Duration,
    /// How long executors may take to come back after the agent was restarted.
    pub executor_reregistration_timeout: Duration,
    /// Interval at which executors that speak libprocess are asked again to come back after a restart; none: once.
    pub executor_reregistration_retry_interval: Option<Duration>,
    /// Whether command executors are told to speak HTTP rather than libprocess.
    pub http_command_executor: bool,
    /// How long an executor may take to shut down, unless its description says otherwise.
    pub executor_shutdown_grace_period: Duration,
    /// How long executors wait for the agent before they exit.
    pub recovery_timeout: Duration,
    /// Which changes of `info` are accepted at a restart.
    pub reconfiguration_policy: ReconfigurationPolicy,
    /// What becomes of executors found at a restart.
    pub recover: RecoverMode,
    /// Completed executors remembered per framework.
    pub max_completed_executors_per_framework: usize,
}

impl Config {
    /// Settings with every flag at its default.
    pub fn new(pid: Upid, info: v1::AgentInfo, work_dir: impl Into<PathBuf>) -> Self {
        Self {
            pid,
            info,
            version: "1.12.0".to_owned(),
            capabilities: CAPABILITIES.to_vec(),
            work_dir: work_dir.into(),
            launcher_dir: "/usr/libexec/mesos".to_owned(),
            switch_user: true,
            executor_environment: BTreeMap::new(),
            libprocess_ip: None,
            authorizer: auth::Authorizer::open(),
            token_key: None,
            credential: None,
            authentication_timeout_min: Duration::from_secs(5),
            authentication_timeout_max: Duration::from_secs(60),
            authentication_backoff_factor: Duration::from_secs(1),
            registration_backoff_factor: Duration::from_secs(1),
            executor_registration_timeout: Duration::from_secs(60),
            executor_reregistration_timeout: Duration::from_secs(2),
            executor_reregistration_retry_interval: None,
            http_command_executor: false,
            executor_shutdown_grace_period: Duration::from_secs(5),
            recovery_timeout: Duration::from_secs(15 * 60),
            reconfiguration_policy: ReconfigurationPolicy::default(),
            recover: RecoverMode::default(),
            max_completed_executors_per_framework: 150,
        }
    }
}
