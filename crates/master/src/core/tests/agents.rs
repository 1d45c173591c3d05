//! Agents that register, and what the registry has to do with it.

use proto::internal::{RegisterSlaveMessage, UnregisterSlaveMessage, UpdateSlaveMessage};
use proto::v1::TaskState;
use proto::v1::master::event::Type as Published;
use proto::v1::scheduler::event::Type as Told;
use proto::v1::task_status::Reason;

use super::support::*;
use crate::core::{AgentBound, AgentMessage, Input, Output, RegistryOperation, WriteId};

#[test]
fn an_agent_is_told_only_after_it_is_stored() {
    let mut bench = Bench::new();
    bench.stores = false;
    let out = bench.agent(PID, AgentMessage::Register(Box::new(registration())));
    let [
        Output::Store {
            write: WriteId(1),
            operations,
        },
    ] = out.as_slice()
    else {
        panic!("{out:?}")
    };
    let [RegistryOperation::AdmitAgent { info }] = operations.as_slice() else {
        panic!("{operations:?}")
    };
    assert_eq!(info.id.as_ref().unwrap().value, "m-S0");
    #[allow(deprecated, reason = "the registry keeps the form that older masters read")]
    let role = info.resources[0].role.as_deref();
    assert_eq!(role, Some("*"));
    assert!(bench.master.state().agents.is_empty(), "not before it is stored");

    let out = bench.step(Input::Stored(WriteId(1)));
    let after = |output: &Output| match output {
        Output::Send { after, .. } => Some(*after),
        _ => None,
    };
    assert_eq!(out.iter().find_map(after), Some(Some(WriteId(1))));
    let (to, reply) = sent(&out).remove(0);
    let AgentBound::Registered(reply) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!((to.as_str(), reply.slave_id.value.as_str()), (PID, "m-S0"));
    assert_eq!(reply.connection.unwrap().total_ping_timeout_seconds, Some(75.0));
    assert_eq!(published(&out), [Published::AgentAdded]);
    assert_eq!(
        pings(&bench.settle()),
        [(PID.to_owned(), true)],
        "the first ping goes out at once"
    );
}

#[test]
fn a_retry_while_the_write_is_in_flight_is_not_admitted_twice() {
    let mut bench = Bench::new();
    bench.stores = false;
    bench.agent(PID, AgentMessage::Register(Box::new(registration())));
    let out = bench.agent(PID, AgentMessage::Register(Box::new(registration())));
    assert!(out.is_empty(), "{out:?}");
}

#[test]
fn a_retry_of_a_registered_agent_gets_the_same_answer() {
    let mut bench = Bench::new();
    let id = bench.register(PID);
    let out = bench.agent(PID, AgentMessage::Register(Box::new(registration())));
    assert!(writes(&out).is_empty());
    let [(_, AgentBound::Registered(reply))] = <[_; 1]>::try_from(sent(&out)).unwrap() else {
        panic!("{out:?}")
    };
    assert_eq!(reply.slave_id.value, id.as_str());
}

#[test]
fn a_new_agent_takes_the_place_of_a_disconnected_one() {
    let (mut bench, old, framework) = Bench::running("t");
    bench.step(Input::Exited(upid(PID)));
    let out = bench.agent(PID, AgentMessage::Register(Box::new(registration())));
    assert_eq!(writes(&out).len(), 1, "both changes are one write");
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskLost, Reason::AgentRemoved)]
    );
    assert_eq!(
        published(&out),
        [
            Published::TaskUpdated,
            Published::AgentRemoved,
            Published::AgentAdded
        ]
    );
    let state = bench.master.state();
    assert!(!state.agents.contains_key(&old));
    assert_eq!(state.agents.len(), 1);
    assert_eq!(state.frameworks[&framework].completed_tasks.len(), 1);
    assert_eq!(bench.master.counters().slave_removals_reason_registered, 1);
}

#[test]
fn registrations_that_make_no_sense_are_ignored() {
    let mut bench = Bench::new();
    let mut check = |spoil: &dyn Fn(&mut RegisterSlaveMessage)| {
        let mut message = registration();
        spoil(&mut message);
        let out = bench.agent(PID, AgentMessage::Register(Box::new(message)));
        assert!(
            out.iter().all(|output| matches!(output, Output::Log(..))),
            "{out:?}"
        );
    };
    check(&|message| message.version = None);
    check(&|message| message.version = Some("0.28.0".to_owned()));
    check(&|message| message.version = Some("new".to_owned()));
    check(&|message| message.slave.resources[0].name.clear());
    check(&|message| message.slave.domain = Some(proto::v1::DomainInfo::default()));
    check(&|message| {
        message.slave.checkpoint = None;
        message.checkpointed_resources = parse("disk(web):1");
    });
}

#[test]
fn nothing_is_heard_before_the_registry_is_read() {
    let info = proto::v1::MasterInfo {
        id: MASTER.to_owned(),
        ..Default::default()
    };
    let mut master = crate::core::Master::new(crate::core::Config::new(info));
    let mut out = Vec::new();
    let message = AgentMessage::Register(Box::new(registration()));
    master.step(
        process::Time::from_secs(1),
        Input::Agent {
            from: upid(PID),
            message,
        },
        &mut out,
    );
    assert!(out.is_empty());
    assert!(!master.is_recovered());
    assert_eq!(master.counters().dropped_messages, 1);
}

#[test]
fn an_agent_that_leaves_takes_its_tasks_with_it() {
    let (mut bench, agent, framework) = Bench::running("t");
    bench.settle();
    let message = UnregisterSlaveMessage {
        slave_id: (&agent).into(),
    };
    let out = bench.agent(
        "slave(1)@127.0.0.9:5051",
        AgentMessage::Unregister(message.clone()),
    );
    assert!(writes(&out).is_empty(), "only the agent itself can leave");
    let out = bench.agent(PID, AgentMessage::Unregister(message));
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskLost, Reason::AgentRemoved)]
    );
    assert_eq!(kinds(&out), [Told::Update, Told::Failure]);
    assert_eq!(published(&out), [Published::TaskUpdated, Published::AgentRemoved]);
    assert!(bench.master.state().agents.is_empty());
    assert!(bench.master.state().frameworks[&framework].used.is_empty());
    assert_eq!(bench.master.gauges().slaves_connected, 0);
    assert_eq!(bench.master.gauges().slaves_active, 0);
}

#[test]
fn revocable_resources_replace_those_before() {
    let (mut bench, agent, framework) = Bench::ready();
    let mut revocable = parse("cpus:2");
    revocable[0].revocable = Some(proto::v1::resource::RevocableInfo {});
    let update = UpdateSlaveMessage {
        slave_id: (&agent).into(),
        update_oversubscribed_resources: Some(true),
        oversubscribed_resources: revocable,
        ..UpdateSlaveMessage::default()
    };
    let out = bench.agent(PID, AgentMessage::UpdateAgent(Box::new(update.clone())));
    assert_eq!(kinds(&out), [Told::Rescind], "what was offered is out of date");
    let total = &bench.master.state().agents[&agent].total;
    assert_eq!(total.revocable().cpus(), resources::Scalar::units(2));
    assert_eq!(total.nonrevocable().cpus(), resources::Scalar::units(4));
    bench.settle();
    let none = UpdateSlaveMessage {
        oversubscribed_resources: Vec::new(),
        ..update
    };
    bench.agent(PID, AgentMessage::UpdateAgent(Box::new(none)));
    assert!(bench.master.state().agents[&agent].total.revocable().is_empty());
    assert!(bench.offers(&framework).len() <= 1);
}

#[test]
fn an_update_that_changes_nothing_leaves_offers_alone() {
    let (mut bench, agent, framework) = Bench::ready();
    let update = UpdateSlaveMessage {
        slave_id: (&agent).into(),
        update_oversubscribed_resources: Some(false),
        resource_version_uuid: Some(proto::v1::Uuid { value: uuid_bytes(3) }),
        ..UpdateSlaveMessage::default()
    };
    assert!(
        bench
            .agent(PID, AgentMessage::UpdateAgent(Box::new(update)))
            .is_empty()
    );
    assert_eq!(bench.offers(&framework).len(), 1);
    assert_eq!(
        bench.master.state().agents[&agent]
            .resource_version
            .as_ref()
            .unwrap()
            .value,
        uuid_bytes(3)
    );
}
