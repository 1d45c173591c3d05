//! The connection to the agent: one task follows the events, another sends the calls.

mod caller;
mod subscriber;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use proto::v1::executor::Call;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::core::{MAX_UNACKNOWLEDGED, Session};
use crate::{Config, Error, Event, Status};

/// How many events wait to be read; when there are more, nothing is read from the agent.
pub const MAX_EVENTS: usize = 1024;

/// How many calls wait to be sent.
const MAX_CALLS: usize = MAX_UNACKNOWLEDGED + 1024;

/// Subscribes at the agent, and keeps trying. Needs a tokio runtime; everything stops when [`Events`] is dropped.
///
/// # Errors
/// [`Error::Invalid`] if the agent's address or path cannot be one.
pub fn connect(config: Config) -> Result<(Executor, Events), Error> {
    check(&config)?;
    config.clock.drive(&tokio::runtime::Handle::current());
    let (calls, queued) = mpsc::channel(MAX_CALLS);
    let (events, received) = mpsc::channel(MAX_EVENTS);
    let session = Session::new(config.framework_id.clone(), config.executor_id.clone());
    let shared = Arc::new(Shared {
        config,
        session: Mutex::new(session),
        subscribed: watch::Sender::new(None),
        acknowledged: watch::Sender::new(()),
        lost: Notify::new(),
        calls,
    });
    let (following, calling) = (Arc::clone(&shared), Arc::clone(&shared));
    let task = tokio::spawn(async move {
        // Without a subscription nothing is sent: when the one ends, so does the other, and the events close.
        tokio::select! {
            () = subscriber::run(following, events.clone()) => {}
            () = caller::run(calling, queued, events) => {}
        }
    });
    Ok((
        Executor {
            shared: Arc::clone(&shared),
        },
        Events { received, task },
    ))
}

fn check(config: &Config) -> Result<(), Error> {
    let agent = http::uri::Authority::try_from(config.agent.as_str());
    if config.domain_socket.is_none() && !agent.is_ok_and(|agent| agent.port().is_some()) {
        return Err(Error::Invalid {
            name: "MESOS_AGENT_ENDPOINT",
            value: config.agent.clone(),
        });
    }
    if http::uri::PathAndQuery::try_from(config.path.as_str()).is_err() {
        return Err(Error::Invalid {
            name: "MESOS_SLAVE_PID",
            value: config.path.clone(),
        });
    }
    Ok(())
}

#[derive(Debug)]
struct Shared {
    config: Config,
    session: Mutex<Session>,
    /// The number of the subscription that stands, while one does.
    subscribed: watch::Sender<Option<u64>>,
    /// Sends whenever an update is acknowledged or refused.
    acknowledged: watch::Sender<()>,
    /// The caller found the agent gone: subscribe anew.
    lost: Notify,
    calls: mpsc::Sender<Queued>,
}

/// A call to be sent.
#[derive(Debug)]
struct Queued {
    call: Call,
    /// The uuid, if it is an update.
    update: Option<Uuid>,
}

/// Speaks for the executor; cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct Executor {
    shared: Arc<Shared>,
}

impl Executor {
    /// Sends an update, now or as soon as there is an agent. It is kept until [`Event::Acknowledged`] with the
    /// uuid that is returned. Updates of a task reach the agent in the order they were made.
    ///
    /// # Errors
    /// [`Error::Full`], and [`Error::ShutDown`] after the last event.
    pub fn update(&self, status: Status) -> Result<Uuid, Error> {
        let uuid = Uuid::new_v4();
        let timestamp = self.shared.config.clock.now().as_secs_f64();
        let mut session = self.shared.session.lock();
        if let Some(call) = session.update(status, uuid, timestamp)? {
            // Under the lock, so that calls are queued in the order the updates were made.
            if let Err(error) = self.queue(Queued {
                call,
                update: Some(uuid),
            }) {
                session.refused(uuid);
                return Err(error);
            }
        }
        Ok(uuid)
    }

    /// Sends bytes to the scheduler, with no promise that they arrive.
    ///
    /// # Errors
    /// [`Error::Full`], and [`Error::ShutDown`] after the last event.
    pub fn message(&self, data: impl Into<Bytes>) -> Result<(), Error> {
        let call = self.shared.session.lock().message(data.into());
        self.queue(Queued { call, update: None })
    }

    /// Resolves when the agent has acknowledged (or refused) every update made so far and since: a good moment
    /// to exit.
    pub async fn all_acknowledged(&self) {
        let mut changed = self.shared.acknowledged.subscribe();
        while self.shared.session.lock().has_updates() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// What it was connected with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    fn queue(&self, call: Queued) -> Result<(), Error> {
        self.shared.calls.try_send(call).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Full,
            mpsc::error::TrySendError::Closed(_) => Error::ShutDown,
        })
    }
}

/// What the agent says. Dropping it ends the connection.
#[derive(Debug)]
pub struct Events {
    received: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl Events {
    /// The next event; none after the last. May be dropped at any time without loss.
    pub async fn next(&mut self) -> Option<Event> {
        self.received.recv().await
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}
