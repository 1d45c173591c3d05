//! The scheduler SDK against a master that answers as the test says.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use proto::Message as _;
use proto::v1;
use proto::v1::scheduler::{Call, Event, call, event};
use scheduler::{Error, Registration, Scheduler, Signal};
use support::{Answer, PROTOBUF, Request, Server, chunk, head, options, plain, record, soon, until};

fn info() -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        user: "root".to_owned(),
        name: "test".to_owned(),
        ..v1::FrameworkInfo::default()
    }
}

fn id(value: &str) -> v1::FrameworkId {
    v1::FrameworkId {
        value: value.to_owned(),
    }
}

fn subscribed(framework: &str) -> Event {
    let subscribed = event::Subscribed {
        framework_id: id(framework),
        heartbeat_interval_seconds: Some(15.0),
        ..event::Subscribed::default()
    };
    Event {
        r#type: Some(event::Type::Subscribed.into()),
        subscribed: Some(subscribed),
        ..Event::default()
    }
}

fn status(task: &str, state: v1::TaskState, uuid: Option<&[u8]>) -> v1::TaskStatus {
    v1::TaskStatus {
        task_id: v1::TaskId {
            value: task.to_owned(),
        },
        state: state.into(),
        agent_id: Some(v1::AgentId {
            value: "a1".to_owned(),
        }),
        uuid: uuid.map(|bytes| bytes.to_vec().into()),
        ..v1::TaskStatus::default()
    }
}

fn update(status: v1::TaskStatus) -> Event {
    Event {
        r#type: Some(event::Type::Update.into()),
        update: Some(event::Update { status }),
        ..Event::default()
    }
}

fn stream(stream_id: &str, events: &[Event]) -> Vec<u8> {
    let chunks = events.iter().map(|event| chunk(&record(event)));
    let head = head(PROTOBUF, &format!("Mesos-Stream-Id: {stream_id}\r\n"));
    [head].into_iter().chain(chunks).collect::<Vec<_>>().concat()
}

fn call_of(request: &Request) -> Call {
    Call::decode(request.body.as_slice()).unwrap()
}

/// A master that opens these streams one after the other (the last again and again) and accepts every call.
async fn master(streams: Vec<Answer>) -> Server {
    let mut streams = streams;
    Server::with(move |request| match call_of(request).r#type() {
        call::Type::Subscribe if streams.len() > 1 => streams.remove(0),
        call::Type::Subscribe => streams[0].clone(),
        _ => Answer::Keep(plain("202 Accepted", "", "")),
    })
    .await
}

fn scheduler(server: &Server) -> Scheduler {
    Scheduler::new(server.masters(), Registration::from(info()), &options())
}

async fn next(scheduler: &mut Scheduler) -> Signal {
    soon(scheduler.next()).await.unwrap().unwrap()
}

/// The calls but SUBSCRIBE, with the stream id each carried.
fn calls(server: &Server) -> Vec<(Option<String>, Call)> {
    let requests = server.requests();
    let calls = requests.iter().map(|request| {
        let stream_id = request.header("mesos-stream-id").map(str::to_owned);
        (stream_id, call_of(request))
    });
    calls
        .filter(|(_, call)| call.r#type() != call::Type::Subscribe)
        .collect()
}

#[tokio::test]
async fn calls_carry_the_stream_and_the_framework_on_a_connection_of_their_own() {
    let server = master(vec![Answer::Hold(stream("s-1", &[subscribed("f1")]))]).await;
    let mut scheduler = scheduler(&server);
    let calls = scheduler.calls();
    assert_eq!(calls.revive(vec![]).await, Err(Error::NotSubscribed));

    let expected = Signal::Subscribed {
        framework_id: id("f1"),
        master: None,
        again: false,
    };
    assert_eq!(next(&mut scheduler).await, expected);
    calls.revive(vec![]).await.unwrap();
    calls
        .kill(
            v1::TaskId {
                value: "t1".to_owned(),
            },
            None,
            None,
        )
        .await
        .unwrap();

    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.path() == "/api/v1/scheduler")
    );
    assert_eq!(requests[0].header("mesos-stream-id"), None);
    assert_eq!(call_of(&requests[0]).subscribe.unwrap().framework_info, info());
    for request in &requests[1..] {
        assert_eq!(request.header("mesos-stream-id"), Some("s-1"));
        assert_eq!(call_of(request).framework_id, Some(id("f1")));
    }
    let connections: Vec<usize> = requests.iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 1]);
}

#[tokio::test]
async fn a_lost_framework_comes_back_as_itself() {
    let server = master(vec![
        Answer::Close(stream("s-1", &[subscribed("f1")])),
        Answer::Hold(stream("s-2", &[subscribed("f1")])),
    ])
    .await;
    let mut scheduler = scheduler(&server);
    next(&mut scheduler).await;
    assert!(matches!(
        next(&mut scheduler).await,
        Signal::Lost {
            error: Error::Closed,
            ..
        }
    ));
    let calls_handle = scheduler.calls();
    assert_eq!(
        calls_handle.revive(vec![]).await,
        Err(Error::NotSubscribed),
        "not with a dead stream"
    );
    let expected = Signal::Subscribed {
        framework_id: id("f1"),
        master: None,
        again: true,
    };
    assert_eq!(next(&mut scheduler).await, expected);
    calls_handle.revive(vec![]).await.unwrap();

    let again = call_of(&server.requests()[1]);
    assert_eq!(again.framework_id, Some(id("f1")));
    assert_eq!(again.subscribe.unwrap().framework_info.id, Some(id("f1")));
    assert_eq!(calls(&server)[0].0.as_deref(), Some("s-2"));
}

#[tokio::test]
async fn a_given_id_makes_it_a_failover() {
    let server = master(vec![Answer::Hold(stream("s", &[subscribed("f9")]))]).await;
    let registration = Registration::from(v1::FrameworkInfo {
        id: Some(id("f9")),
        ..info()
    });
    let mut scheduler = Scheduler::new(server.masters(), registration, &options());
    next(&mut scheduler).await;
    let call = call_of(&server.requests()[0]);
    assert_eq!(
        (call.framework_id, call.subscribe.unwrap().framework_info.id),
        (Some(id("f9")), Some(id("f9")))
    );
}

#[tokio::test]
async fn the_error_event_is_the_end() {
    let error = Event {
        r#type: Some(event::Type::Error.into()),
        error: Some(event::Error {
            message: "Framework failed over".to_owned(),
        }),
        ..Event::default()
    };
    let server = master(vec![Answer::Close(stream("s", &[subscribed("f1"), error]))]).await;
    let mut scheduler = scheduler(&server);
    next(&mut scheduler).await;
    let expected = Error::Framework("Framework failed over".to_owned());
    assert_eq!(soon(scheduler.next()).await, Some(Err(expected)));
    assert_eq!(soon(scheduler.next()).await, None);
    assert_eq!(scheduler.calls().revive(vec![]).await, Err(Error::NotSubscribed));
    assert_eq!(
        server.requests().len(),
        1,
        "it must not take the subscription back"
    );
}

#[tokio::test]
async fn a_refused_subscription_is_told_too() {
    // Mesos refuses with 200, one ERROR event, and the end.
    let error = Event {
        r#type: Some(event::Type::Error.into()),
        error: Some(event::Error {
            message: "Framework has been removed".to_owned(),
        }),
        ..Event::default()
    };
    let server = master(vec![Answer::Close(stream("s", &[error]))]).await;
    let expected = Error::Framework("Framework has been removed".to_owned());
    assert_eq!(soon(scheduler(&server).next()).await, Some(Err(expected)));
}

#[tokio::test]
async fn a_stream_without_a_name_is_no_use() {
    let nameless = [head(PROTOBUF, ""), chunk(&record(&subscribed("f1")))].concat();
    let server = master(vec![
        Answer::Hold(nameless),
        Answer::Hold(stream("s", &[subscribed("f1")])),
    ])
    .await;
    let mut scheduler = scheduler(&server);
    assert!(matches!(
        next(&mut scheduler).await,
        Signal::Lost {
            error: Error::NoStreamId,
            ..
        }
    ));
    assert!(matches!(next(&mut scheduler).await, Signal::Subscribed { .. }));
}

#[tokio::test]
async fn only_a_status_with_a_uuid_is_acknowledged() {
    let server = master(vec![Answer::Hold(stream("s", &[subscribed("f1")]))]).await;
    let mut scheduler = scheduler(&server);
    next(&mut scheduler).await;
    let sdk = scheduler.calls();
    assert_eq!(
        sdk.acknowledge(&status("t1", v1::TaskState::TaskRunning, None))
            .await,
        Ok(false)
    );
    let uuid = [7; 16];
    assert_eq!(
        sdk.acknowledge(&status("t1", v1::TaskState::TaskRunning, Some(&uuid)))
            .await,
        Ok(true)
    );
    let made = calls(&server);
    assert_eq!(made.len(), 1);
    let acknowledge = made[0].1.acknowledge.clone().unwrap();
    assert_eq!(
        (acknowledge.task_id.value.as_str(), &acknowledge.uuid[..]),
        ("t1", &uuid[..])
    );
    assert_eq!(acknowledge.agent_id.value, "a1");
}

#[tokio::test]
async fn what_the_master_refuses_is_told_with_its_words() {
    let server = Server::with(|request| match call_of(request).r#type() {
        call::Type::Subscribe => Answer::Hold(stream("s", &[subscribed("f1")])),
        call::Type::Revive => Answer::Keep(plain("403 Forbidden", "", "Framework is not subscribed")),
        _ => Answer::Keep(plain("503 X", "", "No leader elected")),
    })
    .await;
    let mut scheduler = scheduler(&server);
    next(&mut scheduler).await;
    let sdk = scheduler.calls();
    let refused = Error::Refused {
        status: 403,
        message: "Framework is not subscribed".to_owned(),
    };
    assert_eq!(sdk.revive(vec![]).await, Err(refused));
    let not_ready = Error::NotReady {
        status: 503,
        message: "No leader elected".to_owned(),
    };
    assert_eq!(sdk.suppress(vec![]).await, Err(not_ready));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let mut answers = vec![false, true];
    let server = Server::with(move |request| match call_of(request).r#type() {
        call::Type::Subscribe => Answer::Hold(stream("s", &[subscribed("f1")])),
        _ if answers.pop() == Some(true) => Answer::Close(plain("202 Accepted", "", "")),
        _ => Answer::Keep(plain("202 Accepted", "", "")),
    })
    .await;
    let mut scheduler = scheduler(&server);
    next(&mut scheduler).await;
    let sdk = scheduler.calls();
    for _ in 0..3 {
        sdk.revive(vec![]).await.unwrap();
    }
    let connections: Vec<usize> = server
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [0, 1, 2, 2]);
}

#[tokio::test]
async fn a_call_without_an_answer_times_out_and_is_not_repeated() {
    let server = Server::with(|request| match call_of(request).r#type() {
        call::Type::Subscribe => Answer::Hold(stream("s", &[subscribed("f1")])),
        _ => Answer::Hold(Vec::new()),
    })
    .await;
    let mut options = options();
    options.call_timeout = Duration::from_millis(100);
    let mut scheduler = Scheduler::new(server.masters(), Registration::from(info()), &options);
    next(&mut scheduler).await;
    let failed = soon(scheduler.calls().revive(vec![])).await;
    assert!(matches!(failed, Err(Error::TimedOut { .. })), "{failed:?}");
    assert_eq!(calls(&server).len(), 1);
}

#[tokio::test]
async fn launched_tasks_are_reconciled_after_a_resubscription() {
    let server = master(vec![
        Answer::Close(stream("s-1", &[subscribed("f1")])),
        Answer::Hold(stream("s-2", &[subscribed("f1")])),
    ])
    .await;
    let mut scheduler = scheduler(&server);
    next(&mut scheduler).await;
    let task = v1::TaskInfo {
        task_id: v1::TaskId {
            value: "t1".to_owned(),
        },
        agent_id: v1::AgentId {
            value: "a1".to_owned(),
        },
        ..v1::TaskInfo::default()
    };
    scheduler.calls().launch(vec![], vec![task]).await.unwrap();
    assert!(matches!(next(&mut scheduler).await, Signal::Lost { .. }));
    assert!(matches!(
        next(&mut scheduler).await,
        Signal::Subscribed { again: true, .. }
    ));
    let reader = tokio::spawn(async move { while let Some(Ok(_)) = scheduler.next().await {} });
    until("the question", || calls(&server).len() >= 2).await;
    reader.abort();
    let (stream_id, question) = calls(&server).remove(1);
    assert_eq!(stream_id.as_deref(), Some("s-2"));
    let tasks = question.reconcile.unwrap().tasks;
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].task_id.value, "t1");
    assert_eq!(tasks[0].agent_id.clone().unwrap().value, "a1");
}

#[tokio::test]
async fn reconciliation_names_the_tasks_and_repeats_what_is_open() {
    let running = update(status("t1", v1::TaskState::TaskRunning, None));
    let finished = update(status("done", v1::TaskState::TaskFinished, None));
    let server = master(vec![Answer::Hold(stream(
        "s",
        &[subscribed("f1"), running, finished],
    ))])
    .await;
    let mut scheduler = scheduler(&server);
    for task in ["t0", "t1", "done"] {
        scheduler.track(
            &v1::TaskId {
                value: task.to_owned(),
            },
            None,
        );
    }
    let reader = tokio::spawn(async move { while let Some(Ok(_)) = scheduler.next().await {} });
    until("a second question", || calls(&server).len() >= 2).await;
    reader.abort();
    let asked: Vec<Vec<String>> = calls(&server)
        .into_iter()
        .map(|(_, call)| {
            assert_eq!(call.r#type(), call::Type::Reconcile);
            call.reconcile
                .unwrap()
                .tasks
                .into_iter()
                .map(|task| task.task_id.value)
                .collect()
        })
        .collect();
    // By the second question two were answered (perhaps by the first already: events and timer race).
    assert!(asked[0].contains(&"t0".to_owned()));
    assert_eq!(asked[1], ["t0"]);
}
