//! Agents that come back: the table of internal-protocol §6.

use std::time::Duration;

use proto::Message as _;
use proto::internal::{self, ReregisterSlaveMessage};
use proto::v1::master::event::Type as Published;
use proto::v1::scheduler::call;
use proto::v1::task_status::Reason;
use proto::v1::{self, TaskState};

use super::support::*;
use crate::core::{
    AgentBound, AgentId, AgentMessage, Connection, FrameworkId, Input, Output, RegistryOperation, StreamId,
};

/// What the agent was answered.
fn reply(out: &[Output]) -> internal::SlaveReregisteredMessage {
    let of = |(_, message): (String, AgentBound)| match message {
        AgentBound::Reregistered(message) => Some(message),
        _ => None,
    };
    sent(out).into_iter().find_map(of).unwrap()
}

/// The names of what was sent, in order.
fn names(out: &[Output]) -> Vec<String> {
    sent(out)
        .into_iter()
        .map(|(_, message)| message.encode().0.rsplit('.').next().unwrap().to_owned())
        .collect()
}

fn registry(id: &str) -> internal::Registry {
    let mut info = v1::AgentInfo {
        id: Some(v1::AgentId { value: id.to_owned() }),
        ..agent_info()
    };
    for resource in &mut info.resources {
        resources::format::downgrade_one(resource).unwrap();
    }
    internal::Registry {
        slaves: Some(internal::registry::Slaves {
            slaves: vec![internal::registry::Slave {
                info,
                ..Default::default()
            }],
        }),
        ..Default::default()
    }
}

#[test]
fn a_new_leader_learns_all_from_the_agent_without_a_write() {
    let agent = AgentId::from("m0-S0");
    let framework = FrameworkId::from("m0-0000");
    let mut bench = Bench::with(|_| {}, registry("m0-S0"));
    assert_eq!(bench.master.state().recovered_agents.len(), 1);
    let task = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    let out = bench.reregister(&agent, vec![task], &[&framework]);
    assert!(writes(&out).is_empty());
    assert_eq!(
        published(&out),
        [
            Published::FrameworkAdded,
            Published::TaskAdded,
            Published::AgentAdded
        ]
    );
    assert_eq!(
        names(&out),
        ["SlaveReregisteredMessage", "UpdateFrameworkMessage"]
    );
    assert!(reply(&out).reconciliations.is_empty());
    let state = bench.master.state();
    assert!(state.recovered_agents.is_empty());
    assert_eq!(state.frameworks[&framework].connection, Connection::Recovered);
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskRunning));
    assert_eq!(
        state.agents[&agent].used[&framework].cpus(),
        resources::Scalar::units(1)
    );
    assert!(state.agents[&agent].reregistered.is_some());
    assert_eq!(bench.master.gauges().frameworks_disconnected, 1);

    // Its scheduler finds the new leader.
    let info = v1::FrameworkInfo {
        id: Some((&framework).into()),
        ..framework_info()
    };
    let out = bench.subscribe(1, info);
    assert_eq!(published(&out), [Published::FrameworkUpdated]);
    assert!(bench.master.state().frameworks[&framework].connected());
    bench.settle();
    let offered = bench.master.state().frameworks[&framework].total_offered();
    assert_eq!(
        offered.cpus(),
        resources::Scalar::units(3),
        "the rest of the agent"
    );
}

#[test]
fn a_changed_agent_is_stored_first() {
    let mut bench = Bench::with(|_| {}, registry("m0-S0"));
    bench.stores = false;
    let mut message = reregistration(&AgentId::from("m0-S0"), Vec::new(), &[]);
    message.slave.attributes.push(v1::Attribute {
        name: "rack".to_owned(),
        r#type: v1::value::Type::Text as i32,
        text: Some(v1::value::Text {
            value: "r1".to_owned(),
        }),
        ..Default::default()
    });
    let out = bench.agent(PID, AgentMessage::Reregister(Box::new(message.clone())));
    let [Output::Store { write, operations }] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert!(matches!(
        operations.as_slice(),
        [RegistryOperation::UpdateAgent { .. }]
    ));
    let again = bench.agent(PID, AgentMessage::Reregister(Box::new(message)));
    assert!(again.is_empty(), "in flight");
    let out = bench.step(Input::Stored(*write));
    assert_eq!(names(&out), ["SlaveReregisteredMessage"]);
}

#[test]
fn an_executor_that_ends_while_its_agent_is_readmitted_is_not_believed_in() {
    let (mut bench, agent, framework) = Bench::ready();
    bench.alive = false;
    bench.advance(Duration::from_secs(90));
    assert!(bench.master.state().agents.is_empty());
    let executor = v1::ExecutorInfo {
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        framework_id: Some((&framework).into()),
        command: Some(v1::CommandInfo::default()),
        ..v1::ExecutorInfo::default()
    };
    for ends in [false, true] {
        let mut message = reregistration(&agent, Vec::new(), &[&framework]);
        message.executor_infos.push(executor.clone());
        bench.stores = false;
        let mut out = bench.agent(PID, AgentMessage::Reregister(Box::new(message)));
        if ends {
            let exited = internal::ExitedExecutorMessage {
                slave_id: (&agent).into(),
                framework_id: (&framework).into(),
                executor_id: executor.executor_id.clone(),
                status: 0,
            };
            out.extend(bench.agent(PID, AgentMessage::ExitedExecutor(exited)));
        }
        bench.stores = true;
        let [write] = writes(&out)[..] else {
            panic!("one write: {out:?}")
        };
        bench.step(Input::Stored(write));
        let executors = bench.master.state().agents[&agent].executors.len();
        assert_eq!(executors, usize::from(!ends));
        bench.advance(Duration::from_secs(90));
        assert!(bench.master.state().agents.is_empty(), "it is unreachable again");
    }
}

#[test]
fn an_unreachable_agent_comes_back_with_its_tasks() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.alive = false;
    bench.update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    bench.advance(Duration::from_secs(90));
    assert!(bench.master.state().agents.is_empty());
    let task = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    let out = bench.reregister(&agent, vec![task], &[&framework]);
    let stored = out.iter().find_map(|output| match output {
        Output::Store { operations, .. } => operations.first(),
        _ => None,
    });
    assert!(matches!(stored, Some(RegistryOperation::MarkReachable { .. })));
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskRunning, Reason::AgentReregistered)]
    );
    assert_eq!(statuses(&out)[0].message(), "Unreachable agent re-reregistered");
    let state = bench.master.state();
    assert!(state.frameworks[&framework].unreachable_tasks.is_empty());
    assert!(state.unreachable_agents.is_empty());
    assert_eq!(
        bench.master.gauges().tasks[TaskState::TaskUnreachable as usize],
        0
    );
    assert_eq!(bench.master.gauges().tasks[TaskState::TaskRunning as usize], 1);
}

#[test]
fn an_unknown_agent_is_taken() {
    let mut bench = Bench::new();
    let framework = bench.framework(1);
    let agent = AgentId::from("elsewhere-S7");
    let task = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    let out = bench.reregister(&agent, vec![task], &[&framework]);
    assert_eq!(statuses(&out)[0].message(), "Unknown agent reregistered");
    assert!(bench.master.state().agents.contains_key(&agent));
}

#[test]
fn tasks_that_the_agent_lost_are_named_to_it() {
    let (mut bench, agent, framework) = Bench::running("t");
    let out = bench.reregister(&agent, Vec::new(), &[&framework]);
    let reconciliations = reply(&out).reconciliations;
    assert_eq!(reconciliations.len(), 1);
    assert_eq!(reconciliations[0].framework_id.value, framework.as_str());
    assert_eq!(reconciliations[0].framework.as_ref().unwrap().name, "probe");
    assert_eq!(reconciliations[0].statuses[0].task_id.value, "t");
    assert_eq!(reconciliations[0].statuses[0].state(), TaskState::TaskStaging);
    assert!(fates(&out).is_empty(), "the agent will say what became of it");
}

#[test]
fn a_disconnected_agent_is_active_again_and_its_timer_is_off() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.step(Input::Exited(upid(PID)));
    let task = listed_task(&framework, &agent, "t", TaskState::TaskStaging);
    let moved = "slave(1)@127.0.0.1:6051";
    let message = reregistration(&agent, vec![task], &[&framework]);
    let out = bench.agent(moved, AgentMessage::Reregister(Box::new(message)));
    assert!(
        out.iter()
            .any(|output| matches!(output, Output::Link(upid) if upid.to_string() == moved))
    );
    let known = &bench.master.state().agents[&agent];
    assert!(known.connected && known.active);
    assert_eq!(known.pid.to_string(), moved, "another port is fine");
    let out = bench.advance(Duration::from_secs(8));
    assert_eq!(kinds(&out), [v1::scheduler::event::Type::Offers]);
    assert_eq!(
        pings(&bench.advance(Duration::from_secs(15)))[0],
        (moved.to_owned(), true)
    );
    assert_eq!(bench.master.gauges().slaves_disconnected, 0);
}

#[test]
fn an_address_belongs_to_the_agent_that_came_last() {
    let mut bench = Bench::new();
    let first = bench.register(PID);
    let second = AgentId::from("elsewhere-S7");
    bench.reregister(&second, Vec::new(), &[]);
    let connected = |bench: &Bench, id: &AgentId| bench.master.state().agents[id].connected;
    assert!(!connected(&bench, &first) && connected(&bench, &second));
    let message = reregistration(&first, Vec::new(), &[]);
    bench.agent(
        "slave(1)@127.0.0.1:6051",
        AgentMessage::Reregister(Box::new(message)),
    );
    assert!(connected(&bench, &first) && connected(&bench, &second));
    bench.step(Input::Exited(upid(PID)));
    assert!(connected(&bench, &first) && !connected(&bench, &second));
}

#[test]
fn an_agent_elsewhere_is_told_to_stop() {
    let mut bench = Bench::new();
    let agent = bench.register(PID);
    let check = |bench: &mut Bench, pid: &str, message: ReregisterSlaveMessage| {
        let out = bench.agent(pid, AgentMessage::Reregister(Box::new(message)));
        let [(to, AgentBound::Shutdown(_))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
            panic!("{out:?}")
        };
        assert_eq!(to, pid);
    };
    check(
        &mut bench,
        "slave(1)@127.0.0.2:5051",
        reregistration(&agent, Vec::new(), &[]),
    );
    let mut message = reregistration(&agent, Vec::new(), &[]);
    message.slave.hostname = "other".to_owned();
    check(&mut bench, PID, message);
    assert!(bench.master.state().agents[&agent].connected);
}

#[test]
fn a_gone_agent_is_told_to_stop() {
    let gone = internal::registry::GoneSlave {
        id: v1::AgentId {
            value: "g".to_owned(),
        },
        timestamp: v1::TimeInfo { nanoseconds: 1 },
    };
    let registry = internal::Registry {
        gone: Some(internal::registry::GoneSlaves { slaves: vec![gone] }),
        ..Default::default()
    };
    let mut bench = Bench::with(|_| {}, registry);
    let out = bench.reregister(&AgentId::from("g"), Vec::new(), &[]);
    let [(_, AgentBound::Shutdown(message))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(message.message.as_deref(), Some("Agent has been marked gone"));
}

#[test]
fn kills_are_said_again() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.step(Input::Exited(upid(PID)));
    let policy = Some(v1::KillPolicy {
        grace_period: Some(v1::DurationInfo { nanoseconds: 1 }),
    });
    let kill = call::Kill {
        task_id: task_id("t"),
        agent_id: None,
        kill_policy: policy,
    };
    let out = bench.call(&framework, call::Type::Kill, |call| call.kill = Some(kill));
    assert!(sent(&out).is_empty());
    let task = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    let out = bench.reregister(&agent, vec![task], &[&framework]);
    assert_eq!(
        names(&out),
        [
            "SlaveReregisteredMessage",
            "KillTaskMessage",
            "UpdateFrameworkMessage"
        ]
    );
    let [_, (_, AgentBound::KillTask(message)), _] = <[_; 3]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(message.kill_policy, None, "without its policy");
}

#[test]
fn completed_frameworks_are_shut_down() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.step(Input::Exited(upid(PID)));
    bench.call(&framework, call::Type::Teardown, |_| {});
    let task = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    let out = bench.reregister(&agent, vec![task], &[&framework]);
    assert_eq!(
        names(&out),
        ["SlaveReregisteredMessage", "ShutdownFrameworkMessage"]
    );
    assert!(bench.master.state().frameworks.is_empty());
    assert!(bench.master.state().agents[&agent].tasks.is_empty());
}

#[test]
fn tasks_told_lost_with_the_link_do_not_run_on() {
    let mut bench = Bench::new();
    let agent = bench.register(PID);
    bench.subscribe(
        1,
        v1::FrameworkInfo {
            checkpoint: None,
            ..framework_info()
        },
    );
    bench.settle();
    let framework = FrameworkId::from("m-0000");
    bench.launch(&framework, vec![command_task("t", &agent)]);
    bench.step(Input::Exited(upid(PID)));
    let task = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
    let out = bench.reregister(&agent, vec![task], &[&framework]);
    assert!(names(&out).contains(&"KillTaskMessage".to_owned()));
    assert!(bench.master.state().agents[&agent].used.is_empty());
}

#[test]
fn executors_the_agent_lost_are_freed() {
    let (mut bench, agent, framework) = Bench::ready();
    let executor = v1::ExecutorInfo {
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        command: Some(v1::CommandInfo::default()),
        resources: parse("cpus:0.5;mem:64"),
        ..Default::default()
    };
    let task = v1::TaskInfo {
        command: None,
        executor: Some(executor),
        ..command_task("t", &agent)
    };
    bench.launch(&framework, vec![task]);
    assert_eq!(bench.master.state().agents[&agent].executors.len(), 1);
    let listed = v1::Task {
        executor_id: Some(v1::ExecutorId {
            value: "e".to_owned(),
        }),
        ..listed_task(&framework, &agent, "t", TaskState::TaskStaging)
    };
    bench.reregister(&agent, vec![listed], &[&framework]);
    assert!(bench.master.state().agents[&agent].executors.is_empty());
    assert_eq!(
        bench.master.state().agents[&agent].used[&framework].cpus(),
        resources::Scalar::units(1)
    );
}

#[test]
fn a_changed_total_rescinds_what_is_offered() {
    let (mut bench, agent, framework) = Bench::ready();
    let mut message = reregistration(&agent, Vec::new(), &[]);
    message.slave.resources = parse("cpus:8;mem:4096;disk:1000;ports:[31000-32000]");
    let out = bench.agent(PID, AgentMessage::Reregister(Box::new(message)));
    assert_eq!(kinds(&out), [v1::scheduler::event::Type::Rescind]);
    bench.settle();
    assert_eq!(
        bench.master.state().frameworks[&framework].total_offered().cpus(),
        resources::Scalar::units(8)
    );
}

#[test]
fn terminal_updates_not_yet_acknowledged_survive_a_new_leader() {
    let agent = AgentId::from("m0-S0");
    let framework = FrameworkId::from("m0-0000");
    let mut bench = Bench::with(|_| {}, registry("m0-S0"));
    let task = listed_task(&framework, &agent, "t", TaskState::TaskFinished);
    bench.reregister(&agent, vec![task], &[&framework]);
    assert!(
        bench.master.state().agents[&agent].used.is_empty(),
        "it holds nothing"
    );
    let info = v1::FrameworkInfo {
        id: Some((&framework).into()),
        ..framework_info()
    };
    bench.subscribe(1, info);
    let out = bench.update(&framework, &agent, "t", TaskState::TaskFinished, 5);
    assert_eq!(statuses(&out)[0].state(), TaskState::TaskFinished);
    bench.acknowledge(&framework, &agent, "t", 5);
    assert_eq!(bench.state_of(&framework, "t"), None);
    bench.step(Input::StreamClosed(StreamId(1)));
}

#[test]
fn lists_that_do_not_belong_together_are_refused() {
    let agent = AgentId::from("a");
    let framework = FrameworkId::from("f");
    let mut bench = Bench::new();
    let mut check = |spoil: &dyn Fn(&mut ReregisterSlaveMessage)| {
        let task = listed_task(&framework, &agent, "t", TaskState::TaskRunning);
        let mut message = reregistration(&agent, vec![task], &[&framework]);
        spoil(&mut message);
        let out = bench.agent(PID, AgentMessage::Reregister(Box::new(message)));
        assert!(
            out.iter().all(|output| matches!(output, Output::Log(..))),
            "{out:?}"
        );
    };
    check(&|message| message.slave.id = None);
    check(&|message| message.frameworks.clear());
    check(&|message| message.tasks[0].agent_id.value = "b".to_owned());
    check(&|message| message.tasks[0].task_id.value = "..".to_owned());
    check(&|message| message.tasks[0].resources[0].name.clear());
    check(&|message| message.version = None);
    check(&|message| message.executor_infos.push(v1::ExecutorInfo::default()));
}

#[test]
fn completed_tasks_of_known_frameworks_are_remembered() {
    let mut bench = Bench::new();
    let framework = bench.framework(1);
    let agent = AgentId::from("m0-S0");
    let mut message = reregistration(&agent, Vec::new(), &[&framework]);
    let archived = |framework: &FrameworkId| internal::archive::Framework {
        framework_info: framework_info(),
        pid: None,
        tasks: vec![listed_task(framework, &agent, "old", TaskState::TaskFinished)],
    };
    message.completed_frameworks = [&framework, &FrameworkId::from("never")]
        .map(|framework| archived(framework).encode_to_vec().into())
        .into();
    bench.agent(PID, AgentMessage::Reregister(Box::new(message)));
    assert_eq!(
        bench.master.state().frameworks[&framework].completed_tasks.len(),
        1
    );
    assert_eq!(bench.master.state().frameworks.len(), 1);
}
