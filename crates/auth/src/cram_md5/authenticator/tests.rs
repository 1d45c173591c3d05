use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn authenticator() -> Authenticator {
    let pairs = [("a", "secret"), ("b b", "other"), ("empty", "")];
    let pairs = pairs.map(|(name, secret)| (name.to_owned(), secret.to_owned()));
    Authenticator::new(Arc::new(Credentials::from_iter(pairs)), "h", 15 * SECOND)
}

fn client(n: u16) -> Upid {
    Upid::parse_or_empty(&format!("slave(1)@10.0.0.1:{n}"))
}

fn peer(n: u16) -> Upid {
    Upid::parse_or_empty(&format!("crammd5-authenticatee(1)@10.0.0.1:{n}"))
}

fn start(mechanism: &str, data: Option<&'static [u8]>) -> internal::AuthenticationStartMessage {
    internal::AuthenticationStartMessage {
        mechanism: mechanism.to_owned(),
        data: data.map(Bytes::from_static),
    }
}

fn step(data: impl Into<Bytes>) -> internal::AuthenticationStepMessage {
    internal::AuthenticationStepMessage { data: data.into() }
}

/// Begins a session and brings it up to the challenge `<7.0@h>`.
fn challenged(authenticator: &mut Authenticator) {
    let mut out = Vec::new();
    authenticator.begin(Time::EPOCH, client(1), peer(1), &mut out);
    out.clear();
    let message = start(MECHANISM, Some(b""));
    authenticator.start(Time::EPOCH, SessionId(1), &peer(1), &message, 7, &mut out);
    assert_eq!(out, [send(Message::Step(step("<7.0@h>")))]);
}

fn send(message: Message) -> Output {
    Output::Send {
        session: SessionId(1),
        to: peer(1),
        message,
    }
}

fn done(outcome: Outcome) -> Output {
    Output::Done {
        client: client(1),
        outcome,
    }
}

fn proven(principal: &str) -> Output {
    done(Outcome::Proven(principal.to_owned()))
}

fn answer(data: impl Into<Bytes>) -> Vec<Output> {
    let mut authenticator = authenticator();
    challenged(&mut authenticator);
    let mut out = Vec::new();
    authenticator.step(SessionId(1), &peer(1), &step(data), &mut out);
    assert!(!authenticator.is_busy(&client(1)) && authenticator.deadline().is_none());
    out
}

#[track_caller]
fn refused(data: impl Into<Bytes>) {
    let failed = Message::Failed(internal::AuthenticationFailedMessage {});
    let expected = [send(failed), Output::Close(SessionId(1)), done(Outcome::Refused)];
    assert_eq!(answer(data), expected);
}

#[track_caller]
fn malformed(data: impl Into<Bytes>) {
    let expected = [
        send(error("Malformed authentication response")),
        Output::Close(SessionId(1)),
        done(Outcome::Failed),
    ];
    assert_eq!(answer(data), expected);
}

#[test]
fn the_right_secret_proves_the_principal() {
    let completed = || Message::Completed(internal::AuthenticationCompletedMessage {});
    let out = answer(format!("a {}", digest(b"secret", b"<7.0@h>")));
    assert_eq!(out, [send(completed()), Output::Close(SessionId(1)), proven("a")]);
    let out = answer(format!("b b {}", digest(b"other", b"<7.0@h>")));
    assert_eq!(
        out,
        [send(completed()), Output::Close(SessionId(1)), proven("b b")]
    );
}

#[test]
fn wrong_proofs_fail() {
    refused(format!("a {}", digest(b"Secret", b"<7.0@h>")));
    refused(format!("a {}", digest(b"secret", b"<8.0@h>")));
    refused(format!("a {}", digest(b"secret", b"<7.0@h>").to_uppercase()));
    refused(format!("b b {}", digest(b"secret", b"<7.0@h>")));
    refused(format!("nobody {}", digest(b"", b"<7.0@h>")));
    refused("a ");
}

#[test]
fn a_principal_without_a_secret_cannot_prove_itself() {
    refused(format!("empty {}", digest(b"", b"<7.0@h>")));
}

#[test]
fn malformed_responses_are_errors() {
    malformed("");
    malformed("a");
    malformed(" 0123");
    malformed(&b"\xff\xfe 0123"[..]);
    malformed(vec![b' '; MAX_STEP + 1]);
}

#[test]
fn what_comes_out_of_order_is_an_error() {
    let mut authenticator = authenticator();
    let mut out = Vec::new();
    authenticator.begin(Time::EPOCH, client(1), peer(1), &mut out);
    out.clear();
    authenticator.step(SessionId(1), &peer(1), &step("a 0"), &mut out);
    let text = "Unexpected authentication 'step' received";
    assert_eq!(
        out,
        [
            send(error(text)),
            Output::Close(SessionId(1)),
            done(Outcome::Failed)
        ]
    );

    let mut authenticator = self::authenticator();
    challenged(&mut authenticator);
    out.clear();
    let message = start(MECHANISM, None);
    authenticator.start(Time::EPOCH, SessionId(1), &peer(1), &message, 7, &mut out);
    let text = "Unexpected authentication 'start' received";
    assert_eq!(
        out,
        [
            send(error(text)),
            Output::Close(SessionId(1)),
            done(Outcome::Failed)
        ]
    );
}

#[test]
fn other_mechanisms_and_data_at_the_start_are_errors() {
    for message in [start("PLAIN", None), start(MECHANISM, Some(b"x"))] {
        let mut authenticator = authenticator();
        let mut out = Vec::new();
        authenticator.begin(Time::EPOCH, client(1), peer(1), &mut out);
        out.clear();
        authenticator.start(Time::EPOCH, SessionId(1), &peer(1), &message, 7, &mut out);
        assert!(
            matches!(
                out.as_slice(),
                [
                    Output::Send {
                        message: Message::Error(_),
                        ..
                    },
                    Output::Close(_),
                    Output::Done {
                        outcome: Outcome::Failed,
                        ..
                    }
                ]
            ),
            "{out:?}"
        );
    }
}

#[test]
fn strangers_are_not_heard_in_a_session() {
    let mut authenticator = authenticator();
    challenged(&mut authenticator);
    let mut out = Vec::new();
    let proof = format!("a {}", digest(b"secret", b"<7.0@h>"));
    authenticator.step(SessionId(1), &peer(2), &step(proof.clone()), &mut out);
    authenticator.step(SessionId(9), &peer(1), &step(proof.clone()), &mut out);
    assert_eq!(out, []);
    authenticator.step(SessionId(1), &peer(1), &step(proof), &mut out);
    assert_eq!(out.last(), Some(&proven("a")));
}

#[test]
fn a_new_attempt_replaces_the_old_one() {
    let mut authenticator = authenticator();
    challenged(&mut authenticator);
    let mut out = Vec::new();
    authenticator.begin(Time::EPOCH, client(1), peer(2), &mut out);
    assert_eq!(
        out.first_chunk::<2>(),
        Some(&[Output::Close(SessionId(1)), Output::Open(SessionId(2), peer(2))])
    );
    out.clear();
    let proof = format!("a {}", digest(b"secret", b"<7.0@h>"));
    authenticator.step(SessionId(1), &peer(1), &step(proof), &mut out);
    assert_eq!(out, []);
}

#[test]
fn sessions_end_in_silence_when_time_is_up_or_the_peer_is_gone() {
    let mut authenticator = authenticator();
    challenged(&mut authenticator);
    let mut out = Vec::new();
    let deadline = authenticator.deadline().unwrap();
    assert_eq!(deadline, Time::EPOCH + 15 * SECOND);
    authenticator.expire(Time::EPOCH + 14 * SECOND, &mut out);
    assert_eq!(out, []);
    authenticator.expire(deadline, &mut out);
    assert_eq!(out, [Output::Close(SessionId(1)), done(Outcome::Failed)]);

    let mut authenticator = self::authenticator();
    challenged(&mut authenticator);
    out.clear();
    authenticator.exited(&peer(2), &mut out);
    assert_eq!(out, []);
    authenticator.exited(&peer(1), &mut out);
    assert_eq!(out, [Output::Close(SessionId(1)), done(Outcome::Failed)]);
}

#[test]
fn sessions_are_bounded() {
    let mut authenticator = authenticator();
    authenticator.limit = 2;
    let mut out = Vec::new();
    for n in 1..=3 {
        authenticator.begin(Time::EPOCH, client(n), peer(n), &mut out);
    }
    assert_eq!(authenticator.sessions.len(), 2);
    assert!(
        matches!(out.last(), Some(Output::Done { client: refused, outcome: Outcome::Failed }) if *refused == client(3))
    );
    authenticator.expire(Time::MAX, &mut out);
    assert!(authenticator.sessions.is_empty() && authenticator.by_client.is_empty());
}
