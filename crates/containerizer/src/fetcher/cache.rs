//! The fetcher's cache: one copy of what several containers of a user fetch (facts: containerizer.md, section 7).
//!
//! An entry is named by user and URI. Who comes first downloads it; who comes meanwhile waits; who comes later copies
//! it, or extracts from it. Sizes are asked beforehand, so that the sum of all never passes the capacity: entries
//! nobody uses go, the longest unused first. Without a size, or without room, a URI is fetched directly.
//!
//! The cache is emptied when the agent starts. The directory must be one that no other user can exchange, which is
//! checked; without it everything is fetched directly.

mod ledger;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, header};
use nix::unistd::{chown, geteuid};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use super::item::{Item, Source};
use crate::http::{Trust, ask};
use crate::program::Account;
pub(super) use ledger::Key;
use ledger::{Ledger, Look};

/// How long a server may take to say how long something is, where the fetcher's own limit is longer.
const ASK: Duration = Duration::from_secs(60);

/// What is known of a fetcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Launches whose URIs were all fetched.
    pub succeeded: u64,
    /// Launches with a failed fetch.
    pub failed: u64,
    /// Bytes the cache may hold.
    pub cache_total: u64,
    /// Bytes the cache holds, or has put aside for downloads under way.
    pub cache_used: u64,
}

/// The cache of one agent.
#[derive(Debug)]
pub(crate) struct Cache {
    /// None: there is no cache, for a reason that was logged.
    directory: Option<PathBuf>,
    ledger: Mutex<Ledger>,
    /// Sends whenever a download has ended.
    changed: watch::Sender<()>,
}

/// An entry in use: it stays as long as this does. One that was to be downloaded and was not
/// [`completed`](Self::complete) is forgotten when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    cache: Arc<Cache>,
    key: Key,
    file: PathBuf,
    /// It has to be downloaded.
    is_first: bool,
}

impl Cache {
    /// An empty cache of so many bytes in this directory, whose content goes.
    pub(crate) fn new(directory: Option<&Path>, capacity: u64) -> Arc<Self> {
        let prepared = directory.filter(|_| capacity > 0).and_then(|directory| {
            prepare(directory)
                .inspect_err(|error| {
                    tracing::warn!("No fetcher cache in '{}': {error}", directory.display());
                })
                .ok()
        });
        Arc::new(Self {
            directory: prepared,
            ledger: Mutex::new(Ledger::new(capacity)),
            changed: watch::Sender::new(()),
        })
    }

    /// Bytes it may hold and does.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        let ledger = self.ledger.lock();
        (ledger.capacity(), ledger.used())
    }

    /// The entry for something to fetch; none if it is to be fetched directly.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        item: &Item,
        account: Option<&Account>,
        limit: Duration,
    ) -> Option<Lease> {
        let directory = self.directory.as_ref()?;
        let user = account.map(|account| account.name.clone()).unwrap_or_default();
        let key = Key {
            user: user.clone(),
            uri: item.uri.clone(),
        };
        let mut size = None;
        let mut changed = self.changed.subscribe();
        loop {
            let look = self
                .ledger
                .lock()
                .look(&key, size, |file| directory.join(file).exists());
            let (file, is_first) = match look {
                Look::Use(file) => (file, false),
                Look::Download { file, evicted } => {
                    self.remove(&evicted);
                    (file, true)
                }
                Look::Ask => {
                    size = Some(size_of(&item.source, limit).await?);
                    continue;
                }
                Look::Wait => {
                    changed.changed().await.ok()?;
                    continue;
                }
                Look::NoRoom => return None,
            };
            let lease = Lease {
                cache: Arc::clone(self),
                key,
                file: directory.join(file),
                is_first,
            };
            let home = lease.file.parent().unwrap_or(directory);
            return match is_first.then(|| make_home(home, account)) {
                Some(Err(error)) => {
                    tracing::warn!("Failed to make '{}': {error}", home.display());
                    None
                }
                _ => Some(lease),
            };
        }
    }

    fn remove(&self, files: &[PathBuf]) {
        for file in files {
            let path = self.directory.iter().map(|directory| directory.join(file));
            for path in path {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        tracing::warn!("Failed to remove '{}' from the cache: {error}", path.display());
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Lease {
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    /// The fetcher is through with it: a download is there from now on, if it is as long as was said.
    pub(crate) fn complete(mut self) {
        if self.is_first {
            let length = fs::symlink_metadata(&self.file).map(|metadata| metadata.len());
            let kept = length.is_ok_and(|length| self.cache.ledger.lock().complete(&self.key, length));
            self.is_first = !kept;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let forgotten = self.cache.ledger.lock().release(&self.key, self.is_first);
        self.cache.remove(forgotten.as_slice());
        self.cache.changed.send_replace(());
    }
}

/// How long something is; none if nobody can tell, or it is empty.
async fn size_of(source: &Source, limit: Duration) -> Option<u64> {
    let size = match source {
        Source::File(path) => fs::metadata(path).ok()?.len(),
        Source::Http(url) => {
            let limit = if limit.is_zero() { ASK } else { limit.min(ASK) };
            let asking = ask(Method::HEAD, url, Trust::System);
            let response = timeout(limit, asking).await.ok()?.ok()?;
            let length = response.headers().get(header::CONTENT_LENGTH)?;
            length.to_str().ok()?.parse().ok()?
        }
    };
    (size > 0).then_some(size)
}

/// An empty directory that no other user can exchange.
fn prepare(directory: &Path) -> io::Result<PathBuf> {
    if !directory.is_absolute() {
        return Err(io::Error::other("not an absolute path"));
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    let real = directory.canonicalize()?;
    let mut path = PathBuf::new();
    for part in real.components() {
        path.push(part);
        let metadata = fs::symlink_metadata(&path)?;
        let ours = metadata.uid() == 0 || metadata.uid() == geteuid().as_raw();
        let sticky_or_closed = metadata.mode() & 0o1000 != 0 || metadata.mode() & 0o022 == 0;
        if !ours || !sticky_or_closed {
            return Err(io::Error::other(format!(
                "'{}' can be changed by others",
                path.display()
            )));
        }
    }
    Ok(real)
}

/// The directory of a user's entries.
fn make_home(home: &Path, account: Option<&Account>) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(home) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if let Some(account) = account.filter(|_| geteuid().is_root()) {
        chown(home, Some(account.uid), Some(account.gid))?;
    }
    Ok(())
}
