//! Messages to agents that carry a framework's description: it is the same in all of them, and encoded once.

use prost::encoding;
use proto::v1::{FrameworkInfo, TaskInfo};
use proto::{Message as _, Shared, internal};

use super::ids::{FrameworkId, ToWire};

/// `RunTaskMessage`: an agent is to run a task.
#[derive(Debug, Clone, PartialEq)]
pub struct RunTask {
    /// Of the task's framework.
    pub framework: Shared<FrameworkInfo>,
    /// In the form that this agent knows.
    pub task: TaskInfo,
    /// The UPID of the framework's driver; that of nobody for one that speaks HTTP.
    pub pid: String,
    /// Versions of the agent's resources that the launch rests on.
    pub resource_versions: Vec<internal::ResourceVersionUuid>,
    /// Whether the task's executor is to be started for it.
    pub launch_executor: bool,
}

impl RunTask {
    /// The message in full.
    pub fn message(&self) -> internal::RunTaskMessage {
        internal::RunTaskMessage {
            framework_id: None,
            framework: (*self.framework).clone(),
            task: self.task.clone(),
            resource_version_uuids: self.resource_versions.clone(),
            pid: Some(self.pid.clone()),
            launch_executor: Some(self.launch_executor),
        }
    }

    /// The bytes of [`message`](Self::message).
    pub(super) fn encode(&self) -> Vec<u8> {
        let description = self.framework.protobuf();
        let mut out = Vec::with_capacity(description.len() + self.task.encoded_len() + 64);
        // A message in a message is written as its bytes are.
        encoding::bytes::encode(2, description, &mut out);
        encoding::string::encode(3, &self.pid, &mut out);
        encoding::message::encode(4, &self.task, &mut out);
        encoding::message::encode_repeated(5, &self.resource_versions, &mut out);
        encoding::bool::encode(6, &self.launch_executor, &mut out);
        out
    }
}

/// `UpdateFrameworkMessage`: what became of a framework that has something on an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateFramework {
    /// Its id.
    pub id: FrameworkId,
    /// The UPID of its driver; that of nobody for one that speaks HTTP.
    pub pid: String,
    /// Its description.
    pub info: Shared<FrameworkInfo>,
}

impl UpdateFramework {
    /// The message in full.
    pub fn message(&self) -> internal::UpdateFrameworkMessage {
        internal::UpdateFrameworkMessage {
            framework_id: self.id.to_wire(),
            pid: Some(self.pid.clone()),
            framework_info: Some((*self.info).clone()),
        }
    }

    /// The bytes of [`message`](Self::message).
    pub(super) fn encode(&self) -> Vec<u8> {
        let description = self.info.protobuf();
        let mut out = Vec::with_capacity(description.len() + self.id.as_str().len() + self.pid.len() + 16);
        encoding::message::encode(1, &self.id.to_wire(), &mut out);
        encoding::string::encode(2, &self.pid, &mut out);
        encoding::bytes::encode(3, description, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(name: &str) -> Shared<FrameworkInfo> {
        FrameworkInfo {
            user: "root".to_owned(),
            name: name.to_owned(),
            roles: vec!["web".to_owned()],
            ..FrameworkInfo::default()
        }
        .into()
    }

    proptest! {
        #[test]
        fn they_are_written_as_the_encoder_would(
            name in "[a-z]{0,300}",
            pid in "[a-z@:0-9]{0,20}",
            launch_executor: bool,
            version in prop::option::of(any::<[u8; 16]>()),
        ) {
            let uuid = |bytes: [u8; 16]| internal::ResourceVersionUuid {
                resource_provider_id: None,
                uuid: proto::v1::Uuid { value: bytes.to_vec().into() },
            };
            let run = RunTask {
                framework: info(&name),
                task: TaskInfo { name: name.clone(), ..TaskInfo::default() },
                pid: pid.clone(),
                resource_versions: version.map(uuid).into_iter().collect(),
                launch_executor,
            };
            prop_assert_eq!(run.encode(), run.message().encode_to_vec());
            let update = UpdateFramework { id: FrameworkId::from(name.as_str()), pid, info: info(&name) };
            prop_assert_eq!(update.encode(), update.message().encode_to_vec());
        }
    }
}
