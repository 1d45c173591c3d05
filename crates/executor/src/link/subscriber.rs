//! Subscribing, following the events, and subscribing again.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use proto::ContentType;
use proto::v1::executor::Event as Wire;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Shared;
use crate::http::{Connection, Records, expect};
use crate::{Error, Event};

/// Shortest range of the pause before another try.
const MIN_BACKOFF: Duration = Duration::from_millis(50);

/// Why following ended.
enum End {
    /// The stream broke, or the agent is gone: try again.
    Lost(Error),
    /// Nobody reads events any more, or the last one was sent.
    Over,
}

/// Follows the agent's events until it is over; then the channel of events closes.
pub(super) async fn run(shared: Arc<Shared>, events: mpsc::Sender<Event>) {
    let clock = &shared.config.clock;
    let mut number = 0;
    let mut was_subscribed = false;
    let mut shutting_down = false;
    let mut since = clock.now();
    loop {
        match subscribe(&shared).await {
            Ok(records) => {
                number += 1;
                let mut following = Following {
                    shared: &shared,
                    events: &events,
                    number,
                    subscribed: false,
                    shutting_down,
                };
                let end = following.run(records).await;
                shutting_down = following.shutting_down;
                let subscribed = following.subscribed;
                shared.subscribed.send_replace(None);
                let End::Lost(error) = end else { return };
                tracing::info!("Lost the agent: {error}");
                if subscribed {
                    was_subscribed = true;
                    since = clock.now();
                    if events.send(Event::Disconnected).await.is_err() {
                        return;
                    }
                }
            }
            Err(Error::Refused { status, message }) if !is_worth_a_retry(status) => {
                shared.session.lock().disconnected();
                let text = format!("subscription refused with {status}: {message}");
                // Nobody reads if this fails.
                let _over = events.send(Event::Error(text)).await;
                return;
            }
            Err(error) => tracing::debug!("Failed to subscribe: {error}"),
        }
        shared.session.lock().disconnected();
        if shutting_down {
            return;
        }
        let patience = if was_subscribed && !shared.config.checkpoint {
            Duration::ZERO
        } else {
            shared.config.recovery_timeout
        };
        if clock.now().since(since) >= patience {
            tracing::warn!("No agent for {patience:?}: shutting down");
            let _over = events.send(Event::Shutdown).await;
            return;
        }
        clock.sleep(backoff(shared.config.subscription_backoff_max)).await;
    }
}

/// Whether the agent may say otherwise in a moment: it recovers, or its routes are not up yet.
fn is_worth_a_retry(status: u16) -> bool {
    matches!(status, 404 | 500..)
}

/// A random pause of at most a quarter of the time the agent waits for its executors after a restart: a pause of
/// all that time, as Mesos's own library takes it, would come too late every now and then.
fn backoff(max: Duration) -> Duration {
    let range = (max / 4).max(MIN_BACKOFF);
    let share = Uuid::new_v4().as_u64_pair().1 % 1000;
    range * u32::try_from(share).unwrap_or_default() / 1000
}

async fn subscribe(shared: &Shared) -> Result<Records, Error> {
    let config = &shared.config;
    let subscribing = async {
        let mut connection = Connection::open(config).await?;
        // Built as late as possible: what it names is not sent by itself.
        let call = shared.session.lock().subscribe();
        let response = connection.post(config, config.content_type.encode(&call)).await?;
        let body = expect(response, StatusCode::OK).await?;
        Ok(Records::new(connection, body))
    };
    let limit = config.request_timeout;
    config
        .clock
        .timeout(limit, subscribing)
        .await
        .unwrap_or_else(|_| Err(timed_out("subscribing", limit)))
}

struct Following<'a> {
    shared: &'a Shared,
    events: &'a mpsc::Sender<Event>,
    number: u64,
    subscribed: bool,
    shutting_down: bool,
}

impl Following<'_> {
    async fn run(&mut self, mut records: Records) -> End {
        loop {
            // The first event comes at once; later ones when there is something to say.
            let config = &self.shared.config;
            let limit = if self.subscribed {
                config.max_silence
            } else {
                config.request_timeout
            };
            let record = tokio::select! {
                () = self.events.closed() => return End::Over,
                () = self.shared.lost.notified() => return End::Lost(Error::Connection("a call failed".to_owned())),
                record = config.clock.timeout(limit, records.next()) => record,
            };
            let event = match record {
                Err(_) => return End::Lost(timed_out("hearing from the agent", limit)),
                Ok(Err(error)) => return End::Lost(error),
                Ok(Ok(None)) => {
                    return End::Lost(Error::Connection("the agent closed the stream".to_owned()));
                }
                Ok(Ok(Some(record))) => match decode(config.content_type, record) {
                    Ok(event) => event,
                    Err(error) => return End::Lost(error),
                },
            };
            if let Some(event) = event
                && let Some(end) = self.on_event(event).await
            {
                return end;
            }
        }
    }

    async fn on_event(&mut self, event: Event) -> Option<End> {
        self.shared.session.lock().on_event(&event);
        match &event {
            Event::Subscribed(_) => {
                self.subscribed = true;
                self.shared.subscribed.send_replace(Some(self.number));
            }
            Event::Acknowledged { .. } => self.shared.acknowledged.send_replace(()),
            Event::Shutdown => self.shutting_down = true,
            _ => {}
        }
        let last = matches!(event, Event::Error(_));
        let sent = self.events.send(event).await;
        (last || sent.is_err()).then_some(End::Over)
    }
}

/// None for what has no meaning here. Bytes that are no event mean that the stream cannot be trusted any more.
fn decode(content_type: ContentType, record: bytes::Bytes) -> Result<Option<Event>, Error> {
    let wire: Wire = content_type
        .decode(record)
        .map_err(|error| Error::Connection(format!("not an event: {error}")))?;
    Ok(Event::from_wire(wire))
}

fn timed_out(what: &str, limit: Duration) -> Error {
    Error::Connection(format!("{what} took longer than {limit:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_well_within_what_the_agent_waits() {
        for _ in 0..200 {
            assert!(backoff(Duration::from_secs(2)) <= Duration::from_millis(500));
            assert!(backoff(Duration::ZERO) <= MIN_BACKOFF);
        }
    }
}
