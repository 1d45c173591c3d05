//! RECONCILE: the table of scheduler-http.md §11.

use proto::internal;
use proto::v1::scheduler::call;
use proto::v1::task_status::{Reason, Source};
use proto::v1::{self, OperationState, TaskState};

use super::support::*;
use crate::core::{AgentId, FrameworkId, Output};

fn reconcile(bench: &mut Bench, framework: &FrameworkId, tasks: &[(&str, Option<&str>)]) -> Vec<Output> {
    let tasks = tasks
        .iter()
        .map(|(task, agent)| call::reconcile::Task {
            task_id: task_id(task),
            agent_id: agent.map(|agent| v1::AgentId {
                value: agent.to_owned(),
            }),
        })
        .collect();
    bench.call(framework, call::Type::Reconcile, |call| {
        call.reconcile = Some(call::Reconcile { tasks })
    })
}

#[test]
fn an_empty_list_asks_for_all() {
    let (mut bench, agent, framework) = Bench::ready();
    bench.launch(
        &framework,
        vec![command_task("a", &agent), command_task("b", &agent)],
    );
    bench.update(&framework, &agent, "b", TaskState::TaskRunning, 1);
    let out = reconcile(&mut bench, &framework, &[]);
    let told: Vec<(String, TaskState)> = statuses(&out)
        .iter()
        .map(|status| (status.task_id.value.clone(), status.state()))
        .collect();
    assert_eq!(
        told,
        [
            ("a".to_owned(), TaskState::TaskStaging),
            ("b".to_owned(), TaskState::TaskRunning)
        ]
    );
    for status in statuses(&out) {
        assert_eq!(
            (status.reason(), status.source()),
            (Reason::Reconciliation, Source::Master)
        );
        assert_eq!(status.message(), "Reconciliation: Latest task state");
        assert_eq!(status.agent_id.unwrap().value, agent.as_str());
        assert_eq!(status.uuid, None);
    }
}

/// The state told to a PARTITION_AWARE framework, and to another.
#[track_caller]
fn check(bench: &mut Bench, asked: (&str, Option<&str>), expected: Option<TaskState>) {
    let (aware, other) = (FrameworkId::from("m-0000"), FrameworkId::from("m-0001"));
    let told = |out: &[Output]| statuses(out).first().map(v1::TaskStatus::state);
    assert_eq!(told(&reconcile(bench, &aware, &[asked])), expected, "{asked:?}");
    let lost = expected.map(|_| TaskState::TaskLost);
    assert_eq!(
        told(&reconcile(bench, &other, &[asked])),
        lost,
        "{asked:?} without PARTITION_AWARE"
    );
}

/// A registry with an agent that is not back yet, one that is unreachable and one that is gone: S0, S1 and S2 of `m0`.
fn three_agents() -> internal::Registry {
    let slave = |n: u32| v1::AgentId {
        value: format!("m0-S{n}"),
    };
    let info = v1::AgentInfo {
        id: Some(slave(0)),
        ..agent_info()
    };
    internal::Registry {
        slaves: Some(internal::registry::Slaves {
            slaves: vec![internal::registry::Slave {
                info,
                ..Default::default()
            }],
        }),
        unreachable: Some(internal::registry::UnreachableSlaves {
            slaves: vec![internal::registry::UnreachableSlave {
                id: slave(1),
                timestamp: v1::TimeInfo { nanoseconds: 77 },
                ..Default::default()
            }],
        }),
        gone: Some(internal::registry::GoneSlaves {
            slaves: vec![internal::registry::GoneSlave {
                id: slave(2),
                timestamp: v1::TimeInfo { nanoseconds: 78 },
            }],
        }),
        ..Default::default()
    }
}

#[test]
fn explicit_answers() {
    let mut bench = Bench::with(|_| {}, three_agents());
    bench.framework(1);
    bench.subscribe(2, old_framework_info());
    check(&mut bench, ("t", Some("m0-S0")), None);
    check(&mut bench, ("t", None), None);
    check(&mut bench, ("t", Some("m0-S1")), Some(TaskState::TaskUnreachable));
    check(
        &mut bench,
        ("t", Some("m0-S2")),
        Some(TaskState::TaskGoneByOperator),
    );
    check(&mut bench, ("t", Some("m0-S9")), Some(TaskState::TaskUnknown));
    let out = reconcile(&mut bench, &"m-0000".into(), &[("t", Some("m0-S1"))]);
    assert_eq!(statuses(&out)[0].unreachable_time.unwrap().nanoseconds, 77);

    bench.reregister(&AgentId::from("m0-S0"), Vec::new(), &[]);
    check(&mut bench, ("t", Some("m0-S0")), Some(TaskState::TaskGone));
    check(&mut bench, ("t", None), Some(TaskState::TaskUnknown));
}

#[test]
fn what_was_told_last_is_told_again() {
    let (mut bench, agent, framework) = Bench::running("t");
    let mut message = status_update(&framework, &agent, "t", TaskState::TaskRunning, 1);
    message.update.latest_state = Some(TaskState::TaskFinished as i32);
    message.update.status.healthy = Some(true);
    bench.agent(PID, crate::core::AgentMessage::StatusUpdate(Box::new(message)));
    let out = reconcile(&mut bench, &framework, &[("t", None)]);
    assert_eq!(statuses(&out)[0].state(), TaskState::TaskRunning);
    assert_eq!(statuses(&out)[0].healthy, Some(true));
}

/// One row for each place an operation that nobody knows may be at.
#[test]
fn operations_nobody_knows_are_answered_by_their_agent() {
    let mut bench = Bench::with(|_| {}, three_agents());
    let framework = bench.framework(1);
    for (agent, expected) in [
        (Some("m0-S0"), OperationState::OperationRecovering),
        (Some("m0-S1"), OperationState::OperationUnreachable),
        (Some("m0-S2"), OperationState::OperationGoneByOperator),
        (Some("m0-S9"), OperationState::OperationUnknown),
        (None, OperationState::OperationUnknown),
    ] {
        let operation = call::reconcile_operations::Operation {
            operation_id: v1::OperationId {
                value: "o".to_owned(),
            },
            agent_id: agent.map(|id| v1::AgentId { value: id.to_owned() }),
            resource_provider_id: None,
        };
        let out = bench.call(&framework, call::Type::ReconcileOperations, |call| {
            call.reconcile_operations = Some(call::ReconcileOperations {
                operations: vec![operation],
            });
        });
        let told = events(&out).remove(0).1.update_operation_status.unwrap().status;
        assert_eq!(told.state(), expected, "{agent:?}");
        assert_eq!(told.uuid, None, "{agent:?}");
        assert_eq!(told.operation_id.unwrap().value, "o", "{agent:?}");
    }
}

#[test]
fn operations_are_unknown() {
    let (mut bench, agent, framework) = Bench::ready();
    let operation = |agent_id: Option<v1::AgentId>| call::reconcile_operations::Operation {
        operation_id: v1::OperationId {
            value: "o".to_owned(),
        },
        agent_id,
        resource_provider_id: None,
    };
    let operations = vec![operation(Some((&agent).into())), operation(None)];
    let reconcile = call::ReconcileOperations { operations };
    let out = bench.call(&framework, call::Type::ReconcileOperations, |call| {
        call.reconcile_operations = Some(reconcile)
    });
    let told: Vec<_> = events(&out)
        .into_iter()
        .filter_map(|(_, event)| event.update_operation_status)
        .collect();
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .all(|update| update.status.state() == OperationState::OperationUnknown)
    );
}
