//! One container: who it is, whether it has ended, and who watches it end.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use proto::v1::Resource;
use tokio::sync::watch;

use super::switchboard::Switchboard;
use super::{Shared, blocking, destroy, paths};
use crate::key::Key;
use crate::proc::Identity;
use crate::program::Watch;
use crate::{Error, Termination};

/// Wait status of an executor that left none although its container was made (facts: containerizer.md,
/// section 2, exit).
const KILLED: i32 = nix::libc::SIGKILL;

/// What a container is, from its first moment on.
#[derive(Clone, Debug)]
pub(super) struct Identification {
    pub(super) key: Key,
    /// The sandbox.
    pub(super) sandbox: PathBuf,
    /// Its runtime directory.
    pub(super) directory: PathBuf,
    /// Who its command runs as, for what is nested in it.
    pub(super) user: Option<String>,
}

/// A container, running or ended.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) key: Key,
    /// The sandbox, which marks its processes.
    pub(crate) sandbox: PathBuf,
    /// Its runtime directory.
    pub(super) directory: PathBuf,
    pub(super) user: Option<String>,
    pub(super) resources: Mutex<Vec<Resource>>,
    /// Set once it shall go, under the lock of all containers; a launch still under way gives up, and nothing new
    /// is nested in it.
    pub(super) destroying: AtomicBool,
    /// The launch helper, once started.
    process: OnceLock<Identity>,
    /// Whether the helper was seen alive by this agent process, so that its session number is surely its own.
    pub(super) seen_alive: AtomicBool,
    /// The fetcher, while it runs.
    pub(crate) fetcher: Mutex<Option<Identity>>,
    /// What serves its input and output, if it can be attached to.
    pub(super) switchboard: OnceLock<Switchboard>,
    /// What the agent is told beside the status, once something of ours ended it.
    pub(super) limitation: OnceLock<Termination>,
    termination: watch::Sender<Option<Termination>>,
}

impl Container {
    pub(super) fn new(who: Identification, resources: Vec<Resource>) -> Arc<Self> {
        Arc::new(Self {
            key: who.key,
            sandbox: who.sandbox,
            directory: who.directory,
            user: who.user,
            resources: Mutex::new(resources),
            destroying: AtomicBool::new(false),
            process: OnceLock::new(),
            seen_alive: AtomicBool::new(false),
            fetcher: Mutex::new(None),
            switchboard: OnceLock::new(),
            limitation: OnceLock::new(),
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
    pub(crate) async fn ended(&self) -> Termination {
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

    /// The container has ended and nothing of it is left: forgets its runtime directory, all of it for a root,
    /// all but the termination for a nested one, then tells everyone.
    pub(super) fn end(&self, shared: &Shared, status: Termination) {
        let termination = match self.limitation.get() {
            Some(limitation) => Termination {
                status: status.status,
                ..limitation.clone()
            },
            None => status,
        };
        let forgotten = if self.key.is_nested() && self.directory.exists() {
            checkpoint_termination(&self.directory, &termination)
        } else {
            remove(&self.directory)
        };
        if let Err(error) = forgotten {
            tracing::warn!("Failed to clear '{}': {error}", self.directory.display());
        }
        shared.containers.lock().end(&self.key);
        self.termination.send_replace(Some(termination));
    }
}

/// What the helper wrote, what was made of that already, or what stands for it.
pub(super) fn read_termination(directory: &Path) -> Termination {
    if let Some(status) = paths::read_number(&paths::status(directory)) {
        return Termination::of_status(status);
    }
    let checkpointed = std::fs::read(paths::termination(directory)).ok();
    match checkpointed.and_then(|bytes| Termination::decode(&bytes)) {
        Some(termination) => termination,
        None if directory.exists() => Termination::of_status(KILLED),
        None => Termination::default(),
    }
}

/// The termination takes the place of everything else: its being there says that the container has ended.
fn checkpoint_termination(directory: &Path, termination: &Termination) -> std::io::Result<()> {
    let kept = paths::termination(directory);
    paths::write_atomically(&kept, &termination.encode())?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.path() != kept {
            std::fs::remove_file(entry.path())?;
        }
    }
    remove(&paths::switchboard(directory))
}

pub(super) fn remove(directory: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Watches the helper in the background until it has ended, clears away what it could not and what is nested in the
/// container, and ends it. `child` is the helper if this process started it, to be reaped.
pub(super) fn supervise(shared: Arc<Shared>, container: Arc<Container>, watch: Watch, child: Option<Child>) {
    tokio::spawn(async move {
        tokio::select! {
            ended = watch.ended() => if let Err(error) = ended {
                tracing::error!("Lost sight of container {}: {error}", container.key);
            },
            limitation = switchboard_lost(&container) => {
                container.limitation.get_or_init(|| limitation);
                if let Err(error) = destroy::kill_helper(&container, &watch).await {
                    tracing::error!("Container {} lost its switchboard, but: {error}", container.key);
                }
            }
        }
        reap(child).await;
        if shared.retired.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = destroy::destroy_nested(&shared, &container).await {
            tracing::error!("Container {} ended, but: {error}", container.key);
        }
        // A helper that wrote a status has seen its last descendant go. One that was killed has not.
        if paths::read_number::<i32>(&paths::status(&container.directory)).is_none() {
            clear_away(&container).await;
        }
        if let Some(switchboard) = container.switchboard.get() {
            switchboard.finish().await;
        }
        let termination = read_termination(&container.directory);
        container.end(&shared, termination);
    });
}

/// Resolves if the switchboard fails; never without one, nor when it ends because there is nothing left to serve.
async fn switchboard_lost(container: &Container) -> Termination {
    match container.switchboard.get() {
        Some(switchboard) => switchboard.lost().await,
        None => std::future::pending().await,
    }
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
        tracing::error!("Container {} ended, but: {error}", container.key);
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
