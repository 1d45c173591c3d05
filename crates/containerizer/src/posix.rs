//! Plain processes behind the [`Containerizer`] seam: the posix launcher with `posix/cpu` and `posix/mem`
//! (usage is read, nothing is enforced), `posix/rlimits` and `filesystem/posix` without volumes.
//!
//! A nested container is a tree beside its parent's, not below it: it lives as long as the parent does because we
//! destroy it first.
//!
//! A container is the tree below its launch helper ([`crate::launch`]). While the helper lives, it adopts every
//! orphan, so the tree is complete whatever sessions and process groups its members made. If the helper is
//! killed, the executor dies with it, and what is left is found by the mark every process inherits
//! (`MESOS_SANDBOX` or `MESOS_DIRECTORY`, [`crate::proc::has_mark`]) and by the helper's session.
//!
//! **Limits of this launcher.** A process that cleared its environment *and* left the session *and* whose helper
//! was killed is not found. A process that forks faster than it can be stopped may keep a destroy busy until
//! [`DESTROY_TIMEOUT`]. Only namespaces and cgroups close these gaps. Linux 5.3 or later is needed (pidfd).

mod container;
mod destroy;
mod launching;
mod nested;
pub(crate) mod paths;
mod planning;
mod recovery;
mod sandbox;
pub(crate) mod switchboard;
mod usage;
mod volumes;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use proto::v1::{ContainerId, ContainerStatus, Resource, ResourceStatistics};

use crate::fetcher::{Cache, Metrics};
use crate::key::Key;
use crate::{
    ContainerConfig, ContainerInput, ContainerOutput, Containerizer, Error, Future, Launched, Recoverable,
    Recovered, Termination,
};
pub(crate) use container::Container;
pub(crate) use sandbox::Output;

/// How long destroying a container may take before it is reported as failed (as Mesos's
/// `--cgroups_destroy_timeout`).
pub const DESTROY_TIMEOUT: Duration = Duration::from_secs(60);

/// How many ended root containers `wait` remembers. Nested ones lie on disk.
const MAX_ENDED: usize = 1024;

/// How a [`Posix`] containerizer is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--runtime_dir`: must survive the agent, must not survive a reboot, must not be shared by two agents.
    pub runtime_dir: PathBuf,
    /// `--frameworks_home`: prefix of relative URIs; without it they are refused.
    pub frameworks_home: Option<PathBuf>,
    /// `--fetcher_cache_dir`: emptied at the start; none: no cache. Not to be shared by two agents.
    pub fetcher_cache_dir: Option<PathBuf>,
    /// `--fetcher_cache_size`, in bytes.
    pub fetcher_cache_size: u64,
    /// The fetcher's environment, where `SSL_CERT_FILE` and `SSL_CERT_DIR` name the authorities it believes.
    pub fetcher_environment: BTreeMap<String, String>,
    /// `--fetcher_stall_timeout`: a download that brings nothing for this long is given up; zero: never.
    pub fetcher_stall_timeout: Duration,
}

impl Options {
    /// Mesos's defaults, in this runtime directory; without a directory for a cache.
    #[must_use]
    pub fn new(runtime_dir: impl Into<PathBuf>) -> Self {
        Self {
            runtime_dir: runtime_dir.into(),
            frameworks_home: None,
            fetcher_cache_dir: None,
            fetcher_cache_size: 2 << 30,
            fetcher_environment: BTreeMap::new(),
            fetcher_stall_timeout: Duration::from_secs(60),
        }
    }
}

/// Containers as plain processes. Its methods need a tokio runtime; cloning gives another handle to the same
/// containers.
///
/// The program that uses it must call [`crate::dispatch`] first thing in its `main`: containers are started by
/// executing that program again under other names.
#[derive(Clone, Debug)]
pub struct Posix {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    containers: Mutex<Containers>,
    cache: Arc<Cache>,
    /// Launches whose URIs were all fetched, and those with a failed fetch.
    fetches: [AtomicU64; 2],
    /// The processes of the machine as the usage of all containers is summed from them.
    recent: usage::Recent,
    /// A successor has the containers now.
    retired: AtomicBool,
}

#[derive(Debug, Default)]
struct Containers {
    running: BTreeMap<Key, Arc<Container>>,
    /// The last [`MAX_ENDED`] roots that ended, oldest first.
    ended: VecDeque<Arc<Container>>,
}

impl Containers {
    fn find(&self, key: &Key) -> Option<Arc<Container>> {
        self.running
            .get(key)
            .or_else(|| self.ended.iter().rev().find(|container| container.key == *key))
            .cloned()
    }

    /// Those directly below one.
    fn children(&self, parent: &Key) -> Vec<Arc<Container>> {
        self.running
            .range(parent..)
            .skip_while(|(key, _)| *key == parent)
            .take_while(|(key, _)| key.is_below(parent))
            .filter(|(key, _)| key.parent().as_ref() == Some(parent))
            .map(|(_, container)| Arc::clone(container))
            .collect()
    }

    fn end(&mut self, key: &Key) {
        if let Some(container) = self.running.remove(key)
            && !key.is_nested()
        {
            self.ended.push_back(container);
            if self.ended.len() > MAX_ENDED {
                self.ended.pop_front();
            }
        }
    }
}

impl Posix {
    /// A containerizer without containers; [`Containerizer::recover`] brings in those of an earlier process.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let cache = Cache::new(options.fetcher_cache_dir.as_deref(), options.fetcher_cache_size);
        Self {
            shared: Arc::new(Shared {
                options,
                containers: Mutex::default(),
                cache,
                fetches: Default::default(),
                recent: usage::Recent::default(),
                retired: AtomicBool::new(false),
            }),
        }
    }

    /// Leaves all containers to a successor on the same directories, as the end of the process would: from now on this
    /// one only reaps what it started.
    pub fn retire(&self) {
        self.shared.retired.store(true, Ordering::Release);
    }
}

impl Shared {
    fn count_fetch(&self, succeeded: bool) {
        let [good, bad] = &self.fetches;
        if succeeded { good } else { bad }.fetch_add(1, Ordering::Relaxed);
    }

    /// The runtime directory of a container.
    fn directory(&self, key: &Key) -> PathBuf {
        let containers = paths::containers(&self.options.runtime_dir);
        key.below(&containers.join(key.root().to_string()))
    }

    fn running(&self, id: &ContainerId) -> Result<Arc<Container>, Error> {
        let key = Key::of(id)?;
        let found = self.containers.lock().running.get(&key).cloned();
        found.ok_or_else(|| Error::UnknownContainer(key.to_string()))
    }

    fn known(&self, id: &ContainerId) -> Option<Arc<Container>> {
        self.containers.lock().find(&Key::of(id).ok()?)
    }
}

impl Containerizer for Posix {
    fn recover(&self, states: Vec<Recoverable>) -> Future<'_, Result<Recovered, Error>> {
        Box::pin(recovery::recover(Arc::clone(&self.shared), states))
    }

    fn launch(&self, id: &ContainerId, config: ContainerConfig) -> Future<'_, Result<Launched, Error>> {
        let launching = tokio::spawn(launching::launch(Arc::clone(&self.shared), id.clone(), config));
        Box::pin(async move { launching.await.map_err(Error::process("launch a container"))? })
    }

    fn wait(&self, id: &ContainerId) -> Future<'_, Option<Termination>> {
        // Looked up now: a nested container that ends meanwhile may be forgotten, with its root, right after.
        let container = self.shared.known(id);
        let key = Key::of(id).ok();
        Box::pin(async move {
            match container {
                Some(container) => Some(container.ended().await),
                None => nested::termination(Arc::clone(&self.shared), key?).await,
            }
        })
    }

    fn update(&self, id: &ContainerId, resources: Vec<Resource>) -> Future<'_, Result<(), Error>> {
        let updated = self
            .shared
            .running(id)
            .map(|container| *container.resources.lock() = resources);
        Box::pin(async move { updated })
    }

    fn usage(&self, id: &ContainerId) -> Future<'_, Result<ResourceStatistics, Error>> {
        let container = self.shared.running(id);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let container = container?;
            blocking(move || usage::of(&container, &shared.recent.table(container.process()))).await
        })
    }

    fn status(&self, id: &ContainerId) -> Future<'_, Result<ContainerStatus, Error>> {
        let status = self.shared.running(id).map(|container| ContainerStatus {
            container_id: Some(id.clone()),
            executor_pid: container
                .process()
                .and_then(|process| u32::try_from(process.pid).ok()),
            ..ContainerStatus::default()
        });
        Box::pin(async move { status })
    }

    fn kill(&self, id: &ContainerId, signal: i32) -> Future<'_, Result<(), Error>> {
        let container = self.shared.running(id);
        Box::pin(async move {
            let container = container?;
            let unknown = Error::UnknownContainer(container.key.to_string());
            let sent = blocking(move || match signal {
                // The helper, which would die of it too, has still to say how the container ended.
                nix::libc::SIGKILL => destroy::kill_now(&container),
                _ => container
                    .process()
                    .is_some_and(|helper| crate::proc::signal(helper, signal)),
            });
            if sent.await { Ok(()) } else { Err(unknown) }
        })
    }

    fn destroy(&self, id: &ContainerId) -> Future<'_, Result<Option<Termination>, Error>> {
        let Some(container) = self.shared.known(id) else {
            let key = Key::of(id);
            let shared = Arc::clone(&self.shared);
            return Box::pin(async move { Ok(nested::termination(shared, key?).await) });
        };
        let destroying = tokio::spawn(destroy::destroy(Arc::clone(&self.shared), container));
        Box::pin(async move {
            destroying
                .await
                .map_err(Error::process("destroy a container"))?
                .map(Some)
        })
    }

    fn remove(&self, id: &ContainerId) -> Future<'_, Result<(), Error>> {
        let key = Key::of(id);
        Box::pin(async move { nested::remove(Arc::clone(&self.shared), key?).await })
    }

    fn attach_output(&self, id: &ContainerId) -> Future<'_, Result<ContainerOutput, Error>> {
        let container = self.shared.running(id);
        Box::pin(async move {
            match container?.switchboard.get() {
                Some(switchboard) => switchboard.output().await,
                None => Err(Error::NotAttachable),
            }
        })
    }

    fn attach_input(&self, id: &ContainerId) -> Future<'_, Result<ContainerInput, Error>> {
        let container = self.shared.running(id);
        Box::pin(async move {
            match container?.switchboard.get() {
                Some(switchboard) => switchboard.input().await,
                None => Err(Error::NotAttachable),
            }
        })
    }

    fn fetcher_metrics(&self) -> Metrics {
        let [good, bad] = &self.shared.fetches;
        let (cache_total, cache_used) = self.shared.cache.sizes();
        Metrics {
            succeeded: good.load(Ordering::Relaxed),
            failed: bad.load(Ordering::Relaxed),
            cache_total,
            cache_used,
        }
    }

    fn containers(&self) -> Future<'_, Vec<ContainerId>> {
        let ids = self
            .shared
            .containers
            .lock()
            .running
            .keys()
            .map(Key::to_id)
            .collect();
        Box::pin(async move { ids })
    }
}

/// Runs file and `/proc` work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: whoever awaits this is dropped with it.
            Err(_) => std::future::pending().await,
        },
    }
}
