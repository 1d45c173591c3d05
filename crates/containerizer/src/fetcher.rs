//! URIs of a command, brought into the sandbox before it starts (facts: containerizer.md, section 7).
//!
//! `file://` and plain paths are copied, `http://` is downloaded; archives are extracted with the host's `tar`,
//! `unzip` and `gzip`. Every other scheme fails the launch with a message that names it. There is no cache:
//! `cache` is taken as Mesos takes it when the cache has no room, by fetching directly.
//!
//! The work is done by a process of its own, `mesos-fetcher`, as the container's user: a URI cannot make the agent
//! read or write what that user may not. Its words go to the sandbox's `stderr`.

mod http;
mod item;
mod work;

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
use crate::program::{DEFAULT_PATH, OURSELVES, Program, Running, describe_status};

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
        };
        Ok((!fetch.items.is_empty()).then_some(fetch))
    }

    /// Fetches, in a process of its own that a destroy of the container kills.
    pub(crate) async fn run(
        self,
        container: &Arc<Container>,
        user: Option<String>,
        output: Output,
    ) -> Result<(), Error> {
        let failed = |cause: String| Error::Fetch {
            container: container.key.to_string(),
            cause,
        };
        let info = serde_json::to_string(&self).map_err(|error| failed(error.to_string()))?;
        let mark = container.sandbox.to_string_lossy().into_owned();
        let fetcher = Program {
            path: OURSELVES.to_owned(),
            arguments: vec![NAME.to_owned()],
            environment: BTreeMap::from([
                (INFO.to_owned(), info),
                ("MESOS_SANDBOX".to_owned(), mark),
                ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
            ]),
            directory: self.sandbox,
            user,
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
