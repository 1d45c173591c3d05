//! Starting and stopping an agent.

use std::fmt;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;

use ::process::http::Principal;
use ::process::{Environment, Handle, Runtime, Settings};
use auth::{Action, Object};
use containerizer::Containerizer;
use election::{Detector, Group, Location};
use tokio::sync::watch;
use zookeeper::Ensemble;

use crate::Error;
use crate::api::{self, Info};
use crate::checkpoint::Disk;
use crate::core::{Agent, Config, Input, Phase};
use crate::detector::FixedDetector;
use crate::flags::Flags;
use crate::gc::Schedule;
use crate::machine;
use crate::process::{AgentProcess, Garbage, Outcome, Parts};
use crate::security::Security;

/// A running agent.
///
/// Several may live in one OS process, each with its own listener, work directory and containerizer. Dropping the
/// server leaves the agent running.
#[derive(Clone)]
pub struct Server {
    runtime: Runtime,
    process: Handle<AgentProcess>,
    outcome: watch::Receiver<Outcome>,
    phase: watch::Receiver<Phase>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts an agent: opens its port at once, then recovers what an earlier one left, then registers. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// When the port is taken, the machine does not tell what it has, or the work directory cannot be used. What goes
    /// wrong later is told by [`finished`](Self::finished).
    pub async fn start(flags: Flags, containerizer: Arc<dyn Containerizer>) -> Result<Self, Error> {
        let variables = std::env::vars().collect::<Vec<_>>();
        let mut environment = Environment::from_vars(variables).map_err(Error::Process)?;
        let libprocess_ip = environment.ip.map(|ip| ip.to_string());
        environment.ip = flags.ip.or(environment.ip);
        environment.port = flags.port;
        environment.advertise_ip = flags.advertise_ip.or(environment.advertise_ip);
        environment.advertise_port = flags.advertise_port.or(environment.advertise_port);
        let mut settings = Settings::new(environment);
        settings.limits = flags.http;
        settings.delegate = Some("slave(1)".to_owned());
        settings.disabled_endpoints.clone_from(&flags.disabled_endpoints);
        let security = Security::read(&flags.values)?;
        settings.access = security.access.clone();
        let runtime = Runtime::start(settings).await.map_err(Error::Process)?;
        Self::start_on(runtime, flags, security, containerizer, libprocess_ip)
    }

    /// Starts an agent on a runtime of the caller's, which must not run another agent.
    fn start_on(
        runtime: Runtime,
        flags: Flags,
        security: Security,
        containerizer: Arc<dyn Containerizer>,
        libprocess_ip: Option<String>,
    ) -> Result<Self, Error> {
        for warning in &flags.values.warnings {
            tracing::warn!("{warning}");
        }
        let work_dir = absolute(&flags.work_dir)?;
        let id = runtime.unique_id("slave");
        let mut config = config(&runtime, &id, &flags, work_dir.clone(), libprocess_ip)?;
        config.credential = security.credential;
        config.token_key = security.key;
        config.authorizer = security.authorizer.clone();
        let disk = Disk::new(work_dir, Disk::current_boot_id().map_err(Error::Checkpoint)?);
        let (outcome_sender, outcome) = watch::channel(None);
        let (phase_sender, phase) = watch::channel(Phase::Recovering);
        let delay = flags.duration("gc_delay");
        let headroom = flags.values.double("gc_disk_headroom").unwrap_or_default();
        let schedule = Schedule::new(delay, headroom);
        let parts = Parts {
            core: Agent::new(config, seed()),
            info: Info::new(
                flags.values.clone(),
                security.authorizer.clone(),
                flags.strict,
                runtime.clock().now(),
            ),
            containerizer,
            disk,
            garbage: Garbage {
                max_age: schedule.max_age(0.0),
                schedule,
                watch_interval: flags.duration("disk_watch_interval"),
                pending: 0,
                succeeded: ::process::metrics::Counter::default(),
                failed: ::process::metrics::Counter::default(),
            },
            detector: detector(&flags, &runtime),
            outcome: outcome_sender,
            phase: phase_sender,
        };
        let log = flags
            .values
            .text("external_log_file")
            .map(PathBuf::from)
            .or_else(|| flags.logging().file());
        if let Some(log) = log {
            if security.authorizer.is_open() {
                runtime.files().attach("/slave/log", log);
            } else {
                let authorizer = security.authorizer;
                let guard = move |caller: Option<&Principal>| {
                    authorizer.allows(caller, Action::AccessMesosLog, &Object::ANY)
                };
                runtime.files().attach_guarded("/slave/log", log, Arc::new(guard));
            }
        }
        let process = runtime
            .spawn(id, AgentProcess::new(parts))
            .map_err(Error::Process)?;
        api::publish(runtime.metrics(), &process);
        Ok(Self {
            runtime,
            process,
            outcome,
            phase,
        })
    }

    /// The address it can be reached at.
    pub fn address(&self) -> SocketAddrV4 {
        self.runtime.address()
    }

    /// The runtime it lives in.
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Waits until the agent is registered with a master for the first time, or has ended.
    pub async fn registered(&self) {
        let mut phase = self.phase.clone();
        // An error means that the process is gone.
        drop(phase.wait_for(|phase| *phase == Phase::Running).await);
    }

    /// Waits until the agent has ended by itself.
    ///
    /// # Errors
    /// Why it could not go on.
    pub async fn finished(&self) -> Result<(), Arc<Error>> {
        let mut outcome = self.outcome.clone();
        let ended = outcome
            .wait_for(Option::is_some)
            .await
            .map(|outcome| outcome.clone());
        ended.ok().flatten().unwrap_or(Ok(()))
    }

    /// Ends the agent and leaves its executors running, for a next agent to take over.
    pub async fn stop(&self) {
        self.process.terminate();
        self.process.wait().await;
        self.runtime.shutdown().await;
    }

    /// Ends the agent and all that runs on it: the master is told, executors are asked to end, containers that do not
    /// are killed. A next agent here is a new one.
    pub async fn shutdown(&self) {
        self.process
            .dispatch(|this, ctx| this.step(ctx, Input::Shutdown { unregister: true }));
        // How it ended does not matter any more.
        drop(self.finished().await);
        self.process.wait().await;
        self.runtime.shutdown().await;
    }
}

fn config(
    runtime: &Runtime,
    id: &str,
    flags: &Flags,
    work_dir: PathBuf,
    libprocess_ip: Option<String>,
) -> Result<Config, Error> {
    let address = runtime.address();
    let hostname = match (&flags.hostname, flags.hostname_lookup) {
        (Some(name), _) => name.clone(),
        (None, true) => machine::hostname(*address.ip()),
        (None, false) => address.ip().to_string(),
    };
    let info = proto::v1::AgentInfo {
        hostname,
        port: Some(i32::from(address.port())),
        resources: machine::resources(flags.resources.as_deref(), &flags.default_role, &work_dir)?,
        attributes: flags.attributes.clone(),
        domain: flags.domain.clone(),
        checkpoint: Some(true),
        id: None,
    };
    let mut config = Config::new(runtime.upid(id), info, work_dir);
    config.launcher_dir.clone_from(&flags.launcher_dir);
    config.switch_user = flags.switch_user;
    config
        .executor_environment
        .clone_from(&flags.executor_environment);
    config.libprocess_ip = libprocess_ip;
    config.capabilities.clone_from(&flags.capabilities);
    config.authentication_timeout_min = flags.duration("authentication_timeout_min");
    config.authentication_timeout_max = flags.duration("authentication_timeout_max");
    config.authentication_backoff_factor = flags.duration("authentication_backoff_factor");
    config.registration_backoff_factor = flags.duration("registration_backoff_factor");
    config.executor_registration_timeout = flags.duration("executor_registration_timeout");
    config.executor_reregistration_timeout = flags.duration("executor_reregistration_timeout");
    config.executor_reregistration_retry_interval =
        flags.values.duration("executor_reregistration_retry_interval");
    config.http_command_executor = flags.values.bool("http_command_executor");
    config.executor_shutdown_grace_period = flags.duration("executor_shutdown_grace_period");
    config.recovery_timeout = flags.duration("recovery_timeout");
    config.reconfiguration_policy = flags.reconfiguration_policy;
    config.recover = flags.recover;
    config.max_completed_executors_per_framework = flags
        .values
        .size("max_completed_executors_per_framework")
        .unwrap_or(150);
    Ok(config)
}

/// What finds the leading master.
fn detector(flags: &Flags, runtime: &Runtime) -> Arc<dyn Detector> {
    let clock = runtime.clock().clone();
    match &flags.master {
        Location::ZooKeeper(url) => {
            let session_timeout = flags.duration("zk_session_timeout");
            Arc::new(Group::watch(Ensemble::new(url.clone(), session_timeout, clock)))
        }
        location @ Location::Standalone { .. } => Arc::new(FixedDetector::new(location.clone(), clock)),
    }
}

fn absolute(work_dir: &std::path::Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(work_dir).map_err(Error::WorkDir)?;
    work_dir.canonicalize().map_err(Error::WorkDir)
}

/// A seed nobody can guess: ids come from it.
fn seed() -> u64 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    let (high, low) = (u128::from_le_bytes(bytes) >> 64, u128::from_le_bytes(bytes));
    u64::try_from((high ^ low) & u128::from(u64::MAX)).unwrap_or_default()
}
