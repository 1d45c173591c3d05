//! The registry, on a thread beside the master's: read once, then changed by one write after the other.
//!
//! Operations that arrive while a write is on its way go together into the next. A read or write that takes longer
//! than its flag allows, or fails, ends this master: what it would go on with could be the state of a deposed one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use ::process::metrics::{TimerMetric, Unit};
use ::process::{Clock, Runtime, Time};
use parking_lot::Mutex;
use proto::v1::MasterInfo;
use proto::{Message, internal, json};
use storage::Store;
use storage::registry::Operation;
use tokio::sync::{oneshot, watch};

use crate::Error;
use crate::core::RegistryOperation;

/// Writes that may wait: 65,536. The core has at most one in flight for each agent.
const QUEUE: usize = 65_536;
/// Writes that go together at most.
const GROUP: usize = 1024;
/// Over how long percentiles of write times reach back.
const WINDOW: Duration = Duration::from_secs(24 * 3600);

/// How long reads and writes may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// `--registry_fetch_timeout`.
    pub(crate) fetch: Duration,
    /// `--registry_store_timeout`.
    pub(crate) store: Duration,
}

/// Where changes of the registry go. Each is reported when it is durable, in the order they were given.
#[derive(Debug)]
pub(crate) struct Registrar {
    requests: SyncSender<Request>,
    clock: Clock,
    timeouts: Timeouts,
    queued: Arc<AtomicUsize>,
}

/// Shows the registry as it is stored. It keeps the thread alive.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    requests: SyncSender<Request>,
    queued: Arc<AtomicUsize>,
}

impl Reader {
    /// The registry in Mesos's JSON: `{}` before it has been read. None when the thread is gone or has too much to do.
    pub(crate) async fn json(&self) -> Option<Vec<u8>> {
        let (answer, wait) = oneshot::channel();
        self.queued.fetch_add(1, Ordering::Relaxed);
        if self.requests.try_send(Request::Show(answer)).is_err() {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        wait.await.ok()
    }
}

/// Tells when the thread has ended and the store is free for the next master.
#[derive(Debug, Clone)]
pub(crate) struct Closed(watch::Receiver<()>);

impl Closed {
    /// Waits for it.
    pub(crate) async fn wait(mut self) {
        // Nothing is ever sent; an error says that the thread is gone.
        while self.0.changed().await.is_ok() {}
    }
}

/// Called once: with the result, or when it is late.
type Done<T> = Arc<Mutex<Option<Box<dyn FnOnce(Result<T, Error>) + Send>>>>;

enum Request {
    Recover(Done<internal::Registry>),
    Apply(Vec<RegistryOperation>, Done<()>),
    Show(oneshot::Sender<Vec<u8>>),
}

impl Registrar {
    /// Starts the thread, which ends with the registrar. Nothing is read before [`recover`](Self::recover).
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        master: MasterInfo,
        timeouts: Timeouts,
        runtime: &Runtime,
    ) -> Result<(Self, Closed), Error> {
        let (requests, receiver) = sync_channel(QUEUE);
        let queued = Arc::new(AtomicUsize::new(0));
        let metrics = Metrics::register(runtime, &queued);
        let worker = Worker {
            store,
            master,
            registrar: None,
            metrics,
            queued: Arc::clone(&queued),
        };
        let (open, closed) = watch::channel(());
        std::thread::Builder::new()
            .name("registrar".to_owned())
            .spawn(move || {
                worker.run(&receiver);
                // Only now is the store let go.
                drop(open);
            })
            .map_err(|error| Error::Open(Box::new(error)))?;
        let registrar = Self {
            requests,
            clock: runtime.clock().clone(),
            timeouts,
            queued,
        };
        Ok((registrar, Closed(closed)))
    }

    /// What shows the registry.
    pub(crate) fn reader(&self) -> Reader {
        Reader {
            requests: self.requests.clone(),
            queued: Arc::clone(&self.queued),
        }
    }

    /// Becomes the store's leader and reads the registry.
    pub(crate) fn recover(&self, done: impl FnOnce(Result<internal::Registry, Error>) + Send + 'static) {
        let done = self.within(self.timeouts.fetch, "reading the registry", done);
        self.send(Request::Recover(done));
    }

    /// Applies operations together.
    pub(crate) fn apply(
        &self,
        operations: Vec<RegistryOperation>,
        done: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        let done = self.within(self.timeouts.store, "writing the registry", done);
        self.send(Request::Apply(operations, done));
    }

    /// Sees to it that `done` is called, with an error if need be, within the limit.
    fn within<T: 'static>(
        &self,
        limit: Duration,
        what: &'static str,
        done: impl FnOnce(Result<T, Error>) + Send + 'static,
    ) -> Done<T> {
        let done: Done<T> = Arc::new(Mutex::new(Some(Box::new(done))));
        let late = Arc::downgrade(&done);
        // Never cancelled: a call that was answered is gone by then.
        let _timer = self.clock.after(limit, move || {
            if let Some(done) = late.upgrade() {
                finish(&done, Err(Error::TimedOut(what)));
            }
        });
        done
    }

    fn send(&self, request: Request) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let (reason, request) = match self.requests.try_send(request) {
            Ok(()) => return,
            Err(TrySendError::Full(request)) => ("too many writes of the registry wait", request),
            Err(TrySendError::Disconnected(request)) => ("the registry is closed", request),
        };
        self.queued.fetch_sub(1, Ordering::Relaxed);
        let error = || Error::Aborted(reason.to_owned());
        match request {
            Request::Show(_) => {}
            Request::Recover(done) => finish(&done, Err(error())),
            Request::Apply(_, done) => finish(&done, Err(error())),
        }
    }
}

fn finish<T>(done: &Done<T>, result: Result<T, Error>) {
    let call = done.lock().take();
    if let Some(call) = call {
        call(result);
    }
}

/// The thread's side.
struct Worker {
    store: Arc<dyn Store>,
    master: MasterInfo,
    registrar: Option<storage::Registrar>,
    metrics: Metrics,
    queued: Arc<AtomicUsize>,
}

impl Worker {
    /// Serves requests until the master is gone.
    fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(request) = next.take() {
                self.queued.fetch_sub(1, Ordering::Relaxed);
                match request {
                    Request::Recover(done) => self.recover(&done),
                    Request::Apply(operations, done) => group.push((operations, done)),
                    // One that does not wait any more is not told.
                    Request::Show(answer) => drop(answer.send(self.json())),
                }
                if group.len() < GROUP {
                    next = requests.try_recv().ok();
                }
            }
            self.apply(group);
        }
    }

    fn json(&self) -> Vec<u8> {
        let registry = self.registrar.as_ref().map(storage::Registrar::to_proto);
        registry.map_or_else(|| b"{}".to_vec(), |registry| json::to_vec(&registry))
    }

    fn recover(&mut self, done: &Done<internal::Registry>) {
        let running = self.metrics.fetch.start();
        let result = storage::Registrar::recover(Arc::clone(&self.store), self.master.clone());
        running.stop();
        finish(
            done,
            result.map_err(Error::Read).map(|registrar| {
                let registry = registrar.to_proto();
                self.metrics.measure(&registrar);
                self.registrar = Some(registrar);
                registry
            }),
        );
    }

    fn apply(&mut self, group: Vec<(Vec<RegistryOperation>, Done<()>)>) {
        if group.is_empty() {
            return;
        }
        let operations: Vec<Operation> = group
            .iter()
            .flat_map(|(operations, _)| operations)
            .map(registry_operation)
            .collect();
        let Some(registrar) = &mut self.registrar else {
            for (_, done) in &group {
                finish(
                    done,
                    Err(Error::Aborted("the registry has not been read".to_owned())),
                );
            }
            return;
        };
        let running = self.metrics.store.start();
        let result = registrar.apply(&operations);
        running.stop();
        match result {
            Ok(results) => {
                for refused in results.into_iter().filter_map(Result::err) {
                    // The core's view and the registry's differ in something that changes nothing.
                    tracing::warn!("An operation on the registry had no effect: {refused}");
                }
                self.metrics.measure(registrar);
                group.iter().for_each(|(_, done)| finish(done, Ok(())));
            }
            Err(error) => {
                // The first is told the cause; this master ends with it.
                let mut cause = Some(Error::Write(error));
                for (_, done) in &group {
                    let error = cause
                        .take()
                        .unwrap_or_else(|| Error::Aborted("the registry is closed".to_owned()));
                    finish(done, Err(error));
                }
                self.registrar = None;
            }
        }
    }
}

/// The registry's metrics (facts: metrics.tsv, rows `registrar`).
struct Metrics {
    fetch: TimerMetric,
    store: TimerMetric,
    size: ::process::metrics::Gauge,
    /// When the size was last measured: that takes a while with many agents, and nobody looks at each.
    sized: Option<Time>,
    clock: Clock,
}

impl Metrics {
    /// Measures the registry, at most once a second.
    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles on the wire")]
    fn measure(&mut self, registrar: &storage::Registrar) {
        let now = self.clock.now();
        if self
            .sized
            .is_none_or(|at| now.since(at) >= Duration::from_secs(1))
        {
            self.sized = Some(now);
            self.size.set(registrar.to_proto().encoded_len() as f64);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the queue is bounded")]
    fn register(runtime: &Runtime, queued: &Arc<AtomicUsize>) -> Self {
        let metrics = runtime.metrics();
        let queued = Arc::clone(queued);
        metrics.read("registrar/queued_operations", move || {
            Some(queued.load(Ordering::Relaxed) as f64)
        });
        let timer = |name, window| metrics.timer(name, Unit::Milliseconds, window, runtime.clock());
        Self {
            fetch: timer("registrar/state_fetch", Duration::ZERO),
            store: timer("registrar/state_store", WINDOW),
            size: metrics.gauge("registrar/registry_size_bytes"),
            sized: None,
            clock: runtime.clock().clone(),
        }
    }
}

/// The core's operation as the store knows it.
pub fn registry_operation(operation: &RegistryOperation) -> Operation {
    match operation {
        RegistryOperation::AdmitAgent { info } => Operation::AdmitAgent {
            info: (**info).clone(),
        },
        RegistryOperation::UpdateAgent { info } => Operation::UpdateAgent {
            info: (**info).clone(),
        },
        RegistryOperation::MarkUnreachable { id, at } => Operation::MarkUnreachable {
            id: wire(id),
            at: *at,
        },
        RegistryOperation::MarkReachable { info } => Operation::MarkReachable {
            info: (**info).clone(),
        },
        RegistryOperation::RemoveAgent { id } => Operation::RemoveAgent { id: wire(id) },
        RegistryOperation::MarkGone { id, at } => Operation::MarkGone {
            id: wire(id),
            at: *at,
        },
        RegistryOperation::DrainAgent { id, config } => Operation::DrainAgent {
            id: wire(id),
            config: *config,
        },
        RegistryOperation::MarkAgentDrained { id } => Operation::MarkAgentDrained { id: wire(id) },
        RegistryOperation::DeactivateAgent { id } => Operation::DeactivateAgent { id: wire(id) },
        RegistryOperation::ReactivateAgent { id } => Operation::ReactivateAgent { id: wire(id) },
        RegistryOperation::Prune { unreachable, gone } => Operation::Prune {
            unreachable: unreachable.iter().map(wire).collect(),
            gone: gone.iter().map(wire).collect(),
        },
        RegistryOperation::UpdateQuota { configs } => Operation::UpdateQuota {
            configs: configs.clone(),
        },
        RegistryOperation::UpdateSchedule(schedule) => Operation::UpdateSchedule {
            schedule: schedule.clone(),
        },
        RegistryOperation::StartMaintenance(machines) => Operation::StartMaintenance {
            machines: machines.clone(),
        },
        RegistryOperation::StopMaintenance(machines) => Operation::StopMaintenance {
            machines: machines.clone(),
        },
        RegistryOperation::UpdateWeights { weights } => Operation::UpdateWeights {
            weights: weights.clone(),
        },
    }
}

fn wire(id: &crate::core::AgentId) -> proto::v1::AgentId {
    proto::v1::AgentId {
        value: id.to_string(),
    }
}
