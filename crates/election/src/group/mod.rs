//! Masters elected through ZooKeeper (facts: zookeeper.md, sections 2 to 4).
//!
//! A [`Group`] is one task with one session, shared by its handles: it puts a node in for a master that contends, looks
//! at all nodes whenever they change, and says who leads. When its session ends, or may have ended, nobody leads and
//! the candidacy is lost, at once; then it makes another session, for as long as it takes.

mod candidates;
mod watch;

use proto::v1::MasterInfo;
use tokio::sync::{mpsc, oneshot};

use crate::{Candidacy, Contender, Detector, Error, Pending};
use watch::{Contest, Request, Seen};

/// Requests that may wait for the group's task.
const QUEUE: usize = 4;

/// The masters of one ZooKeeper path. The session ends with the last handle.
#[derive(Clone, Debug)]
pub struct Group {
    requests: mpsc::Sender<Request>,
    seen: tokio::sync::watch::Receiver<Seen>,
}

impl Group {
    /// Watches the masters at the ensemble's path, within a tokio runtime.
    pub fn watch(ensemble: zookeeper::Ensemble) -> Self {
        let (requests, asked) = mpsc::channel(QUEUE);
        let (shown, seen) = tokio::sync::watch::channel(Seen::Nothing);
        tokio::spawn(watch::run(ensemble, asked, shown));
        Self { requests, seen }
    }

    /// Leaves: a candidate's node is taken out, so that the next one leads without waiting for a session's end. All
    /// handles are of no use afterwards.
    pub async fn close(mut self) {
        if self.requests.send(Request::Close).await.is_ok() {
            // Until the task is gone.
            while self.seen.changed().await.is_ok() {}
        }
    }
}

impl Detector for Group {
    fn detect(&self, previous: Option<MasterInfo>) -> Pending<'_, Option<MasterInfo>> {
        let mut seen = self.seen.clone();
        Box::pin(async move {
            let differs = |seen: &Seen| match seen {
                Seen::Nothing => false,
                Seen::Leader(leader) => leader.as_deref() != previous.as_ref(),
                Seen::Failed(_) => true,
            };
            let found = seen.wait_for(differs).await.map_err(|_| Error::Closed)?;
            match &*found {
                Seen::Nothing => Err(Error::Closed),
                Seen::Leader(leader) => Ok(leader.as_deref().cloned()),
                Seen::Failed(error) => Err(error.clone()),
            }
        })
    }
}

impl Contender for Group {
    fn contend(&self, master: MasterInfo) -> Pending<'_, Candidacy> {
        Box::pin(async move {
            let (entered, entry) = oneshot::channel();
            let contest = Contest { master, entered };
            let over = || match &*self.seen.borrow() {
                Seen::Failed(error) => error.clone(),
                _ => Error::Closed,
            };
            self.requests
                .send(Request::Contend(Box::new(contest)))
                .await
                .map_err(|_| over())?;
            entry.await.map_err(|_| over())
        })
    }
}
