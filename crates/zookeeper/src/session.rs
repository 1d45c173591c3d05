//! One session after the other.

use std::time::Duration;

use process::Clock;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use zookeeper_client as client;
use zookeeper_client::{
    Acl, Acls, AuthId, Client, CreateMode, CreateOptions, Permission, SessionState, StateWatcher,
};

use crate::{Error, Url};

/// Between two attempts to make a session, at first. It doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Between two attempts to make a session, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Servers of ZooKeeper, and how to speak with them.
#[derive(Clone, Debug)]
pub struct Ensemble {
    url: Url,
    session_timeout: Duration,
    clock: Clock,
    acl: Vec<Acl>,
}

impl Ensemble {
    /// Servers at `url`, with sessions that end after `session_timeout` of silence, if the servers agree to that.
    ///
    /// Nodes are for everybody without credentials; with them, everybody reads and their owner does all.
    pub fn new(url: Url, session_timeout: Duration, clock: Clock) -> Self {
        let acl = match url.credentials {
            None => vec![Acl::new(Permission::ALL, AuthId::anyone())],
            Some(_) => vec![
                Acl::new(Permission::READ, AuthId::anyone()),
                Acl::new(Permission::ALL, AuthId::authed()),
            ],
        };
        Self {
            url,
            session_timeout,
            clock,
            acl,
        }
    }

    /// Where the servers are.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The clock by which sessions end.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A new session, as soon as there can be one: server names are looked up anew for each attempt, with up to five
    /// seconds between two of them.
    ///
    /// # Errors
    /// [`Error::Address`] and [`Error::Refused`]: what no later attempt mends.
    pub async fn session(&self) -> Result<Session, Error> {
        let mut wait = FIRST_WAIT;
        loop {
            let mut connector = Client::connector()
                .with_session_timeout(self.session_timeout)
                .with_connection_timeout(self.silence());
            if let Some(credentials) = &self.url.credentials {
                connector = connector.with_auth("digest", credentials.as_bytes());
            }
            match connector.connect(&self.url.servers).await {
                Ok(client) => return Ok(Session::new(client, self)),
                Err(client::Error::AuthFailed) => return Err(Error::Refused(self.url.servers.clone())),
                Err(client::Error::BadArguments(_)) => return Err(Error::Address(self.url.to_string())),
                Err(error) => tracing::warn!(servers = %self.url.servers, %error, "no ZooKeeper session yet"),
            }
            self.clock.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// After how much silence a connection is given up and another server is tried.
    fn silence(&self) -> Duration {
        self.session_timeout / 5
    }
}

/// A session with the servers. Its end closes it: ephemeral nodes go at once when servers can be reached.
#[derive(Debug)]
pub struct Session {
    client: Client,
    acl: Vec<Acl>,
    over: watch::Receiver<bool>,
    looking: AbortHandle,
}

impl Session {
    fn new(client: Client, ensemble: &Ensemble) -> Self {
        let (ended, over) = watch::channel(false);
        let negotiated = client.session_timeout();
        // The client notices a lost connection after this much silence at the latest.
        let unnoticed = ensemble.silence().min(negotiated * 2 / 5);
        // Servers end a session when they have heard nothing for its whole time-out: be sure to be earlier.
        let patience = (negotiated * 9 / 10).saturating_sub(unnoticed);
        let watcher = client.state_watcher();
        let clock = ensemble.clock.clone();
        let looking = tokio::spawn(async move {
            until_over(watcher, patience, &clock).await;
            ended.send_replace(true);
        });
        Self {
            client,
            acl: ensemble.acl.clone(),
            over,
            looking: looking.abort_handle(),
        }
    }

    /// What speaks with the servers.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// A node of this kind, protected as the ensemble's nodes are.
    pub fn options(&self, mode: CreateMode) -> CreateOptions<'_> {
        mode.with_acls(Acls::new(&self.acl))
    }

    /// Resolves when the session is over, or may be: the servers have said so, or could not be asked for nearly as
    /// long as they wait themselves.
    pub async fn over(&self) {
        let mut over = self.over.clone();
        // The sender lives as long as the task that watches.
        let _ended: Result<_, _> = over.wait_for(|over| *over).await.map(|_| ());
    }

    /// Whether [`Self::over`] would resolve at once.
    pub fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// The answer of the servers, unless the session is over before.
    ///
    /// # Errors
    /// What the servers say; [`client::Error::SessionExpired`] at the session's end.
    pub async fn ask<T, E>(&self, question: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: From<client::Error>,
    {
        tokio::select! {
            biased;
            () = self.over() => Err(client::Error::SessionExpired.into()),
            answer = question => answer,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// Resolves when the session is over or may be.
async fn until_over(mut watcher: StateWatcher, patience: Duration, clock: &Clock) {
    let mut state = watcher.peek_state();
    loop {
        state = match state {
            SessionState::Expired | SessionState::AuthFailed | SessionState::Closed => return,
            SessionState::Disconnected => {
                tracing::warn!(?patience, "lost the connection to ZooKeeper");
                match clock.timeout(patience, watcher.changed()).await {
                    Ok(state) => state,
                    Err(_) => {
                        tracing::warn!("the ZooKeeper session may be over: nobody could be asked");
                        return;
                    }
                }
            }
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => watcher.changed().await,
        };
    }
}
