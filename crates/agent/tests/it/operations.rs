//! Operations on the agent's resources, what is written of them, and draining.

use agent::checkpoint::Disk;
use agent::core::{Checkpoint, Input, Output, Phase, Received, RecoveredState, Sent, paths};
use bytes::Bytes;
use proto::internal::{self, ResourceVersionUuid};
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Create, Destroy, GrowVolume, Reserve, ShrinkVolume, Type, Unreserve};
use proto::v1::{self, OperationState, TaskState};
use resources::Resources;

use crate::support::*;

fn uuid(value: u8) -> v1::Uuid {
    v1::Uuid {
        value: vec![value; 16].into(),
    }
}

/// The version of resources that the agent announced.
fn version(bench: &mut Bench) -> v1::Uuid {
    bench.step(Input::Detected(Some(master())));
    let out = bench.wait();
    let announced = out.iter().find_map(|output| match output {
        Output::Send {
            message: Sent::ReregisterSlave(message),
            ..
        } => message.resource_version_uuid.clone(),
        _ => None,
    });
    bench.receive(Received::SlaveReregistered(internal::SlaveReregisteredMessage {
        slave_id: v1::AgentId { value: AGENT.into() },
        ..Default::default()
    }));
    announced.unwrap()
}

fn reserved(text: &str) -> Vec<v1::Resource> {
    let mut resources = Resources::parse(text).unwrap().to_proto();
    for resource in &mut resources {
        resource.reservations = vec![v1::resource::ReservationInfo {
            r#type: Some(v1::resource::reservation_info::Type::Dynamic as i32),
            role: Some("web".into()),
            principal: Some("p".into()),
            labels: None,
        }];
        resource.allocation_info = Some(v1::resource::AllocationInfo {
            role: Some("web".into()),
        });
    }
    resources
}

fn volume(size: f64, id: &str) -> v1::Resource {
    let mut volume = reserved(&format!("disk:{size}")).remove(0);
    volume.disk = Some(Box::new(v1::resource::DiskInfo {
        persistence: Some(v1::resource::disk_info::Persistence {
            id: id.into(),
            principal: Some("p".into()),
        }),
        volume: Some(v1::Volume {
            container_path: "data".into(),
            mode: v1::volume::Mode::Rw as i32,
            ..Default::default()
        }),
        source: None,
    }));
    volume
}

fn reserve(resources: Vec<v1::Resource>) -> Operation {
    Operation {
        r#type: Some(Type::Reserve as i32),
        reserve: Some(Reserve {
            source: Vec::new(),
            resources,
        }),
        ..Default::default()
    }
}

fn unreserve(resources: Vec<v1::Resource>) -> Operation {
    Operation {
        r#type: Some(Type::Unreserve as i32),
        unreserve: Some(Unreserve { resources }),
        ..Default::default()
    }
}

fn create(volume: v1::Resource) -> Operation {
    Operation {
        r#type: Some(Type::Create as i32),
        create: Some(Create {
            volumes: vec![volume],
        }),
        ..Default::default()
    }
}

fn destroy(volume: v1::Resource) -> Operation {
    Operation {
        r#type: Some(Type::Destroy as i32),
        destroy: Some(Destroy {
            volumes: vec![volume],
        }),
        ..Default::default()
    }
}

impl Bench {
    fn apply(&mut self, number: u8, operation: Operation, version: &v1::Uuid) -> Vec<Output> {
        self.receive(Received::ApplyOperation(Box::new(
            internal::ApplyOperationMessage {
                framework_id: Some(framework_id()),
                operation_info: operation,
                operation_uuid: uuid(number),
                resource_version_uuid: ResourceVersionUuid {
                    resource_provider_id: None,
                    uuid: version.clone(),
                },
            },
        )))
    }

    fn acknowledge_operation(&mut self, status: &v1::Uuid, number: u8) -> Vec<Output> {
        self.receive(Received::AcknowledgeOperationStatus(
            internal::AcknowledgeOperationStatusMessage {
                status_uuid: status.clone(),
                operation_uuid: uuid(number),
                resource_provider_id: None,
            },
        ))
    }

    fn kept(&self) -> String {
        Resources::from_proto_lenient(self.agent.checkpointed_resources()).to_string()
    }
}

fn told(out: &[Output]) -> Vec<internal::UpdateOperationStatusMessage> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send {
                message: Sent::UpdateOperationStatus(message),
                ..
            } => Some((**message).clone()),
            _ => None,
        })
        .collect()
}

fn ready() -> (Bench, v1::Uuid) {
    let mut bench = Bench::registered();
    let version = version(&mut bench);
    (bench, version)
}

#[test]
fn a_reservation_is_on_disk_before_the_master_hears_of_it() {
    let (mut bench, version) = ready();
    let out = bench.apply(1, reserve(reserved("cpus:1;mem:128")), &version);
    assert_eq!(
        shape(&out),
        [
            "write 3 Resources",
            "write 4 OperationUpdate",
            "send UpdateOperationStatus after 4"
        ]
    );
    let [message] = &told(&out)[..] else {
        panic!("one status")
    };
    assert_eq!(message.status.state(), OperationState::OperationFinished);
    assert_eq!(message.latest_status.as_ref(), Some(&message.status));
    assert_eq!(message.operation_uuid, Some(uuid(1)));
    assert_eq!(message.framework_id, Some(framework_id()));
    assert!(message.status.uuid.is_some() && message.status.message.is_none());
    let plain = Resources::from_proto(&reserved("cpus:1;mem:128"))
        .unwrap()
        .unallocate();
    assert_eq!(bench.kept(), plain.to_string());
    // The same message again is answered and changes nothing.
    let out = bench.apply(1, reserve(reserved("cpus:1;mem:128")), &version);
    assert_eq!(shape(&out), ["send UpdateOperationStatus after 4"]);
}

#[test]
fn a_status_is_repeated_until_it_is_acknowledged() {
    let (mut bench, version) = ready();
    let first = told(&bench.apply(1, reserve(reserved("cpus:1")), &version));
    let again = told(&bench.pass(std::time::Duration::from_secs(10)));
    assert_eq!(again, first);
    let status = first[0].status.uuid.clone().unwrap();
    assert!(
        bench.acknowledge_operation(&uuid(77), 1).is_empty(),
        "another status"
    );
    let out = bench.acknowledge_operation(&status, 1);
    assert_eq!(
        shape(&out),
        ["write 5 OperationAcknowledgement", "write 6 Resources"]
    );
    assert!(bench.agent.operations().is_empty());
    assert!(told(&bench.pass(std::time::Duration::from_secs(100))).is_empty());
}

#[test]
fn what_was_reserved_and_made_a_volume_can_be_taken_back() {
    let (mut bench, version) = ready();
    let outcomes = [
        reserve(reserved("disk:100")),
        create(volume(60.0, "v")),
        Operation {
            r#type: Some(Type::GrowVolume as i32),
            grow_volume: Some(GrowVolume {
                volume: volume(60.0, "v"),
                addition: reserved("disk:40").remove(0),
            }),
            ..Default::default()
        },
        Operation {
            r#type: Some(Type::ShrinkVolume as i32),
            shrink_volume: Some(ShrinkVolume {
                volume: volume(100.0, "v"),
                subtract: v1::value::Scalar { value: 30.0 },
            }),
            ..Default::default()
        },
        destroy(volume(70.0, "v")),
        unreserve(reserved("disk:100")),
    ];
    for (number, operation) in (1u8..).zip(outcomes) {
        let out = bench.apply(number, operation, &version);
        assert_eq!(
            told(&out)[0].status.state(),
            OperationState::OperationFinished,
            "{number}: {:?}",
            told(&out)[0].status.message
        );
    }
    assert_eq!(bench.kept(), "{}");
}

#[test]
fn an_operation_that_does_not_fit_is_told_and_the_agent_registers_anew_with_what_it_has() {
    let (mut bench, version) = ready();
    let out = bench.apply(1, unreserve(reserved("cpus:1")), &version);
    assert_eq!(told(&out)[0].status.state(), OperationState::OperationDropped);
    assert!(told(&out)[0].status.message.is_some());
    assert_eq!(bench.agent.phase(), Phase::Disconnected);
    assert!(out.contains(&Output::Detect));
    let new = self::version(&mut bench);
    assert_ne!(new, version, "what rests on the old view is not taken");
    let out = bench.apply(2, reserve(reserved("cpus:1")), &version);
    assert_eq!(told(&out)[0].status.state(), OperationState::OperationDropped);
    assert_eq!(bench.kept(), "{}");
}

#[test]
fn volumes_that_would_lie_elsewhere_are_refused() {
    for id in ["", "..", "a/b", "../../etc"] {
        let (mut bench, version) = ready();
        bench.apply(1, reserve(reserved("disk:100")), &version);
        let out = bench.apply(2, create(volume(60.0, id)), &version);
        assert_eq!(
            told(&out)[0].status.state(),
            OperationState::OperationFailed,
            "{id:?}"
        );
    }
}

#[test]
fn messages_from_others_than_the_master_change_nothing() {
    let (mut bench, version) = ready();
    let message = internal::ApplyOperationMessage {
        operation_info: reserve(reserved("cpus:1")),
        operation_uuid: uuid(1),
        resource_version_uuid: ResourceVersionUuid {
            resource_provider_id: None,
            uuid: version,
        },
        framework_id: None,
    };
    let out = bench.step(Input::Message {
        from: "master@10.9.9.9:5050".parse().unwrap(),
        message: Received::ApplyOperation(Box::new(message)),
    });
    assert!(out.is_empty() && bench.kept() == "{}");
}

#[test]
fn operations_the_agent_does_not_know_were_dropped() {
    let (mut bench, version) = ready();
    bench.apply(1, reserve(reserved("cpus:1")), &version);
    let asked = |number| internal::reconcile_operations_message::Operation {
        operation_uuid: Some(uuid(number)),
        ..Default::default()
    };
    let out = bench.receive(Received::ReconcileOperations(
        internal::ReconcileOperationsMessage {
            operations: vec![asked(1), asked(2)],
            framework_id: None,
        },
    ));
    let [answer] = &told(&out)[..] else {
        panic!("one answer: {out:?}")
    };
    assert_eq!(answer.operation_uuid, Some(uuid(2)));
    assert_eq!(answer.status.state(), OperationState::OperationDropped);
    assert_eq!(answer.status.uuid, None);
}

#[test]
fn the_list_of_operations_goes_before_their_statuses() {
    let (mut bench, version) = ready();
    bench.apply(1, reserve(reserved("cpus:1")), &version);
    bench.step(Input::Detected(Some(master())));
    bench.wait();
    let out = bench.receive(Received::SlaveReregistered(internal::SlaveReregisteredMessage {
        slave_id: v1::AgentId { value: AGENT.into() },
        ..Default::default()
    }));
    assert_eq!(
        shape(&out),
        ["send UpdateSlave", "send UpdateOperationStatus after 4"]
    );
    let Output::Send {
        message: Sent::UpdateSlave(update),
        ..
    } = &out[0]
    else {
        panic!("the list")
    };
    assert_eq!(update.operations.as_ref().unwrap().operations.len(), 1);
}

#[test]
fn resources_to_be_checkpointed_replace_those_that_were() {
    let (mut bench, _) = ready();
    let message =
        |resources| Received::CheckpointResources(internal::CheckpointResourcesMessage { resources });
    let mut resources = reserved("cpus:1");
    resources[0].allocation_info = None;
    let out = bench.receive(message(resources.clone()));
    assert_eq!(shape(&out), ["write 3 Resources"]);
    assert!(bench.receive(message(resources)).is_empty(), "nothing changed");
    assert_eq!(shape(&bench.receive(message(Vec::new()))), ["write 4 Resources"]);
}

/// Writes what an agent asks for, and reads it back.
fn restarted(disk: &Disk, out: &[Output]) -> RecoveredState {
    for what in checkpoints(out) {
        disk.write(&what).unwrap();
    }
    disk.recover(true).unwrap()
}

#[test]
fn an_agent_that_restarts_has_its_volumes_and_repeats_what_was_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path(), "boot");
    let (mut bench, version) = ready();
    let mut out = vec![Output::Checkpoint {
        write: agent::core::WriteId(1),
        what: Checkpoint::Agent(Box::new(bench.agent.info().clone())),
    }];
    out.extend(bench.apply(1, reserve(reserved("disk:100")), &version));
    let sent = bench.apply(2, create(volume(60.0, "v")), &version);
    let status = told(&sent)[0].clone();
    out.extend(sent);
    let state = restarted(&disk, &out);
    let place = folder.path().join("volumes/roles/web/v");
    assert!(place.is_dir());
    std::fs::write(place.join("kept"), "data").unwrap();
    let resources = Resources::from_proto_lenient(&state.resources);
    assert_eq!(resources.to_string(), bench.kept());
    assert_eq!(state.operations.len(), 2);

    let mut again = Bench::new(config());
    again.recover(state.clone());
    assert!(again.agent.info().id.is_some());
    again.step(Input::Detected(Some(master())));
    again.wait();
    let out = again.receive(Received::SlaveReregistered(internal::SlaveReregisteredMessage {
        slave_id: v1::AgentId { value: AGENT.into() },
        ..Default::default()
    }));
    assert!(told(&out).contains(&status), "{out:?}");

    let out = again.acknowledge_operation(status.status.uuid.as_ref().unwrap(), 2);
    let state = restarted(&disk, &out);
    assert_eq!(state.operations.len(), 1, "what is acknowledged is forgotten");
    assert_eq!(std::fs::read(place.join("kept")).unwrap(), b"data");
    let out = bench.apply(3, destroy(volume(60.0, "v")), &version);
    restarted(&disk, &out);
    assert!(!place.exists(), "a volume goes with its data");
}

#[test]
fn a_commit_that_a_crash_cut_off_is_finished_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path(), "boot");
    let meta = paths::meta(folder.path());
    let (mut bench, version) = ready();
    bench.apply(1, reserve(reserved("disk:100")), &version);
    let out = bench.apply(2, create(volume(60.0, "v")), &version);
    let state = restarted(&disk, &out);
    let target = paths::resource_state_target(&meta);
    // Before the list of resources was written, and after.
    std::fs::rename(paths::resource_state(&meta), &target).unwrap();
    std::fs::remove_file(paths::resources_info(&meta)).unwrap();
    std::fs::remove_dir_all(folder.path().join("volumes")).unwrap();
    assert_eq!(disk.recover(true).unwrap().resources, state.resources);
    assert!(folder.path().join("volumes/roles/web/v").is_dir());
    std::fs::rename(paths::resource_state(&meta), &target).unwrap();
    std::fs::rename(paths::resources_info(&meta), paths::resources_target(&meta)).unwrap();
    assert_eq!(disk.recover(true).unwrap().resources, state.resources);
    assert!(!target.exists() && paths::resources_info(&meta).exists());
}

#[test]
fn without_resources_the_files_are_those_of_a_real_agent() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path(), "boot");
    let (mut bench, version) = ready();
    let out = bench.apply(1, reserve(reserved("cpus:1")), &version);
    let status = told(&out)[0].status.uuid.clone().unwrap();
    restarted(&disk, &out);
    let mut out = bench.apply(2, unreserve(reserved("cpus:1")), &version);
    let second = told(&out)[0].status.uuid.clone().unwrap();
    out.extend(bench.acknowledge_operation(&status, 1));
    out.extend(bench.acknowledge_operation(&second, 2));
    restarted(&disk, &out);
    let meta = paths::meta(folder.path());
    // golden/disk: a record of nothing, and no records.
    assert_eq!(std::fs::read(paths::resource_state(&meta)).unwrap(), [0; 4]);
    assert_eq!(std::fs::read(paths::resources_info(&meta)).unwrap(), b"");
}

fn drain(bench: &mut Bench, config: v1::DrainConfig) -> Vec<Output> {
    bench.receive(Received::DrainSlave(internal::DrainSlaveMessage { config }))
}

#[test]
fn a_draining_agent_kills_what_it_runs_takes_nothing_and_forgets_it_when_all_is_gone() {
    let (mut bench, _) = ready();
    let container = bench.running();
    let config = v1::DrainConfig {
        max_grace_period: Some(v1::DurationInfo { nanoseconds: 7 }),
        mark_gone: Some(false),
    };
    let out = drain(&mut bench, config);
    assert_eq!(
        checkpoints(&out).last(),
        Some(&Checkpoint::Drain {
            agent: AGENT.into(),
            config: Some(config)
        })
    );
    let killed = out.iter().find_map(|output| match output {
        Output::Event { event, .. } => event.kill.clone(),
        _ => None,
    });
    assert_eq!(
        killed.unwrap().kill_policy.unwrap().grace_period,
        config.max_grace_period
    );
    let mut other = checkpointing(run_task());
    other.task.task_id = task_id("other");
    let refused = sent_updates(&bench.run(other));
    assert_eq!(refused[0].status.reason(), v1::task_status::Reason::AgentDraining);

    let task = run_task().task.task_id.value;
    let out = bench.update("exec1", status(&task, TaskState::TaskKilled, 9));
    let update = &sent_updates(&out)[0];
    assert_eq!(update.status.reason(), v1::task_status::Reason::AgentDraining);
    bench.terminated(&container, Some(0));
    let out = bench.acknowledge(&task, &Bytes::from(vec![9; 16]));
    assert_eq!(
        checkpoints(&out).last(),
        Some(&Checkpoint::Drain {
            agent: AGENT.into(),
            config: None
        })
    );
}

#[test]
fn an_agent_with_nothing_to_drain_is_drained_at_once() {
    let (mut bench, _) = ready();
    let out = drain(&mut bench, v1::DrainConfig::default());
    assert_eq!(shape(&out), ["write 3 Drain", "write 4 Drain"]);
}
