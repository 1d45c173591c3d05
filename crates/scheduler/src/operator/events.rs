//! The stream of operator events (`master-http.md` section 8).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::ContentType;
use proto::v1::master::{Call, Event, call, event};

use super::queue::{Buffered, Queue};
use crate::core::{Kind, State};
use crate::detector::MasterDetector;
use crate::follower::{Follower, Protocol, Signal};
use crate::options::Options;
use crate::{Address, Error, transport};

/// One thing the stream tells.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// A stream began: the whole state of the cluster. Replaces everything learnt before.
    Snapshot {
        /// SUBSCRIBED.
        state: Box<event::Subscribed>,
        /// The record as received.
        record: Bytes,
    },
    /// One change (or heartbeat) since the snapshot. Of a type newer than this library, only
    /// [`Event::type`](Event) is known, as `UNKNOWN`.
    Event {
        /// The event.
        event: Box<Event>,
        /// The record as received.
        record: Bytes,
    },
    /// The stream is gone. Another attempt follows by itself; events until the next snapshot are in it.
    Lost {
        /// Why.
        error: Error,
        /// The pause before the next attempt.
        retry_in: Duration,
    },
}

impl Update {
    /// Bytes of the record behind this update; 0 when there is none.
    pub fn size(&self) -> usize {
        match self {
            Self::Snapshot { record, .. } | Self::Event { record, .. } => record.len(),
            Self::Lost { .. } => 0,
        }
    }
}

/// Follows the events of the leading master across connections and masters.
///
/// There is no queue behind it: while nobody calls [`next`](Self::next) nothing is read, the socket fills, and
/// TCP holds the master back, which cuts off who stays behind too long; then the stream begins anew with a
/// snapshot. [`buffered`](Self::buffered) puts a bounded queue in between.
#[derive(Debug)]
pub struct EventStream {
    follower: Follower<Operator>,
}

impl EventStream {
    pub(crate) fn new(detector: Arc<dyn MasterDetector>, options: &Options) -> Self {
        Self {
            follower: Follower::new(Operator, detector, options),
        }
    }

    /// The next update, or the error that ended it for good; `None` after that. May be dropped and called again
    /// without loss.
    pub async fn next(&mut self) -> Option<Result<Update, Error>> {
        Some(match self.follower.next().await? {
            Signal::Event { event, record } => Ok(update(event, record)),
            Signal::Lost { error, retry_in } => Ok(Update::Lost { error, retry_in }),
            Signal::Failed(error) => Err(error),
        })
    }

    /// Reads ahead into a bounded queue, in a task of its own.
    pub fn buffered(self, queue: Queue) -> Buffered {
        Buffered::start(self, queue)
    }

    /// Where the connection stands.
    pub fn state(&self) -> &State {
        self.follower.state()
    }

    /// The master asked last, after redirects.
    pub fn master(&self) -> Option<&Address> {
        self.follower.target()
    }

    pub(crate) fn fail(&mut self, error: Error) {
        self.follower.fail(error);
    }
}

fn update(mut event: Event, record: Bytes) -> Update {
    match event.subscribed.take() {
        Some(state) if event.r#type() == event::Type::Subscribed => Update::Snapshot {
            state: Box::new(state),
            record,
        },
        subscribed => {
            event.subscribed = subscribed;
            Update::Event {
                event: Box::new(event),
                record,
            }
        }
    }
}

/// The operator's side of the protocol.
#[derive(Debug)]
struct Operator;

impl Protocol for Operator {
    type Event = Event;
    const PATH: &'static str = super::PATH;
    const NAMED: bool = false;

    fn subscribe(&self, content_type: ContentType) -> Bytes {
        content_type.encode(&Call {
            r#type: Some(call::Type::Subscribe.into()),
            ..Call::default()
        })
    }

    fn decode(content_type: ContentType, record: Bytes) -> Result<Event, Error> {
        content_type
            .decode(record)
            .map_err(|error| Error::Decode(transport::chain(&error)))
    }

    fn kind(event: &Event) -> Kind {
        match event.r#type() {
            event::Type::Subscribed => Kind::Subscribed(
                event
                    .subscribed
                    .as_ref()
                    .and_then(|state| state.heartbeat_interval_seconds),
            ),
            other => Kind::Other(other.as_str_name().to_owned()),
        }
    }
}
