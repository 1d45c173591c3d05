//! What is read in passing equals what is read in full, and what is written into the bytes equals what the schema's encoder
//! writes.

use bytes::Bytes;
use proptest::prelude::*;
use proto::v1::{self, TaskState};
use proto::{Message as _, internal, json};

use super::*;

/// States that a task may be in, or be said to be in.
const STATES: [TaskState; 6] = [
    TaskState::TaskStaging,
    TaskState::TaskStarting,
    TaskState::TaskRunning,
    TaskState::TaskFinished,
    TaskState::TaskLost,
    TaskState::TaskUnreachable,
];

fn states() -> impl Strategy<Value = TaskState> {
    prop::sample::select(&STATES[..])
}

fn texts() -> impl Strategy<Value = String> {
    "[a-zé0-9./-]{0,12}"
}

fn maybe<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>>
where
    S::Value: Clone,
{
    prop::option::of(strategy)
}

fn labels() -> impl Strategy<Value = v1::Labels> {
    let label = (texts(), maybe(texts())).prop_map(|(key, value)| v1::Label { key, value });
    prop::collection::vec(label, 0..3).prop_map(|labels| v1::Labels { labels })
}

fn resources() -> impl Strategy<Value = Vec<v1::Resource>> {
    prop::sample::select(vec![
        "",
        "cpus:1",
        "cpus:0.5;mem:128;ports:[31000-31002, 31010-31010]",
        "cpus(web):1;gpus:2;colours:{red, blue}",
    ])
    .prop_map(|text| resources::Resources::parse(text).unwrap().to_proto())
}

prop_compose! {
    fn statuses()(
        state in states(),
        task in texts(),
        uuid in maybe(any::<[u8; 16]>()),
        message in maybe(texts()),
        timestamp in maybe(0u32..1_000_000),
        healthy in maybe(any::<bool>()),
        labels in maybe(labels()),
    ) -> v1::TaskStatus {
        v1::TaskStatus {
            task_id: v1::TaskId { value: task },
            state: state.into(),
            uuid: uuid.map(|uuid| Bytes::copy_from_slice(&uuid)),
            message,
            timestamp: timestamp.map(f64::from),
            healthy,
            labels,
            ..v1::TaskStatus::default()
        }
    }
}

prop_compose! {
    fn containers()(hostname in maybe(texts()), share in maybe(any::<bool>())) -> v1::ContainerInfo {
        v1::ContainerInfo {
            r#type: v1::container_info::Type::Mesos.into(),
            hostname,
            linux_info: Some(v1::LinuxInfo { share_cgroups: share, ..v1::LinuxInfo::default() }),
            ..v1::ContainerInfo::default()
        }
    }
}

prop_compose! {
    fn tasks()(
        (name, id, framework, agent) in (texts(), texts(), texts(), texts()),
        executor in maybe(texts()),
        state in states(),
        resources in resources(),
        statuses in prop::collection::vec(statuses(), 0..4),
        told in maybe((states(), any::<[u8; 16]>())),
        labels in maybe(labels()),
        container in maybe(containers()),
        user in maybe(texts()),
        health_check in maybe(texts()),
        limits in prop::collection::btree_map(texts(), 0u32..9, 0..3),
    ) -> v1::Task {
        v1::Task {
            name,
            task_id: v1::TaskId { value: id },
            framework_id: v1::FrameworkId { value: framework },
            executor_id: executor.map(|value| v1::ExecutorId { value }),
            agent_id: v1::AgentId { value: agent },
            state: state.into(),
            resources,
            statuses,
            status_update_state: told.map(|(state, _)| state.into()),
            status_update_uuid: told.map(|(_, uuid)| Bytes::copy_from_slice(&uuid)),
            labels,
            discovery: None,
            container,
            health_check: health_check.map(|command| v1::HealthCheck {
                command: Some(v1::CommandInfo { value: Some(command), ..v1::CommandInfo::default() }),
                ..v1::HealthCheck::default()
            }),
            kill_policy: None,
            user,
            limits: limits
                .into_iter()
                .map(|(name, value)| (name, v1::value::Scalar { value: value.into() }))
                .collect(),
        }
    }
}

fn json_of(task: &v1::Task) -> Vec<u8> {
    let mut out = Vec::new();
    json::write(task, &mut out);
    out
}

/// What a v0 endpoint would write; here the task's whole text, so that any difference shows.
fn text_of(record: &Record) -> Vec<u8> {
    record
        .v0(|task, out| out.extend_from_slice(format!("{task:?}").as_bytes()))
        .to_vec()
}

#[test]
fn a_history_keeps_its_beginning_and_its_end() {
    let status = |number: usize| v1::TaskStatus {
        state: [TaskState::TaskRunning, TaskState::TaskUnreachable][number % 2].into(),
        message: Some(number.to_string()),
        ..v1::TaskStatus::default()
    };
    let mut record = Record::new(&v1::Task::default());
    for number in 0..1_000 {
        record.advance(&Progress {
            state: status(number).state(),
            status: &status(number),
            told: None,
        });
    }
    let kept: Vec<_> = record
        .read()
        .statuses
        .into_iter()
        .filter_map(|status| status.message)
        .collect();
    let last = 1_000 - (HISTORY - 1)..1_000;
    let expected: Vec<_> = std::iter::once(0)
        .chain(last)
        .map(|number| number.to_string())
        .collect();
    assert_eq!(kept, expected);
}

proptest! {
    #[test]
    fn what_is_read_in_passing_is_what_the_whole_says(task in tasks()) {
        let record = Record::new(&task);
        let (first, last) = (record.first_status(), record.last_status());
        prop_assert_eq!(record.read(), task.clone());
        prop_assert_eq!(record.protobuf(), task.encode_to_vec());
        prop_assert_eq!(record.state(), task.state());
        prop_assert_eq!(record.task_id(), &task.task_id.value);
        prop_assert_eq!(record.framework_id(), &task.framework_id.value);
        prop_assert_eq!(record.agent_id(), &task.agent_id.value);
        prop_assert_eq!(record.user(), task.user.as_deref());
        prop_assert_eq!(record.container(), task.container.clone());
        prop_assert_eq!(first.as_ref(), task.statuses.first());
        prop_assert_eq!(last.as_ref(), task.statuses.last());
        prop_assert_eq!(record.told_state(), task.status_update_state.map(|_| task.status_update_state()));
        prop_assert_eq!(record.told_uuid(), task.status_update_uuid.as_deref());
    }

    #[test]
    fn an_update_changes_bytes_and_texts_as_it_changes_the_task(
        task in tasks(),
        updates in prop::collection::vec((states(), statuses(), maybe(any::<[u8; 16]>())), 1..4),
    ) {
        let (mut record, mut model) = (Record::new(&task), task.clone());
        let before = record.clone();
        for (state, status, told) in updates {
            // Asked for in between, so that what is kept of it would show if it were not forgotten.
            prop_assert_eq!(record.json(), json_of(&model));
            prop_assert_eq!(text_of(&record), format!("{model:?}").into_bytes());
            record.advance(&Progress {
                state,
                status: &status,
                told: told.as_ref().map(|uuid| (status.state(), &uuid[..])),
            });
            model.set_state(state);
            if let Some(uuid) = told {
                model.set_status_update_state(status.state());
                model.status_update_uuid = Some(Bytes::copy_from_slice(&uuid));
            }
            match model.statuses.last_mut() {
                Some(last) if last.state == status.state => *last = status,
                _ => model.statuses.push(status),
            }
            prop_assert_eq!(record.protobuf(), model.encode_to_vec());
            prop_assert_eq!(record.state(), state);
        }
        prop_assert_eq!(record.json(), json_of(&model));
        prop_assert_eq!(text_of(&record), format!("{model:?}").into_bytes());
        prop_assert_eq!(before.json(), json_of(&task), "clones keep the old task");
    }

    #[test]
    fn a_launched_task_is_written_as_the_encoder_would(
        model in tasks(),
        command in maybe(maybe(texts())),
        executor in maybe(maybe(texts())),
    ) {
        let command_of = |user| v1::CommandInfo { user, ..v1::CommandInfo::default() };
        let info = v1::TaskInfo {
            name: model.name.clone(),
            task_id: model.task_id.clone(),
            agent_id: model.agent_id.clone(),
            resources: model.resources.clone(),
            executor: executor.clone().map(|user| v1::ExecutorInfo {
                executor_id: v1::ExecutorId { value: "e".to_owned() },
                command: Some(command_of(user)),
                ..v1::ExecutorInfo::default()
            }),
            command: command.clone().map(command_of),
            labels: model.labels.clone(),
            container: model.container.clone(),
            health_check: model.health_check.clone(),
            limits: model.limits.clone(),
            ..v1::TaskInfo::default()
        };
        let expected = v1::Task {
            executor_id: executor.is_some().then(|| v1::ExecutorId { value: "e".to_owned() }),
            state: TaskState::TaskStaging.into(),
            statuses: Vec::new(),
            status_update_state: None,
            status_update_uuid: None,
            user: command.unwrap_or_else(|| executor.flatten()),
            ..model
        };
        let framework = FrameworkId::from(&expected.framework_id);
        let record = Record::launched(&info, &framework);
        prop_assert_eq!(record.protobuf(), expected.encode_to_vec());
        prop_assert_eq!(record.state(), TaskState::TaskStaging);
    }

    #[test]
    fn history_is_told_unread_and_read_the_same(all in prop::collection::vec(tasks(), 0..4)) {
        let archive = internal::archive::Framework {
            tasks: all.clone(),
            ..internal::archive::Framework::default()
        }
        .encode_to_vec();
        let found: Vec<_> = archived_tasks(&archive)
            .map(|task| (task.framework.to_owned(), task.remembered()))
            .collect();
        let read: Vec<_> = found
            .iter()
            .map(|(framework, past)| (framework.clone(), past.record().unwrap().read()))
            .collect();
        let expected: Vec<_> = all
            .into_iter()
            .map(|task| (task.framework_id.value.clone(), task))
            .collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_bytes_are_no_history_or_some(bytes: Vec<u8>) {
        for task in archived_tasks(&bytes) {
            // Whatever it is, it can be shown or is left out.
            if let Some(record) = task.remembered().record() {
                prop_assert_eq!(record.json(), json_of(&record.read()));
            }
        }
    }
}

#[test]
fn what_was_no_task_is_not_shown() {
    let mut task = v1::Task {
        framework_id: v1::FrameworkId {
            value: "f".to_owned(),
        },
        ..v1::Task::default()
    }
    .encode_to_vec();
    // A name that is not text.
    task.extend_from_slice(b"\x0a\x02\xff\xff");
    let mut archive = vec![0x1a, u8::try_from(task.len()).unwrap()];
    archive.extend_from_slice(&task);
    let found: Vec<_> = archived_tasks(&archive).collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].remembered().record().is_none());
}
