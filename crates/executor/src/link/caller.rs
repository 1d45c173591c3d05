//! Calls, one at a time, on a connection of their own.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::mpsc;

use super::{Queued, Shared};
use crate::http::{Connection, expect};
use crate::{Error, Event};

/// How often a call is made if there is nothing to say (facts: executor-http.md, section 9).
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Sends queued calls in order, while there is a subscription.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut queued: mpsc::Receiver<Queued>,
    events: mpsc::Sender<Event>,
) {
    let mut connection = None;
    let mut subscribed = shared.subscribed.subscribe();
    loop {
        let heartbeat = shared.config.clock.sleep(HEARTBEAT_INTERVAL);
        let next = tokio::select! {
            next = queued.recv() => next,
            () = heartbeat => Some(Queued { call: shared.session.lock().heartbeat(), update: None }),
        };
        let Some(next) = next else { return };
        if subscribed.wait_for(Option::is_some).await.is_err() {
            return;
        }
        // A subscription has named it meanwhile, and the agent has answered that.
        if next
            .update
            .is_some_and(|uuid| !shared.session.lock().is_pending(uuid))
        {
            continue;
        }
        match send(&shared, &mut connection, &next).await {
            Ok(()) => {}
            Err(Error::Refused { status, message }) if status < 500 => {
                tracing::warn!("The agent refused a call with {status}: {message}");
                if let Some(uuid) = next.update {
                    shared.session.lock().refused(uuid);
                    shared.acknowledged.send_replace(());
                }
                if events
                    .send(Event::Refused {
                        uuid: next.update,
                        status,
                        message,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
            // The next subscription names the update again; a message is lost, as it may be.
            Err(error) => {
                tracing::info!("Failed to call the agent: {error}");
                shared.lost.notify_one();
            }
        }
    }
}

/// Sends one call. A connection that was used before may have been closed by the agent: then once more on a fresh
/// one, which is harmless since updates are known by their uuid.
async fn send(shared: &Shared, connection: &mut Option<Connection>, next: &Queued) -> Result<(), Error> {
    let reused = connection.is_some();
    match send_once(shared, connection, next).await {
        Err(Error::Connection(_)) if reused => send_once(shared, connection, next).await,
        result => result,
    }
}

async fn send_once(shared: &Shared, slot: &mut Option<Connection>, next: &Queued) -> Result<(), Error> {
    let config = &shared.config;
    let taken = slot.take();
    let sending = async {
        let mut connection = match taken {
            Some(connection) => connection,
            None => Connection::open(config).await?,
        };
        let response = connection
            .post(config, config.content_type.encode(&next.call))
            .await?;
        // An accepted call has no body, so the connection is free again.
        drop(expect(response, StatusCode::ACCEPTED).await?);
        Ok(connection)
    };
    let late = |_| {
        Err(Error::Connection(format!(
            "a call took longer than {:?}",
            config.request_timeout
        )))
    };
    *slot = Some(
        config
            .clock
            .timeout(config.request_timeout, sending)
            .await
            .unwrap_or_else(late)?,
    );
    Ok(())
}
