//! What drivers and the master say to each other once a framework is registered (internal-protocol.md §4, §8, §9).

use bytes::Bytes;
use proto::internal;
use proto::v1::scheduler::call;
use proto::v1::{self, TaskState};

use super::drivers::*;
use super::support::*;
use crate::core::{AgentBound, AgentMessage, DriverBound, DriverMessage, FrameworkId};

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
    assert_eq!(run.pid, DRIVER);
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
