//! Files under virtual paths: attached by the master and the agent, shown by `/files/*` and by API calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

/// Real paths by virtual ones; clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Files {
    attached: Arc<RwLock<BTreeMap<String, PathBuf>>>,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Shows a file or directory under a virtual path, as `/master/log`; replaces what was there.
    pub fn attach(&self, virtual_path: &str, path: impl Into<PathBuf>) {
        self.attached.write().insert(normal(virtual_path), path.into());
    }

    /// Takes a virtual path off.
    pub fn detach(&self, virtual_path: &str) {
        self.attached.write().remove(&normal(virtual_path));
    }

    /// All attached paths.
    pub fn attached(&self) -> BTreeMap<String, PathBuf> {
        self.attached.read().clone()
    }

    /// The real path for a virtual one: the longest attached prefix, and what lies below it. `None` when nothing is
    /// attached there, or the rest has a `..` in it.
    pub fn resolve(&self, virtual_path: &str) -> Option<PathBuf> {
        let wanted = normal(virtual_path);
        let attached = self.attached.read();
        let mut prefix = wanted.as_str();
        loop {
            if let Some(real) = attached.get(prefix) {
                let below = wanted
                    .get(prefix.len()..)
                    .unwrap_or_default()
                    .trim_start_matches('/');
                return below_of(real, below);
            }
            prefix = prefix.get(..prefix.rfind('/')?).unwrap_or_default();
        }
    }
}

/// Slashes in one form: one at each boundary, none at the end.
fn normal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

fn below_of(real: &Path, below: &str) -> Option<PathBuf> {
    if below.is_empty() {
        return Some(real.to_owned());
    }
    let escapes = below.split('/').any(|part| part == "..") || below.contains('\0');
    (!escapes).then(|| real.join(below))
}
