//! One libprocess instance: a listener, its connections, a clock and its processes.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use crate::actor::{self, AnyCell, Cell, LinkMode, Message, Process, QueueCounts};
use crate::builtin::{self, Files, Help};
use crate::clock::Clock;
use crate::environment::{self, Environment};
use crate::filter::Filters;
use crate::http::Access;
use crate::metrics::Metrics;
use crate::net::Net;
use crate::server::{self, HttpLimits};
use crate::tls::Tls;
use crate::{Error, Handle, Upid};

/// How a runtime is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses and other things that `LIBPROCESS_*` variables say.
    pub environment: Environment,
    /// The clock; several runtimes may share one.
    pub clock: Clock,
    /// What HTTP clients may use up.
    pub limits: HttpLimits,
    /// The process that answers for paths that name no process, as `master` or `slave(1)`.
    pub delegate: Option<String>,
    /// Paths that answer 403; those relative to the delegate count with its id in front.
    pub disabled_endpoints: Vec<String>,
    /// What `/version` says.
    pub version: builtin::Version,
    /// Who may ask for what.
    pub access: Access,
}

impl Settings {
    /// Settings with a real clock and usual limits.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            clock: Clock::real(),
            limits: HttpLimits::default(),
            delegate: None,
            disabled_endpoints: Vec::new(),
            version: builtin::Version::default(),
            access: Access::default(),
        }
    }

    /// Settings for 127.0.0.1 and a port, 0 for any: tests and `local`.
    pub fn loopback(port: u16) -> Self {
        Self::new(Environment::loopback(port))
    }
}

/// One libprocess instance; clones are the same one. Several may live in one OS process.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

/// A runtime that is not kept alive by this.
#[derive(Clone, Debug)]
pub(crate) struct WeakRuntime {
    inner: Weak<Inner>,
}

impl WeakRuntime {
    pub(crate) fn upgrade(&self) -> Option<Runtime> {
        self.inner.upgrade().map(|inner| Runtime { inner })
    }
}

struct Inner {
    /// What UPIDs of this runtime say.
    address: SocketAddrV4,
    /// Where it listens.
    bound: SocketAddr,
    settings: Settings,
    tokio: tokio::runtime::Handle,
    processes: RwLock<FxHashMap<Arc<str>, Arc<dyn AnyCell>>>,
    ids: Mutex<BTreeMap<String, u64>>,
    net: Arc<Net>,
    filters: Filters,
    metrics: Metrics,
    help: Help,
    files: OnceLock<Files>,
    shutdown: watch::Sender<bool>,
    connections: server::Connections,
    tls: Option<Arc<Tls>>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("address", &self.inner.address)
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// Opens the listener and starts the built-in processes. Must be called within a tokio runtime, on which the
    /// processes will run.
    ///
    /// # Errors
    /// [`Error::Listen`] when an address is taken, [`Error::OwnAddress`] when none was given and none is found,
    /// [`Error::Tls`] when TLS is enabled and a certificate or key cannot be used.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let environment = &settings.environment;
        let ip = match environment.ip {
            Some(ip) => ip,
            None => environment::own_address().await?,
        };
        let listener = server::listen(SocketAddr::new(ip.into(), environment.port))?;
        let bound = listener
            .local_addr()
            .map_err(|error| Error::Listen((ip, environment.port).into(), error))?;
        let second = environment
            .ip6
            .map(|ip6| server::listen(SocketAddr::new(ip6.into(), bound.port())))
            .transpose()?;
        let advertised_ip = match environment.advertise_ip {
            Some(ip) => ip,
            None if ip == Ipv4Addr::UNSPECIFIED => environment::own_address().await?,
            None => ip,
        };
        let address = SocketAddrV4::new(
            advertised_ip,
            environment.advertise_port.unwrap_or_else(|| bound.port()),
        );
        let tokio = tokio::runtime::Handle::current();
        let tls = environment.tls.as_ref();
        let tls = tls
            .map(|tls| Tls::load(tls, settings.clock.clone()))
            .transpose()?;
        settings.clock.drive(&tokio);
        let connections = server::Connections::new(settings.limits.connections);
        let inner = Arc::new_cyclic(|weak: &Weak<Inner>| {
            let weak_runtime = WeakRuntime { inner: weak.clone() };
            let finder = weak_runtime.clone();
            Inner {
                address,
                bound,
                net: Net::new(settings.clock.clone(), tls.clone(), tokio.clone(), weak_runtime),
                filters: Filters::new(settings.clock.clone(), move |id| finder.upgrade()?.find(id)),
                metrics: Metrics::new(),
                help: Help::new(),
                files: OnceLock::new(),
                processes: RwLock::default(),
                ids: Mutex::default(),
                shutdown: watch::Sender::new(false),
                connections,
                tls,
                settings,
                tokio,
            }
        });
        let runtime = Self { inner };
        builtin::start(&runtime)?;
        for listener in std::iter::once(listener).chain(second) {
            runtime.spawn_task(server::accept(runtime.clone(), listener));
        }
        Ok(runtime)
    }

    /// The address that UPIDs of this runtime have.
    pub fn address(&self) -> SocketAddrV4 {
        self.inner.address
    }

    /// The address it listens on.
    pub fn bound_address(&self) -> SocketAddr {
        self.inner.bound
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.settings.clock
    }

    /// Message filters, for tests.
    pub fn filters(&self) -> &Filters {
        &self.inner.filters
    }

    /// The metrics that `/metrics/snapshot` shows.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Files attached to virtual paths, which `/files/*` shows.
    pub fn files(&self) -> &Files {
        self.inner.files.get_or_init(Files::new)
    }

    /// Sets the text (Markdown) that `/help` shows for a route of a process, which need not run: for endpoints that
    /// are served under another name.
    pub fn describe(&self, id: &str, path: &str, text: impl Into<String>) {
        self.inner.help.describe(id, path.trim_matches('/'), text.into());
    }

    pub(crate) fn help(&self) -> &Help {
        &self.inner.help
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn connections(&self) -> &server::Connections {
        &self.inner.connections
    }

    /// TLS, if it is enabled: for clients that connect by themselves.
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.inner.tls.as_ref()
    }

    pub(crate) fn downgrade(&self) -> WeakRuntime {
        WeakRuntime {
            inner: Arc::downgrade(&self.inner),
        }
    }

    /// The UPID that a process with this id has, or would have, here.
    pub fn upid(&self, id: &str) -> Upid {
        Upid::new(id, self.inner.address)
    }

    /// The next id of the form `prefix(N)`, with N counted from 1 per prefix.
    pub fn unique_id(&self, prefix: &str) -> String {
        let mut ids = self.inner.ids.lock();
        let count = ids.entry(prefix.to_owned()).or_default();
        *count += 1;
        format!("{prefix}({count})")
    }

    /// Starts a process. It runs [`Process::initialize`] before any event; what is sent to it from now on waits.
    ///
    /// # Errors
    /// [`Error::DuplicateId`] when one with this id runs already.
    pub fn spawn<P: Process>(&self, id: impl Into<String>, process: P) -> Result<Handle<P>, Error> {
        let upid = self.upid(&id.into());
        let cell = {
            let mut processes = self.inner.processes.write();
            if processes.contains_key(upid.id()) {
                return Err(Error::DuplicateId(upid.id().to_owned()));
            }
            let cell = Arc::new(Cell::new(upid, Arc::clone(self.clock().busy())));
            processes.insert(
                Arc::clone(cell.upid().shared_id()),
                Arc::clone(&cell) as Arc<dyn AnyCell>,
            );
            cell
        };
        self.inner
            .tokio
            .spawn(actor::run(self.clone(), Arc::clone(&cell), process));
        Ok(Handle::new(self.clone(), cell))
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<dyn AnyCell>> {
        self.inner.processes.read().get(id).map(Arc::clone)
    }

    /// Whether a process with this id runs.
    pub fn is_running(&self, id: &str) -> bool {
        self.inner.processes.read().contains_key(id)
    }

    /// What waits in a process's mailbox; `None` when there is no such process.
    pub fn queue(&self, id: &str) -> Option<QueueCounts> {
        self.find(id).map(|cell| cell.counts())
    }

    /// All processes, by id.
    pub(crate) fn processes(&self) -> Vec<Arc<dyn AnyCell>> {
        let mut cells: Vec<_> = self.inner.processes.read().values().map(Arc::clone).collect();
        cells.sort_unstable_by(|a, b| a.upid().cmp(b.upid()));
        cells
    }

    /// Takes an ended process off the list.
    pub(crate) fn remove(&self, upid: &Upid) {
        self.inner.processes.write().remove(upid.id());
        self.inner.help.remove(upid.id());
    }

    pub(crate) fn local_exited(&self, upid: &Upid) {
        self.inner.net.process_ended(upid);
    }

    /// Sends an encoded message from nobody in particular: the sender is `from`, whether it runs or not.
    pub fn send_from(&self, from: &Upid, to: &Upid, name: Box<str>, body: Bytes) {
        if !to.is_valid() {
            return;
        }
        if to.address() == self.inner.address {
            self.deliver_local(to, Message::new(from.clone(), name, body));
        } else {
            self.inner.net.send(from, to, &name, &body);
        }
    }

    /// Whether an address is this runtime's own.
    pub(crate) fn is_local(&self, to: &Upid) -> bool {
        to.address() == self.inner.address && to.is_valid()
    }

    fn deliver_local(&self, to: &Upid, message: Message) {
        // The lock is released before the mailbox is touched.
        let cell = self.find(to.id());
        if !cell.is_some_and(|cell| cell.deliver(message)) {
            tracing::debug!("Dropping a message to {to}, which is not running");
        }
    }

    pub(crate) fn link(&self, linker: &Upid, to: &Upid, mode: LinkMode) {
        if to.address() != self.inner.address {
            if to.is_valid() {
                self.inner.net.link_remote(linker, to, mode);
            }
            return;
        }
        self.inner.net.link_local(linker, to);
        if !self.is_running(to.id()) {
            self.inner.net.process_ended(to);
        }
    }

    /// Runs a future on the runtime's threads.
    pub fn spawn_task<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.inner.tokio.spawn(future)
    }

    /// Told when [`Runtime::shutdown`] begins.
    pub(crate) fn shutting_down(&self) -> watch::Receiver<bool> {
        self.inner.shutdown.subscribe()
    }

    /// Ends all processes, closes all connections and the listener, and waits until the processes are gone.
    pub async fn shutdown(&self) {
        self.inner.shutdown.send_replace(true);
        let cells = self.processes();
        for cell in &cells {
            cell.kill();
        }
        for cell in &cells {
            cell.ended().await;
        }
        self.inner.net.shutdown();
    }
}
