//! One container: who it is, whether it has ended, and who watches it end.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use proto::v1::Resource;
use tokio::sync::watch;

use super::{Shared, blocking, destroy, paths};
use crate::proc::Identity;
use crate::program::Watch;
use crate::{Error, Termination};

/// Wait status of an executor that left none although its container was made (facts: containerizer.md,
/// section 2, exit).
const KILLED: i32 = nix::libc::SIGKILL;

/// A container, running or ended.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// The sandbox, which marks its processes.
    pub(crate) sandbox: PathBuf,
    /// Its runtime directory.
    pub(super) directory: PathBuf,
    pub(super) resources: Mutex<Vec<Resource>>,
    /// Set once it shall go; a launch still under way gives up.
    pub(super) destroying: AtomicBool,
    /// The launch helper, once started.
    process: OnceLock<Identity>,
    /// Whether the helper was seen alive by this agent process, so that its session number is surely its own.
    pub(super) seen_alive: AtomicBool,
    /// The fetcher, while it runs.
    pub(crate) fetcher: Mutex<Option<Identity>>,
    termination: watch::Sender<Option<Termination>>,
}

impl Container {
    pub(super) fn new(
        id: String,
        sandbox: PathBuf,
        directory: PathBuf,
        resources: Vec<Resource>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            sandbox,
            directory,
            resources: Mutex::new(resources),
            destroying: AtomicBool::new(false),
            process: OnceLock::new(),
            seen_alive: AtomicBool::new(false),
            fetcher: Mutex::new(None),
            termination: watch::Sender::new(None),
        })
    }

    /// The launch helper.
    pub(super) fn process(&self) -> Option<Identity> {
        self.process.get().copied()
    }

    /// Names the launch helper, once.
    pub(super) fn set_process(&self, process: Identity, alive: bool) {
        self.process.get_or_init(|| process);
        self.seen_alive.store(alive, Ordering::Release);
    }

    pub(super) fn is_destroying(&self) -> bool {
        self.destroying.load(Ordering::Acquire)
    }

    /// How it ended, if it has.
    pub(super) fn termination(&self) -> Option<Termination> {
        self.termination.borrow().clone()
    }

    /// Resolves when it has ended.
    pub(super) async fn ended(&self) -> Termination {
        let mut receiver = self.termination.subscribe();
        loop {
            if let Some(termination) = receiver.borrow_and_update().clone() {
                return termination;
            }
            if receiver.changed().await.is_err() {
                // We hold the sender ourselves.
                return Termination::default();
            }
        }
    }

    /// The container has ended and nothing of it is left: forgets its runtime directory, then tells everyone.
    pub(super) fn end(&self, shared: &Shared, termination: Termination) {
        if let Err(error) = remove(&self.directory) {
            tracing::warn!("Failed to remove '{}': {error}", self.directory.display());
        }
        shared.containers.lock().end(&self.id);
        self.termination.send_replace(Some(termination));
    }
}

/// What the helper wrote, or what stands for it.
pub(super) fn read_termination(directory: &Path) -> Termination {
    match paths::read_number(&paths::status(directory)) {
        Some(status) => Termination::of_status(status),
        None if directory.exists() => Termination::of_status(KILLED),
        None => Termination::default(),
    }
}

fn remove(directory: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Watches the helper in the background until it has ended, clears away what it could not, and ends the
/// container. `child` is the helper if this process started it, to be reaped.
pub(super) fn supervise(shared: Arc<Shared>, container: Arc<Container>, watch: Watch, child: Option<Child>) {
    tokio::spawn(async move {
        if let Err(error) = watch.ended().await {
            tracing::error!("Lost sight of container {}: {error}", container.id);
        }
        reap(child).await;
        // A helper that wrote a status has seen its last descendant go. One that was killed has not.
        if paths::read_number::<i32>(&paths::status(&container.directory)).is_none() {
            clear_away(&container).await;
        }
        let termination = read_termination(&container.directory);
        container.end(&shared, termination);
    });
}

async fn reap(child: Option<Child>) {
    let Some(mut child) = child else { return };
    // It has ended, so this does not block.
    if let Err(error) = blocking(move || child.wait()).await {
        tracing::warn!("Failed to reap a launch helper: {error}");
    }
}

async fn clear_away(container: &Arc<Container>) {
    if let Err(error) = destroy::kill_until_none(container).await {
        tracing::error!("Container {} ended, but: {error}", container.id);
    }
}

/// Whether the container should go; the launch asks between its steps.
pub(super) fn give_up_if_destroying(container: &Container, during: &'static str) -> Result<(), Error> {
    if container.is_destroying() {
        Err(Error::DestroyedDuring(during))
    } else {
        Ok(())
    }
}
