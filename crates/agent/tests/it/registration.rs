use std::time::Duration;

use agent::core::{Exit, Input, Output, Phase, Received, RecoveredAgent, RecoveredState, Sent};
use proto::v1::TaskState;
use proto::{Message, internal, v1};

use crate::support::*;

#[test]
fn a_fresh_agent_looks_for_the_master_once_containers_are_recovered() {
    let mut bench = Bench::new(config());
    let out = bench.step(Input::Recovered(Box::default()));
    assert_eq!(out, [Output::RecoverContainers(Vec::new())]);
    assert_eq!(
        shape(&bench.step(Input::ContainersRecovered)),
        ["write 1 BootId", "Detect"]
    );
    assert_eq!(bench.agent.phase(), Phase::Disconnected);
}

#[test]
fn registration_has_the_recorded_bytes() {
    let mut bench = Bench::new(config());
    bench.recover(RecoveredState::default());
    assert!(bench.step(Input::Detected(Some(master()))).is_empty());
    assert!(bench.agent.deadline().unwrap() <= bench.now + Duration::from_secs(1));
    let out = bench.wait();
    assert_eq!(shape(&out), ["Link", "send RegisterSlave"]);
    let recorded = read_golden("register_slave.pb");
    let [ours] = encoded(&out).try_into().unwrap();
    // Only the version of the resources, the last 16 bytes, is random.
    assert_eq!(ours.len(), recorded.len());
    assert_eq!(ours[..ours.len() - 16], recorded[..recorded.len() - 16]);
}

#[test]
fn what_follows_registration_rests_on_the_written_id() {
    let mut bench = Bench::new(config());
    bench.recover(RecoveredState::default());
    let out = bench.register();
    assert_eq!(
        shape(&out),
        [
            "Link",
            "send RegisterSlave",
            "write 2 Agent",
            "send UpdateSlave after 2"
        ]
    );
    let ours = encoded(&out).pop().unwrap();
    let recorded = read_golden("update_slave.pb");
    let mut recorded: internal::UpdateSlaveMessage = proto::decode(recorded).unwrap();
    let ours: internal::UpdateSlaveMessage = proto::decode(ours).unwrap();
    recorded
        .resource_version_uuid
        .clone_from(&ours.resource_version_uuid);
    assert_eq!(ours, recorded);
    assert_eq!(ours.encode_to_vec().len(), read_golden("update_slave.pb").len());
}

#[test]
fn a_silent_master_is_asked_again_and_again_but_ever_later() {
    let mut bench = Bench::new(config());
    bench.recover(RecoveredState::default());
    bench.step(Input::Detected(Some(master())));
    let mut longest = Duration::ZERO;
    for attempt in 0..20 {
        let before = bench.now;
        assert_eq!(shape(&bench.wait()), ["Link", "send RegisterSlave"]);
        let waited = bench.now - before;
        assert!(
            waited <= Duration::from_secs(1 << attempt.min(6)),
            "attempt {attempt} after {waited:?}"
        );
        longest = longest.max(waited);
    }
    assert!(longest > Duration::from_secs(10) && longest <= Duration::from_secs(60));
}

#[test]
fn pings_are_answered_in_any_state_and_silence_ends_the_registration() {
    let observer = "slave-observer(1)@127.0.0.1:5050";
    let ping = |connected| Input::Message {
        from: observer.parse().unwrap(),
        message: Received::PingSlave(internal::PingSlaveMessage { connected }),
    };
    let mut bench = Bench::new(config());
    assert_eq!(shape(&bench.step(ping(true))), ["send PongSlave"]);
    let mut bench = Bench::registered();
    bench.now += Duration::from_secs(74);
    let out = bench.step(ping(true));
    assert!(
        matches!(&out[..], [Output::Send { to, message: Sent::PongSlave(_), after: None }]
        if to.to_string() == observer)
    );
    assert!(bench.pass(Duration::from_secs(74)).is_empty());
    assert_eq!(bench.pass(Duration::from_secs(1)), [Output::Detect]);
    assert_eq!(bench.agent.phase(), Phase::Disconnected);
}

#[test]
fn a_ping_that_says_disconnected_and_a_broken_link_lead_to_a_new_registration() {
    let mut bench = Bench::registered();
    let ping = Received::PingSlave(internal::PingSlaveMessage { connected: false });
    assert_eq!(shape(&bench.receive(ping)), ["send PongSlave", "Detect"]);
    bench.step(Input::Detected(Some(master())));
    assert_eq!(shape(&bench.wait()), ["Link", "send ReregisterSlave"]);
    let mut bench = Bench::registered();
    assert!(
        bench
            .step(Input::Exited("other@127.0.0.1:1".parse().unwrap()))
            .is_empty()
    );
    assert_eq!(
        bench.step(Input::Exited(MASTER.parse().unwrap())),
        [Output::Detect]
    );
}

#[test]
fn only_the_leading_master_is_obeyed() {
    let mut bench = Bench::registered();
    let message = Received::RunTask(Box::new(run_task()));
    let from = "master@127.0.0.1:6666".parse().unwrap();
    assert!(bench.step(Input::Message { from, message }).is_empty());
}

#[test]
fn another_id_ends_the_agent() {
    let mut bench = Bench::registered();
    let slave_id = v1::AgentId {
        value: "other".into(),
    };
    let again = Received::SlaveRegistered(internal::SlaveRegisteredMessage {
        slave_id,
        connection: None,
    });
    assert!(matches!(
        &bench.receive(again)[..],
        [Output::Exit(Exit::Failed(_))]
    ));
}

#[test]
fn tasks_that_only_the_master_knows_end() {
    let mut bench = Bench::registered();
    bench.step(Input::Exited(MASTER.parse().unwrap()));
    bench.step(Input::Detected(Some(master())));
    bench.wait();
    let mut framework = run_task().framework;
    let reconcile = |framework| internal::ReconcileTasksMessage {
        framework_id: framework_id(),
        statuses: vec![status("ghost", TaskState::TaskRunning, 1)],
        framework,
    };
    let aware = reconcile(Some(framework.clone()));
    framework.capabilities.clear();
    let mut unaware = reconcile(Some(framework));
    unaware.statuses[0].task_id = task_id("ghost2");
    let message = internal::SlaveReregisteredMessage {
        slave_id: v1::AgentId { value: AGENT.into() },
        reconciliations: vec![aware, unaware],
        connection: None,
    };
    let out = bench.receive(Received::SlaveReregistered(message));
    let states: Vec<_> = sent_updates(&out)
        .iter()
        .map(|update| (update.status.state(), update.status.reason()))
        .collect();
    let reason = v1::task_status::Reason::Reconciliation;
    assert_eq!(
        states,
        [(TaskState::TaskDropped, reason), (TaskState::TaskLost, reason)]
    );
}

#[test]
fn a_changed_agent_is_refused_or_starts_anew() {
    let recovered = |rebooted| {
        let mut info = config().info;
        info.id = Some(v1::AgentId { value: AGENT.into() });
        let agent = Some(RecoveredAgent {
            info,
            frameworks: Vec::new(),
        });
        RecoveredState {
            agent,
            rebooted,
            ..Default::default()
        }
    };
    let mut changed = config();
    changed.info.hostname = "elsewhere".into();
    let out = Bench::new(changed.clone()).step(Input::Recovered(Box::new(recovered(false))));
    assert!(matches!(&out[..], [Output::Exit(Exit::Failed(why))] if why.contains("hostname was localhost")));
    let out = Bench::new(changed).step(Input::Recovered(Box::new(recovered(true))));
    assert_eq!(shape(&out), ["write 1 ForgetAgent", "RecoverContainers"]);
}

#[test]
fn more_resources_are_accepted_by_policy_from_a_master_that_takes_updates() {
    let mut info = config().info;
    info.id = Some(v1::AgentId { value: AGENT.into() });
    let state = RecoveredState {
        agent: Some(RecoveredAgent {
            info,
            frameworks: vec![],
        }),
        ..Default::default()
    };
    let mut more = config();
    more.reconfiguration_policy = agent::core::ReconfigurationPolicy::Additive;
    more.info.resources[0].scalar.as_mut().unwrap().value = 8.0;
    let mut bench = Bench::new(more.clone());
    bench.recover(state.clone());
    let out = bench.step(Input::Detected(Some(master())));
    assert!(matches!(&out[..], [Output::Exit(Exit::Failed(_))]), "{out:?}");
    let mut bench = Bench::new(more);
    bench.recover(state);
    let kind = v1::master_info::capability::Type::AgentUpdate as i32;
    let capabilities = vec![v1::master_info::Capability { r#type: Some(kind) }];
    bench.step(Input::Detected(Some(v1::MasterInfo {
        capabilities,
        ..master()
    })));
    assert_eq!(shape(&bench.wait()), ["Link", "send ReregisterSlave"]);
}
