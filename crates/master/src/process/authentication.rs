//! Sessions in which agents and drivers prove who they are (facts: internal-protocol.md §5).
//!
//! What is said in them is decided by [`Authenticator`]; what follows from them, by the core.

use std::collections::BTreeMap;

use ::process::{Context, Handle, LinkMode, Process, Timer, Upid};
use auth::cram_md5::{Authenticator, Message, Outcome, Output, SessionId};
use bytes::Bytes;
use proto::{Name, internal};

use super::MasterProcess;
use crate::core::{Authentication, Input};

/// The sessions of a master.
#[derive(Debug)]
pub(crate) struct Sessions {
    authenticator: Authenticator,
    open: BTreeMap<SessionId, Handle<Session>>,
    /// Set while some session may run out of time.
    timer: Option<Timer>,
}

impl Sessions {
    /// Without any session.
    pub(crate) const fn new(authenticator: Authenticator) -> Self {
        Self {
            authenticator,
            open: BTreeMap::new(),
            timer: None,
        }
    }
}

/// `crammd5-authenticator-session(N)`: the address to which a peer sends its side of the exchange.
pub(crate) struct Session {
    id: SessionId,
    peer: Upid,
    master: Handle<MasterProcess>,
}

impl Process for Session {
    fn initialize(&mut self, context: &mut Context<Self>) {
        context.link(&self.peer, LinkMode::Reuse);
        install(
            context,
            |id, master, context, from, message: internal::AuthenticationStartMessage| {
                master.converse(context, |authenticator, now, out| {
                    authenticator.start(now, id, from, &message, nonce(), out);
                });
            },
        );
        install(
            context,
            |id, master, context, from, message: internal::AuthenticationStepMessage| {
                master.converse(context, |authenticator, _, out| {
                    authenticator.step(id, from, &message, out);
                });
            },
        );
    }

    fn exited(&mut self, _context: &mut Context<Self>, upid: &Upid) {
        let peer = upid.clone();
        self.master.dispatch(move |master, context| {
            master.converse(context, |authenticator, _, out| authenticator.exited(&peer, out));
        });
    }
}

/// Passes one message of the peer on to the master; what lacks a required field is dropped.
fn install<M: proto::Message + Name + proto::Required + Default + 'static>(
    context: &mut Context<Session>,
    handle: impl Fn(SessionId, &mut MasterProcess, &mut Context<MasterProcess>, &Upid, M) + Send + Copy + 'static,
) {
    context.install_raw(
        M::full_name(),
        move |this: &mut Session, _, from, body| match proto::decode::<M>(body) {
            Ok(message) => {
                let (id, from) = (this.id, from.clone());
                this.master
                    .dispatch(move |master, context| handle(id, master, context, &from, message));
            }
            Err(error) => tracing::warn!("Dropping {} from {from}: {error}", M::NAME),
        },
    );
}

/// What makes a challenge unpredictable.
fn nonce() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    // Some bits of either half are fixed, but not the same.
    high ^ low.rotate_left(32)
}

impl MasterProcess {
    /// Begins a session, or says that there are none: then whoever need not prove anything goes on without.
    pub(super) fn on_authenticate(&mut self, context: &mut Context<Self>, from: &Upid, body: Bytes) {
        let message = match proto::decode::<internal::AuthenticateMessage>(body) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!("Dropping an authentication request from {from}: {error}");
                return;
            }
        };
        let pid = Upid::parse_or_empty(&message.pid);
        if !pid.is_valid() {
            tracing::warn!(
                "Dropping an authentication request from {from} for '{}'",
                message.pid
            );
            return;
        }
        let step = Authentication::Began;
        self.step(
            context,
            Input::Authentication {
                pid: pid.clone(),
                step,
            },
        );
        if self.sessions.is_none() {
            tracing::warn!("Refusing to authenticate {pid}: no credentials are given");
            let error = Some("No authenticator loaded".to_owned());
            context.send(from, &internal::AuthenticationErrorMessage { error });
            let step = Authentication::Failed;
            return self.step(context, Input::Authentication { pid, step });
        }
        tracing::info!("Authenticating {pid}");
        self.converse(context, |authenticator, now, out| {
            authenticator.begin(now, pid, from.clone(), out);
        });
    }

    /// Has the authenticator act, and carries out what it says.
    fn converse(
        &mut self,
        context: &mut Context<Self>,
        act: impl FnOnce(&mut Authenticator, ::process::Time, &mut Vec<Output>),
    ) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        let mut outputs = Vec::new();
        act(&mut sessions.authenticator, context.now(), &mut outputs);
        for output in outputs {
            self.carry_out_authentication(context, output);
        }
        self.keep_session_deadline(context);
    }

    fn carry_out_authentication(&mut self, context: &mut Context<Self>, output: Output) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        match output {
            Output::Open(id, peer) => {
                let session = Session {
                    id,
                    peer,
                    master: context.handle(),
                };
                match context.runtime().spawn(id.to_string(), session) {
                    Ok(handle) => drop(sessions.open.insert(id, handle)),
                    Err(error) => tracing::error!("Failed to start {id}: {error}"),
                }
            }
            Output::Send { session, to, message } => {
                let (name, body) = encode(&message);
                let from = context.runtime().upid(&session.to_string());
                context.runtime().send_from(&from, &to, name.into(), body.into());
            }
            Output::Close(id) => {
                if let Some(session) = sessions.open.remove(&id) {
                    session.terminate();
                }
            }
            Output::Done { client, outcome } => {
                let step = match outcome {
                    Outcome::Proven(principal) => {
                        tracing::info!("Authenticated '{principal}' at {client}");
                        Authentication::Succeeded(principal)
                    }
                    Outcome::Refused => {
                        tracing::warn!(
                            "Authentication of {client} failed: unknown principal or wrong secret"
                        );
                        Authentication::Refused
                    }
                    Outcome::Failed => {
                        tracing::warn!("Authentication of {client} came to nothing");
                        Authentication::Failed
                    }
                };
                self.step(context, Input::Authentication { pid: client, step });
            }
        }
    }

    /// Sees to it that sessions end when their time is up.
    fn keep_session_deadline(&mut self, context: &Context<Self>) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        let Some(deadline) = sessions.authenticator.deadline() else {
            return;
        };
        // Deadlines come in the order of beginnings, so a timer that is set is early enough.
        if sessions.timer.is_none() {
            let wait = deadline.since(context.now());
            sessions.timer = Some(context.delay(wait, |this, context| {
                if let Some(sessions) = &mut this.sessions {
                    sessions.timer = None;
                }
                this.converse(context, |authenticator, now, out| authenticator.expire(now, out));
            }));
        }
    }
}

fn encode(message: &Message) -> (String, Vec<u8>) {
    fn named<M: proto::Message + Name>(message: &M) -> (String, Vec<u8>) {
        (M::full_name(), message.encode_to_vec())
    }
    match message {
        Message::Mechanisms(message) => named(message),
        Message::Step(message) => named(message),
        Message::Completed(message) => named(message),
        Message::Failed(message) => named(message),
        Message::Error(message) => named(message),
    }
}
