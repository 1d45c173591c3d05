//! Messages whose wire form has a field that the v1 types lack.
//!
//! `mesos.SlaveInfo` carries `checkpoint`, which `mesos.v1.AgentInfo` has not. Masters refuse checkpointed
//! resources of an agent that does not say `checkpoint: true`, and agents write it to `slave.info`.

use bytes::Bytes;
use proto::{internal, v1};

/// `mesos.SlaveInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SlaveInfo {
    /// As in `AgentInfo`.
    #[prost(string, required, tag = "1")]
    pub hostname: String,
    /// As in `AgentInfo`.
    #[prost(message, repeated, tag = "3")]
    pub resources: Vec<v1::Resource>,
    /// As in `AgentInfo`.
    #[prost(message, repeated, tag = "5")]
    pub attributes: Vec<v1::Attribute>,
    /// As in `AgentInfo`.
    #[prost(message, optional, tag = "6")]
    pub id: Option<v1::AgentId>,
    /// Always true.
    #[prost(bool, optional, tag = "7")]
    pub checkpoint: Option<bool>,
    /// As in `AgentInfo`.
    #[prost(int32, optional, tag = "8")]
    pub port: Option<i32>,
    /// As in `AgentInfo`.
    #[prost(message, optional, tag = "10")]
    pub domain: Option<v1::DomainInfo>,
}

impl From<v1::AgentInfo> for SlaveInfo {
    fn from(info: v1::AgentInfo) -> Self {
        Self {
            hostname: info.hostname,
            resources: info.resources,
            attributes: info.attributes,
            id: info.id,
            checkpoint: Some(true),
            port: info.port,
            domain: info.domain,
        }
    }
}

/// `mesos.internal.RegisterSlaveMessage` as it is sent.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RegisterSlaveMessage {
    /// The agent.
    #[prost(message, required, tag = "1")]
    pub slave: SlaveInfo,
    /// Its version.
    #[prost(string, optional, tag = "2")]
    pub version: Option<String>,
    /// Dynamic reservations and volumes.
    #[prost(message, repeated, tag = "3")]
    pub checkpointed_resources: Vec<v1::Resource>,
    /// What it is able to do.
    #[prost(message, repeated, tag = "4")]
    pub agent_capabilities: Vec<v1::agent_info::Capability>,
    /// Version of its resources.
    #[prost(message, optional, tag = "5")]
    pub resource_version_uuid: Option<v1::Uuid>,
}

impl prost::Name for RegisterSlaveMessage {
    const PACKAGE: &'static str = "mesos.internal";
    const NAME: &'static str = "RegisterSlaveMessage";
}

impl From<internal::RegisterSlaveMessage> for RegisterSlaveMessage {
    fn from(message: internal::RegisterSlaveMessage) -> Self {
        Self {
            slave: message.slave.into(),
            version: message.version,
            checkpointed_resources: message.checkpointed_resources,
            agent_capabilities: message.agent_capabilities,
            resource_version_uuid: message.resource_version_uuid,
        }
    }
}

/// `mesos.internal.ReregisterSlaveMessage` as it is sent.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReregisterSlaveMessage {
    /// The agent, with its id.
    #[prost(message, required, tag = "2")]
    pub slave: SlaveInfo,
    /// Tasks that are not acknowledged to be over.
    #[prost(message, repeated, tag = "3")]
    pub tasks: Vec<v1::Task>,
    /// Executors that frameworks described.
    #[prost(message, repeated, tag = "4")]
    pub executor_infos: Vec<v1::ExecutorInfo>,
    /// Frameworks that are over here.
    #[prost(message, repeated, tag = "5")]
    pub completed_frameworks: Vec<internal::archive::Framework>,
    /// Its version.
    #[prost(string, optional, tag = "6")]
    pub version: Option<String>,
    /// Dynamic reservations and volumes.
    #[prost(message, repeated, tag = "7")]
    pub checkpointed_resources: Vec<v1::Resource>,
    /// Frameworks that have something here.
    #[prost(message, repeated, tag = "8")]
    pub frameworks: Vec<v1::FrameworkInfo>,
    /// What it is able to do.
    #[prost(message, repeated, tag = "9")]
    pub agent_capabilities: Vec<v1::agent_info::Capability>,
    /// Version of its resources.
    #[prost(message, optional, tag = "10")]
    pub resource_version_uuid: Option<v1::Uuid>,
}

impl prost::Name for ReregisterSlaveMessage {
    const PACKAGE: &'static str = "mesos.internal";
    const NAME: &'static str = "ReregisterSlaveMessage";
}

impl From<internal::ReregisterSlaveMessage> for ReregisterSlaveMessage {
    fn from(message: internal::ReregisterSlaveMessage) -> Self {
        Self {
            slave: message.slave.into(),
            tasks: message.tasks,
            executor_infos: message.executor_infos,
            completed_frameworks: message.completed_frameworks,
            version: message.version,
            checkpointed_resources: message.checkpointed_resources,
            frameworks: message.frameworks,
            agent_capabilities: message.agent_capabilities,
            resource_version_uuid: message.resource_version_uuid,
        }
    }
}

/// The bytes of a message for a log or a test.
pub fn encoded(message: &impl prost::Message) -> Bytes {
    message.encode_to_vec().into()
}
