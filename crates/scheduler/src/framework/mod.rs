//! The scheduler API: a framework's subscription, and its calls.
//!
//! [`Scheduler`] yields what the master says; [`Calls`] (clone it freely) says what the framework wants. Calls
//! travel on a connection of their own, in the order they are made, under the stream id of the subscription.

mod calls;
mod session;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::ContentType;
use proto::v1;
use proto::v1::scheduler::{Call, Event, OfferConstraints, call, event};
use tokio::time::Instant;

pub use calls::Calls;

use crate::core::{Kind, State};
use crate::detector::{MasterDetector, StaticMasters};
use crate::follower::{self, Follower, Protocol};
use crate::options::Options;
use crate::{Address, Error, transport};
use session::{Session, Shared};

/// Where a master takes scheduler calls.
pub(crate) const PATH: &str = "/api/v1/scheduler";

/// One thing the master, or the connection to it, tells.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Signal {
    /// The framework is subscribed; offers may come. Offers from before are void.
    Subscribed {
        /// The framework's id; keep it to come back under it after a restart.
        framework_id: v1::FrameworkId,
        /// The leading master, when it says who it is.
        master: Option<Box<v1::MasterInfo>>,
        /// Whether this run of the framework was subscribed before.
        again: bool,
    },
    /// Any other event but ERROR, heartbeats included.
    Event(Box<Event>),
    /// The subscription is gone; another attempt follows by itself. Calls fail until then.
    Lost {
        /// Why.
        error: Error,
        /// The pause before the next attempt.
        retry_in: Duration,
    },
}

/// What a framework subscribes with.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Registration {
    /// Who it is. With an `id`, the framework comes back as the one it was (failover), and the scheduler
    /// that held the subscription is told so and cut off.
    pub info: v1::FrameworkInfo,
    /// Roles for which no offers are wanted at first.
    pub suppressed_roles: Vec<String>,
    /// Which agents are wanted at all.
    pub offer_constraints: Option<OfferConstraints>,
}

impl From<v1::FrameworkInfo> for Registration {
    fn from(info: v1::FrameworkInfo) -> Self {
        Self {
            info,
            ..Self::default()
        }
    }
}

/// The subscription of one framework, kept up across connections and masters.
///
/// After a loss it subscribes again under the framework's id. A framework whose `failover_timeout` is 0 (the
/// default) is removed by the master the moment its stream breaks, so that coming back fails with
/// [`Error::Framework`]. Tasks launched through [`Calls::accept`], or made known by [`track`](Self::track), are
/// reconciled after each subscription until the master has answered for all of them.
///
/// There is no queue behind it: while nobody calls [`next`](Self::next) nothing is read; a master cuts off a
/// scheduler that stays behind too long.
#[derive(Debug)]
pub struct Scheduler {
    follower: Follower<Subscriber>,
    shared: Arc<Shared>,
    calls: Calls,
    origin: Instant,
    subscriptions: u64,
}

impl Scheduler {
    /// A framework of the masters in a list such as `host:port,host:port`, with the default options. Nothing
    /// is connected before the first [`next`](Self::next).
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn connect(masters: &str, registration: impl Into<Registration>) -> Result<Self, Error> {
        Ok(Self::new(
            Arc::new(StaticMasters::parse(masters)?),
            registration.into(),
            &Options::default(),
        ))
    }

    /// A framework of the masters a detector finds.
    pub fn new(detector: Arc<dyn MasterDetector>, registration: Registration, options: &Options) -> Self {
        let shared = Arc::new(Shared::new(options.seed()));
        let calls = Calls::new(Arc::clone(&shared), options);
        Self {
            follower: Follower::new(Subscriber { registration }, detector, options),
            shared,
            calls,
            origin: Instant::now(),
            subscriptions: 0,
        }
    }

    /// A handle to make calls with.
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// Makes a task known that an earlier run of the framework launched, so that it is reconciled.
    pub fn track(&self, task: &v1::TaskId, agent: Option<v1::AgentId>) {
        self.shared.reconciler().track(task, agent);
    }

    /// What to subscribe with next time, e.g. with other roles after UPDATE_FRAMEWORK. The id stays.
    pub fn register(&mut self, registration: impl Into<Registration>) {
        let old = &mut self.follower.protocol_mut().registration;
        let id = old.info.id.take();
        *old = registration.into();
        old.info.id = id.or_else(|| old.info.id.take());
    }

    /// Where the connection stands.
    pub fn state(&self) -> &State {
        self.follower.state()
    }

    /// The master asked last, after redirects.
    pub fn master(&self) -> Option<&Address> {
        self.follower.target()
    }

    /// Closes the subscription; the framework fails over or ends by its `failover_timeout`. To end it for good
    /// call [`Calls::teardown`] first.
    pub fn stop(&mut self) {
        self.shared.end_session();
        self.follower.stop();
    }

    /// The next signal, or the error that ended it for good; `None` after that. May be dropped and called again
    /// without loss.
    pub async fn next(&mut self) -> Option<Result<Signal, Error>> {
        loop {
            let due = self
                .shared
                .reconciler()
                .deadline()
                .map(|after| self.origin + after);
            let ask = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                signal = self.follower.next() => return Some(self.on_signal(signal?)),
                () = ask => self.reconcile(),
            }
        }
    }

    fn reconcile(&self) {
        let tasks = self.shared.reconciler().question(self.origin.elapsed());
        if tasks.is_empty() {
            return;
        }
        let calls = self.calls.clone();
        tokio::spawn(async move {
            if let Err(error) = calls.reconcile(tasks).await {
                // The question comes again.
                tracing::debug!("failed to reconcile: {error}");
            }
        });
    }

    fn on_signal(&mut self, signal: follower::Signal<Event>) -> Result<Signal, Error> {
        match signal {
            follower::Signal::Event { event, .. } => self.on_event(event),
            follower::Signal::Lost { error, retry_in } => {
                self.shared.end_session();
                Ok(Signal::Lost { error, retry_in })
            }
            follower::Signal::Failed(error) => {
                self.shared.end_session();
                Err(error)
            }
        }
    }

    fn on_event(&mut self, mut event: Event) -> Result<Signal, Error> {
        match event.r#type() {
            event::Type::Subscribed => match event.subscribed.take() {
                Some(subscribed) => Ok(self.on_subscribed(subscribed)),
                None => Err(Error::Incomplete("subscribed")),
            },
            _ => {
                if let Some(update) = &event.update {
                    self.shared.reconciler().observe(&update.status);
                }
                Ok(Signal::Event(Box::new(event)))
            }
        }
    }

    fn on_subscribed(&mut self, subscribed: event::Subscribed) -> Signal {
        let framework_id = subscribed.framework_id;
        self.follower.protocol_mut().registration.info.id = Some(framework_id.clone());
        if let (Some(to), Some(stream_id)) = (self.follower.target(), self.follower.stream_id()) {
            self.shared.begin_session(Session {
                to: to.clone(),
                stream_id: stream_id.clone(),
                framework_id: framework_id.clone(),
            });
        }
        self.shared.reconciler().begin(self.origin.elapsed());
        self.subscriptions += 1;
        let master = subscribed.master_info.map(Box::new);
        Signal::Subscribed {
            framework_id,
            master,
            again: self.subscriptions > 1,
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.end_session();
    }
}

/// The scheduler's side of the protocol.
#[derive(Debug)]
struct Subscriber {
    registration: Registration,
}

impl Protocol for Subscriber {
    type Event = Event;
    const PATH: &'static str = PATH;
    const NAMED: bool = true;

    fn subscribe(&self, content_type: ContentType) -> Bytes {
        let Registration {
            info,
            suppressed_roles,
            offer_constraints,
        } = self.registration.clone();
        content_type.encode(&Call {
            framework_id: info.id.clone(),
            r#type: Some(call::Type::Subscribe.into()),
            subscribe: Some(call::Subscribe {
                framework_info: info,
                suppressed_roles,
                offer_constraints,
            }),
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
            event::Type::Error => Kind::Error(
                event
                    .error
                    .as_ref()
                    .map(|error| error.message.clone())
                    .unwrap_or_default(),
            ),
            other => Kind::Other(other.as_str_name().to_owned()),
        }
    }
}
