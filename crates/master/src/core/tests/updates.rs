//! Status updates, acknowledgements, kills, messages.

use proto::internal;
use proto::v1::scheduler::call;
use proto::v1::scheduler::event::Type as Told;
use proto::v1::{self, TaskState};

use super::support::*;
use crate::core::{AgentBound, AgentId, AgentMessage, Input, StreamId};

#[test]
fn an_update_reaches_scheduler_and_subscribers() {
    let (mut bench, agent, framework) = Bench::running("t");
    let out = bench.update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    let status = statuses(&out).remove(0);
    assert_eq!(status.state(), TaskState::TaskRunning);
    assert_eq!(status.uuid, Some(uuid_bytes(1)));
    assert_eq!(
        status.data.as_deref(),
        Some(b"data".as_slice()),
        "the scheduler gets all"
    );
    assert_eq!(published_states(&out), [TaskState::TaskRunning]);
    let task = &bench.master.state().frameworks[&framework].tasks["t"]
        .record
        .read();
    assert_eq!(task.statuses.len(), 1);
    assert_eq!(task.statuses[0].data, None, "the copy kept has no data");
    assert_eq!(task.status_update_state(), TaskState::TaskRunning);
    assert_eq!(task.status_update_uuid, Some(uuid_bytes(1)));
    assert_eq!(bench.master.gauges().tasks[TaskState::TaskRunning as usize], 1);
}

#[test]
fn equal_states_collapse() {
    let (mut bench, agent, framework) = Bench::running("t");
    for uuid in 1..=3 {
        let out = bench.update(&framework, &agent, "t", TaskState::TaskRunning, uuid);
        assert_eq!(statuses(&out).len(), 1, "the scheduler gets each");
        assert_eq!(
            published_states(&out).len(),
            usize::from(uuid == 1),
            "subscribers only news"
        );
    }
    let task = &bench.master.state().frameworks[&framework].tasks["t"]
        .record
        .read();
    assert_eq!(task.statuses.len(), 1);
    assert_eq!(task.statuses[0].uuid, Some(uuid_bytes(3)));
}

/// Subscribers that come at the same version share a snapshot.
#[test]
fn every_update_makes_a_new_version() {
    let (mut bench, agent, framework) = Bench::running("t");
    for (state, uuid) in [(TaskState::TaskStarting, 1), (TaskState::TaskRunning, 2)] {
        let before = bench.master.state().version;
        bench.update(&framework, &agent, "t", state, uuid);
        assert!(bench.master.state().version > before, "{state:?}");
    }
}

#[test]
fn the_first_terminal_state_stays() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.update(&framework, &agent, "t", TaskState::TaskFailed, 1);
    assert!(
        bench.master.state().agents[&agent].used.is_empty(),
        "freed at the first terminal update"
    );
    let out = bench.update(&framework, &agent, "t", TaskState::TaskFinished, 2);
    assert_eq!(published_states(&out), [TaskState::TaskFailed]);
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskFailed));
    assert_eq!(bench.master.counters().tasks_failed, 1);
    assert_eq!(bench.master.counters().tasks_finished, 0);
    assert!(
        bench.master.counters().task_transitions.is_empty(),
        "it had no reason"
    );
}

#[test]
fn no_executor_frees_what_its_task_holds_by_saying_it_is_unreachable() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    let held = bench.master.state().agents[&agent].used.clone();
    let out = bench.update(&framework, &agent, "t", TaskState::TaskUnreachable, 2);
    assert_eq!(statuses(&out).len(), 1, "the scheduler is told what was said");
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskRunning));
    assert_eq!(bench.master.state().agents[&agent].used, held);
    bench.update(&framework, &agent, "t", TaskState::TaskRunning, 3);
    assert_eq!(bench.master.check(), Ok(()));
    bench.update(&framework, &agent, "t", TaskState::TaskFinished, 4);
    assert!(bench.master.state().agents[&agent].used.is_empty());
}

#[test]
fn a_task_that_came_back_out_of_sight_holds_nothing_until_it_ends() {
    let mut bench = Bench::new();
    let framework = bench.framework(1);
    let agent = AgentId::from("other-S0");
    let task = listed_task(&framework, &agent, "t", TaskState::TaskUnreachable);
    bench.reregister(&agent, vec![task], &[&framework]);
    for (uuid, state) in [(1, TaskState::TaskRunning), (2, TaskState::TaskFinished)] {
        bench.update(&framework, &agent, "t", state, uuid);
        assert_eq!(bench.master.check(), Ok(()));
    }
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskFinished));
}

#[test]
fn the_agent_may_be_ahead_of_acknowledgements() {
    let (mut bench, agent, framework) = Bench::running("t");
    let mut message = status_update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    message.update.latest_state = Some(TaskState::TaskFinished as i32);
    bench.agent(PID, AgentMessage::StatusUpdate(Box::new(message)));
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskFinished));
    assert!(bench.master.state().agents[&agent].used.is_empty());
    bench.acknowledge(&framework, &agent, "t", 1);
    assert!(
        bench.state_of(&framework, "t").is_some(),
        "the terminal update is still to come"
    );
    bench.update(&framework, &agent, "t", TaskState::TaskFinished, 2);
    bench.acknowledge(&framework, &agent, "t", 2);
    assert_eq!(bench.state_of(&framework, "t"), None);
    assert_eq!(
        bench.master.state().frameworks[&framework].completed_tasks.len(),
        1
    );
}

#[test]
fn a_late_copy_of_an_earlier_update_does_not_hide_the_end() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    bench.update(&framework, &agent, "t", TaskState::TaskFinished, 2);
    let out = bench.update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    assert_eq!(statuses(&out).len(), 1, "the scheduler gets it again");
    bench.acknowledge(&framework, &agent, "t", 2);
    assert_eq!(bench.state_of(&framework, "t"), None, "acknowledged all the same");
}

#[test]
fn an_offer_does_not_overtake_the_news_of_the_end() {
    let (mut bench, agent, framework) = Bench::running("t");
    // Nothing else of the agent is to be offered meanwhile.
    let rest = bench.offers(&framework);
    assert!(rest.is_empty());
    let mut message = status_update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    message.update.latest_state = Some(TaskState::TaskFinished as i32);
    bench.agent(PID, AgentMessage::StatusUpdate(Box::new(message)));
    assert!(
        kinds(&bench.settle()).is_empty(),
        "what it held waits for the next batch"
    );
    bench.update(&framework, &agent, "t", TaskState::TaskFinished, 2);
    assert!(kinds(&bench.advance(std::time::Duration::from_secs(2))).contains(&Told::Offers));
}

#[test]
fn what_an_ended_task_held_is_offered_promptly() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.update(&framework, &agent, "t", TaskState::TaskFinished, 1);
    assert_eq!(kinds(&bench.settle()), [Told::Offers]);
}

#[test]
fn only_the_acknowledgement_of_the_terminal_update_completes_a_task() {
    let (mut bench, agent, framework) = Bench::running("t");
    let out = bench.acknowledge(&framework, &agent, "t", 1);
    assert!(sent(&out).is_empty(), "nothing was forwarded yet");
    assert_eq!(bench.master.counters().invalid_status_update_acknowledgements, 1);
    bench.update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    let out = bench.acknowledge(&framework, &agent, "t", 1);
    let [(_, AgentBound::Acknowledge(message))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(
        (message.task_id.value.as_str(), message.uuid),
        ("t", uuid_bytes(1))
    );
    bench.update(&framework, &agent, "t", TaskState::TaskKilled, 2);
    bench.acknowledge(&framework, &agent, "t", 1);
    assert!(bench.state_of(&framework, "t").is_some());
    bench.acknowledge(&framework, &agent, "t", 2);
    assert_eq!(bench.state_of(&framework, "t"), None);
    assert_eq!(bench.master.state().agents[&agent].tasks.len(), 0);
    let out = bench.acknowledge(&framework, &agent, "t", 2);
    assert_eq!(
        sent(&out).len(),
        1,
        "an acknowledgement of an unknown task is forwarded all the same"
    );
}

#[test]
fn acknowledgements_need_a_connected_agent() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    bench.step(Input::Exited(upid(PID)));
    assert!(sent(&bench.acknowledge(&framework, &agent, "t", 1)).is_empty());
    assert_eq!(bench.master.counters().invalid_status_update_acknowledgements, 1);
}

#[test]
fn updates_of_unknown_tasks_are_forwarded_and_those_of_strangers_are_not() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.update(&framework, &agent, "ghost", TaskState::TaskRunning, 1);
    assert_eq!(kinds(&out), [Told::Update]);
    assert!(published_states(&out).is_empty());
    let stranger = "slave(1)@10.0.0.9:5051";
    let message = status_update(&framework, &agent, "ghost", TaskState::TaskRunning, 1);
    let out = bench.agent(stranger, AgentMessage::StatusUpdate(Box::new(message)));
    assert!(kinds(&out).is_empty());
    let out = bench.update(&"other".into(), &agent, "ghost", TaskState::TaskRunning, 1);
    assert!(kinds(&out).is_empty());
    assert_eq!(bench.master.counters().invalid_status_updates, 3);
}

#[test]
fn a_framework_that_is_away_is_not_told() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.step(Input::StreamClosed(StreamId(1)));
    let out = bench.update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    assert!(events(&out).is_empty());
    assert_eq!(published_states(&out), [TaskState::TaskRunning]);
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskRunning));
}

#[test]
fn completed_tasks_are_bounded() {
    let mut bench = Bench::with(
        |config| config.max_completed_tasks_per_framework = 2,
        Default::default(),
    );
    let agent = bench.register(PID);
    let framework = bench.framework(1);
    bench.settle();
    let names = ["a", "b", "c"];
    bench.launch(&framework, names.map(|name| command_task(name, &agent)).into());
    for (name, uuid) in names.into_iter().zip(1..) {
        bench.update(&framework, &agent, name, TaskState::TaskFinished, uuid);
        bench.acknowledge(&framework, &agent, name, uuid);
    }
    let kept: Vec<String> = bench.master.state().frameworks[&framework]
        .completed_tasks
        .iter()
        .map(|task| task.record().unwrap().read().name)
        .collect();
    assert_eq!(kept, ["b", "c"]);
}

fn kill(task: &str, agent: Option<&str>) -> call::Kill {
    let agent_id = agent.map(|agent| v1::AgentId {
        value: agent.to_owned(),
    });
    let kill_policy = Some(v1::KillPolicy {
        grace_period: Some(v1::DurationInfo { nanoseconds: 5 }),
    });
    call::Kill {
        task_id: task_id(task),
        agent_id,
        kill_policy,
    }
}

#[test]
fn kills_are_forwarded_each_time() {
    let (mut bench, _, framework) = Bench::running("t");
    for _ in 0..2 {
        let out = bench.call(&framework, call::Type::Kill, |call| {
            call.kill = Some(kill("t", None))
        });
        let [(_, AgentBound::KillTask(message))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
            panic!("{out:?}")
        };
        assert_eq!(message.kill_policy.unwrap().grace_period.unwrap().nanoseconds, 5);
    }
    let out = bench.call(&framework, call::Type::Kill, |call| {
        call.kill = Some(kill("t", Some("elsewhere")))
    });
    assert!(sent(&out).is_empty() && events(&out).is_empty());
}

#[test]
fn killing_the_unknown_is_answered_as_reconciliation() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.call(&framework, call::Type::Kill, |call| {
        call.kill = Some(kill("t", None))
    });
    assert_eq!(statuses(&out)[0].state(), TaskState::TaskUnknown);
    let kill = kill("t", Some(agent.as_str()));
    let out = bench.call(&framework, call::Type::Kill, |call| call.kill = Some(kill));
    assert_eq!(statuses(&out)[0].state(), TaskState::TaskGone);
}

#[test]
fn messages_pass_both_ways() {
    let (mut bench, agent, framework) = Bench::ready();
    let executor_id = v1::ExecutorId {
        value: "e".to_owned(),
    };
    let data = bytes::Bytes::from_static(b"hello");
    let message = |agent_id: v1::AgentId| call::Message {
        agent_id,
        executor_id: executor_id.clone(),
        data: data.clone(),
    };
    let out = bench.call(&framework, call::Type::Message, |call| {
        call.message = Some(message((&agent).into()))
    });
    let [(_, AgentBound::FrameworkToExecutor(sent))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(
        (sent.data, sent.framework_id.value.as_str()),
        (data.clone(), framework.as_str())
    );
    let nowhere = v1::AgentId {
        value: "x".to_owned(),
    };
    bench.call(&framework, call::Type::Message, |call| {
        call.message = Some(message(nowhere))
    });
    assert_eq!(bench.master.counters().invalid_framework_to_executor_messages, 1);

    let back = internal::ExecutorToFrameworkMessage {
        slave_id: (&agent).into(),
        framework_id: (&framework).into(),
        executor_id: executor_id.clone(),
        data: data.clone(),
    };
    let out = bench.agent(PID, AgentMessage::ExecutorToFramework(back));
    let told = events(&out)[0].1.message.clone().unwrap();
    assert_eq!(
        (told.data, told.executor_id, told.agent_id.value.as_str()),
        (data, executor_id, agent.as_str())
    );
}

#[test]
fn executors_are_shut_down_by_their_agent() {
    let (mut bench, agent, framework) = Bench::ready();
    let shutdown = call::Shutdown {
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        agent_id: (&agent).into(),
    };
    let out = bench.call(&framework, call::Type::Shutdown, |call| {
        call.shutdown = Some(shutdown)
    });
    let [(_, AgentBound::ShutdownExecutor(message))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(message.executor_id.unwrap().value, "e");
    assert_eq!(message.framework_id.unwrap().value, framework.as_str());
}
