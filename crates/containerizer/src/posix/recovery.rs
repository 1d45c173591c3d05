//! Finding containers again after the agent was restarted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::container::{Container, read_termination, supervise};
use super::launching::Checkpoint;
use super::{Shared, blocking, container_id, destroy, paths};
use crate::proc::{Identity, Table, has_mark, marks};
use crate::program::Watch;
use crate::{Error, Recoverable, Recovered};

pub(super) async fn recover(shared: Arc<Shared>, states: Vec<Recoverable>) -> Result<Recovered, Error> {
    let mut recovered = Recovered::default();
    let inhabited = blocking(inhabited).await;
    let mut known = BTreeSet::new();
    for state in states {
        if state.id.parent.is_some() || !paths::is_valid_id(&state.id.value) {
            return Err(Error::InvalidId(state.id.value));
        }
        known.insert(state.id.value.clone());
        let id = state.id.clone();
        let list = if reattach(&shared, state, &inhabited).await? {
            &mut recovered.live
        } else {
            &mut recovered.ended
        };
        list.push(id);
    }
    for id in orphans(&shared, &known)? {
        destroy_orphan(&shared, &id, &inhabited).await?;
        recovered.orphans.push(id);
    }
    Ok(recovered)
}

/// The sandboxes that some process is marked with: one look at all environments instead of one per container.
fn inhabited() -> BTreeSet<PathBuf> {
    Table::read().iter().flat_map(|stat| marks(stat.pid)).collect()
}

/// Takes a container up again; false if it has ended.
async fn reattach(
    shared: &Arc<Shared>,
    state: Recoverable,
    inhabited: &BTreeSet<PathBuf>,
) -> Result<bool, Error> {
    let directory = shared.directory(&state.id.value);
    let helper = helper(&directory, state.pid, &state.directory);
    let container = Container::new(
        state.id.value.clone(),
        state.directory,
        directory,
        state.resources,
    );
    shared
        .containers
        .lock()
        .running
        .insert(state.id.value, Arc::clone(&container));
    if let Some(process) = helper {
        // Watched first, looked at again then: a pid that changed hands in between is not taken for ours.
        let watch = Watch::new(process.pid);
        container.set_process(process, process.is_alive());
        if let (Ok(watch), true) = (watch, process.is_alive()) {
            supervise(Arc::clone(shared), container, watch, None);
            return Ok(true);
        }
    }
    finish(shared, &container, inhabited).await?;
    Ok(false)
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

/// Ends a container whose helper has gone while nobody watched.
async fn finish(
    shared: &Shared,
    container: &Arc<Container>,
    inhabited: &BTreeSet<PathBuf>,
) -> Result<(), Error> {
    if inhabited.contains(&container.sandbox) {
        destroy::kill_until_none(container).await?;
    }
    let directory = container.directory.clone();
    let termination = blocking(move || read_termination(&directory)).await;
    container.end(shared, termination);
    Ok(())
}

fn orphans(shared: &Shared, known: &BTreeSet<String>) -> Result<Vec<String>, Error> {
    let containers = paths::containers(&shared.options.runtime_dir);
    let entries = match fs::read_dir(&containers) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(&containers, "failed to read")(error)),
    };
    let mut orphans: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !known.contains(name))
        .collect();
    orphans.sort();
    Ok(orphans)
}

async fn destroy_orphan(shared: &Arc<Shared>, id: &str, inhabited: &BTreeSet<PathBuf>) -> Result<(), Error> {
    let directory = shared.directory(id);
    let checkpoint = fs::read(paths::config(&directory))
        .ok()
        .and_then(|text| serde_json::from_slice::<Checkpoint>(&text).ok());
    let sandbox = checkpoint
        .map(|checkpoint| checkpoint.directory)
        .unwrap_or_default();
    let state = Recoverable {
        id: container_id(id),
        pid: None,
        directory: sandbox,
        resources: Vec::new(),
    };
    tracing::info!("Destroying orphan container {id}");
    if reattach(shared, state, inhabited).await?
        && let Some(container) = shared.known(&container_id(id))
    {
        destroy::destroy(&container).await?;
    }
    Ok(())
}
