//! Operations on resources: by frameworks in ACCEPT, by operators, and what becomes of them.

use proto::internal::{UpdateOperationStatusMessage, UpdateSlaveMessage, update_slave_message};
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Create, Destroy, GrowVolume, Reserve, ShrinkVolume, Type, Unreserve};
use proto::v1::resource::{DiskInfo, ReservationInfo, disk_info, reservation_info};
use proto::v1::scheduler::call;
use proto::v1::{self, OperationState, OperationStatus, TaskState};
use resources::Resources;

use super::support::*;
use crate::core::{
    AgentBound, AgentId, AgentMessage, FrameworkId, Input, OperatorAction, Output, Reply, RequestId,
};

/// Resources reserved for `web`.
pub(super) fn reserved(text: &str) -> Vec<v1::Resource> {
    let mut resources = parse(text);
    for resource in &mut resources {
        resource.reservations = vec![ReservationInfo {
            r#type: Some(reservation_info::Type::Dynamic as i32),
            role: Some("web".to_owned()),
            ..ReservationInfo::default()
        }];
    }
    resources
}

pub(super) fn volume(size: u32, id: &str) -> v1::Resource {
    let mut volume = reserved(&format!("disk:{size}")).remove(0);
    volume.disk = Some(Box::new(DiskInfo {
        persistence: Some(disk_info::Persistence {
            id: id.to_owned(),
            principal: None,
        }),
        volume: Some(v1::Volume {
            container_path: "data".to_owned(),
            mode: v1::volume::Mode::Rw as i32,
            ..v1::Volume::default()
        }),
        source: None,
    }));
    volume
}

fn of(kind: Type) -> Operation {
    Operation {
        r#type: Some(kind as i32),
        ..Operation::default()
    }
}

pub(super) fn reserve(resources: Vec<v1::Resource>) -> Operation {
    Operation {
        reserve: Some(Reserve {
            source: Vec::new(),
            resources,
        }),
        ..of(Type::Reserve)
    }
}

fn unreserve(resources: Vec<v1::Resource>) -> Operation {
    Operation {
        unreserve: Some(Unreserve { resources }),
        ..of(Type::Unreserve)
    }
}

pub(super) fn create(volume: v1::Resource) -> Operation {
    Operation {
        create: Some(Create {
            volumes: vec![volume],
        }),
        ..of(Type::Create)
    }
}

fn destroy(volume: v1::Resource) -> Operation {
    Operation {
        destroy: Some(Destroy {
            volumes: vec![volume],
        }),
        ..of(Type::Destroy)
    }
}

pub(super) fn with_id(operation: Operation, id: &str) -> Operation {
    Operation {
        id: Some(v1::OperationId { value: id.to_owned() }),
        ..operation
    }
}

/// One of a few operations that go together.
pub(super) fn any(kind: u8) -> Operation {
    match kind % 7 {
        0 | 1 => reserve(reserved("disk:100")),
        2 => unreserve(reserved("disk:100")),
        3 => create(volume(64, "v")),
        4 => destroy(volume(64, "v")),
        5 => Operation {
            grow_volume: Some(GrowVolume {
                volume: volume(64, "v"),
                addition: reserved("disk:20").remove(0),
            }),
            ..of(Type::GrowVolume)
        },
        _ => Operation {
            shrink_volume: Some(ShrinkVolume {
                volume: volume(84, "v"),
                subtract: v1::value::Scalar { value: 20.0 },
            }),
            ..of(Type::ShrinkVolume)
        },
    }
}

/// The operations that agents were sent, with their uuids.
fn applied(out: &[Output]) -> Vec<(Type, v1::Uuid)> {
    sent(out)
        .into_iter()
        .filter_map(|(_, message)| match message {
            AgentBound::ApplyOperation(message) => {
                Some((message.operation_info.r#type(), message.operation_uuid))
            }
            _ => None,
        })
        .collect()
}

fn told(out: &[Output]) -> Vec<OperationStatus> {
    events(out)
        .into_iter()
        .filter_map(|(_, event)| Some(event.update_operation_status?.status))
        .collect()
}

fn acknowledged(out: &[Output]) -> Vec<v1::Uuid> {
    sent(out)
        .into_iter()
        .filter_map(|(_, message)| match message {
            AgentBound::AcknowledgeOperation(message) => Some(message.operation_uuid),
            _ => None,
        })
        .collect()
}

pub(super) fn status(
    framework: Option<&FrameworkId>,
    agent: &AgentId,
    operation: &v1::Uuid,
    (id, state, uuid): (Option<&str>, OperationState, Option<u8>),
) -> AgentMessage {
    let status = OperationStatus {
        operation_id: id.map(|id| v1::OperationId { value: id.to_owned() }),
        state: state as i32,
        uuid: uuid.map(|uuid| v1::Uuid {
            value: uuid_bytes(uuid),
        }),
        agent_id: Some(agent.into()),
        ..OperationStatus::default()
    };
    AgentMessage::UpdateOperationStatus(Box::new(UpdateOperationStatusMessage {
        framework_id: framework.map(Into::into),
        slave_id: Some(agent.into()),
        latest_status: Some(status.clone()),
        status,
        operation_uuid: Some(operation.clone()),
    }))
}

impl Bench {
    fn convert(&mut self, framework: &FrameworkId, operations: Vec<Operation>) -> Vec<Output> {
        let offers = self.offers(framework);
        self.accept(framework, &offers, operations)
    }

    fn offered(&self, framework: &FrameworkId) -> Resources {
        self.master.state().frameworks[framework]
            .total_offered()
            .unallocate()
    }

    fn order(&mut self, action: OperatorAction) -> (Option<Reply>, Vec<Output>) {
        let request = RequestId(1);
        let out = self.step(Input::Operator { request, action });
        let reply = out.iter().find_map(|output| match output {
            Output::Reply { reply, .. } => Some(reply.clone()),
            _ => None,
        });
        (reply, out)
    }

    fn operate(&mut self, agent: &AgentId, operation: Operation) -> (Option<Reply>, Vec<Output>) {
        self.order(OperatorAction::Operate {
            agent: agent.clone(),
            operation: Box::new(operation),
            principal: None,
        })
    }
}

#[test]
fn what_is_reserved_is_offered_as_such_at_once() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.convert(&framework, vec![reserve(reserved("cpus:1;mem:128"))]);
    assert_eq!(applied(&out).len(), 1);
    let messages = sent(&out);
    let AgentBound::ApplyOperation(message) = &messages[0].1 else {
        panic!("no operation: {out:?}")
    };
    assert_eq!(message.framework_id, Some((&framework).into()));
    assert_eq!(message.resource_version_uuid.uuid.value, uuid_bytes(9));
    let named = message.operation_info.reserve.as_ref().unwrap();
    let allocation = named.resources[0].allocation_info.as_ref().unwrap();
    assert_eq!(allocation.role(), "web", "what the agent is sent is allocated");
    assert!(told(&out).is_empty(), "being on the way is not told");
    bench.settle();
    let wanted = Resources::from_proto(&reserved("cpus:1;mem:128")).unwrap();
    assert!(bench.offered(&framework).contains(&wanted));
    assert!(bench.master.state().agents[&agent].checkpointed.contains(&wanted));
}

#[test]
fn each_operation_of_a_call_sees_what_those_before_it_made() {
    let (mut bench, agent, framework) = Bench::ready();
    let mut task = command_task("t", &agent);
    task.resources.push(volume(64, "v"));
    let out = bench.convert(
        &framework,
        vec![
            reserve(reserved("disk:100")),
            create(volume(64, "v")),
            launch(vec![task]),
        ],
    );
    let kinds: Vec<Type> = applied(&out).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Type::Reserve, Type::Create]);
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskStaging));
    let messages = sent(&out);
    assert!(
        matches!(messages.last(), Some((_, AgentBound::RunTask(_)))),
        "the launch follows what it rests on"
    );
    // What a task uses cannot be destroyed, even if somebody had it on offer.
    let (reply, _) = bench.operate(&agent, destroy(volume(64, "v")));
    let Some(Reply::BadRequest(text)) = reply else {
        panic!("not refused: {reply:?}")
    };
    assert!(text.ends_with("Persistent volumes in use"), "{text}");
}

/// There is one copy on offer, and each task gets its own.
#[test]
fn tasks_of_one_call_share_a_volume() {
    let (mut bench, agent, framework) = Bench::ready();
    let mut shared = volume(64, "v");
    shared.shared = Some(v1::resource::SharedInfo::default());
    let task = |id| {
        let mut task = command_task(id, &agent);
        task.resources.push(shared.clone());
        task
    };
    let launches = launch(vec![task("one"), task("two")]);
    bench.convert(
        &framework,
        vec![
            reserve(reserved("disk:100")),
            create(shared.clone()),
            launches,
            launch(vec![task("three")]),
        ],
    );
    for id in ["one", "two", "three"] {
        assert_eq!(
            bench.state_of(&framework, id),
            Some(TaskState::TaskStaging),
            "{id}"
        );
    }
    let used = &bench.master.state().agents[&agent].used[&framework];
    assert_eq!(used.shared().iter().map(resources::Entry::copies).sum::<u32>(), 3);
    let held = bench.master.allocator().held(&framework, &agent).unwrap();
    assert!(held.contains(used), "{held} does not hold {used}");
}

#[test]
fn a_resized_volume_is_offered_anew_and_not_usable_in_the_same_call() {
    let (mut bench, agent, framework) = Bench::ready();
    bench.convert(
        &framework,
        vec![reserve(reserved("disk:100")), create(volume(60, "v"))],
    );
    bench.settle();
    let grow = Operation {
        grow_volume: Some(GrowVolume {
            volume: volume(60, "v"),
            addition: reserved("disk:20").remove(0),
        }),
        ..of(Type::GrowVolume)
    };
    let mut task = command_task("t", &agent);
    task.resources.push(volume(80, "v"));
    let out = bench.convert(&framework, vec![grow, launch(vec![task])]);
    assert_eq!(fates(&out)[0].1, TaskState::TaskError);
    bench.settle();
    let grown = Resources::from_proto(&[volume(80, "v")]).unwrap();
    assert!(bench.offered(&framework).contains(&grown));
    let shrink = Operation {
        shrink_volume: Some(ShrinkVolume {
            volume: volume(80, "v"),
            subtract: v1::value::Scalar { value: 30.0 },
        }),
        ..of(Type::ShrinkVolume)
    };
    bench.convert(&framework, vec![shrink]);
    bench.settle();
    let shrunk = Resources::from_proto(&[volume(50, "v")]).unwrap();
    assert!(bench.offered(&framework).contains(&shrunk));
    // What was left over of the calls before was refused for a while.
    bench.advance(std::time::Duration::from_secs(10));
    let out = bench.convert(
        &framework,
        vec![destroy(volume(50, "v")), unreserve(reserved("disk:100"))],
    );
    assert_eq!(applied(&out).len(), 2, "nothing was lost on the way: {out:?}");
    assert!(bench.master.state().agents[&agent].checkpointed.is_empty());
}

#[test]
fn a_framework_that_gave_an_id_is_told_and_acknowledges() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.convert(&framework, vec![with_id(reserve(reserved("cpus:1")), "one")]);
    let (_, uuid) = applied(&out).remove(0);
    let finished = (Some("one"), OperationState::OperationFinished, Some(7));
    let out = bench.agent(PID, status(Some(&framework), &agent, &uuid, finished));
    assert_eq!(told(&out).len(), 1);
    assert_eq!(told(&out)[0].uuid.as_ref().unwrap().value, uuid_bytes(7));
    assert!(acknowledged(&out).is_empty(), "that is the framework's to do");
    assert_eq!(bench.master.state().operations.len(), 1);
    let ack = |id: &str| call::AcknowledgeOperationStatus {
        agent_id: Some((&agent).into()),
        uuid: uuid_bytes(7),
        operation_id: v1::OperationId { value: id.to_owned() },
        resource_provider_id: None,
    };
    let kind = call::Type::AcknowledgeOperationStatus;
    let out = bench.call(&framework, kind, |call| {
        call.acknowledge_operation_status = Some(ack("two"));
    });
    assert!(acknowledged(&out).is_empty());
    let out = bench.call(&framework, kind, |call| {
        call.acknowledge_operation_status = Some(ack("one"));
    });
    assert_eq!(acknowledged(&out), [uuid]);
    assert!(bench.master.state().operations.is_empty());
    let counters = bench.master.counters();
    assert_eq!(counters.valid_operation_status_update_acknowledgements, 1);
    assert_eq!(counters.invalid_operation_status_update_acknowledgements, 1);
}

#[test]
fn the_master_acknowledges_what_nobody_else_does() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.convert(&framework, vec![reserve(reserved("cpus:1"))]);
    let (_, uuid) = applied(&out).remove(0);
    let finished = (None, OperationState::OperationFinished, Some(7));
    let out = bench.agent(PID, status(Some(&framework), &agent, &uuid, finished));
    assert_eq!((told(&out).len(), acknowledged(&out)), (0, vec![uuid]));
    assert!(bench.master.state().operations.is_empty());
    // One that is not known (any more) is acknowledged too.
    let other = v1::Uuid { value: uuid_bytes(3) };
    let out = bench.agent(PID, status(None, &agent, &other, finished));
    assert_eq!(acknowledged(&out), [other]);
    // And one whose framework has ended.
    bench.settle();
    let out = bench.convert(&framework, vec![with_id(reserve(reserved("mem:64")), "one")]);
    let (_, uuid) = applied(&out).remove(0);
    let finished = (Some("one"), OperationState::OperationFinished, Some(8));
    bench.agent(PID, status(Some(&framework), &agent, &uuid, finished));
    let out = bench.call(&framework, call::Type::Teardown, |_| {});
    assert_eq!(acknowledged(&out), [uuid]);
}

#[test]
fn only_an_operation_with_an_id_is_told_to_be_invalid() {
    let (mut bench, _, framework) = Bench::ready();
    let wrong = unreserve(parse("cpus:1"));
    let out = bench.convert(&framework, vec![wrong.clone()]);
    assert!(told(&out).is_empty() && applied(&out).is_empty());
    bench.advance(std::time::Duration::from_secs(10));
    let out = bench.convert(&framework, vec![with_id(wrong, "one")]);
    let [status] = &told(&out)[..] else {
        panic!("not told: {out:?}")
    };
    assert_eq!(status.state(), OperationState::OperationError);
    assert_eq!(status.uuid, None);
    let text = status.message.as_deref().unwrap();
    assert!(
        text.contains("is not dynamically reserved; on agent m-S0 at "),
        "{text}"
    );
}

#[test]
fn an_agent_without_operations_of_its_own_is_told_all_it_is_to_keep() {
    let mut bench = Bench::new();
    let mut registration = registration();
    registration
        .agent_capabilities
        .retain(|capability| capability.r#type() != v1::agent_info::capability::Type::ResourceProvider);
    bench.agent(PID, AgentMessage::Register(Box::new(registration)));
    let framework = bench.framework(1);
    bench.settle();
    let out = bench.convert(&framework, vec![reserve(reserved("cpus:1"))]);
    let kept = sent(&out).into_iter().find_map(|(_, message)| match message {
        AgentBound::CheckpointResources(message) => Some(message.resources),
        _ => None,
    });
    assert_eq!(
        Resources::from_proto(&kept.unwrap()).unwrap(),
        Resources::from_proto(&reserved("cpus:1")).unwrap()
    );
    assert!(bench.master.state().operations.is_empty());
    bench.settle();
    let out = bench.convert(&framework, vec![with_id(reserve(reserved("mem:64")), "one")]);
    let text = told(&out)[0].message.clone().unwrap();
    assert_eq!(
        text,
        "Operation requested feedback, but agent m-S0 does not have the required RESOURCE_PROVIDER capability"
    );
}

pub(super) fn update(agent: &AgentId, operations: Vec<v1::Operation>) -> AgentMessage {
    AgentMessage::UpdateAgent(Box::new(UpdateSlaveMessage {
        slave_id: agent.into(),
        update_oversubscribed_resources: Some(false),
        operations: Some(update_slave_message::Operations { operations }),
        ..UpdateSlaveMessage::default()
    }))
}

#[test]
fn master_and_agent_compare_the_operations_they_know() {
    let (mut bench, agent, framework) = Bench::ready();
    let out = bench.convert(&framework, vec![with_id(reserve(reserved("cpus:1")), "lost")]);
    let (_, lost) = applied(&out).remove(0);
    let found = v1::Operation {
        framework_id: Some((&framework).into()),
        agent_id: Some((&agent).into()),
        info: with_id(reserve(reserved("mem:64")), "found"),
        latest_status: OperationStatus {
            operation_id: Some(v1::OperationId {
                value: "found".to_owned(),
            }),
            state: OperationState::OperationFinished as i32,
            uuid: Some(v1::Uuid { value: uuid_bytes(5) }),
            ..OperationStatus::default()
        },
        statuses: Vec::new(),
        uuid: v1::Uuid { value: uuid_bytes(4) },
    };
    let out = bench.agent(PID, update(&agent, vec![found]));
    let asked = sent(&out).into_iter().find_map(|(_, message)| match message {
        AgentBound::ReconcileOperations(message) => Some(message.operations),
        _ => None,
    });
    assert_eq!(asked.unwrap()[0].operation_uuid, Some(lost.clone()));
    let dropped = (Some("lost"), OperationState::OperationDropped, None);
    let out = bench.agent(PID, status(None, &agent, &lost, dropped));
    assert_eq!(told(&out)[0].state(), OperationState::OperationDropped);
    let implicit = call::ReconcileOperations::default();
    let out = bench.call(&framework, call::Type::ReconcileOperations, |call| {
        call.reconcile_operations = Some(implicit);
    });
    let known: Vec<_> = told(&out)
        .into_iter()
        .map(|status| (status.operation_id.unwrap().value, status.state, status.uuid))
        .collect();
    assert_eq!(
        known,
        [("found".to_owned(), OperationState::OperationFinished as i32, None)]
    );
}

#[test]
fn operations_of_an_agent_that_is_gone_are_gone() {
    let (mut bench, agent, framework) = Bench::ready();
    bench.convert(&framework, vec![with_id(reserve(reserved("cpus:1")), "one")]);
    let out = bench.order(OperatorAction::MarkGone(agent)).1;
    assert_eq!(told(&out)[0].state(), OperationState::OperationGoneByOperator);
    assert!(bench.master.state().operations.is_empty());
}

#[test]
fn an_operator_takes_back_the_offers_that_stand_in_its_way() {
    let (mut bench, agent, framework) = Bench::ready();
    let (reply, out) = bench.operate(&agent, reserve(reserved("cpus:1")));
    assert_eq!(reply, Some(Reply::Done));
    assert_eq!(kinds(&out), [v1::scheduler::event::Type::Rescind]);
    let messages = sent(&out);
    let AgentBound::ApplyOperation(message) = &messages[0].1 else {
        panic!("no operation: {out:?}")
    };
    assert_eq!(message.framework_id, None);
    assert_eq!(
        message.operation_info.reserve.as_ref().unwrap().resources[0].allocation_info,
        None
    );
    bench.advance(std::time::Duration::from_secs(1));
    let wanted = Resources::from_proto(&reserved("cpus:1")).unwrap();
    bench.advance(std::time::Duration::from_secs(10));
    assert!(bench.offered(&framework).contains(&wanted));
    let (reply, _) = bench.operate(&agent, unreserve(reserved("cpus:1")));
    assert_eq!(reply, Some(Reply::Done));
    assert!(bench.master.state().agents[&agent].checkpointed.is_empty());
}

#[test]
fn an_operator_cannot_reserve_what_is_used() {
    let (mut bench, agent, framework) = Bench::running("t");
    let (reply, out) = bench.operate(&agent, reserve(reserved("cpus:4")));
    assert!(matches!(reply, Some(Reply::Conflict(_))), "{reply:?}");
    assert!(sent(&out).is_empty());
    let (reply, _) = bench.operate(&AgentId::from("other"), reserve(reserved("cpus:1")));
    let text = "No agent found with specified ID".to_owned();
    assert_eq!(reply, Some(Reply::BadRequest(text)));
    assert_eq!(bench.state_of(&framework, "t"), Some(TaskState::TaskStaging));
}

#[test]
fn an_operator_reserves_anew_what_is_reserved_for_others() {
    let (mut bench, agent, _) = Bench::ready();
    bench.operate(&agent, reserve(reserved("cpus:1")));
    let mut other = reserved("cpus:1");
    other[0].reservations[0].role = Some("ops".to_owned());
    let mut again = reserve(other.clone());
    again.reserve.as_mut().unwrap().source = reserved("cpus:1");
    let (reply, _) = bench.operate(&agent, again);
    assert_eq!(reply, Some(Reply::Done));
    assert_eq!(
        bench.master.state().agents[&agent].checkpointed,
        Resources::from_proto(&other).unwrap()
    );
}
