//! What drivers say and hear, by the full names that are on the wire.

use proto::{Message, Name, internal};

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident($message:ty),)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant(Box<$message>),)+
        }

        impl $name {
            /// The full names of all of them.
            pub fn names() -> Vec<String> {
                vec![$(<$message>::full_name(),)+]
            }

            /// Full name and protobuf bytes, ready for the wire.
            pub fn encode(&self) -> (String, Vec<u8>) {
                match self {
                    $(Self::$variant(message) => (<$message>::full_name(), message.encode_to_vec()),)+
                }
            }

            /// The message of that name; `None` when it is none of these, or the bytes are not that message, whole.
            pub fn decode(name: &str, body: bytes::Bytes) -> Option<Self> {
                $(if name == <$message>::full_name() {
                    return proto::decode(body).ok().map(|message| Self::$variant(Box::new(message)));
                })+
                None
            }
        }
    };
}

vocabulary! {
    /// What a scheduler driver says to masters and agents.
    SchedulerSaid {
        /// Everything but what follows.
        Call(proto::scheduler::Call),
        /// The driver was aborted.
        Deactivate(internal::DeactivateFrameworkMessage),
        /// To an executor, straight to its agent.
        FrameworkToExecutor(internal::FrameworkToExecutorMessage),
    }
}

vocabulary! {
    /// What masters and agents say to a scheduler driver.
    SchedulerHeard {
        /// Registered, under this id.
        Registered(internal::FrameworkRegisteredMessage),
        /// Known again.
        Reregistered(internal::FrameworkReregisteredMessage),
        /// Offers, with the address of each one's agent.
        Offers(internal::ResourceOffersMessage),
        /// An offer is void.
        Rescind(internal::RescindResourceOfferMessage),
        /// A task's status.
        StatusUpdate(internal::StatusUpdateMessage),
        /// An agent is gone.
        LostSlave(internal::LostSlaveMessage),
        /// An executor is gone.
        ExitedExecutor(internal::ExitedExecutorMessage),
        /// From an executor.
        ExecutorToFramework(internal::ExecutorToFrameworkMessage),
        /// The end of this driver.
        Error(internal::FrameworkErrorMessage),
    }
}

vocabulary! {
    /// What an executor driver says to its agent.
    ExecutorSaid {
        /// At the start.
        Register(internal::RegisterExecutorMessage),
        /// After the agent came back.
        Reregister(internal::ReregisterExecutorMessage),
        /// A task's status.
        StatusUpdate(internal::StatusUpdateMessage),
        /// To the scheduler.
        ExecutorToFramework(internal::ExecutorToFrameworkMessage),
    }
}

vocabulary! {
    /// What an agent says to an executor driver.
    ExecutorHeard {
        /// Registered; tasks follow.
        Registered(internal::ExecutorRegisteredMessage),
        /// Known again.
        Reregistered(internal::ExecutorReregisteredMessage),
        /// The agent came back: register again.
        Reconnect(internal::ReconnectExecutorMessage),
        /// Run this.
        RunTask(internal::RunTaskMessage),
        /// Kill this.
        KillTask(internal::KillTaskMessage),
        /// An update is stored and has been acknowledged.
        Acknowledgement(internal::StatusUpdateAcknowledgementMessage),
        /// From the scheduler.
        FrameworkToExecutor(internal::FrameworkToExecutorMessage),
        /// End.
        Shutdown(internal::ShutdownExecutorMessage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_by_its_full_name() {
        let message = SchedulerHeard::Error(Box::new(internal::FrameworkErrorMessage {
            message: "no".to_owned(),
        }));
        let (name, body) = message.encode();
        assert_eq!(name, "mesos.internal.FrameworkErrorMessage");
        assert_eq!(SchedulerHeard::decode(&name, body.clone().into()), Some(message));
        assert_eq!(
            SchedulerHeard::decode("mesos.internal.Nothing", body.into()),
            None
        );
        // A required field is missing.
        assert_eq!(SchedulerHeard::decode(&name, bytes::Bytes::new()), None);
    }

    #[test]
    fn the_drivers_call_has_the_old_name() {
        let call = SchedulerSaid::Call(Box::default());
        assert_eq!(call.encode().0, "mesos.scheduler.Call");
    }
}
