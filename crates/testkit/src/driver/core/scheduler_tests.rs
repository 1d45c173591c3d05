//! Exact outputs of the scheduler driver.

use std::net::{Ipv4Addr, SocketAddrV4};

use rand::SeedableRng;

use super::*;

const NOW: Time = Time::from_secs(1_000);

fn upid(id: &str, port: u16) -> Upid {
    Upid::new(id, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn master() -> Upid {
    upid("master", 5050)
}

fn framework_id() -> v1::FrameworkId {
    v1::FrameworkId {
        value: "m-0000".to_owned(),
    }
}

fn driver(info: v1::FrameworkInfo) -> SchedulerDriver {
    SchedulerDriver::new(info, false, ChaCha8Rng::seed_from_u64(1))
}

fn step(driver: &mut SchedulerDriver, now: Time, input: SchedulerInput) -> Vec<SchedulerOutput> {
    let mut out = Vec::new();
    driver.step(now, input, &mut out);
    out
}

fn hear(driver: &mut SchedulerDriver, from: Upid, message: SchedulerHeard) -> Vec<SchedulerOutput> {
    step(driver, NOW, SchedulerInput::Message { from, message })
}

fn registered() -> SchedulerHeard {
    SchedulerHeard::Registered(Box::new(internal::FrameworkRegisteredMessage {
        framework_id: framework_id(),
        ..internal::FrameworkRegisteredMessage::default()
    }))
}

/// A driver that is registered.
fn connected() -> SchedulerDriver {
    let mut driver = driver(v1::FrameworkInfo::default());
    step(&mut driver, NOW, SchedulerInput::Detected(Some(master())));
    hear(&mut driver, master(), registered());
    assert!(driver.is_connected());
    driver
}

/// The calls among outputs, to whom and what.
fn calls(out: &[SchedulerOutput]) -> Vec<(Upid, Call)> {
    out.iter()
        .filter_map(|output| match output {
            SchedulerOutput::Send {
                to,
                message: SchedulerSaid::Call(call),
            } => Some((to.clone(), (**call).clone())),
            _ => None,
        })
        .collect()
}

fn told(out: &[SchedulerOutput]) -> Vec<SchedulerEvent> {
    out.iter()
        .filter_map(|output| match output {
            SchedulerOutput::Tell(event) => Some(event.clone()),
            _ => None,
        })
        .collect()
}

fn offer(id: &str, agent: &str) -> v1::Offer {
    v1::Offer {
        id: v1::OfferId { value: id.to_owned() },
        agent_id: v1::AgentId {
            value: agent.to_owned(),
        },
        ..v1::Offer::default()
    }
}

fn launch(agent: &str) -> v1::offer::Operation {
    let task = v1::TaskInfo {
        task_id: v1::TaskId {
            value: "t".to_owned(),
        },
        agent_id: v1::AgentId {
            value: agent.to_owned(),
        },
        ..v1::TaskInfo::default()
    };
    v1::offer::Operation {
        r#type: Some(v1::offer::operation::Type::Launch.into()),
        launch: Some(v1::offer::operation::Launch {
            task_infos: vec![task],
        }),
        ..v1::offer::Operation::default()
    }
}

fn accept(agent: &str) -> SchedulerInput {
    SchedulerInput::Ask(Ask::Accept {
        offers: vec![v1::OfferId {
            value: "o".to_owned(),
        }],
        operations: vec![launch(agent)],
        filters: None,
    })
}

#[test]
fn it_links_and_registers_at_once_and_again_until_it_is_answered() {
    let mut driver = driver(v1::FrameworkInfo::default());
    let out = step(&mut driver, NOW, SchedulerInput::Detected(Some(master())));
    assert!(matches!(&out[0], SchedulerOutput::Link(to) if *to == master()));
    let said = calls(&out);
    assert_eq!(
        (said.len(), &said[0].0, said[0].1.r#type()),
        (1, &master(), call::Type::Subscribe)
    );
    assert_eq!(
        (
            said[0].1.framework_id.as_ref(),
            said[0].1.subscribe.as_ref().and_then(|s| s.force)
        ),
        (None, None)
    );
    // The pauses are random, below bounds that double up to a minute.
    let mut most = BACKOFF;
    let mut now = NOW;
    for _ in 0..8 {
        let due = driver.deadline().expect("it will try again");
        assert!(due.since(now) <= most, "{:?} > {most:?}", due.since(now));
        most = (most * 2).min(BACKOFF_MAX);
        now = due;
        assert_eq!(calls(&step(&mut driver, now, SchedulerInput::Timeout)).len(), 1);
    }
    hear(&mut driver, master(), registered());
    assert_eq!(driver.deadline(), None);
}

#[test]
fn the_pauses_are_bounded_by_a_tenth_of_the_failover_timeout() {
    let mut driver = driver(v1::FrameworkInfo {
        failover_timeout: Some(1.0),
        ..v1::FrameworkInfo::default()
    });
    let mut now = NOW;
    step(&mut driver, now, SchedulerInput::Detected(Some(master())));
    for _ in 0..8 {
        let due = driver.deadline().expect("it will try again");
        assert!(due.since(now) <= Duration::from_millis(100));
        now = due;
        step(&mut driver, now, SchedulerInput::Timeout);
    }
}

#[test]
fn a_driver_with_an_id_takes_over_by_force_the_first_time_only() {
    let mut driver = driver(v1::FrameworkInfo {
        id: Some(framework_id()),
        ..v1::FrameworkInfo::default()
    });
    let force = |out: &[SchedulerOutput]| calls(out)[0].1.subscribe.as_ref().and_then(|s| s.force);
    let out = step(&mut driver, NOW, SchedulerInput::Detected(Some(master())));
    assert_eq!(force(&out), Some(true));
    assert_eq!(calls(&out)[0].1.framework_id, Some(framework_id()));
    hear(&mut driver, master(), registered());
    let out = step(
        &mut driver,
        NOW,
        SchedulerInput::Detected(Some(upid("master", 6060))),
    );
    assert_eq!(told(&out), [SchedulerEvent::Disconnected]);
    assert_eq!(force(&out), Some(false));
}

#[test]
fn only_the_detected_master_is_believed() {
    let mut driver = driver(v1::FrameworkInfo::default());
    step(&mut driver, NOW, SchedulerInput::Detected(Some(master())));
    assert!(hear(&mut driver, upid("master", 6060), registered()).is_empty());
    assert!(!driver.is_connected());
    let out = hear(&mut driver, master(), registered());
    assert_eq!(told(&out), [SchedulerEvent::Registered(framework_id())]);
    // A late copy says nothing new.
    assert!(hear(&mut driver, master(), registered()).is_empty());
}

#[test]
fn an_update_is_acknowledged_when_it_has_an_id_and_an_address() {
    let update = |uuid: Option<&'static [u8]>, pid: Option<&str>| {
        SchedulerHeard::StatusUpdate(Box::new(internal::StatusUpdateMessage {
            update: internal::StatusUpdate {
                framework_id: framework_id(),
                status: v1::TaskStatus {
                    agent_id: Some(v1::AgentId {
                        value: "S0".to_owned(),
                    }),
                    ..v1::TaskStatus::default()
                },
                uuid: uuid.map(Bytes::from_static),
                ..internal::StatusUpdate::default()
            },
            pid: pid.map(str::to_owned),
        }))
    };
    let check = |uuid, pid, acknowledged: bool| {
        let mut driver = connected();
        let out = hear(&mut driver, master(), update(uuid, pid));
        let said = calls(&out);
        assert_eq!(said.len(), usize::from(acknowledged), "{uuid:?} {pid:?}");
        let [SchedulerEvent::Update(status)] = &told(&out)[..] else {
            panic!("told {out:?}");
        };
        assert_eq!(status.uuid.is_some(), acknowledged);
        if let Some((to, call)) = said.first() {
            assert_eq!((to, call.r#type()), (&master(), call::Type::Acknowledge));
        }
    };
    check(Some(b"0123456789abcdef"), Some("slave(1)@127.0.0.1:5051"), true);
    check(Some(b"0123456789abcdef"), Some("@0.0.0.0:0"), false);
    check(Some(b"0123456789abcdef"), None, false);
    check(None, Some("slave(1)@127.0.0.1:5051"), false);
}

#[test]
fn messages_go_straight_to_agents_where_tasks_were_launched() {
    let mut driver = connected();
    let offers = internal::ResourceOffersMessage {
        offers: vec![offer("o", "S0")],
        pids: vec!["slave(1)@127.0.0.1:5051".to_owned()],
    };
    let out = hear(&mut driver, master(), SchedulerHeard::Offers(Box::new(offers)));
    assert_eq!(
        told(&out),
        [SchedulerEvent::Offers(vec![(
            offer("o", "S0"),
            upid("slave(1)", 5051)
        )])]
    );
    let message = || {
        SchedulerInput::Ask(Ask::Message {
            agent: v1::AgentId {
                value: "S0".to_owned(),
            },
            executor: v1::ExecutorId {
                value: "e".to_owned(),
            },
            data: Bytes::from_static(b"hi"),
        })
    };
    // Not before a launch.
    let said = calls(&step(&mut driver, NOW, message()));
    assert_eq!((&said[0].0, said[0].1.r#type()), (&master(), call::Type::Message));
    step(&mut driver, NOW, accept("S0"));
    let out = step(&mut driver, NOW, message());
    assert!(
        matches!(&out[..], [SchedulerOutput::Send { to, message: SchedulerSaid::FrameworkToExecutor(_) }]
            if *to == upid("slave(1)", 5051)),
        "{out:?}"
    );
}

#[test]
fn without_a_master_launches_are_dropped_here_and_other_calls_are_not_made() {
    let check = |capabilities: Vec<v1::framework_info::Capability>, expected| {
        let mut driver = driver(v1::FrameworkInfo {
            capabilities,
            ..v1::FrameworkInfo::default()
        });
        let out = step(&mut driver, NOW, accept("S0"));
        let [SchedulerEvent::Update(status)] = &told(&out)[..] else {
            panic!("told {out:?}");
        };
        assert_eq!(
            (status.state(), status.reason(), status.uuid.is_none()),
            (expected, v1::task_status::Reason::MasterDisconnected, true)
        );
        assert!(step(&mut driver, NOW, SchedulerInput::Ask(Ask::Revive(Vec::new()))).is_empty());
    };
    check(Vec::new(), v1::TaskState::TaskLost);
    let aware = v1::framework_info::Capability {
        r#type: Some(v1::framework_info::capability::Type::PartitionAware.into()),
    };
    check(vec![aware], v1::TaskState::TaskDropped);
}

#[test]
fn an_error_aborts_the_driver() {
    let mut driver = connected();
    let error = internal::FrameworkErrorMessage {
        message: "Framework failed over".to_owned(),
    };
    let out = hear(&mut driver, master(), SchedulerHeard::Error(Box::new(error)));
    assert!(
        matches!(
            &out[0],
            SchedulerOutput::Send {
                message: SchedulerSaid::Deactivate(_),
                ..
            }
        ),
        "{out:?}"
    );
    assert_eq!(
        told(&out),
        [SchedulerEvent::Error("Framework failed over".to_owned())]
    );
    assert!(step(&mut driver, NOW, SchedulerInput::Detected(Some(master()))).is_empty());
}

#[test]
fn a_stop_tears_down_unless_somebody_takes_over() {
    let mut driver = connected();
    let out = step(
        &mut driver,
        NOW,
        SchedulerInput::Ask(Ask::Stop { failover: false }),
    );
    assert_eq!(calls(&out)[0].1.r#type(), call::Type::Teardown);
    let mut driver = connected();
    assert!(
        step(
            &mut driver,
            NOW,
            SchedulerInput::Ask(Ask::Stop { failover: true })
        )
        .is_empty()
    );
}

#[test]
fn with_a_credential_it_proves_itself_first() {
    let mut driver = SchedulerDriver::new(v1::FrameworkInfo::default(), true, ChaCha8Rng::seed_from_u64(1));
    let out = step(&mut driver, NOW, SchedulerInput::Detected(Some(master())));
    assert!(calls(&out).is_empty());
    assert!(matches!(&out[1], SchedulerOutput::Authenticate(to) if *to == master()));
    assert_eq!(driver.deadline(), None);
    let out = step(&mut driver, NOW, SchedulerInput::Authenticated(true));
    assert_eq!(calls(&out)[0].1.r#type(), call::Type::Subscribe);
    let out = step(&mut driver, NOW, SchedulerInput::Authenticated(false));
    assert_eq!(
        told(&out),
        [SchedulerEvent::Error("Master refused authentication".to_owned())]
    );
}
