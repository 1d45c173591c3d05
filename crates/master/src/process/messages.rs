//! What agents say, as inputs of the core.

use ::process::{Context, Upid};
use bytes::Bytes;
use proto::{Message, Name, Required, internal};

use super::MasterProcess;
use crate::core::{AgentMessage, Input};

impl MasterProcess {
    /// Binds every message that agents send to the master (facts: internal-protocol.md §4).
    pub(super) fn install_messages(context: &mut Context<Self>) {
        install(context, |message| AgentMessage::Register(Box::new(message)));
        install(context, |message| AgentMessage::Reregister(Box::new(message)));
        install(context, AgentMessage::Unregister);
        install(context, |message| AgentMessage::UpdateAgent(Box::new(message)));
        install(context, |message| AgentMessage::StatusUpdate(Box::new(message)));
        install(context, AgentMessage::ExitedExecutor);
        install(context, AgentMessage::ExecutorToFramework);
        install(context, |message| {
            AgentMessage::UpdateOperationStatus(Box::new(message))
        });
        context.install_raw(internal::AuthenticateMessage::full_name(), Self::on_authenticate);
    }

    /// There is no authenticator: the agent (or driver) is told so, and goes on without if it may.
    fn on_authenticate(&mut self, context: &mut Context<Self>, from: &Upid, body: Bytes) {
        match proto::decode::<internal::AuthenticateMessage>(body) {
            Err(error) => tracing::warn!("Dropping an authentication request from {from}: {error}"),
            Ok(message) => {
                tracing::warn!(
                    "Refusing to authenticate {}: no authenticator is loaded",
                    message.pid
                );
                let error = "No authenticator loaded".to_owned();
                context.send(from, &internal::AuthenticationErrorMessage { error: Some(error) });
            }
        }
    }
}

/// Binds one message; what lacks a required field is dropped.
fn install<M: Message + Name + Required + Default>(
    context: &mut Context<MasterProcess>,
    wrap: impl Fn(M) -> AgentMessage + Send + 'static,
) {
    context.install_raw(
        M::full_name(),
        move |this: &mut MasterProcess, context, from, body| match proto::decode::<M>(body) {
            Ok(message) => this.step(
                context,
                Input::Agent {
                    from: from.clone(),
                    message: wrap(message),
                },
            ),
            Err(error) => tracing::warn!("Dropping {} from {from}: {error}", M::NAME),
        },
    );
}
