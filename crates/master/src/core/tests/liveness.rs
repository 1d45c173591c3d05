//! Pings, broken links, agents that stay away.

use std::time::Duration;

use proto::internal;
use proto::v1::TaskState;
use proto::v1::scheduler::event::Type as Told;
use proto::v1::task_status::Reason;

use super::support::*;
use crate::core::{AgentId, Input, Output, RegistryOperation};

const PING: Duration = Duration::from_secs(15);

/// The observer of the only agent there was.
fn observer(out: &[Output]) -> crate::core::ObserverId {
    let open = |output: &Output| match output {
        Output::OpenObserver(id) => Some(*id),
        _ => None,
    };
    out.iter().find_map(open).unwrap()
}

#[test]
fn an_agent_is_unreachable_after_five_missed_pings() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.alive = false;
    bench.settle();
    for round in 0..5 {
        let out = bench.advance(PING);
        assert_eq!(pings(&out).len(), 1, "round {round}");
        assert!(fates(&out).is_empty());
    }
    let out = bench.advance(PING);
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskUnreachable, Reason::AgentRemoved)]
    );
    assert_eq!(
        statuses(&out)[0].unreachable_time.unwrap().nanoseconds,
        bench
            .master
            .state()
            .unreachable_agents
            .get(&agent)
            .unwrap()
            .nanoseconds
    );
    assert!(
        kinds(&out).ends_with(&[Told::Update, Told::Failure]),
        "{:?}",
        kinds(&out)
    );
    let store = out
        .iter()
        .position(|output| matches!(output, Output::Store { .. }))
        .unwrap();
    let told = out
        .iter()
        .position(|output| matches!(output, Output::Event { event, .. } if event.update.is_some()))
        .unwrap();
    assert!(store < told, "registry first");
    let state = bench.master.state();
    assert!(state.agents.is_empty());
    assert!(
        state.frameworks[&framework]
            .unreachable_tasks
            .contains(&"t".into())
    );
    assert_eq!(bench.master.gauges().slaves_unreachable, 1);
    assert_eq!(
        bench.master.gauges().tasks[TaskState::TaskUnreachable as usize],
        1
    );
    assert_eq!(bench.master.counters().slave_unreachable_completed, 1);
}

#[test]
fn a_pong_starts_the_count_again() {
    let mut bench = Bench::new();
    bench.alive = false;
    let out = bench.agent(PID, crate::core::AgentMessage::Register(Box::new(registration())));
    let observer = observer(&out);
    for _ in 0..20 {
        bench.advance(PING * 3);
        bench.step(Input::Pong {
            observer,
            from: upid(PID),
        });
    }
    assert_eq!(bench.master.state().agents.len(), 1);
}

#[test]
fn old_frameworks_lose_their_tasks_with_the_agent() {
    let mut bench = Bench::new();
    bench.alive = false;
    let agent = bench.register(PID);
    bench.subscribe(1, old_framework_info());
    bench.settle();
    let framework = bench.master.state().frameworks.keys().next().unwrap().clone();
    bench.launch(&framework, vec![command_task("t", &agent)]);
    let out = bench.advance(PING * 6);
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskLost, Reason::AgentRemoved)]
    );
    assert!(statuses(&out)[0].unreachable_time.is_some());
    assert!(
        bench.master.state().frameworks[&framework]
            .unreachable_tasks
            .contains(&"t".into())
    );
}

#[test]
fn a_broken_link_takes_offers_back_and_pings_say_so() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.step(Input::Exited(upid(PID)));
    assert_eq!(kinds(&out), [Told::Rescind]);
    assert!(bench.offers(&framework).is_empty());
    let state = &bench.master.state().agents[&agent];
    assert!(!state.connected && !state.active);
    assert_eq!(pings(&bench.advance(PING)), [(PID.to_owned(), false)]);
    assert!(bench.offers(&framework).is_empty(), "nothing of it is offered");
    assert!(bench.step(Input::Exited(upid(PID))).is_empty(), "once is enough");
}

#[test]
fn a_disconnected_agent_that_answers_pings_is_given_up_in_the_end() {
    let mut bench = Bench::new();
    bench.alive = false;
    let out = bench.agent(PID, crate::core::AgentMessage::Register(Box::new(registration())));
    let observer = observer(&out);
    bench.step(Input::Exited(upid(PID)));
    for _ in 0..39 {
        bench.advance(PING);
        bench.step(Input::Pong {
            observer,
            from: upid(PID),
        });
    }
    assert_eq!(bench.master.state().agents.len(), 1);
    bench.advance(PING * 2);
    assert_eq!(bench.master.state().unreachable_agents.len(), 1);
}

#[test]
fn frameworks_that_do_not_checkpoint_lose_all_with_the_link() {
    let mut bench = Bench::new();
    let agent = bench.register(PID);
    bench.subscribe(
        1,
        proto::v1::FrameworkInfo {
            checkpoint: None,
            ..framework_info()
        },
    );
    bench.settle();
    let framework = bench.master.state().frameworks.keys().next().unwrap().clone();
    bench.launch(&framework, vec![command_task("t", &agent)]);
    let out = bench.step(Input::Exited(upid(PID)));
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskLost, Reason::AgentDisconnected)]
    );
    assert!(bench.master.state().agents[&agent].used.is_empty());
    assert_eq!(
        bench.master.state().frameworks[&framework].completed_tasks.len(),
        1
    );
}

/// A registry with agents m0-S0, m0-S1, ...
fn registry(agents: usize) -> internal::Registry {
    let slaves = (0..agents)
        .map(|n| internal::registry::Slave {
            info: proto::v1::AgentInfo {
                id: Some(proto::v1::AgentId {
                    value: format!("m0-S{n}"),
                }),
                ..agent_info()
            },
            ..Default::default()
        })
        .collect();
    internal::Registry {
        slaves: Some(internal::registry::Slaves { slaves }),
        ..Default::default()
    }
}

#[test]
fn recovered_agents_that_stay_away_are_marked_unreachable() {
    let mut bench = Bench::with(|_| {}, registry(2));
    bench.framework(1);
    bench.reregister(&AgentId::from("m0-S0"), Vec::new(), &[]);
    let out = bench.advance(Duration::from_secs(601));
    let marked: Vec<&RegistryOperation> = out
        .iter()
        .filter_map(|output| {
            match output {
            Output::Store { operations, .. } => operations.iter().find(|operation| {
                matches!(operation, RegistryOperation::MarkUnreachable { id, .. } if id.as_str() == "m0-S1")
            }),
            _ => None,
        }
        })
        .collect();
    assert_eq!(marked.len(), 1);
    assert!(kinds(&out).contains(&Told::Failure));
    assert!(
        bench
            .master
            .state()
            .unreachable_agents
            .contains(&AgentId::from("m0-S1"))
    );
    assert!(bench.master.state().recovered_agents.is_empty());
    assert_eq!(bench.master.counters().recovery_slave_removals, 1);
}

#[test]
fn too_many_absent_agents_stop_the_master() {
    let mut bench = Bench::with(|config| config.recovery_agent_removal_limit = 0.5, registry(4));
    bench.reregister(&AgentId::from("m0-S0"), Vec::new(), &[]);
    let out = bench.advance(Duration::from_secs(601));
    assert!(out.iter().any(|output| matches!(output, Output::Abort(_))));
    assert!(bench.master.state().unreachable_agents.is_empty());
}

#[test]
fn absent_agents_are_marked_no_faster_than_permitted() {
    let limit = |config: &mut crate::core::Config| {
        config.agent_removal_rate_limit = Some((1, Duration::from_secs(60)))
    };
    let mut bench = Bench::with(limit, registry(3));
    bench.advance(Duration::from_secs(601));
    assert_eq!(bench.master.state().unreachable_agents.len(), 1);
    bench.advance(Duration::from_secs(60));
    assert_eq!(bench.master.state().unreachable_agents.len(), 2);
    bench.reregister(&AgentId::from("m0-S2"), Vec::new(), &[]);
    bench.advance(Duration::from_secs(45));
    assert_eq!(
        bench.master.state().unreachable_agents.len(),
        2,
        "called off: it came back"
    );
    assert_eq!(
        bench.master.counters().slave_unreachable_canceled,
        0,
        "its permit has not come yet"
    );
    bench.advance(Duration::from_secs(20));
    assert_eq!(bench.master.counters().slave_unreachable_canceled, 1);
}

#[test]
fn forgotten_agents_are_pruned_from_the_registry() {
    let configure = |config: &mut crate::core::Config| {
        config.registry_max_agent_count = 1;
        config.max_agent_ping_timeouts = 1;
    };
    let mut bench = Bench::with(configure, registry(3));
    bench.advance(Duration::from_secs(601));
    assert_eq!(bench.master.state().unreachable_agents.len(), 3);
    let out = bench.advance(Duration::from_secs(900));
    let pruned = out.iter().find_map(|output| match output {
        Output::Store { operations, .. } => operations.first().cloned(),
        _ => None,
    });
    let expected = ["m0-S0", "m0-S1"].map(AgentId::from).to_vec();
    assert_eq!(
        pruned,
        Some(RegistryOperation::Prune {
            unreachable: expected,
            gone: Vec::new()
        })
    );
    assert_eq!(bench.master.state().unreachable_agents.len(), 1);
}
