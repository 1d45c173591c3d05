//! The recorded session of a real agent and scheduler, fed to our master: what it says back is what the real master said,
//! byte for byte where nothing depends on an allocator's order.

use proto::internal::{ReregisterSlaveMessage, StatusUpdateMessage};
use proto::v1;
use proto::v1::scheduler::{self, Call, call};
use proto::{Message, internal};

use super::support::*;
use crate::core::{AgentBound, AgentMessage, Config, Input, Master, Output, Sender, StreamId};

/// The recorded master's id.
const RECORDED: &str = "ff7137f9-224e-4b3c-afe3-11a84ff4c15f";

macro_rules! captured {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/captured/session/",
            $name,
            ".bin"
        ))
        .as_slice()
    };
}

fn decode<M: Message + Default>(bytes: &[u8]) -> M {
    M::decode(bytes).unwrap()
}

fn leader(configure: impl FnOnce(&mut Config)) -> Bench {
    use v1::master_info::capability::Type;
    let capabilities = [Type::AgentUpdate, Type::AgentDraining, Type::QuotaV2];
    let address = v1::Address {
        hostname: Some("localhost".to_owned()),
        ip: Some("127.0.0.1".to_owned()),
        port: 5050,
    };
    let info = v1::MasterInfo {
        id: RECORDED.to_owned(),
        ip: 16_777_343,
        port: 5050,
        pid: Some("master@127.0.0.1:5050".to_owned()),
        hostname: Some("localhost".to_owned()),
        version: Some("1.12.0".to_owned()),
        address: Some(address),
        domain: None,
        capabilities: capabilities
            .map(|capability| v1::master_info::Capability {
                r#type: Some(capability as i32),
            })
            .into(),
    };
    let mut config = Config::new(info);
    configure(&mut config);
    let mut bench = Bench {
        master: Master::new(config),
        now: process::Time::from_secs(1),
        stores: true,
        alive: true,
    };
    bench.step(Input::Recovered(Box::default()));
    bench
}

/// Bytes of what was sent, by whom, in order.
fn wire(out: &[Output]) -> Vec<(Sender, String, Vec<u8>)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send { from, message, .. } => {
                let (name, bytes) = message.encode();
                Some((*from, name.to_owned(), bytes))
            }
            _ => None,
        })
        .collect()
}

#[track_caller]
fn check_sent(out: &[Output], name: &str, expected: &[u8]) {
    let sent = wire(out);
    let [(_, sent_name, bytes)] = sent.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!(sent_name, name);
    assert_eq!(bytes, expected, "{name}");
}

fn subscribe(bench: &mut Bench, bytes: &[u8]) -> Vec<Output> {
    let call: Call = decode(bytes);
    super::super::validation::call::validate(&call, None).unwrap();
    let subscribe = Box::new(call.subscribe.unwrap());
    bench.step(Input::Subscribe {
        stream: StreamId(1),
        principal: None,
        subscribe,
    })
}

fn forward(bench: &mut Bench, bytes: &[u8]) -> Vec<Output> {
    let call: Call = decode(bytes);
    super::super::validation::call::validate(&call, None).unwrap();
    let framework = call.framework_id.as_ref().unwrap().into();
    bench.master.admit(&framework, None).unwrap();
    bench.step(Input::Call {
        framework,
        call: Box::new(call),
    })
}

fn status(bench: &mut Bench, bytes: &[u8]) -> Vec<Output> {
    bench.agent(
        PID,
        AgentMessage::StatusUpdate(Box::new(decode::<StatusUpdateMessage>(bytes))),
    )
}

/// An event with its resources in the order of their names, which is the allocator's business.
fn sorted(mut event: scheduler::Event) -> scheduler::Event {
    for offer in event.offers.iter_mut().flat_map(|offers| &mut offers.offers) {
        offer.resources.sort_by(|left, right| left.name.cmp(&right.name));
    }
    event
}

#[track_caller]
fn check_event(out: &[Output], expected: &[u8]) {
    let told = events(out).into_iter().map(|(_, event)| event).next().unwrap();
    assert_eq!(sorted(told), sorted(decode(expected)));
}

fn register(bench: &mut Bench) -> Vec<Output> {
    bench.agent(
        PID,
        AgentMessage::Register(Box::new(decode(captured!("agent-register")))),
    )
}

#[test]
fn a_session_from_registration_to_the_end_of_a_task() {
    let mut bench = leader(|_| {});
    check_sent(
        &register(&mut bench),
        "mesos.internal.SlaveRegisteredMessage",
        captured!("master-registered"),
    );
    let ping = bench.advance(std::time::Duration::ZERO);
    check_sent(&ping, "mesos.internal.PingSlaveMessage", captured!("master-ping"));
    let Some(Output::Send {
        from: Sender::Observer(observer),
        ..
    }) = ping.first()
    else {
        panic!("{ping:?}")
    };
    assert_eq!(observer.to_string(), "slave-observer(1)");
    bench.step(Input::Pong {
        observer: *observer,
        from: upid(PID),
    });
    let update: internal::UpdateSlaveMessage = decode(captured!("agent-update"));
    assert!(
        bench
            .agent(PID, AgentMessage::UpdateAgent(Box::new(update)))
            .is_empty()
    );

    let out = subscribe(&mut bench, captured!("scheduler-subscribe"));
    let told: Vec<Vec<u8>> = events(&out)
        .iter()
        .map(|(_, event)| event.encode_to_vec())
        .collect();
    assert_eq!(
        told,
        [captured!("scheduler-event-0"), captured!("scheduler-event-1")]
    );
    check_event(&bench.settle(), captured!("scheduler-event-2"));

    let out = forward(&mut bench, captured!("scheduler-accept"));
    check_sent(
        &out,
        "mesos.internal.RunTaskMessage",
        captured!("master-run-task"),
    );
    check_event(
        &status(&mut bench, captured!("agent-status-1")),
        captured!("scheduler-event-3"),
    );
    let name = "mesos.internal.StatusUpdateAcknowledgementMessage";
    let out = forward(&mut bench, captured!("scheduler-acknowledge-1"));
    check_sent(&out, name, captured!("master-acknowledge-1"));
    check_event(
        &status(&mut bench, captured!("agent-status-2")),
        captured!("scheduler-event-4"),
    );
    let out = forward(&mut bench, captured!("scheduler-acknowledge-2"));
    check_sent(&out, name, captured!("master-acknowledge-2"));
    check_event(
        &status(&mut bench, captured!("agent-status-3")),
        captured!("scheduler-event-5"),
    );

    // Its scheduler left; it has no failover timeout.
    let out = bench.step(Input::StreamClosed(StreamId(1)));
    check_sent(
        &out,
        "mesos.internal.ShutdownFrameworkMessage",
        captured!("master-shutdown-framework"),
    );

    let unregister: internal::UnregisterSlaveMessage = decode(captured!("agent-unregister"));
    bench.agent(PID, AgentMessage::Unregister(unregister));
    assert!(bench.master.state().agents.is_empty());
}

#[test]
fn an_agent_that_is_killed_comes_back_to_its_task() {
    let mut bench = leader(|_| {});
    register(&mut bench);
    // Seven frameworks and 29 offers came before in the recorded session.
    bench.master.next_framework = 7;
    bench.master.next_offer = 29;
    subscribe(&mut bench, captured!("return-subscribe"));
    bench.settle();
    let out = forward(&mut bench, captured!("return-accept"));
    check_sent(
        &out,
        "mesos.internal.RunTaskMessage",
        captured!("return-run-task"),
    );
    status(&mut bench, captured!("return-status-1"));
    let name = "mesos.internal.StatusUpdateAcknowledgementMessage";
    let out = forward(&mut bench, captured!("return-acknowledge-1"));
    check_sent(&out, name, captured!("return-acknowledged-1"));
    status(&mut bench, captured!("return-status-2"));
    let out = forward(&mut bench, captured!("return-acknowledge-2"));
    check_sent(&out, name, captured!("return-acknowledged-2"));

    bench.step(Input::Exited(upid(PID)));
    let out = bench.advance(std::time::Duration::from_secs(15));
    let pings: Vec<Vec<u8>> = wire(&out).into_iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(pings, [captured!("return-ping")]);

    let message: ReregisterSlaveMessage = decode(captured!("return-reregister"));
    let out = bench.agent(PID, AgentMessage::Reregister(Box::new(message)));
    let answers: Vec<(String, Vec<u8>)> = wire(&out)
        .into_iter()
        .map(|(_, name, bytes)| (name, bytes))
        .collect();
    let expected = [
        (
            "mesos.internal.SlaveReregisteredMessage",
            captured!("return-reregistered"),
        ),
        (
            "mesos.internal.UpdateFrameworkMessage",
            captured!("return-update-framework"),
        ),
    ];
    assert_eq!(
        answers,
        expected.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
    );
    let framework = bench.master.state().frameworks.keys().next().unwrap().clone();
    assert_eq!(
        bench.state_of(&framework, "longer"),
        Some(v1::TaskState::TaskRunning)
    );
}

#[test]
fn a_new_leader_takes_the_recorded_agent_as_it_is() {
    let message: ReregisterSlaveMessage = decode(captured!("return-reregister"));
    let info = message.slave.clone();
    let slave = internal::registry::Slave {
        info,
        ..Default::default()
    };
    let registry = internal::Registry {
        slaves: Some(internal::registry::Slaves { slaves: vec![slave] }),
        ..Default::default()
    };
    let mut bench = Bench::with(|_| {}, registry);
    let out = bench.agent(PID, AgentMessage::Reregister(Box::new(message)));
    assert!(writes(&out).is_empty(), "nothing about it changed");
    let answers: Vec<Vec<u8>> = wire(&out).into_iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(
        answers,
        [
            captured!("return-reregistered"),
            captured!("return-update-framework")
        ]
    );
    let framework = bench.master.state().frameworks.keys().next().unwrap().clone();
    let task = &bench.master.state().frameworks[&framework].tasks["longer"];
    assert_eq!(task.record.read().statuses.len(), 2);
    assert_eq!(task.resources.cpus(), resources::Scalar::units(1));
    let kill = call::Kill {
        task_id: task_id("longer"),
        ..call::Kill::default()
    };
    let info = v1::FrameworkInfo {
        id: Some((&framework).into()),
        failover_timeout: Some(1.0),
        capabilities: Vec::new(),
        roles: Vec::new(),
        ..framework_info()
    };
    bench.subscribe(1, info);
    let out = bench.call(&framework, call::Type::Kill, |call| call.kill = Some(kill));
    assert!(matches!(sent(&out).as_slice(), [(_, AgentBound::KillTask(_))]));
}
