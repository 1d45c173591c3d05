use std::time::Duration;

use agent::core::{Exit, Input, Output, Received, Sent};
use proto::v1::executor::event::Type as Event;
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};
use proto::{Message, internal};

use crate::support::*;

#[test]
fn an_update_is_on_disk_before_anybody_hears_of_it() {
    let mut bench = Bench::registered();
    bench.running();
    let out = bench.update("exec1", status("exec1", TaskState::TaskStarting, 1));
    let expected = [
        "write 7 Update",
        "send StatusUpdate after 7",
        "event Acknowledged after 7",
        "Reply",
    ];
    assert_eq!(shape(&out), expected);
}

#[test]
fn the_forwarded_update_has_the_recorded_bytes() {
    let recorded = read_golden("status_update_starting.pb");
    let message: internal::StatusUpdateMessage = proto::decode(recorded.clone()).unwrap();
    let mut bench = Bench::registered();
    let container = bench.running();
    let mut sent = message.update.status.clone();
    sent.container_status = None;
    sent.agent_id = None;
    let out = bench.update("exec1", sent);
    let [ours] = encoded(&out).try_into().unwrap();
    let container = container.as_str().as_bytes();
    let id = message
        .update
        .status
        .container_status
        .unwrap()
        .container_id
        .unwrap()
        .value;
    // The container's id is random; all else is equal.
    let mut expected = recorded.to_vec();
    let at = expected
        .windows(id.len())
        .position(|window| window == id.as_bytes())
        .unwrap();
    expected.splice(at..at + id.len(), container.iter().copied());
    assert_eq!(ours, expected);
}

#[test]
fn the_next_update_follows_the_acknowledgement_of_the_last() {
    let mut bench = Bench::registered();
    bench.running();
    bench.update("exec1", status("exec1", TaskState::TaskStarting, 1));
    let out = bench.update("exec1", status("exec1", TaskState::TaskRunning, 2));
    assert_eq!(
        shape(&out),
        ["write 8 Update", "event Acknowledged after 8", "Reply"]
    );
    assert!(
        bench.acknowledge("exec1", &vec![9; 16].into()).is_empty(),
        "a wrong uuid changes nothing"
    );
    let out = bench.acknowledge("exec1", &vec![1; 16].into());
    assert_eq!(
        shape(&out),
        ["write 9 Acknowledgement", "send StatusUpdate after 9"]
    );
    assert_eq!(sent_updates(&out)[0].latest_state(), TaskState::TaskRunning);
}

#[test]
fn an_unacknowledged_update_is_sent_again() {
    let mut bench = Bench::registered();
    bench.running();
    bench.update("exec1", status("exec1", TaskState::TaskRunning, 1));
    let mut waits = Vec::new();
    let mut last = bench.now;
    let ping = internal::PingSlaveMessage { connected: true };
    while waits.len() < 8 {
        bench.receive(Received::PingSlave(ping));
        let out = bench.wait();
        if !sent_updates(&out).is_empty() {
            waits.push((bench.now - last).as_secs());
            last = bench.now;
        } else if out.contains(&Output::Detect) {
            bench.register();
            last = bench.now;
        }
    }
    assert!(waits.starts_with(&[10, 20, 40]), "{waits:?}");
}

#[test]
fn a_repeated_update_is_acknowledged_and_not_sent() {
    let mut bench = Bench::registered();
    bench.running();
    bench.update("exec1", status("exec1", TaskState::TaskRunning, 1));
    let out = bench.update("exec1", status("exec1", TaskState::TaskRunning, 1));
    assert_eq!(shape(&out), ["event Acknowledged after 7", "Reply"]);
}

#[test]
fn the_first_terminal_state_stays() {
    let mut bench = Bench::registered();
    let container = bench.running();
    bench.update("exec1", status("exec1", TaskState::TaskFinished, 1));
    let out = bench.update("exec1", status("exec1", TaskState::TaskFailed, 2));
    assert_eq!(events(&out), [Event::Acknowledged]);
    assert!(checkpoints(&out).is_empty());
    assert!(sent_updates(&bench.terminated(&container, Some(0))).is_empty());
    let out = bench.acknowledge("exec1", &vec![1; 16].into());
    let expected = [
        "write 8 Acknowledgement",
        "write 9 Sentinel",
        "ScheduleGc",
        "ScheduleGc",
    ];
    assert_eq!(shape(&out), expected);
    assert_eq!(bench.agent.frameworks().count(), 0);
    let completed = bench.agent.completed_frameworks().next().unwrap();
    assert_eq!(
        completed.completed[0].completed[0].state(),
        TaskState::TaskFinished
    );
}

#[test]
fn the_end_of_an_executor_ends_its_tasks() {
    let mut bench = Bench::registered();
    let container = bench.running();
    let out = bench.terminated(&container, Some(9));
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(
        (update.status.state(), update.status.reason()),
        (TaskState::TaskFailed, Reason::ExecutorTerminated)
    );
    let out = bench.acknowledge("exec1", update.uuid.as_ref().unwrap());
    assert!(shape(&out).contains(&"write 9 Sentinel".to_owned()), "{out:?}");
}

#[test]
fn the_end_of_a_custom_executor_is_told_to_the_master() {
    let mut bench = Bench::registered();
    let container = launched(&bench.run(custom("t1"))).unwrap();
    bench.subscribe("custom");
    let out = bench.terminated(&container, Some(256));
    let exited = out.iter().find_map(|output| match output {
        Output::Send {
            message: Sent::ExitedExecutor(message),
            ..
        } => Some(message.status),
        _ => None,
    });
    assert_eq!(exited, Some(256));
}

#[test]
fn a_removed_framework_ends_without_a_word() {
    let mut bench = Bench::registered();
    let container = bench.running();
    bench.update("exec1", status("exec1", TaskState::TaskRunning, 1));
    let message = internal::ShutdownFrameworkMessage {
        framework_id: framework_id(),
    };
    let out = bench.receive(Received::ShutdownFramework(message));
    assert_eq!(events(&out), [Event::Shutdown]);
    assert!(bench.agent.status_updates().is_empty());
    let late = bench.update("exec1", status("exec1", TaskState::TaskKilled, 2));
    assert!(sent_updates(&late).is_empty());
    assert_eq!(bench.agent.counters().invalid_status_updates, 1);
    assert_eq!(
        bench.pass(Duration::from_secs(5)),
        [Output::Destroy(container.clone())]
    );
    let out = bench.terminated(&container, Some(9));
    assert!(sent_updates(&out).is_empty());
    assert_eq!(bench.agent.frameworks().count(), 0);
}

#[test]
fn a_lost_stream_keeps_the_executor_and_a_second_one_replaces_the_first() {
    let mut bench = Bench::registered();
    bench.running();
    bench.update("exec1", status("exec1", TaskState::TaskRunning, 1));
    let out = bench.subscribe("exec1");
    assert!(
        out.iter().any(|output| matches!(output, Output::CloseStream(_))),
        "{out:?}"
    );
    assert_eq!(events(&out), [Event::Subscribed]);
    bench.step(Input::StreamClosed(agent::core::StreamId(3)));
    let out = bench.kill("exec1");
    assert!(events(&out).is_empty(), "nobody listens");
}

#[test]
fn an_orderly_end_tells_the_master_ends_all_tasks_and_forgets_the_agent() {
    let mut bench = Bench::registered();
    let container = bench.running();
    let out = bench.step(Input::Shutdown { unregister: true });
    assert_eq!(shape(&out), ["send UnregisterSlave", "event Shutdown"]);
    let out = bench.terminated(&container, Some(0));
    assert_eq!(out.last(), Some(&Output::Exit(Exit::Done)));
    assert!(shape(&out).iter().any(|line| line.ends_with("ForgetAgent")));
}

#[test]
fn without_a_master_updates_wait() {
    let mut bench = Bench::registered();
    bench.running();
    bench.step(Input::Exited(MASTER.parse().unwrap()));
    let out = bench.update("exec1", status("exec1", TaskState::TaskRunning, 1));
    assert_eq!(
        shape(&out),
        ["write 7 Update", "event Acknowledged after 7", "Reply"]
    );
    let out = bench.register();
    assert_eq!(sent_updates(&out).len(), 1);
    let reregister = out.iter().find_map(|output| match output {
        Output::Send {
            message: Sent::ReregisterSlave(message),
            ..
        } => Some(message.clone()),
        _ => None,
    });
    let reregister = reregister.unwrap();
    assert_eq!(reregister.tasks[0].state(), TaskState::TaskRunning);
    assert!(
        reregister.executor_infos.is_empty(),
        "the generated executor is not told"
    );
    assert!(reregister.encoded_len() > 0);
}

#[test]
fn an_end_that_comes_before_recovery_ends_what_is_found() {
    let mut bench = Bench::new(config());
    assert!(bench.step(Input::Shutdown { unregister: true }).is_empty());
    bench.step(Input::Recovered(Box::default()));
    let out = bench.step(Input::ContainersRecovered);
    assert_eq!(out.last(), Some(&Output::Exit(Exit::Done)));
}

#[test]
fn a_limit_that_was_passed_is_told() {
    let mut bench = Bench::registered();
    let container = bench.running();
    let limited = resources::Resources::parse("mem:64").unwrap().to_proto();
    let termination = containerizer::Termination {
        status: Some(9),
        reason: Some(Reason::ContainerLimitationMemory),
        message: Some("Memory limit exceeded".into()),
        limited_resources: limited.clone(),
        ..Default::default()
    };
    let out = bench.step(Input::Terminated {
        container,
        termination: Some(termination),
    });
    let [update] = sent_updates(&out).try_into().unwrap();
    assert_eq!(update.status.reason(), Reason::ContainerLimitationMemory);
    assert_eq!(update.status.message(), "Memory limit exceeded");
    assert_eq!(update.status.limitation.unwrap().resources, limited);
}

#[test]
fn what_checks_found_passes_unchanged_and_is_remembered() {
    let mut bench = Bench::registered();
    bench.running();
    let mut sent = status("exec1", TaskState::TaskRunning, 1);
    sent.healthy = Some(false);
    sent.check_status = Some(v1::CheckStatusInfo {
        r#type: Some(v1::check_info::Type::Http as i32),
        http: Some(v1::check_status_info::Http {
            status_code: Some(503),
        }),
        ..Default::default()
    });
    sent.reason = Some(Reason::TaskCheckStatusUpdated as i32);
    let out = bench.update("exec1", sent.clone());
    let [update] = sent_updates(&out).try_into().unwrap();
    let framework = bench.agent.frameworks().next().unwrap();
    let executor = framework.executors.values().next().unwrap();
    let task = executor.launched.values().next().unwrap();
    for shown in [&update.status, &task.statuses[0]] {
        assert_eq!(shown.check_status, sent.check_status);
        assert_eq!((shown.healthy, shown.reason), (sent.healthy, sent.reason));
    }
}
