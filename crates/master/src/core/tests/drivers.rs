//! v0 drivers: registration, take-overs, disconnection, and who is believed (internal-protocol.md §9).

use std::time::Duration;

use proto::internal;
use proto::v1;
use proto::v1::scheduler::{call, event};

use super::support::*;
use crate::core::{
    AgentBound, AgentId, Connection, DriverBound, DriverMessage, FrameworkId, Input, Output, StreamId,
};

pub(super) const DRIVER: &str = "scheduler-1@127.0.0.1:4001";
pub(super) const OTHER: &str = "scheduler-2@127.0.0.1:4002";

pub(super) fn subscribe_call(info: v1::FrameworkInfo, force: bool) -> DriverMessage {
    let call = proto::scheduler::Call {
        framework_id: info.id.clone(),
        r#type: Some(call::Type::Subscribe as i32),
        subscribe: Some(proto::scheduler::call::Subscribe {
            framework_info: info,
            force: Some(force),
            ..Default::default()
        }),
        ..Default::default()
    };
    DriverMessage::Call(Box::new(call))
}

pub(super) fn with_id(id: &FrameworkId) -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        id: Some(id.into()),
        ..framework_info()
    }
}

/// What drivers were told, in order.
pub(super) fn told(out: &[Output]) -> Vec<(String, DriverBound)> {
    out.iter()
        .filter_map(|output| match output {
            Output::ToDriver { to, message, .. } => Some((to.to_string(), (**message).clone())),
            _ => None,
        })
        .collect()
}

pub(super) fn only<T: std::fmt::Debug>(mut items: Vec<T>) -> T {
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

pub(super) fn errors(out: &[Output]) -> Vec<(String, String)> {
    told(out)
        .into_iter()
        .filter_map(|(to, message)| match message {
            DriverBound::Error(error) => Some((to, error.message)),
            _ => None,
        })
        .collect()
}

pub(super) fn error(to: &str, text: &str) -> Vec<(String, String)> {
    vec![(to.to_owned(), text.to_owned())]
}

impl Bench {
    pub(super) fn driver(&mut self, pid: &str, message: DriverMessage) -> Vec<Output> {
        self.step(Input::Driver {
            from: upid(pid),
            message,
        })
    }

    pub(super) fn driver_call(
        &mut self,
        pid: &str,
        framework: &FrameworkId,
        kind: call::Type,
        fill: impl FnOnce(&mut proto::scheduler::Call),
    ) -> Vec<Output> {
        let mut call = proto::scheduler::Call {
            framework_id: Some(framework.into()),
            r#type: Some(kind as i32),
            ..Default::default()
        };
        fill(&mut call);
        self.driver(pid, DriverMessage::Call(Box::new(call)))
    }

    pub(super) fn drive(&mut self, pid: &str, info: v1::FrameworkInfo) -> FrameworkId {
        let out = self.driver(pid, subscribe_call(info, false));
        match told(&out).as_slice() {
            [(to, DriverBound::Registered(message))] if to == pid => FrameworkId::from(&message.framework_id),
            other => panic!("{other:?}"),
        }
    }

    /// An agent, a framework with a driver, and an offer.
    pub(super) fn driven() -> (Self, AgentId, FrameworkId) {
        let mut bench = Self::new();
        let agent = bench.register(PID);
        let framework = bench.drive(DRIVER, framework_info());
        let out = bench.settle();
        let (to, DriverBound::Offers(offers)) = only(told(&out)) else {
            panic!("{out:?}")
        };
        assert_eq!(to, DRIVER);
        assert_eq!(offers.offers.len(), 1);
        assert_eq!(offers.pids, [PID]);
        (bench, agent, framework)
    }

    pub(super) fn connection(&self, framework: &FrameworkId) -> Connection {
        self.master.state().frameworks[framework].connection.clone()
    }
}

#[test]
fn a_registration_said_again_is_answered_again() {
    let mut bench = Bench::new();
    let framework = bench.drive(DRIVER, framework_info());
    assert_eq!(bench.drive(DRIVER, framework_info()), framework);
    assert_eq!(bench.master.state().frameworks.len(), 1);
    assert_eq!(bench.connection(&framework), Connection::Driver(upid(DRIVER)));
}

#[test]
fn an_empty_id_is_none() {
    let mut bench = Bench::new();
    let nameless = v1::FrameworkInfo {
        id: Some(v1::FrameworkId::default()),
        ..framework_info()
    };
    assert_eq!(bench.drive(DRIVER, nameless).as_str(), "m-0000");
}

#[test]
fn a_driver_is_linked_to() {
    let mut bench = Bench::new();
    let out = bench.driver(DRIVER, subscribe_call(framework_info(), false));
    let links = |output: &&Output| matches!(output, Output::LinkDriver(to) if *to == upid(DRIVER));
    assert_eq!(out.iter().filter(links).count(), 1);
}

#[test]
fn the_same_driver_registers_again_with_its_id() {
    let (mut bench, _, framework) = Bench::driven();
    let out = bench.driver(DRIVER, subscribe_call(with_id(&framework), false));
    let told = told(&out);
    assert!(matches!(
        told.as_slice(),
        [(_, DriverBound::Rescind(_)), (_, DriverBound::Reregistered(_))]
    ));
    assert!(bench.offers(&framework).is_empty());
}

#[test]
fn another_driver_takes_over_by_force_only() {
    let (mut bench, _, framework) = Bench::driven();
    let out = bench.driver(OTHER, subscribe_call(with_id(&framework), false));
    assert_eq!(errors(&out), error(OTHER, "Framework failed over"));
    assert_eq!(bench.connection(&framework), Connection::Driver(upid(DRIVER)));

    let out = bench.driver(OTHER, subscribe_call(with_id(&framework), true));
    let told = told(&out);
    let [
        (old, DriverBound::Error(farewell)),
        (new, DriverBound::Registered(registered)),
    ] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!((old.as_str(), new.as_str()), (DRIVER, OTHER));
    assert_eq!(farewell.message, "Framework failed over");
    assert_eq!(FrameworkId::from(&registered.framework_id), framework);
    assert!(bench.offers(&framework).is_empty(), "the new one never saw them");
    let sent = sent(&out);
    let [(_, AgentBound::UpdateFramework(update))] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(update.pid, OTHER);

    let out = bench.driver_call(DRIVER, &framework, call::Type::Teardown, |_| {});
    assert!(told_nothing(&out), "the old driver counts no more");
    assert!(bench.master.state().frameworks.contains_key(&framework));
}

pub(super) fn told_nothing(out: &[Output]) -> bool {
    told(out).is_empty() && events(out).is_empty() && sent(out).is_empty()
}

#[test]
fn http_takes_over_from_a_driver() {
    let (mut bench, _, framework) = Bench::driven();
    let out = bench.subscribe(1, with_id(&framework));
    assert_eq!(errors(&out), error(DRIVER, "Framework failed over"));
    assert_eq!(kinds(&out), [event::Type::Subscribed]);
    assert_eq!(bench.connection(&framework), Connection::Http(StreamId(1)));
    bench.step(Input::Exited(upid(DRIVER)));
    assert_eq!(
        bench.connection(&framework),
        Connection::Http(StreamId(1)),
        "the old driver's end is nothing to it"
    );
}

#[test]
fn a_driver_takes_over_from_http_by_force() {
    let mut bench = Bench::new();
    let framework = bench.framework(1);
    let out = bench.driver(DRIVER, subscribe_call(with_id(&framework), false));
    assert_eq!(errors(&out), error(DRIVER, "Framework failed over"));
    let out = bench.driver(DRIVER, subscribe_call(with_id(&framework), true));
    assert_eq!(kinds(&out), [event::Type::Error]);
    assert!(
        out.iter()
            .any(|output| matches!(output, Output::CloseStream(StreamId(1))))
    );
    assert_eq!(bench.connection(&framework), Connection::Driver(upid(DRIVER)));
    let refusal = bench.master.admit(&framework, None).unwrap_err();
    assert_eq!(refusal.to_string(), "Framework is not connected via HTTP");
    assert_eq!(refusal.status(), 403);
}

#[test]
fn one_address_is_one_framework() {
    let mut bench = Bench::new();
    bench.drive(DRIVER, framework_info());
    let out = bench.driver(DRIVER, subscribe_call(with_id(&FrameworkId::from("else")), true));
    assert!(told_nothing(&out));
    assert_eq!(bench.master.state().frameworks.len(), 1);
}

#[test]
fn an_id_of_before_is_taken_and_registered() {
    let mut bench = Bench::new();
    let out = bench.driver(DRIVER, subscribe_call(with_id(&FrameworkId::from("old")), true));
    assert!(matches!(told(&out).as_slice(), [(_, DriverBound::Registered(_))]));
    assert!(
        bench
            .master
            .state()
            .frameworks
            .contains_key(&FrameworkId::from("old"))
    );
}

#[test]
fn a_completed_id_is_refused() {
    let (mut bench, _, framework) = Bench::driven();
    bench.driver_call(DRIVER, &framework, call::Type::Teardown, |_| {});
    let out = bench.driver(DRIVER, subscribe_call(with_id(&framework), true));
    assert_eq!(errors(&out), error(DRIVER, "Framework has been removed"));
}

#[test]
fn a_broken_link_disconnects_until_the_driver_returns() {
    let (mut bench, _, framework) = Bench::driven();
    let out = bench.step(Input::Exited(upid(DRIVER)));
    assert_eq!(errors(&out), error(DRIVER, "Framework disconnected"));
    assert_eq!(
        bench.connection(&framework),
        Connection::Disconnected(Some(upid(DRIVER)))
    );
    assert!(bench.offers(&framework).is_empty());
    assert!(told(&bench.settle()).is_empty(), "no offers to nobody");

    let out = bench.driver_call(DRIVER, &framework, call::Type::Revive, |_| {});
    assert_eq!(
        errors(&out),
        error(DRIVER, "Framework disconnected"),
        "it had not noticed"
    );

    let out = bench.driver(DRIVER, subscribe_call(with_id(&framework), false));
    assert!(matches!(
        told(&out).as_slice(),
        [(_, DriverBound::Reregistered(_))]
    ));
    bench.advance(Duration::from_secs(120));
    assert!(
        bench.master.state().frameworks.contains_key(&framework),
        "its failover timeout is off"
    );
}

#[test]
fn a_driver_that_stays_away_is_removed() {
    let (mut bench, _, framework) = Bench::driven();
    bench.step(Input::Exited(upid(DRIVER)));
    bench.advance(Duration::from_secs(59));
    assert!(bench.master.state().frameworks.contains_key(&framework));
    let out = bench.advance(Duration::from_secs(2));
    assert!(!bench.master.state().frameworks.contains_key(&framework));
    assert!(matches!(
        sent(&out).as_slice(),
        [(_, AgentBound::ShutdownFramework(_))]
    ));
}

#[test]
fn strangers_are_not_heard() {
    let (mut bench, _, framework) = Bench::driven();
    for kind in [call::Type::Teardown, call::Type::Suppress, call::Type::Revive] {
        let out = bench.driver_call(OTHER, &framework, kind, |_| {});
        assert!(told_nothing(&out), "{kind:?}");
    }
    let deactivate = internal::DeactivateFrameworkMessage {
        framework_id: (&framework).into(),
    };
    bench.driver(OTHER, DriverMessage::Deactivate(deactivate));
    assert!(bench.master.state().frameworks[&framework].active);
}

#[test]
fn deactivation_takes_offers_back_and_keeps_the_framework() {
    let (mut bench, _, framework) = Bench::driven();
    let deactivate = internal::DeactivateFrameworkMessage {
        framework_id: (&framework).into(),
    };
    let out = bench.driver(DRIVER, DriverMessage::Deactivate(deactivate));
    assert!(matches!(told(&out).as_slice(), [(_, DriverBound::Rescind(_))]));
    let known = &bench.master.state().frameworks[&framework];
    assert!(known.connected() && !known.active);
    assert!(told(&bench.advance(Duration::from_secs(5))).is_empty());
    assert_eq!(bench.master.counters().messages_deactivate_framework, 1);

    bench.driver(DRIVER, subscribe_call(with_id(&framework), false));
    assert!(bench.master.state().frameworks[&framework].active);
    assert!(matches!(
        told(&bench.settle()).as_slice(),
        [(_, DriverBound::Offers(_))]
    ));
}

#[test]
fn drivers_count_nothing_before_the_registry_is_read() {
    let mut bench = Bench::new();
    bench.master = crate::core::Master::new(bench.master.config().clone());
    let out = bench.driver(DRIVER, subscribe_call(framework_info(), false));
    assert!(told_nothing(&out));
    assert_eq!(bench.master.counters().dropped_messages, 1);
}
