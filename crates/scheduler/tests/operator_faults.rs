//! The operator client against a master that does one thing wrong: each point of what a client of the event stream must stand.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use proto::ContentType;
use proto::Message as _;
use proto::v1::master::{Call, Response, call, event, response};
use scheduler::operator::{Agent, Client, EventStream, Overflow, Queue, Update};
use scheduler::{Address, Error, Options, StaticMasters, Wait};
use support::{
    Answer, PROTOBUF, Server, chunk, good, head, heartbeat, json_record, options, plain, record, soon,
    stream, subscribed, task_added, until,
};

/// What the stream tells, in short.
#[derive(Debug, PartialEq)]
enum Told {
    Snapshot,
    Event(event::Type),
    Lost(Error),
}

async fn told(events: &mut EventStream) -> Told {
    match soon(events.next()).await {
        Some(Ok(Update::Snapshot { .. })) => Told::Snapshot,
        Some(Ok(Update::Event { event, .. })) => Told::Event(event.r#type()),
        Some(Ok(Update::Lost { error, .. })) => Told::Lost(error),
        other => panic!("unexpected {other:?}"),
    }
}

fn follow(server: &Server, options: Options) -> EventStream {
    Client::new(server.masters(), options).subscribe()
}

/// The client survives the first answer: it reports the loss, connects again, and follows the good stream. Returns the loss.
async fn survives_with(options: Options, first: Answer, before: &[Told]) -> Error {
    let server = Server::answering([first, good()]).await;
    let mut events = follow(&server, options);
    for expected in before {
        assert_eq!(&told(&mut events).await, expected);
    }
    let Told::Lost(error) = told(&mut events).await else {
        panic!("expected a loss");
    };
    assert_eq!(told(&mut events).await, Told::Snapshot);
    assert_eq!(told(&mut events).await, Told::Event(event::Type::Heartbeat));
    assert_eq!(told(&mut events).await, Told::Event(event::Type::TaskAdded));
    assert_eq!(server.requests().len(), 2);
    error
}

async fn survives(first: Answer, before: &[Told]) -> Error {
    survives_with(options(), first, before).await
}

fn begun(rest: &[u8]) -> Vec<u8> {
    [stream(&[record(&subscribed(15.0))]), rest.to_vec()].concat()
}

/// The stream ends, or carries nonsense, after a good beginning.
async fn breaks(rest: &[u8]) -> Error {
    survives(Answer::Close(begun(rest)), &[Told::Snapshot]).await
}

#[tokio::test]
async fn a_request_says_what_it_is_and_what_it_takes() {
    let server = Server::answering([good()]).await;
    assert_eq!(told(&mut follow(&server, options())).await, Told::Snapshot);
    let request = &server.requests()[0];
    assert!(
        request.head.starts_with("POST /api/v1 HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(request.header("host"), Some(server.address.to_string().as_str()));
    assert_eq!(request.header("content-type"), Some(PROTOBUF));
    assert_eq!(request.header("accept"), Some(PROTOBUF));
    assert_eq!(request.header("authorization"), None);
    let call = Call::decode(request.body.as_slice()).unwrap();
    assert_eq!(
        call,
        Call {
            r#type: Some(call::Type::Subscribe.into()),
            ..Call::default()
        }
    );
}

#[tokio::test]
async fn a_credential_is_sent_as_basic_authentication() {
    let server = Server::answering([good()]).await;
    let mut options = options();
    options.credential = Some(scheduler::Credential {
        principal: "ops".to_owned(),
        secret: "s3cret".to_owned(),
    });
    assert!(!format!("{options:?}").contains("s3cret"));
    assert_eq!(told(&mut follow(&server, options)).await, Told::Snapshot);
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some("Basic b3BzOnMzY3JldA==")
    );
}

#[tokio::test]
async fn an_endpoint_is_read_as_it_stands_and_must_be_json() {
    let json = plain("200 OK", "Content-Type: application/json\r\n", r#"{"a":1}"#);
    let text = plain("200 OK", "Content-Type: text/plain\r\n", "no");
    let missing = plain("404 Not Found", "", "No role found");
    let server = Server::answering([json, text, missing].map(Answer::Close)).await;
    let client = Client::new(server.masters(), options());
    let path = "/allocator/explain?role=a%2Fb";
    assert_eq!(soon(client.read(path)).await.unwrap(), r#"{"a":1}"#.as_bytes());
    let request = &server.requests()[0];
    assert!(
        request.head.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
        "{}",
        request.head
    );
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("content-type"), None);
    assert!(matches!(
        soon(client.read("/a")).await,
        Err(Error::ContentType {
            expected: "application/json",
            ..
        })
    ));
    assert!(matches!(
        soon(client.read("/a")).await,
        Err(Error::Refused { status: 404, message }) if message == "No role found"
    ));
}

#[tokio::test]
async fn records_may_be_cut_anywhere_or_share_a_chunk() {
    let records = [
        record(&subscribed(15.0)),
        record(&heartbeat()),
        record(&task_added("t1")),
    ]
    .concat();
    let bytes = records
        .iter()
        .flat_map(|byte| chunk(&[*byte]))
        .collect::<Vec<_>>();
    for body in [chunk(&records), bytes] {
        let server = Server::answering([Answer::Hold([head(PROTOBUF, ""), body].concat())]).await;
        let mut events = follow(&server, options());
        assert_eq!(told(&mut events).await, Told::Snapshot);
        assert_eq!(told(&mut events).await, Told::Event(event::Type::Heartbeat));
        assert_eq!(told(&mut events).await, Told::Event(event::Type::TaskAdded));
    }
}

#[tokio::test]
async fn a_stream_that_ends_between_records_is_closed() {
    assert_eq!(breaks(b"0\r\n\r\n").await, Error::Closed, "orderly");
    assert_eq!(breaks(b"").await, Error::Closed, "as when the master is killed");
    assert_eq!(breaks(b"ff\r\n").await, Error::Closed, "cut before the record");
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_record_is_truncated() {
    let whole = record(&task_added("t1"));
    let cut = &whole[..whole.len() - 5];
    assert_eq!(breaks(&chunk(cut)).await, Error::Truncated { missing: 5 });
    assert_eq!(
        breaks(&[chunk(cut), b"0\r\n\r\n".to_vec()].concat()).await,
        Error::Truncated { missing: 5 }
    );
    assert_eq!(breaks(&chunk(b"12")).await, Error::Truncated { missing: 0 });
}

#[tokio::test]
async fn a_length_that_is_none_breaks_the_stream() {
    for garbage in [
        "x\n{}",
        "-5\nabcde",
        "\n{}",
        " 5\nabcde",
        "18446744073709551616\nx",
        "4294967296\nx",
    ] {
        let error = breaks(&chunk(garbage.as_bytes())).await;
        assert!(matches!(error, Error::Record(_)), "{garbage:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_length_of_ten_megabytes_is_not_kept() {
    let endless = Answer::Endless(begun(b"ffffff\r\n"), vec![b'1'; 65_536], 160);
    let error = survives(endless, &[Told::Snapshot]).await;
    assert!(matches!(error, Error::Record(_)), "{error:?}");
}

#[tokio::test]
async fn a_record_beyond_the_limit_breaks_the_stream() {
    let mut options = options();
    options.max_record = 1000;
    let large = record(&task_added(&"t".repeat(2000)));
    let error = survives_with(options, Answer::Close(begun(&chunk(&large))), &[Told::Snapshot]).await;
    assert!(matches!(error, Error::Record(_)), "{error:?}");
}

#[tokio::test]
async fn a_record_that_is_no_event_breaks_the_stream() {
    let mut lacking = task_added("t1");
    lacking.task_added = Some(event::TaskAdded::default());
    let lacking = lacking.encode_to_vec();
    // TASK_ADDED whose `task` is there but empty: prost would take the defaults.
    let empty_task: &[u8] = &[0x08, 0x02, 0x1a, 0x02, 0x0a, 0x00];
    let truncated = &lacking[..lacking.len() - 1];
    for bad in [&b"\xff\xff\xff"[..], empty_task, truncated] {
        let error = breaks(&chunk(&recordio::encode(bad))).await;
        assert!(matches!(error, Error::Decode(_)), "{bad:?}: {error:?}");
    }
}

#[tokio::test]
async fn json_that_is_none_breaks_the_stream() {
    let mut options = options();
    options.content_type = ContentType::Json;
    let begin = [
        head("application/json", ""),
        chunk(&json_record(&subscribed(15.0))),
    ]
    .concat();
    let bad = [begin.clone(), chunk(&recordio::encode(b"{\"type\":"))].concat();
    let right = [begin, chunk(&json_record(&task_added("t1")))].concat();
    let server = Server::answering([Answer::Close(bad), Answer::Hold(right)]).await;
    let mut events = follow(&server, options);
    assert_eq!(told(&mut events).await, Told::Snapshot);
    assert!(matches!(told(&mut events).await, Told::Lost(Error::Decode(_))));
    assert_eq!(told(&mut events).await, Told::Snapshot);
    assert_eq!(told(&mut events).await, Told::Event(event::Type::TaskAdded));
    assert_eq!(server.requests()[0].header("accept"), Some("application/json"));
}

#[tokio::test]
async fn the_first_event_must_be_subscribed() {
    let error = survives(Answer::Close(stream(&[record(&heartbeat())])), &[]).await;
    assert_eq!(
        error,
        Error::NotSubscribedFirst {
            got: "HEARTBEAT".to_owned()
        }
    );
}

#[tokio::test]
async fn the_content_type_must_be_the_one_asked_for() {
    for (headers, got) in [
        ("Content-Type: text/html\r\n", "text/html"),
        ("", ""),
        ("Content-Type: application/json\r\n", "application/json"),
    ] {
        let error = survives(Answer::Close(plain("200 OK", headers, "hi")), &[]).await;
        assert_eq!(
            error,
            Error::ContentType {
                expected: PROTOBUF,
                got: got.to_owned()
            }
        );
    }
}

#[tokio::test]
async fn heartbeats_that_stop_end_the_stream() {
    let silent = Answer::Hold(stream(&[record(&subscribed(0.05))]));
    let error = survives(silent, &[Told::Snapshot]).await;
    assert_eq!(
        error,
        Error::TimedOut {
            what: Wait::Heartbeat,
            limit: Duration::from_millis(150)
        }
    );
}

#[tokio::test]
async fn a_connection_that_dies_inside_a_record_ends_the_stream() {
    // Nothing more comes, and no end either: what a lost network looks like.
    let half = Answer::Hold([stream(&[record(&subscribed(0.05))]), chunk(b"99\nx")].concat());
    let error = survives(half, &[Told::Snapshot]).await;
    assert_eq!(
        error,
        Error::TimedOut {
            what: Wait::Heartbeat,
            limit: Duration::from_millis(150)
        }
    );
}

#[tokio::test]
async fn heartbeats_in_time_keep_the_stream() {
    let beat = chunk(&record(&heartbeat()));
    // Ten beats at 50 ms last longer than the three intervals of 100 ms that silence may.
    let parts = std::iter::once(stream(&[record(&subscribed(0.1))]))
        .chain(std::iter::repeat_n(beat, 10))
        .collect();
    let server = Server::answering([Answer::Staged(parts)]).await;
    let mut events = follow(&server, options());
    assert_eq!(told(&mut events).await, Told::Snapshot);
    for _ in 0..10 {
        assert_eq!(told(&mut events).await, Told::Event(event::Type::Heartbeat));
    }
}

#[tokio::test]
async fn silence_while_the_consumer_was_away_is_not_the_masters() {
    let server = Server::answering([Answer::Staged(vec![
        stream(&[record(&subscribed(0.05))]),
        chunk(&record(&heartbeat())),
    ])])
    .await;
    let mut events = follow(&server, options());
    assert_eq!(told(&mut events).await, Told::Snapshot);
    // Longer than silence may last; the heartbeat has come meanwhile.
    let _away = tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>()).await;
    assert_eq!(told(&mut events).await, Told::Event(event::Type::Heartbeat));
}

#[tokio::test]
async fn a_master_that_never_answers_times_out() {
    let mut options = options();
    options.policy.answer_timeout = Duration::from_millis(100);
    let error = survives_with(options, Answer::Hold(Vec::new()), &[]).await;
    assert_eq!(
        error,
        Error::TimedOut {
            what: Wait::Answer,
            limit: Duration::from_millis(100)
        }
    );
}

#[tokio::test]
async fn a_master_that_never_subscribes_times_out() {
    let mut options = options();
    options.policy.first_event_timeout = Duration::from_millis(100);
    let error = survives_with(options, Answer::Hold(head(PROTOBUF, "")), &[]).await;
    assert_eq!(
        error,
        Error::TimedOut {
            what: Wait::FirstEvent,
            limit: Duration::from_millis(100)
        }
    );
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_broken_connection() {
    let endless = Answer::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 65_536], 160);
    let many: String = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect();
    for bad in [
        Answer::Close(Vec::new()),
        Answer::Close(b"\0\x01\x02\r\n\r\n".to_vec()),
        Answer::Close(b"HTTP/1.1 200".to_vec()),
        Answer::Close(plain("200 OK", &many, "")),
        endless,
    ] {
        let error = survives(bad, &[]).await;
        assert!(matches!(error, Error::Broken { .. }), "{error:?}");
    }
    assert_eq!(breaks(b"zz\r\n").await, Error::Closed, "a chunk without a size");
}

#[tokio::test]
async fn statuses_that_may_pass_are_tried_again() {
    for status in [404, 408, 429, 500, 502, 503, 504] {
        let error = survives(
            Answer::Close(plain(&format!("{status} X"), "", "No leader elected\n")),
            &[],
        )
        .await;
        assert_eq!(
            error,
            Error::NotReady {
                status,
                message: "No leader elected".to_owned()
            }
        );
    }
}

#[tokio::test]
async fn statuses_that_will_not_change_end_it() {
    for status in [400, 401, 403, 405, 406, 413, 415, 501] {
        let server = Server::answering([Answer::Close(plain(&format!("{status} X"), "", "because"))]).await;
        let mut events = follow(&server, options());
        let error = soon(events.next()).await;
        assert_eq!(
            error,
            Some(Err(Error::Refused {
                status,
                message: "because".to_owned()
            }))
        );
        assert_eq!(soon(events.next()).await, None);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_text_of_an_error_is_kept_in_part() {
    let endless = Answer::Endless(
        b"HTTP/1.1 400 X\r\nContent-Length: 99999999\r\n\r\n".to_vec(),
        vec![b'a'; 65_536],
        160,
    );
    let server = Server::answering([endless]).await;
    let Some(Err(Error::Refused { message, .. })) = soon(follow(&server, options()).next()).await else {
        panic!("expected a refusal");
    };
    assert_eq!(message.len(), 4096);
}

#[tokio::test]
async fn the_leader_is_found_by_its_redirect() {
    let leader = Server::answering([good()]).await;
    let location = format!("Location: //{}/api/v1\r\n", leader.address);
    let other = Server::answering([Answer::Close(plain("307 Temporary Redirect", &location, ""))]).await;
    let mut events = follow(&other, options());
    assert_eq!(told(&mut events).await, Told::Snapshot);
    assert_eq!(events.master(), Some(&leader.address));
    assert_eq!(leader.requests()[0].body, other.requests()[0].body);
}

#[tokio::test]
async fn masters_that_redirect_in_a_circle_are_left_after_five_hops() {
    let server = Server::with(|request| {
        let host = request.header("host").unwrap();
        Answer::Close(plain(
            "307 Temporary Redirect",
            &format!("Location: http://{host}/api/v1\r\n"),
            "",
        ))
    })
    .await;
    let mut events = follow(&server, options());
    assert_eq!(
        told(&mut events).await,
        Told::Lost(Error::RedirectLoop {
            hops: 5,
            last: server.address.clone()
        })
    );
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_tried_again() {
    for (headers, location) in [("", ""), ("Location: zk://x/y\r\n", "zk://x/y")] {
        let error = survives(Answer::Close(plain("307 X", headers, "")), &[]).await;
        assert_eq!(
            error,
            Error::BadRedirect {
                location: location.to_owned()
            }
        );
    }
}

#[tokio::test]
async fn a_list_of_masters_is_tried_in_turn() {
    let right = Server::answering([good()]).await;
    let gone = Server::answering([good()]).await.address.clone();
    let masters = Arc::new(StaticMasters::new(vec![gone.clone(), right.address.clone()]));
    let mut events = Client::new(masters, options()).subscribe();
    assert!(matches!(told(&mut events).await, Told::Lost(Error::Connect { to, .. }) if to == gone));
    assert_eq!(told(&mut events).await, Told::Snapshot);
}

#[tokio::test]
async fn attempts_can_be_limited() {
    let server = Server::answering([Answer::Close(plain("503 X", "", "no"))]).await;
    let mut options = options();
    options.policy.max_attempts = Some(3);
    let mut events = follow(&server, options);
    assert!(matches!(told(&mut events).await, Told::Lost(_)));
    assert!(matches!(told(&mut events).await, Told::Lost(_)));
    let last = Box::new(Error::NotReady {
        status: 503,
        message: "no".to_owned(),
    });
    assert_eq!(
        soon(events.next()).await,
        Some(Err(Error::GaveUp { attempts: 3, last }))
    );
}

/// A stream that could go on for about 128 MiB, in records of 130 kB.
fn flood() -> Answer {
    let block = chunk(&record(&task_added(&"t".repeat(65_000))));
    Answer::Endless(stream(&[record(&subscribed(15.0))]), block, 1000)
}

#[tokio::test]
async fn a_consumer_that_does_not_read_holds_the_master_back() {
    let server = Server::answering([flood()]).await;
    let mut events = follow(&server, options());
    assert_eq!(told(&mut events).await, Told::Snapshot);
    // The master writes until the sockets are full, then no more.
    let (mut before, mut same) = (usize::MAX, 0);
    until("the master stops writing", || {
        let now = *server.written.lock().unwrap();
        same = if now == before { same + 1 } else { 0 };
        before = now;
        same > 50
    })
    .await;
    assert!(before < 32 << 20, "{before} bytes were taken unread");
    // Nothing is lost by it.
    for _ in 0..1000 {
        assert_eq!(told(&mut events).await, Told::Event(event::Type::TaskAdded));
    }
}

#[tokio::test]
async fn a_queue_that_waits_is_bounded_in_bytes() {
    let server = Server::answering([flood()]).await;
    let queue = Queue {
        records: 1000,
        bytes: 1 << 20,
        overflow: Overflow::Wait,
    };
    let mut events = follow(&server, options()).buffered(queue);
    until("the queue is full", || events.waiting() >= 7).await;
    let mut seen = 0;
    while seen < 1001 {
        assert!(
            events.waiting() <= 9,
            "{} records of 130 kB in 1 MiB",
            events.waiting()
        );
        assert!(matches!(
            soon(events.next()).await,
            Some(Ok(Update::Snapshot { .. } | Update::Event { .. }))
        ));
        seen += 1;
    }
}

#[tokio::test]
async fn a_queue_that_overflows_disconnects_and_begins_anew() {
    let server = Server::answering([flood(), good()]).await;
    let queue = Queue {
        records: 10,
        bytes: 1 << 30,
        overflow: Overflow::Disconnect,
    };
    let mut events = follow(&server, options()).buffered(queue);
    until("the queue is full", || events.waiting() == 10).await;
    // What was queued stays readable, then the loss is told, then comes a new snapshot.
    assert!(matches!(
        soon(events.next()).await,
        Some(Ok(Update::Snapshot { .. }))
    ));
    for _ in 0..9 {
        assert!(matches!(
            soon(events.next()).await,
            Some(Ok(Update::Event { .. }))
        ));
    }
    let mut more = 0;
    loop {
        match soon(events.next()).await {
            // Room made by reading may have let in a few more before the overflow.
            Some(Ok(Update::Event { .. })) if more < 100 => more += 1,
            Some(Ok(Update::Lost {
                error: Error::Overflow { records, bytes },
                ..
            })) => {
                assert!(
                    (1..=10).contains(&records) && bytes >= 65_000,
                    "{records} {bytes}"
                );
                break;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(matches!(
        soon(events.next()).await,
        Some(Ok(Update::Snapshot { .. }))
    ));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn next_may_be_dropped_and_called_again() {
    let records = [
        record(&subscribed(15.0)),
        record(&heartbeat()),
        record(&task_added("t1")),
    ];
    let parts = records.iter().flat_map(|record| record.chunks(3)).map(chunk);
    let parts = std::iter::once(head(PROTOBUF, ""))
        .chain(parts)
        .take(400)
        .collect();
    let server = Server::answering([Answer::Staged(parts)]).await;
    let mut events = follow(&server, options());
    let mut seen = Vec::new();
    while seen.len() < 3 {
        // Far shorter than a record takes to arrive.
        if let Ok(update) = tokio::time::timeout(Duration::from_millis(7), events.next()).await {
            seen.push(match update {
                Some(Ok(Update::Snapshot { .. })) => event::Type::Subscribed,
                Some(Ok(Update::Event { event, .. })) => event.r#type(),
                other => panic!("unexpected {other:?}"),
            });
        }
    }
    assert_eq!(
        seen,
        [
            event::Type::Subscribed,
            event::Type::Heartbeat,
            event::Type::TaskAdded
        ]
    );
    assert_eq!(server.requests().len(), 1);
}

/// An answer to GET_HEALTH.
fn healthy() -> Vec<u8> {
    let body = Response {
        r#type: Some(response::Type::GetHealth.into()),
        get_health: Some(response::GetHealth { healthy: true }),
        ..Response::default()
    }
    .encode_to_vec();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

#[tokio::test]
async fn calls_share_a_connection_and_survive_its_end() {
    // The second answer ends the connection after it was kept for the third call.
    let server = Server::answering([
        Answer::Keep(healthy()),
        Answer::Close(healthy()),
        Answer::Keep(healthy()),
    ])
    .await;
    let client = Client::new(server.masters(), options());
    for _ in 0..3 {
        assert_eq!(soon(client.healthy()).await, Ok(true));
    }
    let connections: Vec<usize> = server
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn a_call_waits_for_a_leader_and_follows_it() {
    let leader = Server::answering([Answer::Keep(healthy())]).await;
    let location = format!("Location: //{}/api/v1\r\n", leader.address);
    let answers = [
        plain("503 X", "", "No leader elected"),
        plain("503 X", "", "Master has not finished recovery"),
        plain("307 X", &location, ""),
    ];
    let server = Server::answering(answers.map(Answer::Close)).await;
    assert_eq!(
        soon(Client::new(server.masters(), options()).healthy()).await,
        Ok(true)
    );
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_call_that_may_have_had_its_effect_is_not_repeated() {
    let server = Server::answering([Answer::Close(Vec::new()), Answer::Keep(healthy())]).await;
    let client = Client::new(server.masters(), options());
    let teardown = client.teardown(proto::v1::FrameworkId {
        value: "f1".to_owned(),
    });
    assert!(matches!(soon(teardown).await, Err(Error::Broken { .. })));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_call_that_only_reads_is_repeated() {
    let server = Server::answering([Answer::Close(Vec::new()), Answer::Keep(healthy())]).await;
    assert_eq!(
        soon(Client::new(server.masters(), options()).healthy()).await,
        Ok(true)
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_call_fails_in_time_with_the_last_reason() {
    let server = Server::answering([Answer::Close(plain("503 X", "", "No leader elected"))]).await;
    let mut options = options();
    options.call_timeout = Duration::from_millis(200);
    let expected = Error::NotReady {
        status: 503,
        message: "No leader elected".to_owned(),
    };
    assert_eq!(
        soon(Client::new(server.masters(), options).healthy()).await,
        Err(expected)
    );
}

#[tokio::test]
async fn bad_answers_to_calls_are_errors() {
    let mut options = options();
    options.max_answer = 1000;
    options.call_timeout = Duration::from_millis(300);
    let typed = format!("Content-Type: {PROTOBUF}\r\n");
    let large = plain("200 OK", &typed, &"x".repeat(2000));
    let check = async |answer: Vec<u8>| {
        let server = Server::answering([Answer::Close(answer)]).await;
        soon(Client::new(server.masters(), options.clone()).healthy())
            .await
            .expect_err("it is bad")
    };
    assert_eq!(check(large).await, Error::TooLarge { limit: 1000 });
    assert!(matches!(
        check(plain("200 OK", &typed, "\u{7f}\u{7f}\u{7f}")).await,
        Error::Decode(_)
    ));
    assert!(matches!(
        check(plain("200 OK", "Content-Type: text/html\r\n", "x")).await,
        Error::ContentType { .. }
    ));
    assert_eq!(
        check(plain("200 OK", &typed, "")).await,
        Error::Incomplete("a body")
    );
    assert!(matches!(
        check(plain("400 X", "", "no")).await,
        Error::Refused { status: 400, .. }
    ));
    let cut = format!("HTTP/1.1 200 OK\r\n{typed}Content-Length: 100\r\n\r\nxx").into_bytes();
    assert!(matches!(check(cut).await, Error::Broken { .. }));
}

#[tokio::test]
async fn a_file_is_read_from_its_agent() {
    use proto::v1::agent;
    let body = agent::Response {
        r#type: Some(agent::response::Type::ReadFile.into()),
        read_file: Some(agent::response::ReadFile {
            size: 5,
            data: "hello".into(),
        }),
        ..agent::Response::default()
    };
    let body = body.encode_to_vec();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let server = Server::answering([Answer::Keep([head.into_bytes(), body].concat())]).await;
    let file = soon(Agent::new(server.address.clone(), &options()).read_file("/x/stdout", 0, 10))
        .await
        .unwrap();
    assert_eq!((file.size, &file.data[..]), (5, &b"hello"[..]));
    let call = agent::Call::decode(server.requests()[0].body.as_slice()).unwrap();
    assert_eq!(call.r#type(), agent::call::Type::ReadFile);
    assert_eq!(call.read_file.unwrap().path, "/x/stdout");
}

#[tokio::test]
async fn nobody_there_is_a_failure_to_connect() {
    let gone: Address = Server::answering([good()]).await.address.clone();
    let mut options = options();
    options.policy.max_attempts = Some(1);
    let client = Client::new(Arc::new(StaticMasters::new(vec![gone.clone()])), options);
    assert!(matches!(soon(client.healthy()).await, Err(Error::Connect { to, .. }) if to == gone));
}

/// The recorded stream of a real Mesos, in either encoding.
async fn replay(content_type: ContentType, recording: &[u8]) -> Vec<(event::Type, Option<String>)> {
    let mut options = options();
    options.content_type = content_type;
    let body = recording.chunks(1000).flat_map(chunk).collect();
    let server = Server::answering([Answer::Close([head(content_type.as_str(), ""), body].concat())]).await;
    let mut events = follow(&server, options);
    let mut seen = Vec::new();
    loop {
        match soon(events.next()).await {
            Some(Ok(Update::Snapshot { state, .. })) => {
                let agents = state.get_state.unwrap().get_agents.unwrap().agents;
                seen.push((
                    event::Type::Subscribed,
                    Some(agents[0].agent_info.hostname.clone()),
                ));
            }
            Some(Ok(Update::Event { event, .. })) => {
                let task = event
                    .task_updated
                    .as_ref()
                    .map(|updated| updated.status.task_id.value.clone());
                seen.push((event.r#type(), task));
            }
            Some(Ok(Update::Lost { error, .. })) => {
                assert_eq!(error, Error::Closed);
                return seen;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_recording_of_mesos_reads_the_same_in_both_encodings() {
    let protobuf = replay(
        ContentType::Protobuf,
        include_bytes!("golden/captured/operator-protobuf.recordio"),
    )
    .await;
    let json = replay(
        ContentType::Json,
        include_bytes!("golden/captured/operator-json.recordio"),
    )
    .await;
    assert_eq!(
        protobuf[0],
        (event::Type::Subscribed, Some("localhost".to_owned()))
    );
    assert_eq!(protobuf[1].0, event::Type::Heartbeat);
    assert!(protobuf.len() > 20, "{}", protobuf.len());
    // Heartbeats fall where they fall.
    let told = |seen: Vec<(event::Type, Option<String>)>| -> Vec<_> {
        seen.into_iter()
            .filter(|(kind, _)| *kind != event::Type::Heartbeat)
            .collect()
    };
    assert_eq!(told(protobuf), told(json));
}
