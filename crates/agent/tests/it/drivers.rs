//! Executors that speak libprocess: recorded ones, byte for byte, and those that do not keep to the rules.

use agent::core::{Checkpoint, ContainerId, Input, Output, Received, Sent};
use bytes::Bytes;
use process::Upid;
use proto::v1::TaskState;
use proto::v1::task_status::Reason;
use proto::{Message as _, Name, internal, v1};

use crate::recording::{Message, messages};
use crate::restart::Machine;
use crate::support::*;

const EXECUTOR: &str = "executor(1)@127.0.0.1:40503";

pub(crate) fn from_executor(pid: &str, message: &Message) -> Input {
    let message = match message.name.as_str() {
        "RegisterExecutorMessage" => Received::RegisterExecutor(message.decode()),
        "ReregisterExecutorMessage" => Received::ReregisterExecutor(Box::new(message.decode())),
        "StatusUpdateMessage" => Received::StatusUpdate(Box::new(message.decode())),
        "ExecutorToFrameworkMessage" => Received::ExecutorToFramework(message.decode()),
        other => panic!("{other}"),
    };
    let from = pid.parse().unwrap();
    Input::Message { from, message }
}

pub(crate) fn from_master(message: &Message) -> Received {
    match message.name.as_str() {
        "RunTaskMessage" => {
            let mut message: internal::RunTaskMessage = message.decode();
            // The version of resources that only the recorded agent had.
            message.resource_version_uuids.clear();
            Received::RunTask(Box::new(message))
        }
        "StatusUpdateAcknowledgementMessage" => Received::StatusUpdateAcknowledgement(message.decode()),
        "ShutdownFrameworkMessage" => Received::ShutdownFramework(message.decode()),
        other => panic!("{other}"),
    }
}

/// What goes to executors' and masters' processes, as the wire has it.
pub(crate) fn sent(out: &[Output]) -> Vec<(String, Message)> {
    fn message<M: proto::Message + Name>(message: &M) -> Message {
        Message {
            name: M::NAME.to_owned(),
            body: message.encode_to_vec().into(),
        }
    }
    let of = |sent: &Sent| match sent {
        Sent::RegisterSlave(sent) => message(&**sent),
        Sent::UpdateSlave(sent) => message(&**sent),
        Sent::PongSlave(sent) => message(sent),
        Sent::UnregisterSlave(sent) => message(sent),
        Sent::UpdateOperationStatus(sent) => message(&**sent),
        Sent::StatusUpdate(sent) => message(&**sent),
        Sent::ExitedExecutor(sent) => message(sent),
        Sent::ExecutorToFramework(sent) => message(sent),
        Sent::ExecutorRegistered(sent) => message(&**sent),
        Sent::ExecutorReregistered(sent) => message(&**sent),
        Sent::ReconnectExecutor(sent) => message(sent),
        Sent::ShutdownExecutor(sent) => message(sent),
        Sent::RunTask(sent) => message(&**sent),
        Sent::KillTask(sent) => message(sent),
        Sent::StatusUpdateAcknowledgement(sent) => message(sent),
        Sent::FrameworkToExecutor(sent) => message(sent),
        Sent::ReregisterSlave(_) => panic!("{sent:?}"),
    };
    out.iter()
        .filter_map(|output| match output {
            Output::Send { to, message, .. } => Some((to.to_string(), of(message))),
            _ => None,
        })
        .collect()
}

pub(crate) fn to(pid: &str, out: &[Output]) -> Vec<Message> {
    let sent = sent(out).into_iter();
    sent.filter(|(to, _)| to == pid)
        .map(|(_, message)| message)
        .collect()
}

/// A body with one identifier in place of another of the same length.
pub(crate) fn replaced(body: &Bytes, old: &str, new: &str) -> Bytes {
    replaced_bytes(body, old.as_bytes(), new.as_bytes())
}

pub(crate) fn replaced_bytes(body: &Bytes, old: &[u8], new: &[u8]) -> Bytes {
    assert_eq!(old.len(), new.len());
    assert_ne!(old, new);
    let mut bytes = body.to_vec();
    while let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
        bytes.splice(at..at + old.len(), new.iter().copied());
    }
    bytes.into()
}

/// Plays the start of the recorded custom executor: four tasks are launched, and it registers.
fn started() -> (Bench, ContainerId, Vec<Output>) {
    let mut bench = Bench::registered();
    let mut container = None;
    for message in messages("custom-from-master").iter().take(4) {
        let out = bench.receive(from_master(message));
        container = container.or_else(|| launched(&out));
    }
    let container = container.unwrap();
    bench.step(Input::Launched {
        container: container.clone(),
        pid: 21344,
    });
    let out = bench.step(from_executor(EXECUTOR, &messages("custom-from-executor")[0]));
    (bench, container, out)
}

#[test]
fn a_registering_driver_is_told_what_the_recorded_one_was() {
    let (_, _, out) = started();
    assert_eq!(out[0], Output::Link(EXECUTOR.parse().unwrap()));
    assert_eq!(to(EXECUTOR, &out), messages("custom-to-executor")[..5]);
}

#[test]
fn the_recorded_custom_executor_runs_to_its_end() {
    let (mut bench, container, _) = started();
    let recorded = messages("custom-from-master");
    let (reports, mut orders): (Vec<_>, Vec<_>) = recorded
        .iter()
        .skip(4)
        .partition(|message| message.name == "StatusUpdateAcknowledgementMessage");
    let acknowledgement = |uuid: &Bytes| {
        reports
            .iter()
            .find(|message| {
                let message: internal::StatusUpdateAcknowledgementMessage = message.decode();
                message.uuid == *uuid
            })
            .map(|message| from_master(message))
    };
    let mut told = Vec::new();
    let mut master = Vec::new();
    for (index, message) in messages("custom-from-executor").iter().enumerate().skip(1) {
        if index == 9 {
            // The fifth task comes when the first four are over.
            told.extend(to(EXECUTOR, &bench.receive(from_master(orders.remove(0)))));
        }
        let mut out = bench.step(from_executor(EXECUTOR, message));
        told.extend(to(EXECUTOR, &out));
        while let [update] = &sent_updates(&out)[..] {
            master.extend(to(MASTER, &out));
            let Some(acknowledgement) = acknowledgement(update.uuid.as_ref().unwrap()) else {
                // The framework left without acknowledging its last update.
                break;
            };
            out = bench.receive(acknowledgement);
        }
    }
    told.extend(to(EXECUTOR, &bench.receive(from_master(orders.remove(0)))));
    let mut expected = messages("custom-to-executor").split_off(5);
    // Which task's acknowledgement goes out first is a race on a real machine.
    let order = |message: &Message| (message.name.clone(), message.body.clone());
    told.sort_by_key(order);
    expected.sort_by_key(order);
    assert_eq!(told, expected);
    let out = bench.terminated(&container, Some(9));
    master.extend(to(MASTER, &out));
    let mut expected: Vec<_> = messages("custom-to-master");
    for message in &mut expected {
        message.body = replaced(
            &message.body,
            "9ad7d5da-581c-4072-a617-33543785a6cf",
            container.as_str(),
        );
    }
    // Whether the next update is there when one is forwarded is a race, too.
    for message in master.iter_mut().chain(&mut expected) {
        if message.name == "StatusUpdateMessage" {
            let mut update: internal::StatusUpdateMessage = message.decode();
            assert!(update.update.latest_state.take().is_some());
            message.body = update.encode_to_vec().into();
        }
    }
    master.sort_by_key(order);
    expected.sort_by_key(order);
    assert_eq!(master, expected);
}

#[test]
fn a_driver_is_called_back_after_a_restart_as_the_recorded_one_was() {
    const PID: &str = "executor(1)@127.0.0.1:35381";
    let mut machine = Machine::new();
    let orders = messages("restart-from-master");
    let out = machine.act(|bench| bench.receive(from_master(&orders[0])));
    let container = launched(&out).unwrap();
    machine.act(|bench| {
        bench.step(Input::Launched {
            container: container.clone(),
            pid: 22949,
        })
    });
    let mut told = Vec::new();
    for message in messages("restart-from-executor") {
        let out = machine.act(|bench| bench.step(from_executor(PID, &message)));
        told.extend(to(PID, &out));
    }
    for acknowledgement in &orders[1..] {
        machine.act(|bench| bench.receive(from_master(acknowledgement)));
    }
    let mut recorded = messages("restart-to-executor");
    // It was recorded with the programs' real places and the agent's own user.
    let mut registered: internal::ExecutorRegisteredMessage = recorded[0].decode();
    let ours: internal::ExecutorRegisteredMessage = told[0].decode();
    registered
        .executor_info
        .command
        .clone_from(&ours.executor_info.command);
    recorded[0].body = registered.encode_to_vec().into();
    assert_eq!(told, recorded);

    let out = machine.restart();
    assert_eq!(to(PID, &out), messages("restart-reconnect"));
    let back = messages("restart-back-from-executor");
    let out = machine.act(|bench| bench.step(from_executor(PID, &back[0])));
    assert!(out.contains(&Output::Link(PID.parse().unwrap())));
    let expected = messages("restart-back-to-executor");
    assert_eq!(to(PID, &out), expected[..1]);
    assert_eq!(out.last(), Some(&Output::Detect));

    machine.act(Bench::register);
    let message = internal::ShutdownFrameworkMessage {
        framework_id: v1::FrameworkId {
            value: FRAMEWORK.replace("-0000", "-0007"),
        },
    };
    let out = machine.act(|bench| bench.receive(Received::ShutdownFramework(message)));
    assert_eq!(to(PID, &out), expected[1..]);
    for late in &back[1..] {
        let out = machine.act(|bench| bench.step(from_executor(PID, late)));
        assert_eq!(to(PID, &out), [], "nobody is left who could acknowledge it");
    }
}

fn register(executor: &str) -> Received {
    Received::RegisterExecutor(internal::RegisterExecutorMessage {
        framework_id: framework_id(),
        executor_id: v1::ExecutorId {
            value: executor.into(),
        },
    })
}

fn reregister(executor: &str, tasks: Vec<v1::TaskInfo>) -> Received {
    Received::ReregisterExecutor(Box::new(internal::ReregisterExecutorMessage {
        framework_id: framework_id(),
        executor_id: v1::ExecutorId {
            value: executor.into(),
        },
        tasks,
        updates: Vec::new(),
    }))
}

fn say(bench: &mut Bench, message: Received) -> Vec<Output> {
    let from: Upid = EXECUTOR.parse().unwrap();
    bench.step(Input::Message { from, message })
}

fn names(out: &[Output]) -> Vec<String> {
    to(EXECUTOR, out)
        .into_iter()
        .map(|message| message.name)
        .collect()
}

fn report(state: TaskState, uuid: u8) -> internal::StatusUpdate {
    let mut status = status("exec1", state, uuid);
    status.agent_id = Some(v1::AgentId { value: AGENT.into() });
    internal::StatusUpdate {
        framework_id: framework_id(),
        executor_id: Some(v1::ExecutorId {
            value: "exec1".into(),
        }),
        slave_id: status.agent_id.clone(),
        timestamp: 1.0,
        uuid: status.uuid.clone(),
        latest_state: None,
        status,
    }
}

fn update(update: internal::StatusUpdate) -> Received {
    Received::StatusUpdate(Box::new(internal::StatusUpdateMessage {
        update,
        pid: Some(EXECUTOR.to_owned()),
    }))
}

/// A command task of a checkpointing framework whose executor, a driver, has registered.
fn running() -> (Bench, ContainerId) {
    let mut bench = Bench::registered();
    let out = bench.run(checkpointing(run_task()));
    let container = launched(&out).unwrap();
    let out = say(&mut bench, register("exec1"));
    assert_eq!(names(&out), ["ExecutorRegisteredMessage", "RunTaskMessage"]);
    (bench, container)
}

#[test]
fn executors_that_are_not_awaited_are_told_to_end() {
    let end = ["ShutdownExecutorMessage"];
    let mut bench = Bench::registered();
    assert_eq!(
        names(&say(&mut bench, register("exec1"))),
        end,
        "unknown framework"
    );
    let (mut bench, _) = running();
    assert_eq!(
        names(&say(&mut bench, register("other"))),
        end,
        "unknown executor"
    );
    assert_eq!(names(&say(&mut bench, register("exec1"))), end, "a second time");
    assert_eq!(
        names(&say(&mut bench, reregister("exec1", Vec::new()))),
        end,
        "not after a restart"
    );
    let message = internal::ShutdownFrameworkMessage {
        framework_id: framework_id(),
    };
    bench.receive(Received::ShutdownFramework(message));
    assert_eq!(
        names(&say(&mut bench, register("exec1"))),
        end,
        "leaving framework"
    );
}

#[test]
fn an_executor_whose_task_was_killed_before_it_came_is_told_to_end() {
    let mut bench = Bench::registered();
    bench.run(run_task());
    bench.kill("exec1");
    let out = say(&mut bench, register("exec1"));
    assert_eq!(names(&out), ["ShutdownExecutorMessage"]);
}

#[test]
fn the_address_is_on_disk_before_the_first_task_leaves() {
    let mut bench = Bench::registered();
    bench.run(checkpointing(run_task()));
    let out = say(&mut bench, register("exec1"));
    let pid: Upid = EXECUTOR.parse().unwrap();
    let written =
        |what: &Checkpoint| matches!(what, Checkpoint::LibprocessPid { pid: written, .. } if *written == pid);
    assert!(checkpoints(&out).iter().any(written));
    assert_eq!(
        shape(&out),
        [
            "Link",
            "write 6 LibprocessPid",
            "send ExecutorRegistered",
            "UpdateContainer",
            "send RunTask after 6"
        ]
    );
}

#[test]
fn an_update_is_acknowledged_once_it_is_on_disk_and_a_repeat_again() {
    let (mut bench, _) = running();
    let out = say(&mut bench, update(report(TaskState::TaskRunning, 1)));
    assert_eq!(
        shape(&out),
        [
            "write 7 Update",
            "send StatusUpdate after 7",
            "send StatusUpdateAcknowledgement after 7"
        ]
    );
    let out = say(&mut bench, update(report(TaskState::TaskRunning, 1)));
    assert_eq!(shape(&out), ["send StatusUpdateAcknowledgement after 7"]);
}

#[test]
fn updates_of_strangers_count_as_invalid() {
    let (mut bench, _) = running();
    let mut count = 0;
    for spoil in [
        (|update| update.uuid = None) as fn(&mut internal::StatusUpdate),
        |update| update.uuid = Some(Bytes::from_static(b"short")),
        |update| update.slave_id = None,
        |update| {
            update.status.agent_id = Some(v1::AgentId {
                value: "other".into(),
            })
        },
        |update| update.framework_id.value = "other".into(),
    ] {
        let mut report = report(TaskState::TaskRunning, 1);
        spoil(&mut report);
        assert!(say(&mut bench, update(report)).is_empty());
        count += 1;
        assert_eq!(bench.agent.counters().invalid_status_updates, count);
    }
}

#[test]
fn a_driver_that_says_staging_is_shut_down() {
    let (mut bench, _) = running();
    let out = say(&mut bench, update(report(TaskState::TaskStaging, 1)));
    assert_eq!(names(&out), ["ShutdownExecutorMessage"]);
}

#[test]
fn kills_and_messages_reach_a_driver() {
    let (mut bench, _) = running();
    assert_eq!(names(&bench.kill("exec1")), ["KillTaskMessage"]);
    let executor_id = v1::ExecutorId {
        value: "exec1".into(),
    };
    let slave_id = v1::AgentId { value: AGENT.into() };
    let message = internal::FrameworkToExecutorMessage {
        slave_id: slave_id.clone(),
        framework_id: framework_id(),
        executor_id: executor_id.clone(),
        data: "ping".into(),
    };
    let out = bench.receive(Received::FrameworkToExecutor(message.clone()));
    assert_eq!(
        to(EXECUTOR, &out)[0].decode::<internal::FrameworkToExecutorMessage>(),
        message
    );
    let message = internal::ExecutorToFrameworkMessage {
        slave_id,
        framework_id: framework_id(),
        executor_id,
        data: "pong".into(),
    };
    let out = say(&mut bench, Received::ExecutorToFramework(message.clone()));
    assert_eq!(
        to(MASTER, &out)[0].decode::<internal::ExecutorToFrameworkMessage>(),
        message
    );
}

#[test]
fn a_group_for_a_driver_is_dropped() {
    let mut bench = Bench::registered();
    let task = custom("t1");
    bench.run(task.clone());
    say(&mut bench, register("custom"));
    let group = internal::RunTaskGroupMessage {
        framework: task.framework.clone(),
        executor: task.task.executor.clone().unwrap(),
        task_group: v1::TaskGroupInfo {
            tasks: vec![custom("g1").task, custom("g2").task],
        },
        resource_version_uuids: Vec::new(),
        launch_executor: Some(false),
    };
    let out = bench.receive(Received::RunTaskGroup(Box::new(group)));
    let ends: Vec<_> = sent_updates(&out)
        .iter()
        .map(|update| (update.status.state(), update.status.reason()))
        .collect();
    assert_eq!(ends, [(TaskState::TaskDropped, Reason::TaskGroupInvalid); 2]);
    assert_eq!(names(&out), Vec::<String>::new());
}

#[test]
fn a_driver_that_does_not_answer_is_called_again_if_so_configured() {
    let mut machine = Machine::new();
    machine.act(|bench| bench.run(checkpointing(run_task())));
    machine.act(|bench| say(bench, register("exec1")));
    let interval = std::time::Duration::from_millis(500);
    machine.restart_with(|config| config.executor_reregistration_retry_interval = Some(interval));
    assert_eq!(
        names(&machine.act(|bench| bench.pass(interval))),
        ["ReconnectExecutorMessage"]
    );
    let back = || reregister("exec1", vec![run_task().task]);
    let out = machine.act(|bench| say(bench, back()));
    assert_eq!(names(&out), ["ExecutorReregisteredMessage"]);
    assert_eq!(
        names(&machine.act(|bench| say(bench, back()))),
        Vec::<String>::new()
    );
    assert_eq!(
        names(&machine.act(|bench| bench.pass(interval))),
        Vec::<String>::new()
    );
}
