//! CRAM-MD5: any messages in any order, at both sides. Nobody is proven but by the secret.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use auth::cram_md5::{Authenticatee, Authenticator, Message, Next, Outcome, Output, SessionId};
use auth::{Credential, Credentials, Secret};
use process::{Time, Upid};
use proto::internal;

use super::source::Source;

const CLIENTS: usize = 4;
const NAMES: [&str; 3] = ["agent", "web", "empty"];

struct World {
    now: Time,
    master: Authenticator,
    nonce: u64,
    open: BTreeSet<SessionId>,
    /// What the master last said in a session.
    said: BTreeMap<SessionId, Message>,
    /// Honest peers by their session's client.
    honest: BTreeMap<usize, Authenticatee>,
    sessions: Vec<(SessionId, usize)>,
    /// Whether the step under way was computed from the secret, and whose it is.
    proof: Option<String>,
}

/// The bytes are a script.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let known = [("agent", "agent-secret"), ("web", "web-secret"), ("empty", "")];
    let credentials: Credentials = known
        .iter()
        .map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned()))
        .collect();
    let mut world = World {
        now: Time::from_secs(1_700_000_000),
        master: Authenticator::new(Arc::new(credentials), "host", Duration::from_secs(15)),
        nonce: 0,
        open: BTreeSet::new(),
        said: BTreeMap::new(),
        honest: BTreeMap::new(),
        sessions: Vec::new(),
        proof: None,
    };
    while !source.is_empty() {
        world.act(&mut source);
    }
    world.expire(Duration::from_secs(15));
    assert!(world.open.is_empty(), "no session outlives its time");
    assert_eq!(world.master.deadline(), None, "nothing is left to wait for");
}

fn client(number: usize) -> Upid {
    Upid::parse_or_empty(&format!("slave({number})@10.0.0.1:5051"))
}

fn peer(number: usize) -> Upid {
    Upid::parse_or_empty(&format!("crammd5-authenticatee({number})@10.0.0.1:5051"))
}

impl World {
    fn act(&mut self, source: &mut Source<'_>) {
        let number = source.below(CLIENTS);
        match source.below(8) {
            0 | 1 => self.begin(number, source),
            2 | 3 => self.honest_turn(source),
            4 => self.raw_start(source),
            5 => self.raw_step(source),
            6 => {
                let mut out = Vec::new();
                self.master.exited(&peer(number), &mut out);
                self.note(out);
            }
            _ if source.bool() => self.raw_to_client(number, source),
            _ => self.expire(Duration::from_millis(1 << source.below(15))),
        }
    }

    fn expire(&mut self, passed: Duration) {
        self.now += passed;
        let mut out = Vec::new();
        self.master.expire(self.now, &mut out);
        self.note(out);
    }

    fn begin(&mut self, number: usize, source: &mut Source<'_>) {
        let principal = source.pick(&NAMES).unwrap_or_default();
        let secret = if source.bool() {
            format!("{principal}-secret")
        } else {
            String::from_utf8_lossy(&source.short()).into_owned()
        };
        let credential = Credential {
            principal: principal.to_owned(),
            secret: Some(Secret::new(secret.into_bytes())),
        };
        if let Ok((side, _)) = Authenticatee::begin(credential, &client(number)) {
            self.honest.insert(number, side);
        }
        let mut out = Vec::new();
        self.master
            .begin(self.now, client(number), peer(number), &mut out);
        let opened = out.iter().find_map(|output| match output {
            Output::Open(id, _) => Some(*id),
            _ => None,
        });
        self.sessions.extend(opened.map(|id| (id, number)));
        self.note(out);
    }

    fn note(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Open(id, _) => assert!(self.open.insert(id), "a session opens once"),
                Output::Close(id) => assert!(self.open.remove(&id), "what closes was open"),
                Output::Send { session, message, .. } => {
                    assert!(self.open.contains(&session), "who speaks is open");
                    self.said.insert(session, message);
                }
                Output::Done { outcome, .. } => {
                    if let Outcome::Proven(principal) = outcome {
                        assert_eq!(self.proof.as_ref(), Some(&principal), "only the secret proves");
                        assert_ne!(principal, "empty", "nothing is proven without a secret");
                    }
                }
            }
        }
    }

    /// An honest peer answers what the master said last.
    fn honest_turn(&mut self, source: &mut Source<'_>) {
        let sessions = self.sessions.clone();
        let Some((id, number)) = source.pick(&sessions) else {
            return;
        };
        let Some(said) = self.said.get(&id).cloned() else {
            return;
        };
        let Some(side) = self.honest.get_mut(&number) else {
            return;
        };
        let next = match said {
            Message::Mechanisms(message) => side.mechanisms(&message),
            Message::Step(message) => side.step(&message),
            Message::Completed(_) => side.completed(),
            Message::Failed(_) => side.failed(),
            Message::Error(message) => side.error(&message),
        };
        self.carry(id, number, next);
    }

    fn carry(&mut self, id: SessionId, number: usize, next: Next) {
        let mut out = Vec::new();
        match next {
            Next::Start(message) => {
                self.nonce += 1;
                self.master
                    .start(self.now, id, &peer(number), &message, self.nonce, &mut out);
            }
            Next::Step(message) => {
                let principal = message
                    .data
                    .split(|byte| *byte == b' ')
                    .next()
                    .unwrap_or_default();
                self.proof = Some(String::from_utf8_lossy(principal).into_owned());
                self.master.step(id, &peer(number), &message, &mut out);
            }
            Next::Completed | Next::Failed | Next::Error(_) => {}
        }
        self.note(out);
        self.proof = None;
    }

    fn raw_start(&mut self, source: &mut Source<'_>) {
        let sessions = self.sessions.clone();
        let Some((id, number)) = source.pick(&sessions) else {
            return;
        };
        let message = internal::AuthenticationStartMessage {
            mechanism: if source.bool() {
                "CRAM-MD5".to_owned()
            } else {
                String::from_utf8_lossy(&source.short()).into_owned()
            },
            data: source.bool().then(|| source.short()),
        };
        let mut out = Vec::new();
        self.master.start(
            self.now,
            id,
            &peer(number),
            &message,
            u64::from(source.byte()),
            &mut out,
        );
        self.note(out);
    }

    fn raw_step(&mut self, source: &mut Source<'_>) {
        let sessions = self.sessions.clone();
        let Some((id, number)) = source.pick(&sessions) else {
            return;
        };
        let from = if source.bool() {
            number
        } else {
            source.below(CLIENTS)
        };
        let mut data = source.bytes().to_vec();
        if source.bool() {
            data = [b"agent ".as_slice(), &data].concat();
        }
        let message = internal::AuthenticationStepMessage { data: data.into() };
        let mut out = Vec::new();
        self.master.step(id, &peer(from), &message, &mut out);
        self.note(out);
    }

    /// A master that says anything.
    fn raw_to_client(&mut self, number: usize, source: &mut Source<'_>) {
        let Some(side) = self.honest.get_mut(&number) else {
            return;
        };
        let next = match source.below(5) {
            0 => side.mechanisms(&internal::AuthenticationMechanismsMessage {
                mechanisms: vec![String::from_utf8_lossy(&source.short()).into_owned()],
            }),
            1 => side.step(&internal::AuthenticationStepMessage { data: source.bytes() }),
            2 => side.completed(),
            3 => side.failed(),
            _ => side.error(&source.message().unwrap_or_default()),
        };
        if let Next::Step(step) = next {
            assert!(!step.data.is_empty(), "a response has a name");
        }
    }
}
