//! v0 drivers: registration, take-overs, every message of theirs, and who is believed (internal-protocol.md §4, §9).

use std::time::Duration;

use bytes::Bytes;
use proto::internal;
use proto::v1::scheduler::{call, event};
use proto::v1::{self, TaskState};

use super::support::*;
use crate::core::{
    AgentBound, AgentId, AgentMessage, Authentication, Connection, DriverBound, DriverMessage, FrameworkId,
    Input, Output, StreamId,
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

fn with_id(id: &FrameworkId) -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        id: Some(id.into()),
        ..framework_info()
    }
}

/// What drivers were told, in order.
fn told(out: &[Output]) -> Vec<(String, DriverBound)> {
    out.iter()
        .filter_map(|output| match output {
            Output::ToDriver { to, message, .. } => Some((to.to_string(), (**message).clone())),
            _ => None,
        })
        .collect()
}

fn only<T: std::fmt::Debug>(mut items: Vec<T>) -> T {
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

fn error(to: &str, text: &str) -> Vec<(String, String)> {
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

    fn drive(&mut self, pid: &str, info: v1::FrameworkInfo) -> FrameworkId {
        let out = self.driver(pid, subscribe_call(info, false));
        match told(&out).as_slice() {
            [(to, DriverBound::Registered(message))] if to == pid => FrameworkId::from(&message.framework_id),
            other => panic!("{other:?}"),
        }
    }

    /// An agent, a framework with a driver, and an offer.
    fn driven() -> (Self, AgentId, FrameworkId) {
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

    fn connection(&self, framework: &FrameworkId) -> Connection {
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
    assert_eq!(update.pid.as_deref(), Some(OTHER));

    let out = bench.driver_call(DRIVER, &framework, call::Type::Teardown, |_| {});
    assert!(told_nothing(&out), "the old driver counts no more");
    assert!(bench.master.state().frameworks.contains_key(&framework));
}

fn told_nothing(out: &[Output]) -> bool {
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
fn agents_are_told_where_the_driver_is() {
    let (mut bench, agent, framework) = Bench::driven();
    let offers = bench.offers(&framework);
    let accept = call::Accept {
        offer_ids: offers.iter().map(Into::into).collect(),
        operations: vec![launch(vec![command_task("t", &agent)])],
        filters: None,
    };
    let out = bench.driver_call(DRIVER, &framework, call::Type::Accept, |call| {
        call.accept = Some(accept);
    });
    let sent = sent(&out);
    let [(_, AgentBound::RunTask(run))] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(run.pid.as_deref(), Some(DRIVER));
}

#[test]
fn updates_pass_with_the_agents_address_and_answers_without() {
    let (mut bench, agent, framework) = Bench::driven();
    let accept = call::Accept {
        offer_ids: bench.offers(&framework).iter().map(Into::into).collect(),
        operations: vec![launch(vec![command_task("t", &agent)])],
        filters: None,
    };
    bench.driver_call(DRIVER, &framework, call::Type::Accept, |call| {
        call.accept = Some(accept);
    });
    let update = status_update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    let out = bench.agent(PID, AgentMessage::StatusUpdate(Box::new(update.clone())));
    assert_eq!(told(&out), [(DRIVER.to_owned(), DriverBound::Update(update))]);

    let reconcile = |bench: &mut Bench, tasks| {
        let out = bench.driver_call(DRIVER, &framework, call::Type::Reconcile, |call| {
            call.reconcile = Some(call::Reconcile { tasks });
        });
        match told(&out).as_slice() {
            [(_, DriverBound::Update(update))] => update.clone(),
            other => panic!("{other:?}"),
        }
    };
    let answer = reconcile(&mut bench, Vec::new());
    assert_eq!(answer.update.status.state(), TaskState::TaskRunning);
    assert_eq!(
        (answer.pid, answer.update.uuid, answer.update.status.uuid),
        (None, None, None)
    );
    let asked = call::reconcile::Task {
        task_id: task_id("unknown"),
        agent_id: None,
    };
    let answer = reconcile(&mut bench, vec![asked]);
    assert_eq!(answer.update.status.state(), TaskState::TaskUnknown);
    assert_eq!(answer.pid, None);

    let out = bench.driver_call(DRIVER, &framework, call::Type::Accept, |call| {
        call.accept = Some(call::Accept {
            operations: vec![launch(vec![command_task("late", &agent)])],
            ..call::Accept::default()
        });
    });
    let told = told(&out);
    let [(_, DriverBound::Update(made))] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        made.pid.as_deref(),
        Some("@0.0.0.0:0"),
        "nobody is to acknowledge it"
    );
    assert_eq!(made.update.status.state(), TaskState::TaskDropped);
    assert_eq!(made.update.timestamp, made.update.status.timestamp());
    assert_eq!(made.update.slave_id, made.update.status.agent_id);
}

#[test]
fn every_older_message_is_understood() {
    let (mut bench, agent, framework) = Bench::driven();
    let framework_id = || v1::FrameworkId::from(&framework);
    let launch = internal::LaunchTasksMessage {
        framework_id: framework_id(),
        tasks: vec![command_task("t", &agent)],
        filters: v1::Filters::default(),
        offer_ids: bench.offers(&framework).iter().map(Into::into).collect(),
    };
    let out = bench.driver(DRIVER, DriverMessage::LaunchTasks(Box::new(launch.clone())));
    assert!(matches!(sent(&out).as_slice(), [(_, AgentBound::RunTask(_))]));
    assert_eq!(bench.master.counters().messages_launch_tasks, 1);

    let decline = internal::LaunchTasksMessage {
        tasks: Vec::new(),
        ..launch
    };
    bench.driver(DRIVER, DriverMessage::LaunchTasks(Box::new(decline)));
    assert_eq!(bench.master.counters().messages_decline_offers, 1);

    let kill = internal::KillTaskMessage {
        framework_id: framework_id(),
        task_id: task_id("t"),
        kill_policy: Some(v1::KillPolicy::default()),
    };
    let out = bench.driver(DRIVER, DriverMessage::KillTask(kill));
    let (_, AgentBound::KillTask(kill)) = only(sent(&out)) else {
        panic!("{out:?}")
    };
    assert_eq!(kill.kill_policy, None, "the old form has none");

    bench.update(&framework, &agent, "t", TaskState::TaskKilled, 3);
    let acknowledge = |uuid: Bytes| internal::StatusUpdateAcknowledgementMessage {
        slave_id: (&agent).into(),
        framework_id: framework_id(),
        task_id: task_id("t"),
        uuid,
    };
    let short = acknowledge(Bytes::from_static(b"short"));
    let out = bench.driver(DRIVER, DriverMessage::Acknowledge(short));
    assert!(sent(&out).is_empty());
    assert_eq!(bench.master.counters().invalid_status_update_acknowledgements, 1);
    let out = bench.driver(DRIVER, DriverMessage::Acknowledge(acknowledge(uuid_bytes(3))));
    assert!(matches!(sent(&out).as_slice(), [(_, AgentBound::Acknowledge(_))]));
    assert_eq!(bench.state_of(&framework, "t"), None);

    let message = internal::FrameworkToExecutorMessage {
        slave_id: (&agent).into(),
        framework_id: framework_id(),
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        data: Bytes::from_static(b"hello"),
    };
    let out = bench.driver(DRIVER, DriverMessage::FrameworkToExecutor(message.clone()));
    assert_eq!(
        sent(&out),
        [(PID.to_owned(), AgentBound::FrameworkToExecutor(message))]
    );

    let reconcile = internal::ReconcileTasksMessage {
        framework_id: framework_id(),
        statuses: vec![v1::TaskStatus {
            task_id: task_id("x"),
            agent_id: Some((&agent).into()),
            ..v1::TaskStatus::default()
        }],
        framework: None,
    };
    let out = bench.driver(DRIVER, DriverMessage::ReconcileTasks(Box::new(reconcile)));
    let (_, DriverBound::Update(answer)) = only(told(&out)) else {
        panic!("{out:?}")
    };
    assert_eq!(answer.update.status.state(), TaskState::TaskGone);

    let request = internal::ResourceRequestMessage {
        framework_id: framework_id(),
        requests: Vec::new(),
    };
    bench.driver(DRIVER, DriverMessage::ResourceRequest(request));
    assert_eq!(bench.master.counters().messages_resource_request, 1);
    let revive = internal::ReviveOffersMessage {
        framework_id: framework_id(),
        roles: Vec::new(),
    };
    bench.driver(DRIVER, DriverMessage::ReviveOffers(revive));
    assert_eq!(bench.master.counters().messages_revive_offers, 1);

    let submit = internal::SubmitSchedulerRequest { name: "n".to_owned() };
    let out = bench.driver(OTHER, DriverMessage::SubmitScheduler(submit));
    let response = internal::SubmitSchedulerResponse { okay: false };
    assert_eq!(
        told(&out),
        [(OTHER.to_owned(), DriverBound::SubmitScheduler(response))]
    );

    let unregister = internal::UnregisterFrameworkMessage {
        framework_id: framework_id(),
    };
    bench.driver(DRIVER, DriverMessage::Unregister(unregister));
    assert!(bench.master.state().frameworks.is_empty());
    assert_eq!(bench.master.counters().messages_unregister_framework, 1);
}

#[test]
fn older_registrations() {
    let mut bench = Bench::new();
    let register =
        |info| DriverMessage::Register(Box::new(internal::RegisterFrameworkMessage { framework: info }));
    let reregister = |framework, failover| {
        let message = internal::ReregisterFrameworkMessage { framework, failover };
        DriverMessage::Reregister(Box::new(message))
    };
    let out = bench.driver(DRIVER, register(with_id(&FrameworkId::from("f"))));
    assert_eq!(errors(&out), error(DRIVER, "Registering with 'id' already set"));
    let out = bench.driver(DRIVER, reregister(framework_info(), false));
    assert_eq!(errors(&out), error(DRIVER, "Re-registering without an 'id'"));
    let out = bench.driver(DRIVER, register(framework_info()));
    assert!(matches!(told(&out).as_slice(), [(_, DriverBound::Registered(_))]));
    let id = FrameworkId::from("m-0000");
    let out = bench.driver(DRIVER, reregister(with_id(&id), false));
    assert!(matches!(
        told(&out).as_slice(),
        [(_, DriverBound::Reregistered(_))]
    ));
    let out = bench.driver(OTHER, reregister(with_id(&id), true));
    assert!(matches!(
        told(&out).as_slice(),
        [(_, DriverBound::Error(_)), (_, DriverBound::Registered(_))]
    ));
}

#[test]
fn lost_agents_and_executors_are_told() {
    let (mut bench, agent, framework) = Bench::driven();
    let executor = v1::ExecutorInfo {
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        command: Some(v1::CommandInfo::default()),
        ..v1::ExecutorInfo::default()
    };
    let task = v1::TaskInfo {
        command: None,
        executor: Some(executor),
        ..command_task("t", &agent)
    };
    let accept = call::Accept {
        offer_ids: bench.offers(&framework).iter().map(Into::into).collect(),
        operations: vec![launch(vec![task])],
        filters: None,
    };
    bench.driver_call(DRIVER, &framework, call::Type::Accept, |call| {
        call.accept = Some(accept);
    });
    let exited = internal::ExitedExecutorMessage {
        slave_id: (&agent).into(),
        framework_id: (&framework).into(),
        executor_id: v1::ExecutorId {
            value: "e".to_owned(),
        },
        status: 9,
    };
    let out = bench.agent(PID, AgentMessage::ExitedExecutor(exited.clone()));
    assert_eq!(
        told(&out),
        [(DRIVER.to_owned(), DriverBound::ExitedExecutor(exited))]
    );
    let again = match told(&out).remove(0) {
        (_, DriverBound::ExitedExecutor(message)) => message,
        other => panic!("{other:?}"),
    };
    let out = bench.agent(PID, AgentMessage::ExitedExecutor(again));
    assert!(told(&out).is_empty(), "it is not known any more");
    let message = internal::ExecutorToFrameworkMessage {
        slave_id: (&agent).into(),
        framework_id: (&framework).into(),
        executor_id: v1::ExecutorId::default(),
        data: Bytes::from_static(b"hello"),
    };
    let out = bench.agent(PID, AgentMessage::ExecutorToFramework(message.clone()));
    assert_eq!(told(&out), [(DRIVER.to_owned(), DriverBound::Message(message))]);
    let unregister = internal::UnregisterSlaveMessage {
        slave_id: (&agent).into(),
    };
    let out = bench.agent(PID, AgentMessage::Unregister(unregister));
    let lost = internal::LostSlaveMessage {
        slave_id: (&agent).into(),
    };
    assert_eq!(
        told(&out).last(),
        Some(&(DRIVER.to_owned(), DriverBound::LostAgent(lost)))
    );
}

#[test]
fn offers_are_in_the_form_the_framework_knows() {
    let mut bench = Bench::new();
    bench.register(PID);
    bench.drive(DRIVER, old_framework_info());
    let out = bench.settle();
    let (_, DriverBound::Offers(offers)) = only(told(&out)) else {
        panic!("{out:?}")
    };
    let offer = &offers.offers[0];
    assert_eq!(offer.allocation_info, None);
    assert!(
        offer
            .resources
            .iter()
            .all(|resource| resource.allocation_info.is_none())
    );
}

#[test]
fn an_update_of_the_description_that_is_wrong_is_an_error() {
    let (mut bench, _, framework) = Bench::driven();
    let mut update = |info: v1::FrameworkInfo| {
        bench.driver_call(DRIVER, &framework, call::Type::UpdateFramework, |call| {
            call.update_framework = Some(call::UpdateFramework {
                framework_info: info,
                ..call::UpdateFramework::default()
            });
        })
    };
    let out = update(v1::FrameworkInfo {
        user: "else".to_owned(),
        ..with_id(&framework)
    });
    assert_eq!(errors(&out).len(), 1);
    let out = update(v1::FrameworkInfo {
        name: "renamed".to_owned(),
        ..with_id(&framework)
    });
    assert!(errors(&out).is_empty());
    assert!(matches!(
        sent(&out).as_slice(),
        [(_, AgentBound::UpdateFramework(_))]
    ));
}

#[test]
fn operations_of_drivers_have_no_ids() {
    let (mut bench, _, framework) = Bench::driven();
    let reserve = v1::offer::Operation {
        id: Some(v1::OperationId {
            value: "o".to_owned(),
        }),
        r#type: Some(v1::offer::operation::Type::Reserve as i32),
        reserve: Some(v1::offer::operation::Reserve::default()),
        ..v1::offer::Operation::default()
    };
    let accept = call::Accept {
        offer_ids: bench.offers(&framework).iter().map(Into::into).collect(),
        operations: vec![reserve],
        filters: None,
    };
    let out = bench.driver_call(DRIVER, &framework, call::Type::Accept, |call| {
        call.accept = Some(accept);
    });
    let errors = errors(&out);
    assert!(
        matches!(errors.as_slice(), [(to, text)] if to == DRIVER && text.contains("HTTP scheduler API")),
        "{errors:?}"
    );
}

#[test]
fn whoever_must_authenticate_is_refused_without() {
    let mut bench = Bench::with(
        |config| config.authenticate_frameworks = true,
        internal::Registry::default(),
    );
    let out = bench.driver(DRIVER, subscribe_call(framework_info(), false));
    let text = format!("Framework at {DRIVER} is not authenticated");
    assert_eq!(errors(&out), error(DRIVER, &text));

    let pid = || upid(DRIVER);
    let step = |step| Input::Authentication { pid: pid(), step };
    bench.step(step(Authentication::Began));
    let out = bench.driver(DRIVER, subscribe_call(framework_info(), false));
    assert!(told_nothing(&out), "it waits");
    let out = bench.step(step(Authentication::Succeeded("p".to_owned())));
    assert!(matches!(told(&out).as_slice(), [(_, DriverBound::Registered(_))]));
    let known = bench.master.state().frameworks.values().next().unwrap().clone();
    assert_eq!(known.info.principal.as_deref(), Some("p"));

    bench.step(Input::Exited(pid()));
    let info = v1::FrameworkInfo {
        principal: Some("p".to_owned()),
        ..with_id(&known.id)
    };
    let out = bench.driver(DRIVER, subscribe_call(info, true));
    assert_eq!(errors(&out), error(DRIVER, &text), "the mark went with the link");
}

#[test]
fn a_claimed_principal_must_be_the_authenticated_one() {
    let mut bench = Bench::new();
    let pid = || upid(DRIVER);
    for step in [Authentication::Began, Authentication::Succeeded("p".to_owned())] {
        bench.step(Input::Authentication { pid: pid(), step });
    }
    let info = v1::FrameworkInfo {
        principal: Some("q".to_owned()),
        ..framework_info()
    };
    let out = bench.driver(DRIVER, subscribe_call(info, false));
    assert_eq!(
        errors(&out),
        error(
            DRIVER,
            "Framework principal 'q' does not match authenticated principal 'p'"
        )
    );
}

#[test]
fn what_waits_is_lost_with_a_session_that_fails() {
    let mut bench = Bench::new();
    let step = |step| Input::Authentication {
        pid: upid(DRIVER),
        step,
    };
    bench.step(step(Authentication::Began));
    bench.driver(DRIVER, subscribe_call(framework_info(), false));
    assert!(told_nothing(&bench.step(step(Authentication::Failed))));
    bench.step(step(Authentication::Began));
    bench.driver(DRIVER, subscribe_call(framework_info(), false));
    let out = bench.step(step(Authentication::Refused));
    assert!(
        matches!(told(&out).as_slice(), [(_, DriverBound::Registered(_))]),
        "nobody has to authenticate here"
    );
}

#[test]
fn agents_that_must_authenticate_are_ignored_without() {
    let mut bench = Bench::with(
        |config| config.authenticate_agents = true,
        internal::Registry::default(),
    );
    let register = || AgentMessage::Register(Box::new(registration()));
    assert!(sent(&bench.agent(PID, register())).is_empty());
    let step = |step| Input::Authentication { pid: upid(PID), step };
    bench.step(step(Authentication::Began));
    assert!(sent(&bench.agent(PID, register())).is_empty(), "it waits");
    let out = bench.step(step(Authentication::Succeeded("agent".to_owned())));
    let sent = sent(&out);
    assert!(matches!(sent.as_slice(), [(_, AgentBound::Registered(_))]));
}

#[test]
fn drivers_count_nothing_before_the_registry_is_read() {
    let mut bench = Bench::new();
    bench.master = crate::core::Master::new(bench.master.config().clone());
    let out = bench.driver(DRIVER, subscribe_call(framework_info(), false));
    assert!(told_nothing(&out));
    assert_eq!(bench.master.counters().dropped_messages, 1);
}
