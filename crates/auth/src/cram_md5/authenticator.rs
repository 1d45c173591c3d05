//! The master's side: one session for each peer that wants to prove itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use process::{Time, Upid};
use proto::internal;
use subtle::ConstantTimeEq as _;

use super::{MAX_STEP, MECHANISM, digest};
use crate::Credentials;

/// Sessions at once; a peer beyond it is told to try again.
pub const SESSIONS: usize = 10_000;

/// The place of one session: the process `crammd5-authenticator-session(N)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crammd5-authenticator-session({})", self.0)
    }
}

/// What is sent to a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The ways that are open.
    Mechanisms(internal::AuthenticationMechanismsMessage),
    /// The challenge.
    Step(internal::AuthenticationStepMessage),
    /// Proven.
    Completed(internal::AuthenticationCompletedMessage),
    /// Not proven: unknown principal or wrong secret.
    Failed(internal::AuthenticationFailedMessage),
    /// The exchange went wrong.
    Error(internal::AuthenticationErrorMessage),
}

/// What the shell must do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Receive messages to this session, and link to the peer that proves itself there.
    Open(SessionId, Upid),
    /// Send from a session to its peer.
    Send {
        /// The session that speaks.
        session: SessionId,
        /// The peer.
        to: Upid,
        /// What it says.
        message: Message,
    },
    /// Stop receiving for this session.
    Close(SessionId),
    /// The proof of `client` came to an end.
    Done {
        /// Who was to be authenticated: an agent or a driver, not the peer that spoke for it.
        client: Upid,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a proof ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client is this principal.
    Proven(String),
    /// Unknown principal, or wrong secret.
    Refused,
    /// The exchange went wrong, or came to nothing.
    Failed,
}

#[derive(Debug)]
enum Stage {
    /// Mechanisms are sent.
    Starting,
    /// The challenge is sent.
    Stepping(Bytes),
}

#[derive(Debug)]
struct Session {
    /// The agent or driver that the proof is for.
    client: Upid,
    /// Who speaks for it: `crammd5-authenticatee(N)`.
    peer: Upid,
    stage: Stage,
    deadline: Time,
}

/// All sessions of a master.
///
/// A message of a peer other than the session's own is passed over. A session ends with its first outcome, when its
/// time is up, when its peer is gone, or when another proof for the same client begins; nothing is sent in the last
/// three cases.
#[derive(Debug)]
pub struct Authenticator {
    credentials: Arc<Credentials>,
    hostname: String,
    timeout: Duration,
    limit: usize,
    sessions: BTreeMap<SessionId, Session>,
    by_client: BTreeMap<Upid, SessionId>,
    last: u64,
}

impl Authenticator {
    /// An authenticator without sessions. `hostname` ends the challenges; a session lives for `timeout`
    /// (`--authentication_v0_timeout`).
    pub fn new(credentials: Arc<Credentials>, hostname: impl Into<String>, timeout: Duration) -> Self {
        Self {
            credentials,
            hostname: hostname.into(),
            timeout,
            limit: SESSIONS,
            sessions: BTreeMap::new(),
            by_client: BTreeMap::new(),
            last: 0,
        }
    }

    /// `AuthenticateMessage` from `peer`, for `client`. What `client` had proven before counts no more.
    pub fn begin(&mut self, now: Time, client: Upid, peer: Upid, out: &mut Vec<Output>) {
        if let Some(old) = self.by_client.remove(&client) {
            self.sessions.remove(&old);
            out.push(Output::Close(old));
        }
        self.last += 1;
        let id = SessionId(self.last);
        out.push(Output::Open(id, peer.clone()));
        if self.sessions.len() >= self.limit {
            let error = error("Too many authentications at once");
            out.push(Output::Send {
                session: id,
                to: peer,
                message: error,
            });
            out.push(Output::Close(id));
            out.push(Output::Done {
                client,
                outcome: Outcome::Failed,
            });
            return;
        }
        let mechanisms = internal::AuthenticationMechanismsMessage {
            mechanisms: vec![MECHANISM.to_owned()],
        };
        out.push(Output::Send {
            session: id,
            to: peer.clone(),
            message: Message::Mechanisms(mechanisms),
        });
        self.by_client.insert(client.clone(), id);
        let deadline = now + self.timeout;
        self.sessions.insert(
            id,
            Session {
                client,
                peer,
                stage: Stage::Starting,
                deadline,
            },
        );
    }

    /// `AuthenticationStartMessage` to a session. `nonce` must be unpredictable: it makes the challenge.
    pub fn start(
        &mut self,
        now: Time,
        id: SessionId,
        from: &Upid,
        message: &internal::AuthenticationStartMessage,
        nonce: u64,
        out: &mut Vec<Output>,
    ) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.peer == *from) else {
            return;
        };
        let refusal = if !matches!(session.stage, Stage::Starting) {
            "Unexpected authentication 'start' received"
        } else if message.mechanism != MECHANISM {
            "Unknown authentication mechanism"
        } else if message.data.as_ref().is_some_and(|data| !data.is_empty()) {
            "CRAM-MD5 starts without data"
        } else {
            let challenge = Bytes::from(format!("<{nonce}.{}@{}>", now.as_secs(), self.hostname));
            session.stage = Stage::Stepping(challenge.clone());
            out.push(Output::Send {
                session: id,
                to: session.peer.clone(),
                message: Message::Step(internal::AuthenticationStepMessage { data: challenge }),
            });
            return;
        };
        self.end(id, Outcome::Failed, error(refusal), out);
    }

    /// `AuthenticationStepMessage` to a session.
    pub fn step(
        &mut self,
        id: SessionId,
        from: &Upid,
        message: &internal::AuthenticationStepMessage,
        out: &mut Vec<Output>,
    ) {
        let Some(session) = self.sessions.get(&id).filter(|session| session.peer == *from) else {
            return;
        };
        let Stage::Stepping(challenge) = &session.stage else {
            let error = error("Unexpected authentication 'step' received");
            return self.end(id, Outcome::Failed, error, out);
        };
        let Some((principal, proof)) = split(&message.data) else {
            return self.end(
                id,
                Outcome::Failed,
                error("Malformed authentication response"),
                out,
            );
        };
        if self.proves(principal, proof, challenge) {
            let completed = Message::Completed(internal::AuthenticationCompletedMessage {});
            let outcome = Outcome::Proven(principal.to_owned());
            self.end(id, outcome, completed, out);
        } else {
            let failed = Message::Failed(internal::AuthenticationFailedMessage {});
            self.end(id, Outcome::Refused, failed, out);
        }
    }

    /// The peer at that address is gone.
    pub fn exited(&mut self, peer: &Upid, out: &mut Vec<Output>) {
        self.discard(|session| session.peer == *peer, out);
    }

    /// Ends the sessions whose time is up.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) {
        self.discard(|session| session.deadline <= now, out);
    }

    /// When to call [`Self::expire`].
    pub fn deadline(&self) -> Option<Time> {
        self.sessions.values().map(|session| session.deadline).min()
    }

    /// Whether a proof for `client` is under way.
    pub fn is_busy(&self, client: &Upid) -> bool {
        self.by_client.contains_key(client)
    }

    /// Whether `proof` is the digest that the secret of `principal` gives for `challenge`. Unknown names take as long.
    fn proves(&self, principal: &str, proof: &[u8], challenge: &[u8]) -> bool {
        let secret = self.credentials.secret(principal);
        let expected = digest(secret.map_or(&[][..], |secret| secret.expose()), challenge);
        let equal: bool = expected.as_bytes().ct_eq(proof).into();
        equal && secret.is_some()
    }

    /// Ends a session with a last word.
    fn end(&mut self, id: SessionId, outcome: Outcome, message: Message, out: &mut Vec<Output>) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.by_client.remove(&session.client);
        out.push(Output::Send {
            session: id,
            to: session.peer,
            message,
        });
        out.push(Output::Close(id));
        out.push(Output::Done {
            client: session.client,
            outcome,
        });
    }

    /// Ends sessions without a word.
    fn discard(&mut self, which: impl Fn(&Session) -> bool, out: &mut Vec<Output>) {
        let over: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| which(session))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            if let Some(session) = self.sessions.remove(&id) {
                self.by_client.remove(&session.client);
                out.push(Output::Close(id));
                out.push(Output::Done {
                    client: session.client,
                    outcome: Outcome::Failed,
                });
            }
        }
    }
}

fn error(text: &str) -> Message {
    Message::Error(internal::AuthenticationErrorMessage {
        error: Some(text.to_owned()),
    })
}

/// Name and digest: what lies before and after the last blank.
fn split(response: &[u8]) -> Option<(&str, &[u8])> {
    if response.len() > MAX_STEP {
        return None;
    }
    let blank = response.iter().rposition(|byte| *byte == b' ')?;
    let (principal, rest) = response.split_at(blank);
    let principal = std::str::from_utf8(principal)
        .ok()
        .filter(|name| !name.is_empty())?;
    Some((principal, rest.get(1..)?))
}

#[cfg(test)]
mod tests;
