//! What travels between hosts, and the two names that a message has at its two ends.

use crate::driver::core::{SchedulerHeard, SchedulerSaid};
use agent::core::{Received, Sent};
use master::core::{AgentBound, AgentMessage, DriverBound, DriverMessage, ObserverId, StreamId};
use process::Upid;
use proto::v1::scheduler::{self, call};

/// One message on its way.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    ToMaster {
        from: Upid,
        message: Box<AgentMessage>,
    },
    Pong {
        from: Upid,
        observer: ObserverId,
    },
    ToAgent {
        from: Upid,
        message: Box<Received>,
    },
    Subscribe {
        attempt: u64,
        subscribe: Box<call::Subscribe>,
    },
    Call {
        stream: StreamId,
        call: Box<scheduler::Call>,
    },
    /// The scheduler's side closed the stream.
    Hangup {
        stream: StreamId,
    },
    /// The first thing on a stream: it is open, and answers that attempt.
    Opened {
        attempt: u64,
        stream: StreamId,
    },
    Event {
        stream: StreamId,
        event: Box<scheduler::Event>,
    },
    StreamEnd {
        stream: StreamId,
    },
    FromDriver {
        from: Upid,
        message: Box<DriverMessage>,
    },
    ToDriver {
        to: Upid,
        message: Box<DriverBound>,
    },
}

impl Packet {
    pub(crate) fn tag(&self) -> u8 {
        match self {
            Self::ToMaster { .. } => 1,
            Self::Pong { .. } => 2,
            Self::ToAgent { .. } => 3,
            Self::Subscribe { .. } => 4,
            Self::Call { .. } => 5,
            Self::Hangup { .. } => 6,
            Self::Opened { .. } => 7,
            Self::Event { .. } => 8,
            Self::StreamEnd { .. } => 9,
            Self::FromDriver { .. } => 10,
            Self::ToDriver { .. } => 11,
        }
    }

    /// Whether its sender repeats it until it is answered, over the connection that stands: several copies may
    /// come one after another, but none overtakes anything.
    pub(crate) fn is_registration(&self) -> bool {
        match self {
            Self::ToMaster { message, .. } => {
                matches!(**message, AgentMessage::Register(_) | AgentMessage::Reregister(_))
            }
            Self::FromDriver { message, .. } => {
                matches!(&**message, DriverMessage::Call(call) if call.r#type() == call::Type::Subscribe)
            }
            _ => false,
        }
    }

    /// Whether its sender repeats it until it is answered, so that a copy of it may come late over an older
    /// connection.
    pub(crate) fn is_repeated(&self) -> bool {
        match self {
            Self::ToMaster { message, .. } => matches!(**message, AgentMessage::StatusUpdate(_)),
            Self::ToAgent { message, .. } => matches!(
                **message,
                Received::PingSlave(_) | Received::StatusUpdateAcknowledgement(_)
            ),
            Self::Pong { .. } => true,
            _ => false,
        }
    }
}

/// What the master receives of what a driver sends; `None` for what goes to an agent.
pub(crate) fn from_driver(said: SchedulerSaid) -> Option<DriverMessage> {
    match said {
        SchedulerSaid::Call(call) => Some(DriverMessage::Call(call)),
        SchedulerSaid::Deactivate(message) => Some(DriverMessage::Deactivate(*message)),
        SchedulerSaid::FrameworkToExecutor(_) => None,
    }
}

/// What a driver receives of what the master sends; `None` for what drivers have no ear for.
pub(crate) fn to_driver(bound: DriverBound) -> Option<SchedulerHeard> {
    Some(match bound {
        DriverBound::Registered(message) => SchedulerHeard::Registered(Box::new(message)),
        DriverBound::Reregistered(message) => SchedulerHeard::Reregistered(Box::new(message)),
        DriverBound::Offers(message) => SchedulerHeard::Offers(Box::new(message)),
        DriverBound::Rescind(message) => SchedulerHeard::Rescind(Box::new(message)),
        DriverBound::Update(message) => SchedulerHeard::StatusUpdate(Box::new(message)),
        DriverBound::LostAgent(message) => SchedulerHeard::LostSlave(Box::new(message)),
        DriverBound::ExitedExecutor(message) => SchedulerHeard::ExitedExecutor(Box::new(message)),
        DriverBound::Message(message) => SchedulerHeard::ExecutorToFramework(Box::new(message)),
        DriverBound::Error(message) => SchedulerHeard::Error(Box::new(message)),
        DriverBound::SubmitScheduler(_) => return None,
    })
}

/// What the master receives of what an agent sends; `None` for a pong, which goes to an observer.
pub(crate) fn to_master(sent: Sent) -> Option<AgentMessage> {
    Some(match sent {
        Sent::RegisterSlave(message) => AgentMessage::Register(message),
        Sent::ReregisterSlave(message) => AgentMessage::Reregister(message),
        Sent::UnregisterSlave(message) => AgentMessage::Unregister(message),
        Sent::UpdateSlave(message) => AgentMessage::UpdateAgent(message),
        // Pongs go to an observer, the others to executors that speak libprocess.
        Sent::PongSlave(_)
        | Sent::ExecutorRegistered(_)
        | Sent::ExecutorReregistered(_)
        | Sent::ReconnectExecutor(_)
        | Sent::ShutdownExecutor(_)
        | Sent::RunTask(_)
        | Sent::KillTask(_)
        | Sent::StatusUpdateAcknowledgement(_)
        | Sent::FrameworkToExecutor(_) => return None,
        Sent::StatusUpdate(message) => AgentMessage::StatusUpdate(message),
        Sent::ExitedExecutor(message) => AgentMessage::ExitedExecutor(message),
        Sent::ExecutorToFramework(message) => AgentMessage::ExecutorToFramework(message),
        Sent::UpdateOperationStatus(message) => AgentMessage::UpdateOperationStatus(message),
    })
}

/// What an agent receives of what the master sends; `None` for what this agent has no ear for.
pub(crate) fn to_agent(bound: AgentBound) -> Option<Received> {
    Some(match bound {
        AgentBound::Registered(message) => Received::SlaveRegistered(message),
        AgentBound::Reregistered(message) => Received::SlaveReregistered(message),
        AgentBound::Ping(message) => Received::PingSlave(message),
        AgentBound::Shutdown(message) => Received::Shutdown(message),
        AgentBound::UpdateFramework(message) => Received::UpdateFramework(Box::new(message.message())),
        AgentBound::ShutdownFramework(message) => Received::ShutdownFramework(message),
        AgentBound::RunTask(message) => Received::RunTask(Box::new(message.message())),
        AgentBound::RunTaskGroup(message) => Received::RunTaskGroup(Box::new(message)),
        AgentBound::KillTask(message) => Received::KillTask(message),
        AgentBound::ShutdownExecutor(message) => Received::ShutdownExecutor(message),
        AgentBound::Acknowledge(message) => Received::StatusUpdateAcknowledgement(message),
        AgentBound::FrameworkToExecutor(message) => Received::FrameworkToExecutor(message),
        AgentBound::ApplyOperation(message) => Received::ApplyOperation(Box::new(message)),
        AgentBound::AcknowledgeOperation(message) => Received::AcknowledgeOperationStatus(message),
        AgentBound::ReconcileOperations(message) => Received::ReconcileOperations(message),
        AgentBound::CheckpointResources(message) => Received::CheckpointResources(message),
        AgentBound::Drain(message) => Received::DrainSlave(message),
    })
}
