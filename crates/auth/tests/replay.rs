//! Both sides of CRAM-MD5 held against what a real master, agent and driver sent each other, byte for byte.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use auth::cram_md5::{Authenticatee, Authenticator, Message, Next, Outcome, Output};
use auth::{Credential, Credentials, Secret};
use bytes::{Bytes, BytesMut};
use process::wire::{Decoder, Incoming, encode, split_target};
use process::{Time, Upid};
use proto::{Name, internal};

/// One recorded message.
struct Sent {
    from: Upid,
    id: String,
    name: String,
    body: Bytes,
}

fn recording(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/captured");
    std::fs::read(folder.join(name)).unwrap()
}

/// The first messages of a recording.
fn messages(bytes: &[u8], count: usize) -> Vec<Sent> {
    let mut decoder = Decoder::new(64 << 10, 1 << 20);
    let mut input = BytesMut::from(bytes);
    let mut found = Vec::new();
    while found.len() < count {
        let Some(Incoming::Message(message)) = decoder.next(&mut input).unwrap() else {
            panic!("the recording holds {count} messages");
        };
        let (id, name) = split_target(&message.target).unwrap();
        found.push(Sent {
            from: message.sender.parse().unwrap(),
            id,
            name: name.to_owned(),
            body: message.body,
        });
    }
    found
}

/// The message on the wire.
fn wire<M: proto::Message + Name>(from: &Upid, to: &Upid, message: &M) -> Bytes {
    encode(from, to, &M::full_name(), &message.encode_to_vec())
}

struct Case {
    /// What the client sent, and what the master sent.
    client: &'static str,
    master: &'static str,
    principal: &'static str,
    secret: &'static str,
    session: u64,
    nonce: u64,
    second: i64,
}

const CASES: [Case; 2] = [
    Case {
        client: "002-5050-c2s.bin",
        master: "003-5051-c2s.bin",
        principal: "agent-1",
        secret: "agent-secret",
        session: 1,
        nonce: 3_280_204_021,
        second: 60_082,
    },
    Case {
        client: "004-5050-c2s.bin",
        master: "005-32855-c2s.bin",
        principal: "framework-1",
        secret: "framework-secret",
        session: 2,
        nonce: 705_989_365,
        second: 60_084,
    },
];

#[test]
fn our_master_says_what_the_recorded_one_said() {
    let secrets = CASES
        .iter()
        .map(|case| (case.principal.to_owned(), case.secret.to_owned()));
    let secrets = Arc::new(secrets.collect::<Credentials>());
    let mut authenticator = Authenticator::new(secrets, "vm", Duration::from_secs(15));
    for case in CASES {
        let now = Time::from_secs(case.second);
        let mut out = Vec::new();
        for sent in messages(&recording(case.client), 3) {
            let session = format!("crammd5-authenticator-session({})", case.session);
            let expected = if sent.name == internal::AuthenticateMessage::full_name() {
                "master"
            } else {
                &session
            };
            assert_eq!(sent.id, expected);
            let id = auth::cram_md5::SessionId(case.session);
            match sent.name.rsplit_once('.').unwrap().1 {
                "AuthenticateMessage" => {
                    let message: internal::AuthenticateMessage = proto::decode(sent.body).unwrap();
                    authenticator.begin(now, message.pid.parse().unwrap(), sent.from, &mut out);
                }
                "AuthenticationStartMessage" => {
                    let message = proto::decode(sent.body).unwrap();
                    authenticator.start(now, id, &sent.from, &message, case.nonce, &mut out);
                }
                _ => authenticator.step(id, &sent.from, &proto::decode(sent.body).unwrap(), &mut out),
            }
        }
        let mut bytes = BytesMut::new();
        for output in &out {
            if let Output::Send { session, to, message } = output {
                let from: Upid = format!("{session}@127.0.0.1:5050").parse().unwrap();
                bytes.extend_from_slice(&match message {
                    Message::Mechanisms(message) => wire(&from, to, message),
                    Message::Step(message) => wire(&from, to, message),
                    Message::Completed(message) => wire(&from, to, message),
                    Message::Failed(message) => wire(&from, to, message),
                    Message::Error(message) => wire(&from, to, message),
                });
            }
        }
        let recorded = recording(case.master);
        assert!(!bytes.is_empty() && recorded.starts_with(&bytes), "{bytes:?}");
        assert!(matches!(
            out.last(),
            Some(Output::Done { outcome: Outcome::Proven(principal), .. }) if principal == case.principal
        ));
    }
}

#[test]
fn our_client_says_what_the_recorded_one_said() {
    for case in CASES {
        let recorded = recording(case.client);
        let first = messages(&recorded, 1).remove(0);
        let request: internal::AuthenticateMessage = proto::decode(first.body).unwrap();
        let (me, master) = (first.from, "master@127.0.0.1:5050".parse().unwrap());
        let credential = Credential {
            principal: case.principal.to_owned(),
            secret: Some(Secret::new(case.secret.as_bytes())),
        };
        let (mut attempt, message) = Authenticatee::begin(credential, &request.pid.parse().unwrap()).unwrap();
        let mut bytes = BytesMut::from(&*wire(&me, &master, &message));
        for sent in messages(&recording(case.master), 3) {
            let next = match sent.name.rsplit_once('.').unwrap().1 {
                "AuthenticationMechanismsMessage" => attempt.mechanisms(&proto::decode(sent.body).unwrap()),
                "AuthenticationStepMessage" => attempt.step(&proto::decode(sent.body).unwrap()),
                _ => attempt.completed(),
            };
            match next {
                Next::Start(message) => bytes.extend_from_slice(&wire(&me, &sent.from, &message)),
                Next::Step(message) => bytes.extend_from_slice(&wire(&me, &sent.from, &message)),
                Next::Completed => {}
                Next::Failed | Next::Error(_) => panic!("{next:?}"),
            }
        }
        assert!(recorded.starts_with(&bytes), "{bytes:?}");
    }
}
