//! A master from start to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::process::http::Principal;
use ::process::{Environment, Handle, Runtime, Version, build};
use auth::cram_md5::Authenticator;
use auth::{Action, Object};
use election::Group;
use proto::v1::{self, MasterInfo};
use storage::Store;
use tokio::sync::watch;
use zookeeper::Ensemble;

use crate::api::{self, Build, Info};
use crate::core::{Config, HEARTBEAT_INTERVAL, Master};
use crate::flags::Registry;
use crate::hub::{self, Hub};
use crate::process::{MasterProcess, Sessions, Settings, whitelist_file};
use crate::registrar::{Closed, Registrar, Timeouts};
use crate::{Error, Flags};

/// A running master. Dropping it leaves it running as long as the tokio runtime does.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    process: Handle<MasterProcess>,
    failure: watch::Receiver<Option<Arc<Error>>>,
    closed: Closed,
    group: Option<Group>,
}

/// Bytes of events that one scheduler may leave unread, unless a flag says otherwise.
const SCHEDULER_BUFFER: u64 = 64 << 20;

/// How long leaving the election may take.
const LEAVING: Duration = Duration::from_secs(1);

impl Server {
    /// Starts a master within a tokio runtime: opens the listener, and leads at once if it is alone, or when it is
    /// elected. Until it has read its registry it answers 503, or shows the way to the leader.
    ///
    /// # Errors
    /// When the address is taken, or the registry cannot be opened.
    pub async fn start(flags: Flags) -> Result<Self, Error> {
        for warning in flags.values.warnings.iter().chain(&flags.security.warnings) {
            tracing::warn!("{warning}");
        }
        let runtime = Runtime::start(settings(&flags)?).await.map_err(process_error)?;
        if let Some(exposure) = flags.security.exposure(runtime.bound_address().ip()) {
            tracing::warn!("{exposure}");
        }
        if let Some(log) = log_file(&flags) {
            let authorizer = flags.security.authorizer.clone();
            let guard = move |caller: Option<&Principal>| {
                authorizer.allows(caller, Action::AccessMesosLog, &Object::ANY)
            };
            runtime
                .files()
                .attach_guarded("/master/log", log, Arc::new(guard));
        }
        let info = master_info(&flags, &runtime);
        let timeouts = Timeouts {
            fetch: flags.registry_fetch_timeout,
            store: flags.registry_store_timeout,
        };
        let store = store(&flags, &runtime)?;
        let (registrar, closed) = Registrar::start(store, info.clone(), timeouts, &runtime)?;
        tracing::info!(
            "Master {} ({}) started on {}",
            info.id,
            info.hostname(),
            runtime.bound_address()
        );
        let now = runtime.clock().now();
        let config = config(&flags, info.clone());
        let clock = runtime.clock().clone();
        let beat = move || -> hub::Beat { Box::pin(clock.sleep(HEARTBEAT_INTERVAL)) };
        let hub = Hub::new(limits(&flags), beat);
        let (failing, failure) = watch::channel(None);
        let info = Info {
            master: info,
            start_time: now.as_secs_f64(),
            elected_time: None,
            flags: flags.values.display().collect(),
            roles: flags.roles.clone(),
            build: Build::this(),
        };
        let buffer = flags
            .values
            .bytes("scheduler_event_stream_buffer")
            .unwrap_or(SCHEDULER_BUFFER);
        let shell = Settings {
            scheduler_buffer: usize::try_from(buffer).unwrap_or(usize::MAX),
            per_framework_metrics: flags.values.bool("publish_per_framework_metrics"),
            whitelist: whitelist_file(flags.values.text("whitelist")),
            webui_dir: flags.values.text("webui_dir").unwrap_or_default().into(),
            authorizer: flags.security.authorizer.clone(),
            group: ensemble(&flags, &runtime).map(Group::watch),
        };
        let group = shell.group.clone();
        let runs = crate::metrics::Runs::register(&runtime);
        let registry = api::Registry(registrar.reader());
        runtime.spawn(api::REGISTRAR, registry).map_err(process_error)?;
        let core = Master::new(config);
        let sessions = sessions(&flags, &info.master);
        let master =
            MasterProcess::new(core, info, shell, hub, registrar, runs, failing).with_sessions(sessions);
        let process = runtime.spawn("master", master).map_err(process_error)?;
        let allocator = api::Allocator(process.clone());
        runtime.spawn(api::ALLOCATOR, allocator).map_err(process_error)?;
        crate::metrics::register(&runtime, &process);
        Ok(Self {
            runtime,
            process,
            failure,
            closed,
            group,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.runtime.bound_address()
    }

    /// The process runtime it lives in.
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Waits until the master must end.
    ///
    /// # Errors
    /// Why it cannot go on; none when it was stopped.
    pub async fn finished(&self) -> Result<(), Arc<Error>> {
        self.process.wait().await;
        match &*self.failure.borrow() {
            Some(error) => Err(Arc::clone(error)),
            None => Ok(()),
        }
    }

    /// Stops: ends all streams, closes all connections, leaves the election, and waits until every process is gone and
    /// the registry is closed.
    pub async fn stop(&self) {
        tracing::info!("Stopping the master");
        self.process.terminate();
        self.process.wait().await;
        if let Some(group) = self.group.clone() {
            // Without a server that answers, others have to wait for the session's end.
            let left = self.runtime.clock().timeout(LEAVING, group.close()).await;
            if left.is_err() {
                tracing::warn!("ZooKeeper does not answer; the candidacy ends with its session");
            }
        }
        self.runtime.shutdown().await;
        self.closed.clone().wait().await;
    }
}

fn process_error(error: ::process::Error) -> Error {
    Error::Process(Arc::new(error))
}

/// The file shown as `/master/log`: one that something else writes, or our own.
fn log_file(flags: &Flags) -> Option<PathBuf> {
    let external = flags.values.text("external_log_file").map(PathBuf::from);
    external.or_else(|| flags.logging().file())
}

/// Where masters elect a leader, if there are several.
fn ensemble(flags: &Flags, runtime: &Runtime) -> Option<Ensemble> {
    let session_timeout = flags.duration("zk_session_timeout");
    let url = flags.zk.clone()?;
    Some(Ensemble::new(url, session_timeout, runtime.clock().clone()))
}

/// The registry's store: `registry` below the election's node or `<work_dir>`, or memory.
fn store(flags: &Flags, runtime: &Runtime) -> Result<Arc<dyn Store>, Error> {
    let Some(work_dir) = flags
        .work_dir
        .as_ref()
        .filter(|_| flags.registry == Registry::Stored)
    else {
        return Ok(Arc::new(storage::Memory::new()));
    };
    if let Some(mut url) = flags.zk.clone() {
        url.path.push_str("/registry");
        let session_timeout = flags.duration("zk_session_timeout");
        let ensemble = Ensemble::new(url, session_timeout, runtime.clock().clone());
        // Whoever waits gives up by its own flags, and the master ends.
        let patience = flags.registry_fetch_timeout.max(flags.registry_store_timeout);
        let handle = tokio::runtime::Handle::current();
        return Ok(Arc::new(storage::ZooKeeper::new(ensemble, handle, patience)));
    }
    std::fs::create_dir_all(work_dir).map_err(|error| Error::Open(Box::new(error)))?;
    let store =
        storage::Embedded::open(work_dir.join("registry")).map_err(|error| Error::Open(Box::new(error)))?;
    Ok(Arc::new(store))
}

/// Settings of the runtime: `LIBPROCESS_*` variables, then flags.
fn settings(flags: &Flags) -> Result<::process::Settings, Error> {
    let mut environment = Environment::from_vars(std::env::vars()).map_err(process_error)?;
    environment.ip = flags.ip.or(environment.ip);
    environment.port = flags.port;
    environment.advertise_ip = flags.advertise_ip.or(environment.advertise_ip);
    environment.advertise_port = flags.advertise_port.or(environment.advertise_port);
    let mut settings = ::process::Settings::new(environment);
    settings.limits = flags.http;
    settings.delegate = Some("master".to_owned());
    settings.disabled_endpoints.clone_from(&flags.disabled_endpoints);
    settings.access = flags.security.access.clone();
    settings.version = Version {
        build_date: build::date(),
        build_time: build::time(),
        build_user: build::USER.to_owned(),
        git_branch: build::GIT_BRANCH.map(str::to_owned),
        git_sha: build::GIT_SHA.map(str::to_owned),
        git_tag: None,
        version: build::VERSION.to_owned(),
    };
    Ok(settings)
}

/// Who this master is, as others are told.
fn master_info(flags: &Flags, runtime: &Runtime) -> MasterInfo {
    use v1::master_info::{Capability, capability::Type};
    let address = runtime.address();
    let hostname = match &flags.hostname {
        Some(hostname) => hostname.clone(),
        None if flags.hostname_lookup => ::process::hostname(*address.ip()),
        None => address.ip().to_string(),
    };
    MasterInfo {
        id: uuid::Uuid::new_v4().to_string(),
        // Compat: the address in network byte order, read as a number of this machine.
        ip: u32::from_ne_bytes(address.ip().octets()),
        port: address.port().into(),
        pid: Some(runtime.upid("master").to_string()),
        hostname: Some(hostname.clone()),
        version: Some(build::VERSION.to_owned()),
        address: Some(v1::Address {
            hostname: Some(hostname),
            ip: Some(address.ip().to_string()),
            port: address.port().into(),
        }),
        domain: flags.domain.clone(),
        capabilities: [Type::AgentUpdate, Type::AgentDraining, Type::QuotaV2]
            .map(|kind| Capability {
                r#type: Some(kind.into()),
            })
            .to_vec(),
    }
}

fn config(flags: &Flags, info: MasterInfo) -> Config {
    let values = &flags.values;
    let mut config = Config::new(info);
    config.agent_ping_timeout = flags.duration("agent_ping_timeout");
    config.max_agent_ping_timeouts = u32::try_from(flags.size("max_agent_ping_timeouts")).unwrap_or(u32::MAX);
    config.agent_reregister_timeout = flags.duration("agent_reregister_timeout");
    config.agent_removal_rate_limit = flags.agent_removal_rate_limit;
    config.recovery_agent_removal_limit = flags.recovery_agent_removal_limit;
    config.offer_timeout = values.duration("offer_timeout");
    config.max_completed_frameworks = flags.size("max_completed_frameworks");
    config.max_completed_tasks_per_framework = flags.size("max_completed_tasks_per_framework");
    config.max_unreachable_tasks_per_framework = flags.size("max_unreachable_tasks_per_framework");
    config.roles.clone_from(&flags.roles);
    config.authorizer = flags.security.authorizer.clone();
    config.rate_limits = flags.security.rate_limits.clone();
    config.root_submissions = values.bool("root_submissions");
    config.authenticate_agents = flags.security.authenticate_agents;
    config.authenticate_frameworks = flags.security.authenticate_frameworks;
    config.require_agent_domain = values.bool("require_agent_domain");
    config.registry_gc_interval = flags.duration("registry_gc_interval");
    config.registry_max_agent_age = flags.duration("registry_max_agent_age");
    config.registry_max_agent_count = flags.size("registry_max_agent_count");
    config.agent_recovery_factor = values
        .double("allocator_agent_recovery_factor")
        .unwrap_or(config.agent_recovery_factor);
    config.allocator_recovery_timeout = flags.duration("allocator_recovery_timeout");
    config.weights.clone_from(&flags.weights);
    config.allocator = allocator::Config {
        seed: seed(),
        ..flags.allocator.clone()
    };
    config
}

/// In which agents and drivers prove who they are, if there are credentials.
fn sessions(flags: &Flags, info: &MasterInfo) -> Option<Sessions> {
    let security = &flags.security;
    let credentials = Arc::clone(security.credentials.as_ref()?);
    let timeout = security.authentication_timeout;
    Some(Sessions::new(Authenticator::new(
        credentials,
        info.hostname(),
        timeout,
    )))
}

fn limits(flags: &Flags) -> hub::Limits {
    let usual = hub::Limits::default();
    let buffer = flags.values.bytes("operator_event_stream_buffer");
    hub::Limits {
        subscribers: flags.size("max_operator_event_stream_subscribers"),
        events: flags
            .values
            .size("operator_event_stream_events")
            .unwrap_or(usual.events),
        weight: buffer.map_or(usual.weight, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
    }
}

/// What makes the allocator's orders differ from one start to the next.
fn seed() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}
