//! Killing a container, wholly.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::container::Container;
use super::{DESTROY_TIMEOUT, Shared, blocking};
use crate::proc::{Stat, Table, has_mark, kill_members, signal};
use crate::program::Watch;
use crate::{Error, Termination};

/// How long the members get to go before they are looked at again; grows to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// How long the helper, with no descendant left, gets to write the status and end, before it is killed too.
const HELPER_GRACE: Duration = Duration::from_secs(2);

/// Kills what is nested in the container, then every process of its own, again and again until it has ended.
/// Callers join: all of them see the same end. What cannot be killed fails the parent too, as long as it lives;
/// a later call tries again.
pub(super) fn destroy(shared: Arc<Shared>, container: Arc<Container>) -> Destroying {
    Box::pin(async move {
        destroy_nested(&shared, &container).await?;
        let started = Instant::now();
        let mut pause = MIN_PAUSE;
        let mut idle_since = None;
        loop {
            if let Some(termination) = container.termination() {
                return Ok(termination);
            }
            let members = kill_below_helper(&container, &mut idle_since).await;
            if started.elapsed() > DESTROY_TIMEOUT {
                return Err(undead(&container, members));
            }
            if let Ok(termination) = timeout(pause, container.ended()).await {
                return Ok(termination);
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    })
}

/// What [`destroy`] returns: boxed, since it calls itself for what is nested.
pub(super) type Destroying = Pin<Box<dyn Future<Output = Result<Termination, Error>> + Send>>;

/// Destroys what is nested in a container, and lets nothing new be nested in it.
pub(super) async fn destroy_nested(shared: &Arc<Shared>, container: &Container) -> Result<(), Error> {
    let nested = {
        let containers = shared.containers.lock();
        container.destroying.store(true, Ordering::Release);
        containers.children(&container.key)
    };
    let destroying: Vec<_> = nested
        .into_iter()
        .map(|nested| tokio::spawn(destroy(Arc::clone(shared), nested)))
        .collect();
    let mut result = Ok(());
    for task in destroying {
        let destroyed = task.await.map_err(Error::process("destroy a nested container"));
        if let Err(error) = destroyed.and_then(|destroyed| destroyed) {
            result = Err(error);
        }
    }
    result
}

/// Kills a container that its helper still holds together, until the helper has ended.
pub(super) async fn kill_helper(container: &Arc<Container>, helper: &Watch) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = MIN_PAUSE;
    let mut idle_since = None;
    loop {
        let members = kill_below_helper(container, &mut idle_since).await;
        if timeout(pause, helper.ended()).await.is_ok() {
            return Ok(());
        }
        if started.elapsed() > DESTROY_TIMEOUT {
            return Err(undead(container, members));
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// One round: kills the members, or the helper itself if it has had none for [`HELPER_GRACE`]. Returns how many
/// members there were.
async fn kill_below_helper(container: &Arc<Container>, idle_since: &mut Option<Instant>) -> usize {
    let members = Arc::clone(container);
    let members = blocking(move || kill_members(|| below_helper(&members))).await;
    if !members.is_empty() {
        *idle_since = None;
    } else if idle_since.get_or_insert_with(Instant::now).elapsed() > HELPER_GRACE {
        // Somebody has stopped it, or it waits for a word that will not come.
        container
            .process()
            .map(|helper| signal(helper, nix::libc::SIGKILL));
    }
    members.len()
}

/// Sends SIGKILL to the members of a container, once; to the helper if it has none yet.
pub(super) fn kill_now(container: &Container) -> bool {
    !kill_members(|| below_helper(container)).is_empty()
        || container
            .process()
            .is_some_and(|helper| signal(helper, nix::libc::SIGKILL))
}

fn undead(container: &Container, count: usize) -> Error {
    Error::Undead {
        id: container.key.to_string(),
        count,
    }
}

/// Kills what is left of a container whose helper is gone, until a look finds nothing.
pub(super) async fn kill_until_none(container: &Arc<Container>) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = MIN_PAUSE;
    loop {
        let members = Arc::clone(container);
        let members = blocking(move || kill_members(|| left_over(&members))).await;
        let Some(first) = members.first() else {
            return Ok(());
        };
        if started.elapsed() > DESTROY_TIMEOUT {
            return Err(undead(container, members.len()));
        }
        // When one has gone, or has taken too long, all are looked at again.
        if let Ok(watch) = Watch::new(first.pid) {
            let _slow = timeout(pause, watch.ended()).await;
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Members while the helper lives; itself not, since it still has to reap them and to say how they ended.
fn below_helper(container: &Container) -> BTreeMap<i32, Stat> {
    let table = Table::read();
    let mut roots = Vec::new();
    let mut members = BTreeMap::new();
    for root in [container.process(), *container.fetcher.lock()]
        .into_iter()
        .flatten()
    {
        if table.get(root.pid).is_some_and(|stat| stat.identity() == root) {
            roots.push(root.pid);
        }
    }
    if let Some(fetcher) = *container.fetcher.lock()
        && let Some(stat) = table
            .get(fetcher.pid)
            .filter(|stat| stat.identity() == fetcher && stat.is_alive())
    {
        members.insert(fetcher.pid, *stat);
    }
    members.extend(table.descendants(&roots));
    members
}

/// Members of a container whose helper is gone: marked processes, the helper's session if that number is
/// surely still its own, and all below these.
fn left_over(container: &Container) -> BTreeMap<i32, Stat> {
    let table = Table::read();
    let spared = ancestors_of_ours(&table);
    let session = container
        .process()
        .filter(|_| container.seen_alive.load(Ordering::Acquire));
    let in_session = |stat: &Stat| {
        session.is_some_and(|helper| {
            stat.session == helper.pid
                && stat.start >= helper.start
                && table
                    .get(helper.pid)
                    .is_none_or(|leader| leader.identity() == helper)
        })
    };
    let roots: Vec<i32> = table
        .iter()
        .filter(|stat| !spared.contains(&stat.pid) && stat.is_alive())
        // Nothing of a container is older than its helper; that spares most looks at environments.
        .filter(|stat| {
            container
                .process()
                .is_none_or(|helper| stat.start >= helper.start)
        })
        .filter(|stat| in_session(stat) || has_mark(stat.pid, &container.sandbox))
        .map(|stat| stat.pid)
        .collect();
    let mut members = table.descendants(&roots);
    members.extend(roots.iter().filter_map(|pid| Some((*pid, *table.get(*pid)?))));
    members.retain(|pid, _| !spared.contains(pid));
    members
}

/// This process and everything above it: never a member, whatever their environment says.
fn ancestors_of_ours(table: &Table) -> BTreeSet<i32> {
    let mut spared = BTreeSet::from([0, 1]);
    let mut next = i32::try_from(std::process::id()).ok();
    while let Some(pid) = next.filter(|pid| spared.insert(*pid)) {
        next = table.get(pid).map(|stat| stat.parent);
    }
    spared
}
