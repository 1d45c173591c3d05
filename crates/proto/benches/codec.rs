//! Encoding and decoding of events and of a cluster's whole state, in both formats, beside a copy of the same bytes.
//!
//! `cargo bench -p proto`; what was expected and what came out is in docs/performance/codecs.md.
#![allow(clippy::unwrap_used, reason = "a benchmark may stop")]

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use proto::ContentType::{self, Json, Protobuf};
use proto::v1::master::{Event, Response, event, response};
use proto::v1::{self, TaskState};
use proto::{Message, Required};

fn main() {
    divan::main();
}

const FORMATS: [ContentType; 2] = [Protobuf, Json];

/// Numbers of tasks with the samples that each can afford.
const SMALL: usize = 1_000;
const LARGE: usize = 100_000;

#[divan::bench(args = FORMATS)]
fn task_added_encode(bencher: Bencher<'_, '_>, format: ContentType) {
    encode(bencher, format, &task_added());
}

#[divan::bench(args = FORMATS)]
fn task_added_decode(bencher: Bencher<'_, '_>, format: ContentType) {
    decode(bencher, format, &task_added());
}

#[divan::bench(args = FORMATS)]
fn task_added_memcpy(bencher: Bencher<'_, '_>, format: ContentType) {
    copy(bencher, format, &task_added());
}

#[divan::bench(args = FORMATS)]
fn task_updated_encode(bencher: Bencher<'_, '_>, format: ContentType) {
    encode(bencher, format, &task_updated());
}

#[divan::bench(args = FORMATS)]
fn task_updated_decode(bencher: Bencher<'_, '_>, format: ContentType) {
    decode(bencher, format, &task_updated());
}

#[divan::bench(args = FORMATS)]
fn task_updated_memcpy(bencher: Bencher<'_, '_>, format: ContentType) {
    copy(bencher, format, &task_updated());
}

#[divan::bench(args = FORMATS)]
fn state_of_1000_encode(bencher: Bencher<'_, '_>, format: ContentType) {
    encode(bencher, format, &state(SMALL));
}

#[divan::bench(args = FORMATS)]
fn state_of_1000_decode(bencher: Bencher<'_, '_>, format: ContentType) {
    decode(bencher, format, &state(SMALL));
}

#[divan::bench(args = FORMATS)]
fn state_of_1000_memcpy(bencher: Bencher<'_, '_>, format: ContentType) {
    copy(bencher, format, &state(SMALL));
}

#[divan::bench(args = FORMATS, sample_count = 5, sample_size = 1)]
fn state_of_100000_encode(bencher: Bencher<'_, '_>, format: ContentType) {
    encode(bencher, format, &state(LARGE));
}

#[divan::bench(args = FORMATS, sample_count = 5, sample_size = 1)]
fn state_of_100000_decode(bencher: Bencher<'_, '_>, format: ContentType) {
    decode(bencher, format, &state(LARGE));
}

#[divan::bench(args = FORMATS, sample_count = 5, sample_size = 1)]
fn state_of_100000_memcpy(bencher: Bencher<'_, '_>, format: ContentType) {
    copy(bencher, format, &state(LARGE));
}

/// The walk over required fields alone; it is part of every decode from protobuf.
#[divan::bench]
fn state_of_1000_required(bencher: Bencher<'_, '_>) {
    let bytes = state(SMALL).encode_to_vec();
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench(|| Response::missing(divan::black_box(&bytes)));
}

/// prost alone, without that walk.
#[divan::bench]
fn state_of_1000_prost(bencher: Bencher<'_, '_>) {
    let bytes = Bytes::from(state(SMALL).encode_to_vec());
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench(|| Response::decode(bytes.clone()).unwrap());
}

fn encode<M: Message + proto::Json>(bencher: Bencher<'_, '_>, format: ContentType, message: &M) {
    let length = format.encode(message).len();
    bencher
        .counter(BytesCount::new(length))
        .bench(|| format.encode(divan::black_box(message)));
}

fn decode<M: Message + proto::Json + Required + Default>(
    bencher: Bencher<'_, '_>,
    format: ContentType,
    message: &M,
) {
    let bytes = format.encode(message);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench(|| format.decode::<M>(bytes.clone()).unwrap());
}

fn copy<M: Message + proto::Json>(bencher: Bencher<'_, '_>, format: ContentType, message: &M) {
    let bytes = format.encode(message);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench(|| divan::black_box(&bytes).to_vec());
}

fn task_added() -> Event {
    let task_added = event::TaskAdded { task: task(7) };
    Event {
        r#type: Some(event::Type::TaskAdded.into()),
        task_added: Some(task_added),
        ..Event::default()
    }
}

fn task_updated() -> Event {
    let task = task(7);
    let task_updated = event::TaskUpdated {
        framework_id: task.framework_id,
        status: task.statuses[1].clone(),
        state: task.state,
    };
    Event {
        r#type: Some(event::Type::TaskUpdated.into()),
        task_updated: Some(task_updated),
        ..Event::default()
    }
}

fn state(tasks: usize) -> Response {
    let tasks = (0..tasks).map(task).collect();
    let get_tasks = response::GetTasks {
        tasks,
        ..response::GetTasks::default()
    };
    let get_state = response::GetState {
        get_tasks: Some(get_tasks),
        ..response::GetState::default()
    };
    let r#type = Some(response::Type::GetState.into());
    Response {
        r#type,
        get_state: Some(get_state),
        ..Response::default()
    }
}

/// A running task like those of the recordings: four resources, two statuses, labels.
fn task(number: usize) -> v1::Task {
    let scalar = |name: &str, value: f64| v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        allocation_info: Some(v1::resource::AllocationInfo {
            role: Some("web".to_owned()),
        }),
        ..v1::Resource::default()
    };
    let port = 31_000 + number as u64 % 1000;
    let ports = v1::Resource {
        name: "ports".to_owned(),
        r#type: v1::value::Type::Ranges.into(),
        ranges: Some(v1::value::Ranges {
            range: vec![v1::value::Range {
                begin: port,
                end: port,
            }],
        }),
        allocation_info: Some(v1::resource::AllocationInfo {
            role: Some("web".to_owned()),
        }),
        ..v1::Resource::default()
    };
    let task_id = v1::TaskId {
        value: format!("service.web.instance-{number:08}"),
    };
    let agent_id = v1::AgentId {
        value: format!("ae0e5a09-39b0-43cb-bdcf-5b2a16361e08-S{}", number % 500),
    };
    let status = |state: TaskState, at: f64| v1::TaskStatus {
        task_id: task_id.clone(),
        state: state.into(),
        source: Some(v1::task_status::Source::Executor.into()),
        agent_id: Some(agent_id.clone()),
        executor_id: Some(v1::ExecutorId {
            value: task_id.value.clone(),
        }),
        timestamp: Some(1_795_221_949.188_136 + at + number as f64 / 1024.0),
        uuid: Some(Bytes::copy_from_slice(&[u8::try_from(number % 251).unwrap(); 16])),
        container_status: Some(v1::ContainerStatus {
            container_id: Some(v1::ContainerId {
                value: "be51a9de-2537-419b-aa46-a23171a23c9d".to_owned(),
                parent: None,
            }),
            network_infos: vec![v1::NetworkInfo {
                ip_addresses: vec![v1::network_info::IpAddress {
                    protocol: Some(v1::network_info::Protocol::IPv4.into()),
                    ip_address: Some("10.1.2.3".to_owned()),
                }],
                ..v1::NetworkInfo::default()
            }],
            executor_pid: Some(21_208),
            ..v1::ContainerStatus::default()
        }),
        ..v1::TaskStatus::default()
    };
    let label = |key: &str, value: &str| v1::Label {
        key: key.to_owned(),
        value: Some(value.to_owned()),
    };
    v1::Task {
        name: format!("web-{number}"),
        framework_id: v1::FrameworkId {
            value: "ae0e5a09-39b0-43cb-bdcf-5b2a16361e08-0000".to_owned(),
        },
        state: TaskState::TaskRunning.into(),
        resources: vec![
            scalar("cpus", 0.5),
            scalar("mem", 128.0),
            scalar("disk", 32.0),
            ports,
        ],
        statuses: vec![
            status(TaskState::TaskStarting, 0.0),
            status(TaskState::TaskRunning, 0.25),
        ],
        status_update_state: Some(TaskState::TaskRunning.into()),
        status_update_uuid: Some(Bytes::from_static(&[7; 16])),
        labels: Some(v1::Labels {
            labels: vec![label("team", "core"), label("tier", "front")],
        }),
        task_id,
        agent_id,
        ..v1::Task::default()
    }
}
