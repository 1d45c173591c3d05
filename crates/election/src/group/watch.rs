//! The task behind a group's handles.

use std::sync::Arc;
use std::time::Duration;

use proto::v1::MasterInfo;
use tokio::sync::{mpsc, oneshot, watch};
use zookeeper::client::{self, CreateMode};
use zookeeper::{Ensemble, Session};

use super::candidates::{self, Candidate, PREFIX};
use crate::{Candidacy, Error};

/// Before what failed is tried again within a session.
const RETRY: Duration = Duration::from_millis(200);

/// A master that wants to be a candidate.
#[derive(Debug)]
pub(super) struct Contest {
    pub(super) master: MasterInfo,
    pub(super) entered: oneshot::Sender<Candidacy>,
}

/// What handles ask for.
#[derive(Debug)]
pub(super) enum Request {
    Contend(Box<Contest>),
    Close,
}

/// What is known of the leader.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// Nothing yet.
    Nothing,
    Leader(Option<Arc<MasterInfo>>),
    /// Nothing will be known any more.
    Failed(Error),
}

/// Our own candidate.
struct Own {
    data: Vec<u8>,
    state: State,
}

enum State {
    /// It waits for its node.
    Wanted(oneshot::Sender<Candidacy>),
    Entered {
        node: String,
        lost: watch::Sender<bool>,
        held: watch::Receiver<()>,
    },
}

/// Why a session is not used any more.
enum End {
    /// There may be another one.
    Over,
    /// It was closed, or all handles are gone.
    Unwanted,
    Failed(Error),
}

impl From<client::Error> for End {
    fn from(error: client::Error) -> Self {
        match error {
            client::Error::SessionExpired | client::Error::SessionMoved | client::Error::ClientClosed => {
                Self::Over
            }
            error => Self::Failed(Error::ZooKeeper(error.to_string())),
        }
    }
}

/// Watches the group until its handles are gone or it cannot be watched any more.
pub(super) async fn run(ensemble: Ensemble, requests: mpsc::Receiver<Request>, shown: watch::Sender<Seen>) {
    let mut group = Watch {
        ensemble,
        requests,
        shown,
        own: None,
        leader: None,
    };
    loop {
        let end = group.session().await;
        group.leader = None;
        if let Some(Own {
            state: State::Entered { lost, .. },
            ..
        }) = group.own.take_if(|own| own.is_entered())
        {
            tracing::warn!(path = %group.path(), "the candidacy is lost with the ZooKeeper session");
            lost.send_replace(true);
        }
        match end {
            End::Over => {
                // Whoever led: we would not hear of a successor.
                group.show(None);
            }
            End::Unwanted => return,
            End::Failed(error) => {
                tracing::error!(path = %group.path(), %error, "masters can be watched no longer");
                group.shown.send_replace(Seen::Failed(error));
                return;
            }
        }
    }
}

struct Watch {
    ensemble: Ensemble,
    requests: mpsc::Receiver<Request>,
    shown: watch::Sender<Seen>,
    own: Option<Own>,
    /// The node of the leader that is shown.
    leader: Option<String>,
}

impl Watch {
    fn path(&self) -> &str {
        &self.ensemble.url().path
    }

    /// One session, from its making to its end.
    async fn session(&mut self) -> End {
        let ensemble = self.ensemble.clone();
        let making = ensemble.session();
        tokio::pin!(making);
        let session = loop {
            tokio::select! {
                session = &mut making => break session,
                request = self.requests.recv() => match request {
                    Some(Request::Contend(contest)) => self.own = Some(Own::new(contest)),
                    Some(Request::Close) | None => return End::Unwanted,
                },
            }
        };
        let session = match session {
            Ok(session) => session,
            Err(error) => return End::Failed(error.into()),
        };
        loop {
            match self.look(&session).await {
                Ok(()) => {}
                Err(End::Failed(Error::ZooKeeper(reason))) if !session.is_over() => {
                    tracing::warn!(path = %self.path(), reason, "a question to ZooKeeper failed, asking again");
                    self.ensemble.clock().sleep(RETRY).await;
                }
                Err(end) => {
                    self.leave(&session).await;
                    return end;
                }
            }
        }
    }

    /// Finds the leader, and does what is asked of us until the candidates change.
    async fn look(&mut self, session: &Session) -> Result<(), End> {
        let client = session.client();
        let path = self.path().to_owned();
        // Asked for first: who may only look need not be able to make it.
        let listed = session.ask(client.list_and_watch_children(&path)).await;
        if matches!(listed, Err(client::Error::NoNode)) {
            let directory = session.options(CreateMode::Persistent);
            return fatal(session.ask(client.mkdir(&path, &directory)).await);
        }
        let (children, changes) = fatal(listed)?;
        self.find_leader(session, &children).await?;
        self.check_own(&children);
        let changed = changes.changed();
        tokio::pin!(changed);
        loop {
            self.enter(session).await?;
            tokio::select! {
                () = session.over() => return Err(End::Over),
                _changed = &mut changed => return Ok(()),
                () = given_up(self.own.as_mut()) => self.leave(session).await,
                request = self.requests.recv() => match request {
                    Some(Request::Contend(contest)) => {
                        self.leave(session).await;
                        self.own = Some(Own::new(contest));
                    }
                    Some(Request::Close) | None => return Err(End::Unwanted),
                },
            }
        }
    }

    /// Puts our node in if that is wanted, unless it is there.
    async fn enter(&mut self, session: &Session) -> Result<(), End> {
        let Some(Own {
            data,
            state: State::Wanted(_),
        }) = &self.own
        else {
            return Ok(());
        };
        let path = self.path().to_owned();
        let node = match self.find_own(session).await? {
            Some(node) => node,
            None => {
                let options = session.options(CreateMode::EphemeralSequential);
                let prefix = format!("{path}/{PREFIX}");
                let created = session
                    .ask(session.client().create(&prefix, data, &options))
                    .await;
                let (_, sequence) = fatal(created)?;
                format!("{PREFIX}{sequence}")
            }
        };
        tracing::info!(path, node, "entered the contest for leadership");
        let own = self.own.take();
        if let Some(Own {
            data,
            state: State::Wanted(entered),
        }) = own
        {
            let (lost, losing) = watch::channel(false);
            let (candidacy, held) = Candidacy::new(losing);
            // One that nobody waits for any more is given up: `held` tells.
            let _waits: Result<(), Candidacy> = entered.send(candidacy);
            self.own = Some(Own {
                data,
                state: State::Entered { node, lost, held },
            });
        }
        Ok(())
    }

    /// The node of this session: a request to make one that was cut off may have been heard.
    async fn find_own(&self, session: &Session) -> Result<Option<String>, End> {
        let client = session.client();
        let children = session.ask(client.list_children(self.path())).await?;
        for name in children.into_iter().filter(|name| name.starts_with(PREFIX)) {
            let node = format!("{}/{name}", self.path());
            let stat = session.ask(client.check_stat(&node)).await?;
            if stat.is_some_and(|stat| stat.ephemeral_owner == client.session_id().0) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Takes our node out, if it is in.
    async fn leave(&mut self, session: &Session) {
        if let Some(Own {
            state: State::Entered { node, lost, .. },
            ..
        }) = self.own.take_if(|own| own.is_entered())
        {
            lost.send_replace(true);
            if session.is_over() {
                return;
            }
            let path = format!("{}/{node}", self.path());
            match session.ask(session.client().delete(&path, None)).await {
                Ok(()) | Err(client::Error::NoNode) => tracing::info!(node, "left the contest"),
                // It goes with the session.
                Err(error) => tracing::warn!(node, %error, "the candidate's node was not removed"),
            }
        }
    }

    /// Shows the leader among these nodes.
    async fn find_leader(&mut self, session: &Session, children: &[String]) -> Result<(), End> {
        let Some(candidate) = candidates::leader(children) else {
            self.leader = None;
            self.show(None);
            return Ok(());
        };
        let name = candidate.name();
        // What a living node says does not change.
        if self.leader.as_ref() == Some(&name) {
            return Ok(());
        }
        let leader = self.read(session, &candidate).await?;
        self.show(leader.map(Arc::new));
        self.leader = Some(name);
        Ok(())
    }

    async fn read(&self, session: &Session, candidate: &Candidate<'_>) -> Result<Option<MasterInfo>, End> {
        let node = format!("{}/{}", self.path(), candidate.name());
        let data = match session.ask(session.client().get_data(&node)).await {
            Ok((data, _)) => data,
            // It has gone meanwhile, which is a change that we will hear of.
            Err(client::Error::NoNode) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match candidate.read(&data) {
            Ok(master) => Ok(Some(master)),
            Err(error) => {
                tracing::error!(node, %error, "the first candidate cannot be read: nobody leads until it is gone");
                Ok(None)
            }
        }
    }

    /// Somebody may have removed our node.
    fn check_own(&mut self, children: &[String]) {
        let gone = |own: &mut Own| match &own.state {
            State::Entered { node, .. } => !children.contains(node),
            State::Wanted(_) => false,
        };
        if let Some(Own {
            state: State::Entered { node, lost, .. },
            ..
        }) = self.own.take_if(gone)
        {
            tracing::warn!(node, "our candidate's node is gone");
            lost.send_replace(true);
        }
    }

    fn show(&self, leader: Option<Arc<MasterInfo>>) {
        self.shown.send_if_modified(|seen| {
            let same = matches!(seen, Seen::Leader(shown) if *shown == leader);
            if !same {
                match &leader {
                    Some(master) => {
                        tracing::info!(pid = %crate::pid_of(master), "a leading master is detected")
                    }
                    None => tracing::info!("no leading master is detected"),
                }
                *seen = Seen::Leader(leader);
            }
            !same
        });
    }
}

impl Own {
    fn new(contest: Box<Contest>) -> Self {
        Self {
            data: candidates::data(&contest.master),
            state: State::Wanted(contest.entered),
        }
    }

    const fn is_entered(&self) -> bool {
        matches!(self.state, State::Entered { .. })
    }
}

/// Resolves when whoever contended does not want to any more.
async fn given_up(own: Option<&mut Own>) {
    match own.map(|own| &mut own.state) {
        // An error: the sender, which is the candidacy's, is gone.
        Some(State::Entered { held, .. }) => while held.changed().await.is_ok() {},
        _ => std::future::pending().await,
    }
}

/// Errors that asking again does not mend end the group.
fn fatal<T>(answer: Result<T, client::Error>) -> Result<T, End> {
    answer.map_err(|error| match error {
        client::Error::NoAuth | client::Error::AuthFailed | client::Error::InvalidAcl => {
            End::Failed(Error::Forbidden(error.to_string()))
        }
        error => error.into(),
    })
}
