//! The SDK keeps its promises whatever the agent does.

use std::collections::VecDeque;
use std::time::Duration;

use executor::{Config, Error, Event, Events, Executor, Status};
use libtest_mimic::Trial;
use proto::v1::executor::call::Type;
use proto::v1::executor::{Event as Wire, event};
use proto::v1::{ExecutorId, FrameworkId, TaskId, TaskInfo, TaskState};

use crate::agent::{Agent, Answer};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_agent_that_refuses_at_first_is_found", refused_at_first),
        trial("a_subscription_refused_for_good_is_the_end", refused_for_good),
        trial("silence_is_not_waited_out", silence),
        trial("bytes_that_are_no_events_mean_a_new_subscription", garbage),
        trial("an_agent_that_restarts_is_told_what_it_may_have_missed", restart),
        trial("an_agent_that_stays_away_means_shutdown", stays_away),
        trial(
            "without_checkpointing_a_lost_agent_means_shutdown_at_once",
            not_checkpointing,
        ),
        trial(
            "a_call_that_fails_is_made_good_by_a_new_subscription",
            failed_call,
        ),
        trial("a_refused_update_is_told_and_forgotten", refused_update),
        trial("updates_arrive_in_order", order),
        trial("a_reader_that_pauses_loses_nothing", pause),
        trial("messages_go_both_ways", messages),
        trial("every_call_bears_the_token", token),
    ]
}

fn config(address: &str) -> Config {
    let id = |value: &str| value.to_owned();
    let mut config = Config::new(
        address,
        FrameworkId { value: id("f") },
        ExecutorId { value: id("e") },
    );
    config.checkpoint = true;
    config.subscription_backoff_max = Duration::ZERO;
    config.request_timeout = Duration::from_millis(500);
    config
}

async fn connected(agent: &mut Agent) -> (Executor, Events) {
    let (executor, mut events) = executor::connect(config(&agent.address)).unwrap();
    agent.subscription().await;
    subscribed(&mut events).await;
    (executor, events)
}

async fn subscribed(events: &mut Events) {
    let event = events.next().await.unwrap();
    assert!(matches!(event, Event::Subscribed(_)), "{event:?}");
}

fn task_id(id: &str) -> TaskId {
    TaskId { value: id.to_owned() }
}

fn running(id: &str) -> Status {
    Status::new(task_id(id), TaskState::TaskRunning)
}

fn launch(id: &str) -> Wire {
    let task = TaskInfo {
        task_id: task_id(id),
        ..TaskInfo::default()
    };
    Wire {
        r#type: Some(event::Type::Launch as i32),
        launch: Some(event::Launch { task }),
        ..Wire::default()
    }
}

async fn refused_at_first() {
    // Nobody listens, then there are all kinds of trouble, then it works.
    let mut agent = Agent::start().await;
    let address = agent.address.clone();
    agent.stop().await;
    let (_executor, mut events) = executor::connect(config(&address)).unwrap();
    let agent = Agent::restart(&address).await;
    *agent.answers.lock().unwrap() = VecDeque::from([
        Answer::Status(503),
        Answer::Close,
        Answer::Status(404),
        Answer::Status(500),
    ]);
    subscribed(&mut events).await;
    assert!(agent.answers.lock().unwrap().is_empty());
}

async fn refused_for_good() {
    let agent = Agent::start().await;
    agent.answers.lock().unwrap().push_back(Answer::Status(400));
    let (executor, mut events) = executor::connect(config(&agent.address)).unwrap();
    let last = events.next().await.unwrap();
    assert_eq!(
        last,
        Event::Error("subscription refused with 400: sorry".to_owned())
    );
    assert_eq!(executor.config().executor_id.value, "e");
}

async fn silence() {
    let agent = Agent::start().await;
    agent
        .answers
        .lock()
        .unwrap()
        .extend([Answer::Silence, Answer::Silence]);
    let (_executor, mut events) = executor::connect(config(&agent.address)).unwrap();
    subscribed(&mut events).await;

    // A stream that stood and went silent is given up too.
    let mut agent = Agent::start().await;
    let mut config = config(&agent.address);
    config.max_silence = Duration::from_millis(300);
    let (_executor, mut events) = executor::connect(config).unwrap();
    agent.subscription().await;
    subscribed(&mut events).await;
    assert_eq!(events.next().await, Some(Event::Disconnected));
    agent.subscription().await;
    subscribed(&mut events).await;
}

async fn garbage() {
    let agent = Agent::start().await;
    agent.answers.lock().unwrap().extend([
        Answer::Bytes(b"not a length\n".to_vec()),
        Answer::Bytes(b"99999999999999\n".to_vec()),
        Answer::Bytes(b"5\nab".to_vec()),
        Answer::Bytes(b"4\n\xff\xff\xff\xff".to_vec()),
        Answer::Bytes(Vec::new()),
    ]);
    let (_executor, mut events) = executor::connect(config(&agent.address)).unwrap();
    subscribed(&mut events).await;
    assert!(agent.answers.lock().unwrap().is_empty());
}

async fn restart() {
    let mut agent = Agent::start().await;
    agent.options.lock().unwrap().acknowledge = false;
    let (executor, mut events) = connected(&mut agent).await;
    agent.send(launch("a"));
    agent.send(launch("b"));
    for _ in 0..2 {
        assert!(matches!(events.next().await, Some(Event::Launch(_))));
    }
    let seen = executor.update(running("a")).unwrap();
    assert_eq!(agent.update().await.uuid.unwrap(), seen.as_bytes().as_slice());
    let address = agent.address.clone();
    agent.stop().await;
    assert_eq!(events.next().await, Some(Event::Disconnected));
    let unseen = executor.update(running("b")).unwrap();

    let mut agent = Agent::restart(&address).await;
    let subscribe = agent.subscription().await.subscribe.unwrap();
    let tasks: Vec<&str> = subscribe
        .unacknowledged_tasks
        .iter()
        .map(|task| task.task_id.value.as_str())
        .collect();
    assert_eq!(tasks, ["a", "b"]);
    let updates: Vec<_> = subscribe
        .unacknowledged_updates
        .iter()
        .map(|u| u.status.uuid.clone().unwrap())
        .collect();
    assert_eq!(
        updates,
        [seen.as_bytes().as_slice(), unseen.as_bytes().as_slice()]
    );

    subscribed(&mut events).await;
    for (id, uuid) in [("a", seen), ("b", unseen)] {
        let acknowledged = event::Acknowledged {
            task_id: task_id(id),
            uuid: uuid.as_bytes().to_vec().into(),
        };
        agent.send(Wire {
            r#type: Some(event::Type::Acknowledged as i32),
            acknowledged: Some(acknowledged),
            ..Wire::default()
        });
    }
    executor.all_acknowledged().await;
    agent.cut();
    let subscribe = agent.subscription().await.subscribe.unwrap();
    assert!(subscribe.unacknowledged_tasks.is_empty() && subscribe.unacknowledged_updates.is_empty());
}

async fn stays_away() {
    let mut agent = Agent::start().await;
    let mut config = config(&agent.address);
    config.recovery_timeout = Duration::from_millis(300);
    let (_executor, mut events) = executor::connect(config).unwrap();
    agent.subscription().await;
    subscribed(&mut events).await;
    drop(agent);
    assert_eq!(events.next().await, Some(Event::Disconnected));
    assert_eq!(events.next().await, Some(Event::Shutdown));
}

async fn not_checkpointing() {
    let mut agent = Agent::start().await;
    let mut config = config(&agent.address);
    config.checkpoint = false;
    let (_executor, mut events) = executor::connect(config).unwrap();
    agent.subscription().await;
    subscribed(&mut events).await;
    agent.cut();
    assert_eq!(events.next().await, Some(Event::Disconnected));
    assert_eq!(events.next().await, Some(Event::Shutdown));
}

async fn failed_call() {
    let mut agent = Agent::start().await;
    let (executor, mut events) = connected(&mut agent).await;
    agent.options.lock().unwrap().status = 503;
    let uuid = executor.update(running("a")).unwrap();
    assert_eq!(agent.update().await.uuid.unwrap(), uuid.as_bytes().as_slice());
    assert_eq!(events.next().await, Some(Event::Disconnected));
    let subscribe = agent.subscription().await.subscribe.unwrap();
    assert_eq!(
        subscribe.unacknowledged_updates[0].status.uuid.as_ref().unwrap(),
        uuid.as_bytes().as_slice()
    );
}

async fn refused_update() {
    let mut agent = Agent::start().await;
    let (executor, mut events) = connected(&mut agent).await;
    agent.options.lock().unwrap().status = 400;
    let uuid = executor.update(running("a")).unwrap();
    match events.next().await {
        Some(Event::Acknowledged { .. }) | None => panic!("refused updates are not acknowledged"),
        Some(Event::Refused {
            uuid: refused,
            status,
            ..
        }) => assert_eq!((refused, status), (Some(uuid), 400)),
        Some(other) => panic!("{other:?}"),
    }
    executor.all_acknowledged().await;
}

async fn order() {
    let mut agent = Agent::start().await;
    let (executor, _events) = connected(&mut agent).await;
    for number in 0..300 {
        executor.update(running(&number.to_string())).unwrap();
        if number == 150 {
            agent.cut();
        }
    }
    // Some come twice, by call and by subscription; first sights are in order.
    let mut expected = 0;
    while expected < 300 {
        let call = agent.call().await;
        let named = call
            .subscribe
            .into_iter()
            .flat_map(|subscribe| subscribe.unacknowledged_updates);
        for update in named.chain(call.update) {
            let number: u32 = update.status.task_id.value.parse().unwrap();
            assert!(number <= expected, "{number} before {expected}");
            expected = expected.max(number + 1);
        }
    }
}

async fn pause() {
    let mut agent = Agent::start().await;
    let (_executor, mut events) = connected(&mut agent).await;
    let count = executor::MAX_EVENTS * 3;
    for number in 0..count {
        agent.send(launch(&number.to_string()));
    }
    for number in 0..count {
        match events.next().await {
            Some(Event::Launch(task)) => assert_eq!(task.task_id.value, number.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

async fn messages() {
    let mut agent = Agent::start().await;
    let (executor, mut events) = connected(&mut agent).await;
    executor.message(&b"up"[..]).unwrap();
    let call = agent.call().await;
    assert_eq!(
        (call.r#type(), call.message.unwrap().data.as_ref()),
        (Type::Message, b"up".as_slice())
    );
    agent.send(Wire {
        r#type: Some(event::Type::Message as i32),
        message: Some(event::Message {
            data: (&b"down"[..]).into(),
        }),
        ..Wire::default()
    });
    assert_eq!(events.next().await, Some(Event::Message((&b"down"[..]).into())));
    let bad = executor::connect(config("nowhere")).map(|_| ()).unwrap_err();
    assert!(matches!(bad, Error::Invalid { .. }), "{bad}");
}

async fn token() {
    let mut agent = Agent::start().await;
    agent.options.lock().unwrap().token = Some("abc.def.ghi".to_owned());
    let mut with_token = config(&agent.address);
    with_token.token = Some("abc.def.ghi".to_owned().into());
    let (executor, mut events) = executor::connect(with_token).unwrap();
    agent.subscription().await;
    subscribed(&mut events).await;
    let id = TaskId {
        value: "t".to_owned(),
    };
    executor.update(Status::new(id, TaskState::TaskRunning)).unwrap();
    agent.update_is(TaskState::TaskRunning).await;

    // Without it there is no way in, and trying again would not help.
    let (_executor, mut events) = executor::connect(config(&agent.address)).unwrap();
    let event = events.next().await.unwrap();
    assert!(
        matches!(&event, Event::Error(text) if text.starts_with("subscription refused with 401")),
        "{event:?}"
    );
}
