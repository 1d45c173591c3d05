//! What several tests of this crate need.

use bytes::Bytes;
use proto::{Json, Message, Required, decode, json};

/// A message type behind its full name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Decodes protobuf, checks required fields, encodes again.
    pub(crate) protobuf: fn(&[u8]) -> Result<Vec<u8>, String>,
    /// Reads JSON and writes it again.
    pub(crate) json: fn(&[u8]) -> Result<Vec<u8>, json::Error>,
    /// Protobuf to JSON.
    pub(crate) to_json: fn(&[u8]) -> Result<Vec<u8>, String>,
    /// JSON to protobuf.
    pub(crate) to_protobuf: fn(&[u8]) -> Result<Vec<u8>, json::Error>,
}

fn kind<M: Message + Json + Required + Default>(name: &'static str) -> Kind {
    Kind {
        name,
        protobuf: |bytes| {
            let message = decode::<M>(Bytes::copy_from_slice(bytes)).map_err(|error| format!("{error:?}"))?;
            Ok(message.encode_to_vec())
        },
        json: |bytes| Ok(json::to_vec(&json::from_slice::<M>(bytes)?)),
        to_json: |bytes| {
            let message = decode::<M>(Bytes::copy_from_slice(bytes)).map_err(|error| format!("{error:?}"))?;
            Ok(json::to_vec(&message))
        },
        to_protobuf: |bytes| Ok(json::from_slice::<M>(bytes)?.encode_to_vec()),
    }
}

macro_rules! kinds {
    ($($package:literal: $module:path { $($message:ident)* })*) => {
        /// Calls, events, responses and everything that masters, agents and drivers send each other.
        pub(crate) fn kinds() -> Vec<Kind> {
            let mut kinds = Vec::new();
            $({
                use $module as module;
                $(kinds.push(kind::<module::$message>(<module::$message as proto::Name>::NAME));)*
                let from = kinds.len() - [$(stringify!($message)),*].len();
                for kind in &mut kinds[from..] {
                    kind.name = format!("{}.{}", $package, kind.name).leak();
                }
            })*
            kinds
        }
    };
}

kinds! {
    "mesos.v1.master": proto::v1::master { Call Response Event }
    "mesos.v1.agent": proto::v1::agent { Call Response ProcessIo }
    "mesos.v1.scheduler": proto::v1::scheduler { Call Response Event }
    "mesos.v1.executor": proto::v1::executor { Call Event }
    "mesos.v1.resource_provider": proto::v1::resource_provider { Call Event }
    "mesos.internal": proto::internal {
        AcknowledgeOperationStatusMessage ApplyOperationMessage AuthenticateMessage AuthenticationCompletedMessage
        AuthenticationErrorMessage AuthenticationFailedMessage AuthenticationMechanismsMessage
        AuthenticationStartMessage AuthenticationStepMessage CheckpointResourcesMessage
        DeactivateFrameworkMessage DrainSlaveMessage ExecutorRegisteredMessage ExecutorReregisteredMessage
        ExecutorToFrameworkMessage ExitedExecutorMessage FrameworkErrorMessage FrameworkRegisteredMessage
        FrameworkReregisteredMessage FrameworkToExecutorMessage InverseOffersMessage KillTaskMessage
        LaunchTasksMessage LostSlaveMessage PingSlaveMessage PongSlaveMessage ReconcileOperationsMessage
        ReconcileTasksMessage ReconnectExecutorMessage RegisterExecutorMessage RegisterFrameworkMessage
        RegisterSlaveMessage Registry ReregisterExecutorMessage ReregisterFrameworkMessage ReregisterSlaveMessage
        RescindInverseOfferMessage RescindResourceOfferMessage ResourceOffersMessage ResourceProviderCallMessage
        ResourceProviderEventMessage ResourceRequestMessage ReviveOffersMessage RunTaskGroupMessage RunTaskMessage
        ShutdownExecutorMessage ShutdownFrameworkMessage ShutdownMessage SlaveRegisteredMessage
        SlaveReregisteredMessage StatusUpdateAcknowledgementMessage StatusUpdateMessage StatusUpdateRecord
        TaskHealthStatus UnregisterFrameworkMessage UnregisterSlaveMessage UpdateFrameworkMessage
        UpdateOperationStatusMessage UpdateOperationStatusRecord UpdateSlaveMessage
    }
}

/// The kind of that full name.
pub(crate) fn kind_named(name: &str) -> Kind {
    kinds()
        .into_iter()
        .find(|kind| kind.name == name)
        .unwrap_or_else(|| panic!("no kind {name}"))
}
