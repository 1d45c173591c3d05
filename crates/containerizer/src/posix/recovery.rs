//! Finding containers again after the agent was restarted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::container::{Container, Identification, read_termination, supervise};
use super::launching::Checkpoint;
use super::switchboard::Switchboard;
use super::{Shared, blocking, destroy, paths};
use crate::key::Key;
use crate::proc::{Identity, Table, has_mark, marks};
use crate::program::Watch;
use crate::{Error, Recoverable, Recovered, Termination};

pub(super) async fn recover(shared: Arc<Shared>, states: Vec<Recoverable>) -> Result<Recovered, Error> {
    let mut recovery = Recovery {
        inhabited: blocking(inhabited).await,
        shared,
        recovered: Recovered::default(),
    };
    let mut known = BTreeSet::new();
    for state in states {
        let key = Key::of(&state.id)?;
        if key.is_nested() {
            return Err(Error::InvalidId(key.to_string()));
        }
        known.insert(state.id.value.clone());
        recovery.executor(key, state).await?;
    }
    let containers = paths::containers(&recovery.shared.options.runtime_dir);
    let roots = paths::ids_in(&containers).map_err(Error::file(&containers, "failed to read"))?;
    for root in roots.into_iter().filter(|root| !known.contains(root)) {
        if let Some(key) = Key::root_of(&root) {
            recovery.unknown(key).await?;
        }
    }
    Ok(recovery.recovered)
}

/// The sandboxes that some process is marked with: one look at all environments instead of one per container.
fn inhabited() -> BTreeSet<PathBuf> {
    Table::read().iter().flat_map(|stat| marks(stat.pid)).collect()
}

struct Recovery {
    shared: Arc<Shared>,
    inhabited: BTreeSet<PathBuf>,
    recovered: Recovered,
}

/// A container to take up again.
struct Lost {
    key: Key,
    checkpointed: Option<i32>,
    checkpoint: Checkpoint,
}

impl Recovery {
    /// A container of an executor that the agent knows.
    async fn executor(&mut self, key: Key, state: Recoverable) -> Result<(), Error> {
        let mut checkpoint = Checkpoint::read(&self.shared.directory(&key)).unwrap_or_default();
        checkpoint.directory = state.directory;
        let lost = Lost {
            key: key.clone(),
            checkpointed: state.pid,
            checkpoint,
        };
        let (container, live) = self.attach(lost);
        *container.resources.lock() = state.resources;
        if self.tree(&key, &container, live).await? {
            self.recovered.live.push(state.id);
        } else {
            self.recovered.ended.push(state.id);
        }
        Ok(())
    }

    /// A root container no executor is known for: standalone, or nobody's.
    async fn unknown(&mut self, key: Key) -> Result<(), Error> {
        let directory = self.shared.directory(&key);
        let is_standalone = paths::standalone(&directory).exists();
        let lost = Lost {
            key: key.clone(),
            checkpointed: None,
            checkpoint: Checkpoint::read(&directory).unwrap_or_default(),
        };
        let (container, live) = self.attach(lost);
        let live = self.tree(&key, &container, live).await?;
        if live && is_standalone {
            self.recovered.standalone.push(key.to_id());
            return Ok(());
        }
        if live {
            tracing::info!("Destroying orphan container {key}");
            self.recovered
                .nested
                .retain(|id| !Key::of(id).is_ok_and(|nested| nested.is_below(&key)));
            destroy::destroy(Arc::clone(&self.shared), container).await?;
        }
        if !is_standalone {
            self.recovered.orphans.push(key.to_string());
        }
        Ok(())
    }

    /// Takes up what is nested in a container, and the container itself if it lives; ends it, after what is nested
    /// in it, if it does not.
    async fn tree(
        &mut self,
        key: &Key,
        container: &Arc<Container>,
        live: Option<Watch>,
    ) -> Result<bool, Error> {
        // Nested ones first: whoever sees the parent end must find them to end them before it.
        let is_live = live.is_some();
        self.nested(key, is_live).await?;
        match live {
            Some(watch) => supervise(Arc::clone(&self.shared), Arc::clone(container), watch, None),
            None => self.finish(container).await?,
        }
        Ok(is_live)
    }

    async fn nested(&mut self, parent: &Key, parent_lives: bool) -> Result<(), Error> {
        let containers = paths::containers(&self.shared.directory(parent));
        let ids = paths::ids_in(&containers).map_err(Error::file(&containers, "failed to read"))?;
        for key in ids.iter().filter_map(|id| parent.child(id)) {
            let directory = self.shared.directory(&key);
            if paths::termination(&directory).exists() {
                // It has ended, and so had what was nested in it.
                continue;
            }
            let lost = Lost {
                key: key.clone(),
                checkpointed: None,
                checkpoint: Checkpoint::read(&directory).unwrap_or_default(),
            };
            let (container, live) = self.attach(lost);
            let live = Box::pin(self.tree(&key, &container, live)).await?;
            if !live {
                continue;
            }
            if !parent_lives || paths::force_destroy(&directory).exists() {
                let shared = Arc::clone(&self.shared);
                destroy::destroy(shared, container).await?;
                self.recovered.orphans.push(key.to_string());
            } else {
                self.recovered.nested.push(key.to_id());
            }
        }
        Ok(())
    }

    /// Makes a container known again; with the watch on its helper, if that lives.
    fn attach(&self, lost: Lost) -> (Arc<Container>, Option<Watch>) {
        let directory = self.shared.directory(&lost.key);
        let sandbox = &lost.checkpoint.directory;
        let helper = helper(&directory, lost.checkpointed, sandbox);
        let who = Identification {
            key: lost.key.clone(),
            sandbox: sandbox.clone(),
            directory,
            user: lost.checkpoint.user.clone(),
        };
        let container = Container::new(who, lost.checkpoint.resources());
        if let Some(switchboard) = Switchboard::recover(&paths::switchboard(&container.directory)) {
            container.switchboard.get_or_init(|| switchboard);
        }
        self.shared
            .containers
            .lock()
            .running
            .insert(lost.key, Arc::clone(&container));
        let watch = helper.and_then(|process| {
            // Watched first, looked at again then: a pid that changed hands in between is not taken for ours.
            let watch = Watch::new(process.pid);
            container.set_process(process, process.is_alive());
            watch.ok().filter(|_| process.is_alive())
        });
        (container, watch)
    }

    /// Ends a container whose helper has gone while nobody watched.
    async fn finish(&self, container: &Arc<Container>) -> Result<(), Error> {
        if self.inhabited.contains(&container.sandbox) {
            destroy::kill_until_none(container).await?;
        }
        if let Some(switchboard) = container.switchboard.get() {
            switchboard.finish().await;
        }
        let directory = container.directory.clone();
        let termination: Termination = blocking(move || read_termination(&directory)).await;
        container.end(&self.shared, termination);
        Ok(())
    }
}

/// The helper of a container, as far as it can be known: pid and start time as we wrote them; or, for a container
/// whose runtime directory somebody else wrote, the checkpointed pid if that process bears the mark.
fn helper(directory: &Path, checkpointed: Option<i32>, sandbox: &Path) -> Option<Identity> {
    let pid = paths::read_number(&paths::pid(directory));
    if let (Some(pid), Some(start)) = (pid, paths::read_number(&paths::started(directory))) {
        return Some(Identity { pid, start });
    }
    let pid = pid.or(checkpointed)?;
    Identity::of(pid).filter(|_| has_mark(pid, sandbox))
}
