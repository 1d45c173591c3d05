//! The driver of a [`Subscription`]: does what the machine says, tells it what happened.
//!
//! It is driven by whoever calls [`Follower::next`]; there is no task and no queue behind it. While nobody calls,
//! nothing is read, and the socket's window holds the master back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use proto::ContentType;
use tokio::time::Instant;

use crate::core::{Answer, Input, Kind, Output, State, Subscription};
use crate::detector::{MasterDetector, Masters};
use crate::options::Options;
use crate::records::{Progress, Records};
use crate::transport::{self, Common, Connection};
use crate::{Address, Error};

/// What tells the operator stream from the scheduler stream.
pub(crate) trait Protocol: Send {
    /// The events of the stream.
    type Event: Send;
    /// Where SUBSCRIBE is sent.
    const PATH: &'static str;
    /// Whether the answer must name the stream.
    const NAMED: bool;
    /// The body of SUBSCRIBE.
    fn subscribe(&self, content_type: ContentType) -> Bytes;
    /// Reads one record.
    fn decode(content_type: ContentType, record: Bytes) -> Result<Self::Event, Error>;
    /// What the event means to the connection.
    fn kind(event: &Self::Event) -> Kind;
}

/// What the follower tells its user.
#[derive(Debug)]
pub(crate) enum Signal<E> {
    /// An event of the stream; the first after each (re)connection is SUBSCRIBED.
    Event { event: E, record: Bytes },
    /// The stream is gone; another attempt follows.
    Lost { error: Error, retry_in: Duration },
    /// Nothing will follow.
    Failed(Error),
}

#[derive(Debug)]
enum Happened {
    Masters(Masters),
    Opened(Result<Opened, Error>),
    Progress(Result<Progress, Error>),
    Timeout,
}

#[derive(Debug)]
struct Opened {
    answer: Answer,
    stream_id: Option<HeaderValue>,
    records: Option<Box<Records>>,
}

enum Link {
    Idle,
    Opening(BoxFuture<'static, Result<Opened, Error>>),
    Open(Box<Records>),
}

/// Follows one stream across connections.
pub(crate) struct Follower<P: Protocol> {
    protocol: P,
    common: Common,
    max_record: usize,
    detector: Arc<dyn MasterDetector>,
    seen: Option<u64>,
    machine: Subscription,
    origin: Instant,
    outputs: VecDeque<Output>,
    link: Link,
    target: Option<Address>,
    stream_id: Option<HeaderValue>,
    pending: Option<(P::Event, Bytes)>,
    /// Whether the user has been away since the last signal: silence meanwhile was ours.
    away: bool,
}

impl<P: Protocol> std::fmt::Debug for Follower<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

impl<P: Protocol> Follower<P> {
    pub(crate) fn new(protocol: P, detector: Arc<dyn MasterDetector>, options: &Options) -> Self {
        let expected = options.content_type.as_str();
        Self {
            protocol,
            common: options.common(),
            max_record: options.max_record,
            detector,
            seen: None,
            machine: Subscription::new(options.policy.clone(), expected, options.seed()),
            origin: Instant::now(),
            outputs: VecDeque::new(),
            link: Link::Idle,
            target: None,
            stream_id: None,
            pending: None,
            away: false,
        }
    }

    /// The state of the connection.
    pub(crate) fn state(&self) -> &State {
        self.machine.state()
    }

    /// The master asked last.
    pub(crate) fn target(&self) -> Option<&Address> {
        self.target.as_ref()
    }

    /// The name of the open stream.
    pub(crate) fn stream_id(&self) -> Option<&HeaderValue> {
        self.stream_id.as_ref()
    }

    pub(crate) fn protocol_mut(&mut self) -> &mut P {
        &mut self.protocol
    }

    /// Drops the stream for a reason of the user's; it is opened again as after any loss.
    pub(crate) fn fail(&mut self, error: Error) {
        self.feed(Input::Failed(error));
    }

    /// Ends it: [`next`](Self::next) yields nothing more.
    pub(crate) fn stop(&mut self) {
        self.feed(Input::Stop);
    }

    /// The next signal; `None` once it is over. May be dropped and called again without loss.
    pub(crate) async fn next(&mut self) -> Option<Signal<P::Event>> {
        if std::mem::take(&mut self.away) {
            self.feed(Input::Received);
        }
        loop {
            while let Some(output) = self.outputs.pop_front() {
                if let Some(signal) = self.act(output) {
                    self.away = true;
                    return Some(signal);
                }
            }
            if *self.machine.state() == State::Stopped {
                return None;
            }
            let happened = self.happened().await;
            self.on(happened);
        }
    }

    fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.machine.step(self.origin.elapsed(), input, &mut out);
        self.outputs.extend(out);
    }

    fn act(&mut self, output: Output) -> Option<Signal<P::Event>> {
        match output {
            Output::Open(to) => {
                let body = self.protocol.subscribe(self.common.content_type);
                let opening = open(to.clone(), P::PATH, self.common.clone(), body, self.max_record);
                self.link = Link::Opening(opening.boxed());
                self.target = Some(to);
                None
            }
            Output::Deliver => self
                .pending
                .take()
                .map(|(event, record)| Signal::Event { event, record }),
            Output::Lost { error, retry_in } => {
                self.close();
                Some(Signal::Lost { error, retry_in })
            }
            Output::Stop(error) => {
                self.close();
                error.map(Signal::Failed)
            }
        }
    }

    fn close(&mut self) {
        self.link = Link::Idle;
        self.stream_id = None;
        self.pending = None;
    }

    async fn happened(&mut self) -> Happened {
        let deadline = self.machine.deadline().map(|after| self.origin + after);
        let link = &mut self.link;
        let progress = async {
            match link {
                Link::Idle => std::future::pending().await,
                Link::Opening(opening) => Happened::Opened(opening.await),
                Link::Open(records) => Happened::Progress(records.advance().await),
            }
        };
        let timeout = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // What has arrived counts before the clock does.
        tokio::select! {
            biased;
            happened = progress => happened,
            masters = self.detector.detect(self.seen) => Happened::Masters(masters),
            () = timeout => Happened::Timeout,
        }
    }

    fn on(&mut self, happened: Happened) {
        match happened {
            Happened::Masters(masters) => {
                self.seen = Some(masters.version);
                self.feed(Input::Masters(masters.list));
            }
            Happened::Opened(Ok(opened)) => self.on_opened(opened),
            Happened::Progress(Ok(Progress::Bytes)) => self.feed(Input::Received),
            Happened::Progress(Ok(Progress::Record(record))) => self.on_record(record),
            Happened::Opened(Err(error)) | Happened::Progress(Err(error)) => {
                self.link = Link::Idle;
                self.feed(Input::Failed(error));
            }
            Happened::Timeout => self.feed(Input::Timeout),
        }
    }

    fn on_opened(&mut self, opened: Opened) {
        self.link = match opened.records {
            Some(_) if P::NAMED && opened.stream_id.is_none() => {
                self.link = Link::Idle;
                return self.feed(Input::Failed(Error::NoStreamId));
            }
            Some(records) => Link::Open(records),
            None => Link::Idle,
        };
        self.stream_id = opened.stream_id;
        self.feed(Input::Answered(opened.answer));
    }

    fn on_record(&mut self, record: Bytes) {
        match P::decode(self.common.content_type, record.clone()) {
            Ok(event) => {
                let kind = P::kind(&event);
                self.pending = Some((event, record));
                self.feed(Input::Event(kind));
            }
            Err(error) => self.feed(Input::Failed(error)),
        }
    }
}

async fn open(
    to: Address,
    path: &'static str,
    common: Common,
    body: Bytes,
    max_record: usize,
) -> Result<Opened, Error> {
    let mut connection = Connection::open(&to, &common).await?;
    let response = connection
        .post(path, &common, None, body)
        .await
        .map_err(transport::Undone::into_error)?;
    let stream_id = response.headers().get(transport::STREAM_ID).cloned();
    let (answer, good) = transport::answer(response).await;
    let records = good.map(|response| Box::new(Records::new(connection, response.into_body(), max_record)));
    Ok(Opened {
        answer,
        stream_id,
        records,
    })
}
