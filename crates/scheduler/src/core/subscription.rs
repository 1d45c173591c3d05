//! The life of a subscription: the same machine serves the operator stream and the scheduler stream.
//!
//! ```text
//! Waiting -> Connecting -> Subscribing -> Subscribed
//!    ^          |  ^  \________ | ___________/ |
//!    |          v  | redirect   v              v  anything wrong
//!    |         (307, at most n) Backoff <-------
//!    `- no master known         `-> Connecting        Stopped: refused for good
//! ```

use std::time::Duration;

use super::Backoff;
use crate::error::Wait;
use crate::{Address, Error};

/// Longest heartbeat interval believed, in seconds; a master that announces more is watched at this pace.
const MAX_HEARTBEAT_SECONDS: f64 = 3600.0;

/// The limits a subscription lives by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// From the start of the connection to the head of the answer. Default 30 s.
    pub answer_timeout: Duration,
    /// From the head of the answer to the first event, which may be a large snapshot; each byte that arrives
    /// starts it anew. Default 30 s.
    pub first_event_timeout: Duration,
    /// The interval assumed when SUBSCRIBED names none. Default 15 s, as Mesos has it.
    pub heartbeat: Duration,
    /// How many intervals may pass without a byte before the stream counts as dead. Default 3.
    pub missed_heartbeats: u32,
    /// Redirects followed within one attempt. Default 5.
    pub max_redirects: u32,
    /// The shortest delay between attempts. Default 100 ms.
    pub min_backoff: Duration,
    /// The longest delay between attempts. Default 30 s.
    pub max_backoff: Duration,
    /// Which part of each delay is left to chance, from 0 to 1, so that many clients do not come at once.
    /// Default one half.
    pub jitter: f64,
    /// A stream that lasted this long clears the failures before it. Default 10 s.
    pub stable_after: Duration,
    /// Attempts in a row without a stream before giving up; `None` (the default) never gives up.
    pub max_attempts: Option<u32>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            answer_timeout: Duration::from_secs(30),
            first_event_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            missed_heartbeats: 3,
            max_redirects: 5,
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(30),
            jitter: 0.5,
            stable_after: Duration::from_secs(10),
            max_attempts: None,
        }
    }
}

impl Policy {
    /// Tries again after the same `pause` each time, until it holds.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let mut options = scheduler::Options::default();
    /// options.policy = scheduler::Policy::every(Duration::from_secs(2));
    /// assert_eq!(options.policy.min_backoff, options.policy.max_backoff);
    /// ```
    #[must_use]
    pub fn every(pause: Duration) -> Self {
        Self {
            min_backoff: pause,
            max_backoff: pause,
            jitter: 0.0,
            ..Self::default()
        }
    }
}

/// Where the subscription stands. Times are on the clock of `now`.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// No master is known.
    Waiting,
    /// The request is on its way.
    Connecting {
        /// The master asked.
        to: Address,
        /// Redirects followed so far.
        hops: u32,
        /// When to give up.
        until: Duration,
    },
    /// The master said 200; the first event is awaited.
    Subscribing {
        /// The master.
        to: Address,
        /// When to give up.
        until: Duration,
    },
    /// Events flow.
    Subscribed {
        /// The master.
        to: Address,
        /// When the SUBSCRIBED event came.
        since: Duration,
        /// The longest silence allowed.
        silence: Duration,
        /// When the silence will have lasted too long.
        until: Duration,
    },
    /// The next attempt is due at `until`.
    Backoff {
        /// When.
        until: Duration,
    },
    /// Over: the user stopped it, or the master refused for good.
    Stopped,
}

/// The head of an answer, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, without parameters.
    pub content_type: String,
    /// `Location`.
    pub location: String,
    /// The beginning of the body, read only when the status is not 200.
    pub message: String,
}

/// What an event means to the machine; its content is the user's affair.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// SUBSCRIBED, with the interval of the heartbeats in seconds.
    Subscribed(Option<f64>),
    /// ERROR of the scheduler API: the subscription is over for good.
    Error(String),
    /// Any other, by name.
    Other(String),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The masters worth trying, best first. The first of these starts the machine; later ones move it when
    /// the master it talks to is no longer among them.
    Masters(Vec<Address>),
    /// The head of the answer came.
    Answered(Answer),
    /// Bytes came on the stream.
    Received,
    /// A whole event came.
    Event(Kind),
    /// The connection failed, ended, or carried nonsense.
    Failed(Error),
    /// The deadline passed.
    Timeout,
    /// The user wants no more.
    Stop,
}

/// What the driver must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Drop any connection and send SUBSCRIBE to this master.
    Open(Address),
    /// Give the event just fed to the user.
    Deliver,
    /// Drop the connection; the next attempt comes after `retry_in`.
    Lost {
        /// Why.
        error: Error,
        /// How long until the next attempt, at least.
        retry_in: Duration,
    },
    /// Drop the connection; it is over. `None` when the user stopped it.
    Stop(Option<Error>),
}

/// The machine. Feed it with [`step`](Self::step), and with [`Input::Timeout`] at [`deadline`](Self::deadline).
#[derive(Debug)]
pub struct Subscription {
    policy: Policy,
    expected: &'static str,
    state: State,
    masters: Vec<Address>,
    /// Index into `masters` of the one to try next.
    next: usize,
    /// Failed attempts since the last stable stream.
    failures: u32,
    backoff: Backoff,
}

impl Subscription {
    /// A machine that waits for masters. `expected` is the content type the answer must have.
    pub fn new(policy: Policy, expected: &'static str, seed: u64) -> Self {
        let backoff = Backoff::new(policy.min_backoff, policy.max_backoff, seed).with_jitter(policy.jitter);
        Self {
            policy,
            expected,
            state: State::Waiting,
            masters: Vec::new(),
            next: 0,
            failures: 0,
            backoff,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// When to feed [`Input::Timeout`]; `None` when only another input can move it.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting | State::Stopped => None,
            State::Connecting { until, .. }
            | State::Subscribing { until, .. }
            | State::Subscribed { until, .. }
            | State::Backoff { until } => Some(*until),
        }
    }

    /// Applies one input and appends, in order, what the driver must do.
    pub fn step(&mut self, now: Duration, input: Input, out: &mut Vec<Output>) {
        if self.state == State::Stopped {
            return;
        }
        match input {
            Input::Masters(masters) => self.on_masters(now, masters, out),
            Input::Answered(answer) => self.on_answered(now, &answer, out),
            Input::Received => self.on_received(now),
            Input::Event(kind) => self.on_event(now, kind, out),
            Input::Failed(error) => self.on_failed(now, error, out),
            Input::Timeout => self.on_timeout(now, out),
            Input::Stop => self.stop(None, out),
        }
    }

    fn on_masters(&mut self, now: Duration, masters: Vec<Address>, out: &mut Vec<Output>) {
        self.masters = masters;
        self.next = 0;
        let current = match &self.state {
            State::Waiting => return self.open_next(now, out),
            State::Connecting { to, .. } | State::Subscribing { to, .. } | State::Subscribed { to, .. } => to,
            // News of masters ends a backoff: the failures were those of other masters.
            State::Backoff { .. } => return self.open_next(now, out),
            State::Stopped => return,
        };
        if !self.masters.contains(current) {
            out.push(Output::Lost {
                error: Error::LeaderChanged,
                retry_in: Duration::ZERO,
            });
            self.open_next(now, out);
        }
    }

    fn on_answered(&mut self, now: Duration, answer: &Answer, out: &mut Vec<Output>) {
        let State::Connecting { to, hops, .. } = &self.state else {
            return;
        };
        match answer.status {
            200 if answer.content_type == self.expected => {
                let until = now + self.policy.first_event_timeout;
                self.state = State::Subscribing {
                    to: to.clone(),
                    until,
                };
            }
            200 => {
                let got = answer.content_type.clone();
                self.on_failed(
                    now,
                    Error::ContentType {
                        expected: self.expected,
                        got,
                    },
                    out,
                );
            }
            301 | 302 | 303 | 307 | 308 => match redirect(answer, to, *hops, self.policy.max_redirects) {
                Ok((to, hops)) => self.open(now, to, hops, out),
                Err(error) => self.on_failed(now, error, out),
            },
            status if is_transient(status) => {
                self.on_failed(
                    now,
                    Error::NotReady {
                        status,
                        message: answer.message.clone(),
                    },
                    out,
                );
            }
            status => self.stop(
                Some(Error::Refused {
                    status,
                    message: answer.message.clone(),
                }),
                out,
            ),
        }
    }

    fn on_received(&mut self, now: Duration) {
        match &mut self.state {
            State::Subscribing { until, .. } => *until = now + self.policy.first_event_timeout,
            State::Subscribed { until, silence, .. } => *until = now + *silence,
            State::Waiting | State::Connecting { .. } | State::Backoff { .. } | State::Stopped => {}
        }
    }

    fn on_event(&mut self, now: Duration, kind: Kind, out: &mut Vec<Output>) {
        self.on_received(now);
        match (&self.state, kind) {
            (State::Subscribing { .. } | State::Subscribed { .. }, Kind::Error(message)) => {
                self.stop(Some(Error::Framework(message)), out);
            }
            (State::Subscribing { to, .. }, Kind::Subscribed(seconds)) => {
                let silence = self.silence(seconds);
                self.state = State::Subscribed {
                    to: to.clone(),
                    since: now,
                    silence,
                    until: now + silence,
                };
                out.push(Output::Deliver);
            }
            (State::Subscribing { .. }, Kind::Other(got)) => {
                self.on_failed(now, Error::NotSubscribedFirst { got }, out);
            }
            (State::Subscribed { .. }, _) => out.push(Output::Deliver),
            (State::Waiting | State::Connecting { .. } | State::Backoff { .. } | State::Stopped, _) => {}
        }
    }

    fn on_timeout(&mut self, now: Duration, out: &mut Vec<Output>) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        let (what, limit) = match &self.state {
            State::Backoff { .. } => return self.open_next(now, out),
            State::Connecting { .. } => (Wait::Answer, self.policy.answer_timeout),
            State::Subscribing { .. } => (Wait::FirstEvent, self.policy.first_event_timeout),
            State::Subscribed { silence, .. } => (Wait::Heartbeat, *silence),
            State::Waiting | State::Stopped => return,
        };
        self.on_failed(now, Error::TimedOut { what, limit }, out);
    }

    /// One attempt, or one stream, is over. Masters not yet tried are tried at once; after the last of them
    /// comes a pause.
    fn on_failed(&mut self, now: Duration, error: Error, out: &mut Vec<Output>) {
        match &self.state {
            State::Waiting | State::Backoff { .. } | State::Stopped => return,
            State::Subscribed { since, .. } => {
                if now.saturating_sub(*since) >= self.policy.stable_after {
                    self.failures = 0;
                    self.backoff.reset();
                }
                // The stream may have been anyone's after a redirect: begin with the first again.
                self.next = self.masters.len();
            }
            State::Connecting { .. } | State::Subscribing { .. } => {}
        }
        self.failures = self.failures.saturating_add(1);
        if self.policy.max_attempts.is_some_and(|max| self.failures >= max) {
            let error = Error::GaveUp {
                attempts: self.failures,
                last: Box::new(error),
            };
            return self.stop(Some(error), out);
        }
        if self.next < self.masters.len() {
            out.push(Output::Lost {
                error,
                retry_in: Duration::ZERO,
            });
            return self.open_next(now, out);
        }
        let retry_in = self.backoff.after_failure();
        self.state = State::Backoff {
            until: now + retry_in,
        };
        out.push(Output::Lost { error, retry_in });
    }

    fn open_next(&mut self, now: Duration, out: &mut Vec<Output>) {
        if self.next >= self.masters.len() {
            self.next = 0;
        }
        match self.masters.get(self.next).cloned() {
            None => self.state = State::Waiting,
            Some(to) => {
                self.next += 1;
                self.open(now, to, 0, out);
            }
        }
    }

    fn open(&mut self, now: Duration, to: Address, hops: u32, out: &mut Vec<Output>) {
        out.push(Output::Open(to.clone()));
        self.state = State::Connecting {
            to,
            hops,
            until: now + self.policy.answer_timeout,
        };
    }

    fn stop(&mut self, error: Option<Error>, out: &mut Vec<Output>) {
        self.state = State::Stopped;
        out.push(Output::Stop(error));
    }

    fn silence(&self, seconds: Option<f64>) -> Duration {
        let interval = match seconds {
            Some(seconds) if seconds > 0.0 => Duration::from_secs_f64(seconds.min(MAX_HEARTBEAT_SECONDS)),
            _ => self.policy.heartbeat,
        };
        interval * self.policy.missed_heartbeats.max(1)
    }
}

/// Whether asking again later may help.
pub(crate) fn is_transient(status: u16) -> bool {
    // Compat: a Mesos master answers 404 for a moment while it starts, before its routes are there.
    matches!(status, 404 | 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Where a redirect leads, and the number of hops then.
pub(crate) fn redirect(
    answer: &Answer,
    from: &Address,
    hops: u32,
    max: u32,
) -> Result<(Address, u32), Error> {
    let to = Address::from_location(&answer.location, from).map_err(|_| Error::BadRedirect {
        location: answer.location.clone(),
    })?;
    if hops >= max {
        return Err(Error::RedirectLoop { hops, last: to });
    }
    Ok((to, hops + 1))
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
