//! Calls that have one answer: sent to the leading master, wherever it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::{ContentType, Json, Message, Required};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::core::{Answer, Backoff};
use crate::detector::MasterDetector;
use crate::error::Wait;
use crate::options::Options;
use crate::transport::{self, Common, Connection, Undone};
use crate::{Address, Error};

/// Sends calls, one at a time, over a connection it keeps.
///
/// What was certainly not processed (no connection, 503, a redirect) is tried again, with pauses, until the
/// time of the call is up; what may have been processed is tried again only when it changes nothing.
#[derive(Debug)]
pub(crate) struct Caller {
    common: Common,
    options: Options,
    path: &'static str,
    detector: Arc<dyn MasterDetector>,
    idle: Mutex<Option<(Address, Connection)>>,
}

/// What is asked of a master.
#[derive(Debug, Clone)]
enum Demand {
    /// A call, encoded.
    Call(Bytes),
    /// An endpoint, with its query.
    Read(Arc<str>),
}

/// Why one attempt failed, and what that allows.
enum Attempt {
    /// Another attempt may help and cannot harm.
    Again(Error),
    /// The call may have had its effect.
    Unknown(Error),
    /// The same answer would come again.
    Final(Error),
}

impl Caller {
    pub(crate) fn new(detector: Arc<dyn MasterDetector>, path: &'static str, options: &Options) -> Self {
        let idle = Mutex::new(None);
        Self {
            common: options.common(),
            options: options.clone(),
            path,
            detector,
            idle,
        }
    }

    /// Sends the call; `repeatable` when doing it twice is the same as doing it once. The answer is `None` when
    /// the call has none.
    pub(crate) async fn call<C, R>(&self, call: &C, repeatable: bool) -> Result<Option<R>, Error>
    where
        C: Message + Json,
        R: Message + Json + Required + Default,
    {
        let body = self.common.content_type.encode(call);
        match self.demand(Demand::Call(body), repeatable).await? {
            body if body.is_empty() => Ok(None),
            body => match self.common.content_type.decode(body) {
                Ok(answer) => Ok(Some(answer)),
                Err(error) => Err(Error::Decode(transport::chain(&error))),
            },
        }
    }

    /// What an endpoint answers to GET, which must be JSON. `path` is as it goes over the wire, with the query.
    pub(crate) async fn read(&self, path: &str) -> Result<Bytes, Error> {
        self.demand(Demand::Read(path.into()), true).await
    }

    async fn demand(&self, demand: Demand, repeatable: bool) -> Result<Bytes, Error> {
        let limit = self.options.call_timeout;
        let mut last = None;
        let tries = self.tries(&demand, repeatable, &mut last);
        match timeout(limit, tries).await {
            Ok(answer) => answer,
            // The last reason says more than the time-out.
            Err(_) => Err(last.unwrap_or(Error::TimedOut {
                what: Wait::Call,
                limit,
            })),
        }
    }

    async fn tries(
        &self,
        demand: &Demand,
        repeatable: bool,
        last: &mut Option<Error>,
    ) -> Result<Bytes, Error> {
        let policy = &self.options.policy;
        let mut backoff = Backoff::new(policy.min_backoff, policy.max_backoff, self.options.seed())
            .with_jitter(policy.jitter);
        let mut attempts = 0;
        loop {
            for master in self.detector.detect(None).await.list {
                match self.attempt(master, demand).await {
                    Ok(answer) => return Ok(answer),
                    Err(Attempt::Again(error)) => *last = Some(error),
                    Err(Attempt::Unknown(error)) if repeatable => *last = Some(error),
                    Err(Attempt::Unknown(error) | Attempt::Final(error)) => return Err(error),
                }
            }
            attempts += 1;
            if let Some(error) = last.take_if(|_| policy.max_attempts.is_some_and(|max| attempts >= max)) {
                return Err(error);
            }
            pause(backoff.after_failure()).await;
        }
    }

    /// One master and whoever it redirects to.
    async fn attempt(&self, master: Address, demand: &Demand) -> Result<Bytes, Attempt> {
        let (mut to, mut hops) = (master, 0);
        loop {
            let (answer, bytes) = self.exchange(&to, demand).await?;
            match answer.status {
                200 => {
                    let expected = match demand {
                        Demand::Call(_) => self.common.content_type.as_str(),
                        Demand::Read(_) => ContentType::Json.as_str(),
                    };
                    if !bytes.is_empty() && answer.content_type != expected {
                        let got = answer.content_type;
                        return Err(Attempt::Final(Error::ContentType { expected, got }));
                    }
                    return Ok(bytes);
                }
                202 => return Ok(Bytes::new()),
                301 | 302 | 303 | 307 | 308 => {
                    (to, hops) = crate::core::redirect(&answer, &to, hops, self.options.policy.max_redirects)
                        .map_err(Attempt::Again)?;
                }
                // An endpoint says so of what is asked; a call finds no master there, or none that is up.
                status
                    if crate::core::is_transient(status)
                        && !(status == 404 && matches!(demand, Demand::Read(_))) =>
                {
                    return Err(Attempt::Again(Error::NotReady {
                        status,
                        message: answer.message,
                    }));
                }
                status => {
                    return Err(Attempt::Final(Error::Refused {
                        status,
                        message: answer.message,
                    }));
                }
            }
        }
    }

    /// One request and its whole answer, on the kept connection if it leads there.
    async fn exchange(&self, to: &Address, demand: &Demand) -> Result<(Answer, Bytes), Attempt> {
        let mut idle = self.idle.lock().await;
        let kept = idle
            .take()
            .filter(|(address, kept)| address == to && !kept.is_closed());
        let mut connection = match kept {
            Some((_, connection)) => connection,
            None => Connection::open(to, &self.common).await.map_err(Attempt::Again)?,
        };
        let limit = self.options.policy.answer_timeout;
        let exchange = async {
            match demand {
                Demand::Call(body) => connection.post(self.path, &self.common, None, body.clone()).await,
                Demand::Read(path) => connection.get(path, &self.common).await,
            }
        };
        let response = match timeout(limit, exchange).await {
            Ok(Ok(response)) => response,
            Ok(Err(Undone::NotSent(error))) => return Err(Attempt::Again(error)),
            Ok(Err(Undone::Unknown(error))) => return Err(Attempt::Unknown(error)),
            Err(_) => {
                return Err(Attempt::Unknown(Error::TimedOut {
                    what: Wait::Answer,
                    limit,
                }));
            }
        };
        let (answer, good) = transport::answer(response).await;
        let Some(response) = good else {
            return Ok((answer, Bytes::new()));
        };
        let bytes = transport::read_body(to, response.into_body(), self.options.max_answer).await;
        match bytes {
            Ok(bytes) => {
                *idle = Some((to.clone(), connection));
                Ok((answer, bytes))
            }
            Err(error @ Error::TooLarge { .. }) => Err(Attempt::Final(error)),
            Err(error) => Err(Attempt::Unknown(error)),
        }
    }
}

/// Waits, on tokio's clock (which tests can hold still).
pub(crate) async fn pause(delay: Duration) {
    tokio::time::sleep_until(Instant::now() + delay).await;
}
