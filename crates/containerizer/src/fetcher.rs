//! URIs of a command, brought into the sandbox before it starts (facts: containerizer.md, section 7).
//!
//! `file://` and plain paths are copied, `http://` and `https://` are downloaded (a server must
//! prove who it is to the machine's own authorities); archives are extracted with the host's `tar`,
//! `unzip` and `gzip`. Every other scheme fails the launch with a message that names it. What asks for it goes
//! through a cache.
//!
//! The work is done by a process of its own, `mesos-fetcher`, as the container's user: a URI cannot make the agent
//! read or write what that user may not. Its words go to the sandbox's `stderr`.

mod cache;
mod http;
mod item;
mod work;

pub(crate) use cache::Cache;
use cache::Lease;
pub use cache::Metrics;
use item::Cached;
pub use item::Item;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proto::v1::command_info::Uri;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::launch::say;
use crate::posix::{Container, Options, Output};
use crate::program::{Account, DEFAULT_PATH, OURSELVES, Program, Running, describe_status};

/// The name under which the binary is the fetcher.
pub const NAME: &str = "mesos-fetcher";

/// The variable that says what to fetch, JSON.
const INFO: &str = "MESOS_FETCHER_INFO";

/// What to fetch for one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fetch {
    sandbox: PathBuf,
    items: Vec<Item>,
    /// Give a download up when nothing has come for this long; zero: never.
    stall_timeout: Duration,
    /// Of the fetcher's process.
    #[serde(skip)]
    environment: BTreeMap<String, String>,
}

impl Fetch {
    /// Checks all URIs; none if there are none.
    pub(crate) fn plan(options: &Options, uris: &[Uri], sandbox: &Path) -> Result<Option<Self>, Error> {
        let home = options.frameworks_home.as_deref();
        let items: Vec<Item> = uris
            .iter()
            .map(|uri| Item::new(uri, home))
            .collect::<Result<_, _>>()?;
        let fetch = Self {
            sandbox: sandbox.to_path_buf(),
            items,
            stall_timeout: options.fetcher_stall_timeout,
            environment: options.fetcher_environment.clone(),
        };
        Ok((!fetch.items.is_empty()).then_some(fetch))
    }

    /// Fetches, in a process of its own that a destroy of the container kills.
    pub(crate) async fn run(
        mut self,
        container: &Arc<Container>,
        cache: &Arc<Cache>,
        account: Option<&Account>,
        output: Output,
    ) -> Result<(), Error> {
        let leases = tokio::select! {
            leases = self.lease(cache, account) => leases,
            _ = container.ended() => return Err(Error::DestroyedDuring("fetching")),
        };
        self.run_process(container, account, output).await?;
        for lease in leases {
            lease.complete();
        }
        Ok(())
    }

    /// Finds out what is in the cache, or shall be. Whoever waits for another's download holds only what comes
    /// before it in the order of URIs, so no two wait for each other.
    async fn lease(&mut self, cache: &Arc<Cache>, account: Option<&Account>) -> Vec<Lease> {
        let mut wanted: Vec<&mut Item> = self.items.iter_mut().filter(|item| item.cache).collect();
        wanted.sort_by(|left, right| left.uri.cmp(&right.uri));
        let mut leases: Vec<Lease> = Vec::new();
        let mut last: Option<(String, Option<Cached>)> = None;
        for item in wanted {
            item.cached = match &last {
                // The same twice: by the time it is its turn, the first has brought it.
                Some((uri, cached)) if *uri == item.uri => cached.clone().map(|cached| Cached {
                    download: false,
                    ..cached
                }),
                _ => {
                    let lease = cache.lease(item, account, self.stall_timeout).await;
                    let cached = lease.as_ref().map(|lease| Cached {
                        file: lease.file().to_path_buf(),
                        download: lease.is_first(),
                    });
                    leases.extend(lease);
                    cached
                }
            };
            last = Some((item.uri.clone(), item.cached.clone()));
        }
        leases
    }

    async fn run_process(
        self,
        container: &Arc<Container>,
        account: Option<&Account>,
        output: Output,
    ) -> Result<(), Error> {
        let failed = |cause: String| Error::Fetch {
            container: container.key.to_string(),
            cause,
        };
        let info = serde_json::to_string(&self).map_err(|error| failed(error.to_string()))?;
        let mark = container.sandbox.to_string_lossy().into_owned();
        let mut environment = self.environment;
        environment.extend([
            (INFO.to_owned(), info),
            ("MESOS_SANDBOX".to_owned(), mark),
            ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
        ]);
        let fetcher = Program {
            path: OURSELVES.to_owned(),
            arguments: vec![NAME.to_owned()],
            environment,
            directory: self.sandbox,
            user: account.map(|account| account.name.clone()),
            new_session: true,
            ..Program::default()
        };
        // Starting blocks for as long as the child takes to read its order: not here.
        let child = crate::posix::blocking(move || {
            fetcher.start(Stdio::from(output.stdout), Stdio::from(output.stderr))
        })
        .await
        .map_err(Error::process("start the fetcher"))?;
        let mut running = Running::new(child)?;
        *container.fetcher.lock() = Some(running.identity());
        let status = running.wait().await;
        *container.fetcher.lock() = None;
        match status? {
            0 => Ok(()),
            status => Err(failed(describe_status(status))),
        }
    }
}

/// The fetcher process.
pub(crate) fn main() -> ExitCode {
    let info = std::env::var(INFO).unwrap_or_default();
    let fetch: Fetch = match serde_json::from_str(&info) {
        Ok(fetch) => fetch,
        Err(error) => {
            say(&format!("{INFO} is not valid: {error}"));
            return ExitCode::FAILURE;
        }
    };
    for item in &fetch.items {
        if let Err(error) = work::fetch(item, &fetch.sandbox, fetch.stall_timeout) {
            say(&format!("Failed to fetch '{}': {error}", item.uri));
            return ExitCode::FAILURE;
        }
        say(&format!(
            "Fetched '{}' to '{}'",
            item.uri,
            fetch.sandbox.join(&item.name).display()
        ));
    }
    ExitCode::SUCCESS
}
