//! An agent with a credential proves it before it registers: recorded bytes, wrong turns, other masters.

use std::time::Duration;

use agent::core::{Challenge, Config, Exit, Input, Output, Phase, Proof, RecoveredState, Sent};
use auth::{Credential, Secret};
use proto::{Message as _, internal};

use crate::recording::{Message, messages};
use crate::support::*;

const SESSION: &str = "crammd5-authenticator-session(1)@127.0.0.1:5050";

fn with_credential() -> Bench {
    let mut bench = Bench::new(Config {
        credential: Some(Credential {
            principal: "agent-1".to_owned(),
            secret: Some(Secret::new(*b"agent-secret")),
        }),
        ..config()
    });
    bench.recover(RecoveredState::default());
    bench.step(Input::Detected(Some(master())));
    bench
}

/// The attempt that an output speaks for, whom it speaks to, and its bytes.
fn proofs(out: &[Output]) -> Vec<(u64, String, Vec<u8>)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Prove { attempt, to, message } => {
                let body = match message {
                    Proof::Authenticate(message) => message.encode_to_vec(),
                    Proof::Start(message) => message.encode_to_vec(),
                    Proof::Step(message) => message.encode_to_vec(),
                };
                Some((*attempt, to.to_string(), body))
            }
            _ => None,
        })
        .collect()
}

fn challenge(bench: &mut Bench, attempt: u64, challenge: Challenge) -> Vec<Output> {
    let from = SESSION.parse().unwrap();
    bench.step(Input::Challenge {
        attempt,
        from,
        challenge,
    })
}

fn recorded(message: &Message) -> Challenge {
    match message.name.as_str() {
        "AuthenticationMechanismsMessage" => Challenge::Mechanisms(message.decode()),
        "AuthenticationStepMessage" => Challenge::Step(message.decode()),
        "AuthenticationCompletedMessage" => Challenge::Completed(message.decode()),
        other => panic!("{other}"),
    }
}

fn registers(out: &[Output]) -> bool {
    out.iter().any(|output| {
        matches!(
            output,
            Output::Send {
                message: Sent::RegisterSlave(_),
                ..
            }
        )
    })
}

#[test]
fn the_recorded_exchange_byte_for_byte() {
    let ours = messages("authentication-to-master");
    let theirs = messages("authentication-from-master");
    let mut bench = with_credential();
    let out = bench.wait();
    let body = |index: usize| ours[index].body.to_vec();
    assert_eq!(proofs(&out), [(1, MASTER.to_owned(), body(0))]);
    assert!(!registers(&out));
    for (index, message) in theirs.iter().enumerate().take(2) {
        let out = challenge(&mut bench, 1, recorded(message));
        assert_eq!(proofs(&out), [(1, SESSION.to_owned(), body(index + 1))]);
    }
    let out = challenge(&mut bench, 1, recorded(&theirs[2]));
    assert_eq!(ours[3].name, "RegisterSlaveMessage");
    assert!(out.contains(&Output::EndProof));
    assert!(registers(&out), "at once, without another wait");
}

#[test]
fn a_refused_credential_ends_the_agent() {
    let mut bench = with_credential();
    bench.wait();
    let failed = Challenge::Failed(internal::AuthenticationFailedMessage::default());
    let out = challenge(&mut bench, 1, failed);
    let message = format!("master {MASTER} refused authentication");
    assert!(out.contains(&Output::Exit(Exit::Failed(message))), "{out:?}");
}

#[test]
fn errors_and_silence_are_followed_by_another_attempt() {
    let mut bench = with_credential();
    bench.wait();
    let error = Challenge::Error(internal::AuthenticationErrorMessage {
        error: Some("No authenticator loaded".to_owned()),
    });
    assert_eq!(challenge(&mut bench, 1, error.clone()), [Output::EndProof]);
    let before = bench.now;
    assert_eq!(proofs(&bench.wait())[0].0, 2);
    assert!(bench.now.since(before) <= Duration::from_secs(1));
    // What the first session still says is of no interest.
    assert!(challenge(&mut bench, 1, error).is_empty());
    let before = bench.now;
    assert_eq!(proofs(&bench.wait())[0].0, 3);
    let waited = bench.now.since(before);
    assert!((5..=9).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(bench.agent.phase(), Phase::Disconnected);
}

#[test]
fn every_master_is_given_the_proof_anew() {
    let theirs = messages("authentication-from-master");
    let mut bench = with_credential();
    bench.wait();
    bench.step(Input::Detected(None));
    assert!(
        challenge(&mut bench, 1, recorded(&theirs[0])).is_empty(),
        "the master is gone"
    );
    bench.step(Input::Detected(Some(master())));
    assert_eq!(proofs(&bench.wait())[0].0, 2);
    for message in &theirs[..3] {
        challenge(&mut bench, 2, recorded(message));
    }
    bench.receive(agent::core::Received::SlaveRegistered(
        internal::SlaveRegisteredMessage {
            slave_id: proto::v1::AgentId { value: AGENT.into() },
            connection: None,
        },
    ));
    assert_eq!(bench.agent.phase(), Phase::Running);
    bench.step(Input::Exited(MASTER.parse().unwrap()));
    bench.step(Input::Detected(Some(master())));
    assert_eq!(proofs(&bench.wait())[0].0, 3);
}
