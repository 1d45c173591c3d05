//! Who emulated peers say they are.

use std::net::SocketAddrV4;

use proto::{internal, v1};

/// The role everything runs in.
pub(super) const ROLE: &str = "bench";
/// The version that emulated agents tell.
pub(super) const VERSION: &str = "1.11.0";

pub(super) fn resources(text: &str) -> Vec<v1::Resource> {
    resources::Resources::parse(text)
        .map(|parsed| parsed.to_proto())
        .unwrap_or_default()
}

/// The same, held in the role.
pub(super) fn allocated(text: &str) -> Vec<v1::Resource> {
    let mut held = resources(text);
    for resource in &mut held {
        resource.allocation_info = Some(v1::resource::AllocationInfo {
            role: Some(ROLE.to_owned()),
        });
    }
    held
}

pub(super) fn agent(
    address: SocketAddrV4,
    id: Option<v1::AgentId>,
    resources: &[v1::Resource],
) -> v1::AgentInfo {
    v1::AgentInfo {
        hostname: address.ip().to_string(),
        port: Some(i32::from(address.port())),
        resources: resources.to_vec(),
        checkpoint: Some(true),
        id,
        ..v1::AgentInfo::default()
    }
}

/// All that a current agent can do.
pub(super) fn agent_capabilities() -> Vec<v1::agent_info::Capability> {
    (1..=8)
        .map(|number| v1::agent_info::Capability { r#type: Some(number) })
        .collect()
}

pub(super) fn framework(name: &str, id: Option<v1::FrameworkId>) -> v1::FrameworkInfo {
    use v1::framework_info::capability::Type;
    let capabilities = [Type::MultiRole, Type::PartitionAware, Type::ReservationRefinement];
    v1::FrameworkInfo {
        user: "root".to_owned(),
        name: name.to_owned(),
        id,
        roles: vec![ROLE.to_owned()],
        checkpoint: Some(true),
        failover_timeout: Some(3600.0),
        capabilities: capabilities
            .map(|capability| v1::framework_info::Capability {
                r#type: Some(capability.into()),
            })
            .into(),
        ..v1::FrameworkInfo::default()
    }
}

/// The ten labels of the benchmark task.
pub(super) fn labels() -> v1::Labels {
    let label = |number: u32| v1::Label {
        key: format!("key-{number}"),
        value: Some(format!("value-{number}")),
    };
    v1::Labels {
        labels: (0..10).map(label).collect(),
    }
}

/// What an agent sends with the state of a task; 16 random-looking bytes name it.
pub(super) fn status_update(
    framework: v1::FrameworkId,
    agent: v1::AgentId,
    task: v1::TaskId,
    state: v1::TaskState,
    uuid: [u8; 16],
    timestamp: f64,
    pid: String,
) -> internal::StatusUpdateMessage {
    let uuid = bytes::Bytes::copy_from_slice(&uuid);
    let executor = v1::ExecutorId {
        value: task.value.clone(),
    };
    let status = v1::TaskStatus {
        task_id: task,
        state: state.into(),
        source: Some(v1::task_status::Source::Executor.into()),
        agent_id: Some(agent.clone()),
        executor_id: Some(executor.clone()),
        timestamp: Some(timestamp),
        uuid: Some(uuid.clone()),
        ..v1::TaskStatus::default()
    };
    internal::StatusUpdateMessage {
        update: internal::StatusUpdate {
            framework_id: framework,
            executor_id: Some(executor),
            slave_id: Some(agent),
            status,
            timestamp,
            uuid: Some(uuid),
            latest_state: Some(state.into()),
        },
        pid: Some(pid),
    }
}

/// The n-th id of an update: a version 4 uuid, never the same twice.
pub(super) fn uuid(agent: usize, number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&number.to_be_bytes()[2..]);
    bytes[6] = 0x40;
    bytes[8] = 0x80;
    bytes[9..].copy_from_slice(&(agent as u64).to_be_bytes()[1..]);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_of_updates_do_not_repeat() {
        let ids = (0..3).flat_map(|agent| (0..70_000).map(move |number| uuid(agent, number)));
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), 210_000);
    }
}
