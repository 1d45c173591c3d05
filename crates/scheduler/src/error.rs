//! What can go wrong between a client and a master.

use std::time::Duration;

use crate::Address;

/// Why a call or a subscription failed: one variant for each thing the caller could do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no address of a master.
    #[error("{text:?} is not the address of a master: {reason}")]
    Address {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection to the master: refused, unreachable, or its name is unknown.
    #[error("failed to connect to {to}: {reason}")]
    Connect {
        /// The master.
        to: Address,
        /// The system's words.
        reason: String,
    },
    /// TLS cannot be set up: a file is missing or of no use.
    #[error("failed to set up TLS: {0}")]
    Tls(String),
    /// The connection broke while a request or its answer was under way.
    #[error("the connection to {to} broke: {reason}")]
    Broken {
        /// The master.
        to: Address,
        /// What the transport said.
        reason: String,
    },
    /// Nothing came in time.
    #[error("{what} took longer than {limit:?}")]
    TimedOut {
        /// What was waited for.
        what: Wait,
        /// How long it may take.
        limit: Duration,
    },
    /// The master refused the request; asking again gives the same answer.
    #[error("the master answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer's text.
        message: String,
    },
    /// The master cannot answer now: it does not lead, still recovers, or failed.
    #[error("the master is not ready ({status}): {message}")]
    NotReady {
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer's text.
        message: String,
    },
    /// The masters sent us from one to the other too often.
    #[error("gave up after {hops} redirects, the last one to {last}")]
    RedirectLoop {
        /// How many were followed.
        hops: u32,
        /// Where the last one pointed.
        last: Address,
    },
    /// A redirect without a usable `Location`.
    #[error("the master redirects to {location:?}, which is no address")]
    BadRedirect {
        /// The header as received; empty when absent.
        location: String,
    },
    /// The answer is not in the encoding that was asked for.
    #[error("expected {expected}, the answer is {got:?}")]
    ContentType {
        /// What the `Accept` header said.
        expected: &'static str,
        /// What came; empty when absent.
        got: String,
    },
    /// A successful SUBSCRIBE must name the stream.
    #[error("the answer has no Mesos-Stream-Id")]
    NoStreamId,
    /// The framing is wrong: a length that is none, or too large.
    #[error("bad record: {0}")]
    Record(String),
    /// The stream ended inside a record.
    #[error("the stream was cut inside a record, {missing} bytes early")]
    Truncated {
        /// Bytes still to come; 0 when the length itself was cut.
        missing: u64,
    },
    /// A record or an answer that is no message of the schema.
    #[error("undecodable message: {0}")]
    Decode(String),
    /// The first event of a stream must be SUBSCRIBED.
    #[error("the stream begins with {got} instead of SUBSCRIBED")]
    NotSubscribedFirst {
        /// The type of the event that came.
        got: String,
    },
    /// The master ended the stream.
    #[error("the master closed the stream")]
    Closed,
    /// The answer to a call is larger than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The consumer fell behind and the rule of its queue is to disconnect.
    #[error("the consumer fell behind: {records} records in {bytes} bytes were waiting")]
    Overflow {
        /// Records in the queue.
        records: usize,
        /// Their size, in bytes.
        bytes: usize,
    },
    /// The detector found another leader; the stream moves there.
    #[error("the leading master changed")]
    LeaderChanged,
    /// The master sent the ERROR event: this framework's subscription is over for good.
    #[error("the master ended the framework: {0}")]
    Framework(String),
    /// A call needs a subscription, and there is none now.
    #[error("the framework is not subscribed")]
    NotSubscribed,
    /// The answer lacks what its type promises.
    #[error("the answer lacks {0}")]
    Incomplete(&'static str),
    /// Every attempt failed; the last reason.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// Why the last one failed.
        last: Box<Self>,
    },
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The TCP connection.
    Connection,
    /// The head of the answer.
    Answer,
    /// The body of the answer.
    Body,
    /// The first event of a stream.
    FirstEvent,
    /// Anything at all on a stream that should carry heartbeats.
    Heartbeat,
    /// A whole call with its retries.
    Call,
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connection => "connecting",
            Self::Answer => "waiting for the answer",
            Self::Body => "reading the answer",
            Self::FirstEvent => "waiting for the first event",
            Self::Heartbeat => "waiting for a heartbeat",
            Self::Call => "the call",
        })
    }
}
