//! A store in ZooKeeper, for masters on several machines.
//!
//! | node below the root | holds |
//! |---|---|
//! | (the root itself) | the format of all this |
//! | `leader` | the epoch, and how many writes there have been |
//! | `keys/<key>` | a value |
//! | `parts/<name>` | a part of what is too large for one node |
//!
//! **Fencing.** Every write changes the node `leader` on condition that nobody else has: a deposed leader's write
//! fails whenever it arrives. **Lost answers.** The count of writes tells whether one was done whose answer was lost
//! with a connection. **Size.** A write that fits one request is one; a larger one is laid down in parts first, becomes
//! true with one change of `leader`, and is then carried out key by key, by the next leader if need be.

mod node;
mod session;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use zookeeper::Ensemble;

use crate::Error;
use crate::store::{Change, Epoch, Pair, Store, check_sizes};
use node::{Content, Parts};
use session::{Fault, Lead, Nodes, Write};

/// What the root holds.
const FORMAT: &str = "tiangong store 1";
/// Before what failed is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// A node below `keys` that a write changes; without data it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    name: String,
    data: Option<Vec<u8>>,
}

/// Keeps everything below one node of a ZooKeeper ensemble. Writes go one at a time.
pub struct ZooKeeper {
    ensemble: Ensemble,
    runtime: Handle,
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<zookeeper::Session>,
    lead: Option<Lead>,
}

impl fmt::Debug for ZooKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZooKeeper")
            .field("url", self.ensemble.url())
            .finish_non_exhaustive()
    }
}

impl ZooKeeper {
    /// A store below the ensemble's path. Nothing is asked before the first call.
    ///
    /// Calls block, so they come from threads outside `runtime`, where sessions live. One that cannot be answered
    /// within `patience` fails; what it wrote may have been written.
    pub fn new(ensemble: Ensemble, runtime: Handle, patience: Duration) -> Self {
        Self {
            ensemble,
            runtime,
            patience,
            state: Mutex::default(),
        }
    }

    /// Works until it is done, with one session after the other, within the patience.
    fn work<T>(
        &self,
        mut attempt: impl AsyncFnMut(Nodes<'_>, &mut Option<Lead>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let clock = self.ensemble.clock();
        let work = async {
            let mut state = self.state.lock().await;
            let State { session, lead } = &mut *state;
            loop {
                if session.as_ref().is_none_or(zookeeper::Session::is_over) {
                    let made = self.ensemble.session().await;
                    *session = Some(made.map_err(|error| Error::Backend(error.into()))?);
                }
                let Some(session) = session.as_ref() else { continue };
                let nodes = Nodes::new(session, &self.ensemble.url().path);
                match attempt(nodes, lead).await {
                    Ok(done) => return Ok(done),
                    Err(Fault::Final(error)) => return Err(error),
                    Err(Fault::Passing(reason)) => {
                        tracing::warn!(reason, "a request to ZooKeeper failed, trying again");
                    }
                    Err(Fault::Outrun) => {}
                }
                // What is known of the nodes may not be true any more.
                *lead = None;
                clock.sleep(RETRY).await;
            }
        };
        let late = || Error::Backend("no answer from ZooKeeper in time".into());
        self.runtime
            .block_on(clock.timeout(self.patience, work))
            .unwrap_or_else(|_| Err(late()))
    }
}

impl Store for ZooKeeper {
    fn acquire(&self) -> Result<Epoch, Error> {
        self.work(async |nodes, lead| {
            nodes.prepare().await?;
            let epoch = nodes.acquire().await?;
            *lead = Some(nodes.load().await?);
            Ok(Epoch(epoch))
        })
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.work(async |nodes, _| {
            nodes.prepare().await?;
            nodes.value(&node::name(key)).await
        })
    }

    fn scan(&self, prefix: &str) -> Result<Vec<Pair>, Error> {
        self.work(async |nodes, _| {
            nodes.prepare().await?;
            nodes.scan(prefix).await
        })
    }

    fn write(&self, epoch: Epoch, changes: Vec<Change>) -> Result<(), Error> {
        check_sizes(&changes)?;
        let mut write = Write::new(epoch, changes);
        self.work(async |nodes, lead| nodes.write(&mut write, lead).await)
    }
}

/// Cuts a value into parts, if it is too large for a node, which `parts` then names.
fn content(value: Bytes, parts: impl FnOnce(u32) -> Parts) -> (Content, Vec<Bytes>) {
    if value.len() <= node::PART {
        return (Content::Whole(value), Vec::new());
    }
    let pieces: Vec<Bytes> = (0..value.len())
        .step_by(node::PART)
        .map(|start| value.slice(start..value.len().min(start + node::PART)))
        .collect();
    // At most a hundred and some: values are bounded.
    let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    (Content::Parts(parts(count)), pieces)
}
