//! Exact outputs of the executor driver.

use std::net::{Ipv4Addr, SocketAddrV4};

use rand::SeedableRng;

use super::*;

const NOW: Time = Time::from_secs(1_000);

fn upid(id: &str, port: u16) -> Upid {
    Upid::new(id, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn agent_id() -> v1::AgentId {
    v1::AgentId {
        value: "S0".to_owned(),
    }
}

fn driver(recovery_timeout: Option<Duration>) -> ExecutorDriver {
    let setup = ExecutorSetup {
        framework: v1::FrameworkId {
            value: "f".to_owned(),
        },
        executor: v1::ExecutorId {
            value: "e".to_owned(),
        },
        agent_id: agent_id(),
        agent: upid("slave(1)", 5051),
        own: upid("executor(1)", 7000),
        recovery_timeout,
    };
    ExecutorDriver::new(setup, ChaCha8Rng::seed_from_u64(1))
}

fn step(driver: &mut ExecutorDriver, now: Time, input: ExecutorInput) -> Vec<ExecutorOutput> {
    let mut out = Vec::new();
    driver.step(now, input, &mut out);
    out
}

fn hear(driver: &mut ExecutorDriver, message: ExecutorHeard) -> Vec<ExecutorOutput> {
    let from = upid("slave(1)", 5051);
    step(driver, NOW, ExecutorInput::Message { from, message })
}

fn registered(recovery_timeout: Option<Duration>) -> ExecutorDriver {
    let mut driver = driver(recovery_timeout);
    step(&mut driver, NOW, ExecutorInput::Start);
    hear(&mut driver, ExecutorHeard::Registered(Box::default()));
    driver
}

fn run(driver: &mut ExecutorDriver, task: &str) -> Vec<ExecutorOutput> {
    let mut message = internal::RunTaskMessage::default();
    message.task.task_id.value = task.to_owned();
    hear(driver, ExecutorHeard::RunTask(Box::new(message)))
}

/// Sends an update of a task; returns its id.
fn update(driver: &mut ExecutorDriver, task: &str) -> Bytes {
    let status = v1::TaskStatus {
        task_id: v1::TaskId {
            value: task.to_owned(),
        },
        state: v1::TaskState::TaskRunning.into(),
        ..v1::TaskStatus::default()
    };
    let out = step(driver, NOW, ExecutorInput::Update(Box::new(status)));
    let [
        ExecutorOutput::Send {
            message: ExecutorSaid::StatusUpdate(message),
            ..
        },
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    assert_eq!(message.pid.as_deref(), Some("executor(1)@127.0.0.1:7000"));
    assert_eq!(message.update.uuid, message.update.status.uuid);
    assert_eq!(message.update.status.agent_id, Some(agent_id()));
    assert_eq!(message.update.timestamp, 1_000.0);
    message.update.uuid.clone().expect("an update has an id")
}

fn acknowledge(driver: &mut ExecutorDriver, task: &str, uuid: Bytes) {
    let message = internal::StatusUpdateAcknowledgementMessage {
        task_id: v1::TaskId {
            value: task.to_owned(),
        },
        uuid,
        ..internal::StatusUpdateAcknowledgementMessage::default()
    };
    assert!(hear(driver, ExecutorHeard::Acknowledgement(Box::new(message))).is_empty());
}

/// What it says when the agent asks it to reconnect: names of tasks, and ids of updates.
fn reconnect(driver: &mut ExecutorDriver) -> (Vec<String>, Vec<Bytes>) {
    let out = hear(driver, ExecutorHeard::Reconnect(Box::default()));
    let [
        ExecutorOutput::Link { anew: true, .. },
        ExecutorOutput::Send {
            message: ExecutorSaid::Reregister(message),
            ..
        },
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    let tasks = message.tasks.iter().map(|task| task.task_id.value.clone());
    let updates = message.updates.iter().filter_map(|update| update.uuid.clone());
    (tasks.collect(), updates.collect())
}

#[test]
fn it_links_to_the_agent_and_registers() {
    let mut driver = driver(None);
    let out = step(&mut driver, NOW, ExecutorInput::Start);
    assert!(
        matches!(
            &out[..],
            [
                ExecutorOutput::Link { anew: false, .. },
                ExecutorOutput::Send {
                    message: ExecutorSaid::Register(_),
                    ..
                },
            ]
        ),
        "{out:?}"
    );
    // Tasks before the registration are none of its business.
    assert!(run(&mut driver, "t").is_empty());
}

#[test]
fn what_is_not_acknowledged_is_said_again_to_an_agent_that_came_back() {
    let mut driver = registered(Some(Duration::from_secs(900)));
    assert_eq!(run(&mut driver, "a").len(), 1);
    assert_eq!(run(&mut driver, "b").len(), 1);
    let first = update(&mut driver, "a");
    let second = update(&mut driver, "a");
    assert_ne!(first, second);
    acknowledge(&mut driver, "a", first);
    assert_eq!(
        reconnect(&mut driver),
        (vec!["b".to_owned()], vec![second.clone()])
    );
    // One nobody sent changes nothing.
    acknowledge(&mut driver, "b", Bytes::from_static(b"0123456789abcdef"));
    assert_eq!(reconnect(&mut driver), (vec!["b".to_owned()], vec![second]));
}

#[test]
fn ids_of_updates_are_random_uuids() {
    let mut driver = registered(None);
    let uuid = update(&mut driver, "a");
    assert_eq!((uuid.len(), uuid[6] >> 4, uuid[8] >> 6), (16, 4, 2));
}

#[test]
fn an_executor_of_a_checkpointing_framework_waits_for_its_agent() {
    let patience = Duration::from_secs(900);
    let mut driver = registered(Some(patience));
    let out = step(&mut driver, NOW, ExecutorInput::Exited);
    assert!(matches!(
        &out[..],
        [ExecutorOutput::Tell(ExecutorEvent::Disconnected)]
    ));
    assert_eq!(driver.deadline(), Some(NOW + patience));
    reconnect(&mut driver);
    hear(&mut driver, ExecutorHeard::Reregistered(Box::default()));
    assert_eq!(driver.deadline(), None);
    step(&mut driver, NOW, ExecutorInput::Exited);
    let out = step(&mut driver, NOW + patience, ExecutorInput::Timeout);
    assert!(matches!(
        &out[..],
        [ExecutorOutput::Tell(ExecutorEvent::Shutdown)]
    ));
}

#[test]
fn any_other_executor_ends_with_its_agent() {
    let mut driver = registered(None);
    let out = step(&mut driver, NOW, ExecutorInput::Exited);
    assert!(matches!(
        &out[..],
        [ExecutorOutput::Tell(ExecutorEvent::Shutdown)]
    ));
    assert!(run(&mut driver, "t").is_empty());
}
