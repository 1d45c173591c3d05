//! What a master says to v0 drivers (internal-protocol §4, §8, §9): the events of the v1 API, as messages.

use process::Upid;
use proto::internal::{
    ExecutorToFrameworkMessage, ExitedExecutorMessage, FrameworkErrorMessage, FrameworkRegisteredMessage,
    FrameworkReregisteredMessage, LostSlaveMessage, RescindResourceOfferMessage, ResourceOffersMessage,
    StatusUpdate, StatusUpdateMessage, SubmitSchedulerResponse,
};
use proto::v1::TaskStatus;
use proto::v1::scheduler::event;

use super::ids::{FrameworkId, ToWire};

/// One message to a driver.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "always behind a box, and most are updates, the largest"
)]
pub enum DriverBound {
    Registered(FrameworkRegisteredMessage),
    Reregistered(FrameworkReregisteredMessage),
    Offers(ResourceOffersMessage),
    Rescind(RescindResourceOfferMessage),
    Update(StatusUpdateMessage),
    LostAgent(LostSlaveMessage),
    ExitedExecutor(ExitedExecutorMessage),
    Message(ExecutorToFrameworkMessage),
    Error(FrameworkErrorMessage),
    SubmitScheduler(SubmitSchedulerResponse),
}

impl DriverBound {
    /// The error that makes a driver abort.
    pub fn error(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Error(FrameworkErrorMessage { message })
    }

    /// Full name of the message and its protobuf bytes, ready for the wire.
    pub fn encode(&self) -> (String, Vec<u8>) {
        fn named<M: proto::Message + proto::Name>(message: &M) -> (String, Vec<u8>) {
            (M::full_name(), message.encode_to_vec())
        }
        match self {
            Self::Registered(message) => named(message),
            Self::Reregistered(message) => named(message),
            Self::Offers(message) => named(message),
            Self::Rescind(message) => named(message),
            Self::Update(message) => named(message),
            Self::LostAgent(message) => named(message),
            Self::ExitedExecutor(message) => named(message),
            Self::Message(message) => named(message),
            Self::Error(message) => named(message),
            Self::SubmitScheduler(message) => named(message),
        }
    }

    /// The event of the v1 API that says the same; none for the answer to `SubmitSchedulerRequest`.
    pub fn kind(&self) -> Option<event::Type> {
        match self {
            Self::Registered(_) | Self::Reregistered(_) => Some(event::Type::Subscribed),
            Self::Offers(_) => Some(event::Type::Offers),
            Self::Rescind(_) => Some(event::Type::Rescind),
            Self::Update(_) => Some(event::Type::Update),
            Self::LostAgent(_) | Self::ExitedExecutor(_) => Some(event::Type::Failure),
            Self::Message(_) => Some(event::Type::Message),
            Self::Error(_) => Some(event::Type::Error),
            Self::SubmitScheduler(_) => None,
        }
    }
}

/// The update message for a status that the master made itself. Compat: `pid` says whom to acknowledge, and a driver must
/// not acknowledge these: it is the address of nobody, or absent in an answer to a reconciliation.
pub(super) fn update(framework: &FrameworkId, status: &TaskStatus, answer: bool) -> DriverBound {
    let mut status = status.clone();
    // Compat: a driver finds the executor beside the status.
    let executor_id = status.executor_id.take();
    let update = StatusUpdate {
        framework_id: framework.to_wire(),
        executor_id,
        slave_id: status.agent_id.clone(),
        timestamp: status.timestamp(),
        uuid: None,
        latest_state: None,
        status,
    };
    let pid = (!answer).then(|| Upid::empty().to_string());
    DriverBound::Update(StatusUpdateMessage { update, pid })
}
