//! What is left of nested containers that have ended (facts: containerizer.md, section 2, wait and remove).

use std::fs;
use std::sync::Arc;

use super::container::remove as remove_directory;
use super::{Shared, blocking, paths, sandbox};
use crate::key::Key;
use crate::{Error, Termination};

/// How a nested container ended, as it was checkpointed; none if it was not, or was removed.
pub(super) async fn termination(shared: Arc<Shared>, key: Key) -> Option<Termination> {
    if !key.is_nested() {
        return None;
    }
    let path = paths::termination(&shared.directory(&key));
    blocking(move || Termination::decode(&fs::read(path).ok()?)).await
}

/// Forgets a nested container that has ended.
pub(super) async fn remove(shared: Arc<Shared>, key: Key) -> Result<(), Error> {
    if !key.is_nested() {
        return Err(Error::Unsupported("removing a root container"));
    }
    let root = {
        let containers = shared.containers.lock();
        if containers.running.contains_key(&key) {
            return Err(Error::NotTerminated);
        }
        containers
            .running
            .get(&key.root())
            .cloned()
            .ok_or(Error::UnknownRoot)?
    };
    let directory = shared.directory(&key);
    blocking(move || {
        remove_directory(&directory).map_err(Error::file(&directory, "failed to remove"))?;
        sandbox::remove(&key, &root.sandbox)
    })
    .await
}
