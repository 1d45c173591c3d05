//! What agents and drivers say, as inputs of the core.

use ::process::{Context, Upid};
use proto::{Message, Name, Required, internal};

use super::MasterProcess;
use crate::core::{AgentMessage, DriverMessage, FrameworkId, Input};

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
        Self::install_driver_messages(context);
        context.install_raw(internal::AuthenticateMessage::full_name(), Self::on_authenticate);
    }

    /// Binds every message that v0 drivers send to the master.
    fn install_driver_messages(context: &mut Context<Self>) {
        install_driver(context, |message| DriverMessage::Call(Box::new(message)));
        install_driver(context, |message| DriverMessage::Register(Box::new(message)));
        install_driver(context, |message| DriverMessage::Reregister(Box::new(message)));
        install_driver(context, DriverMessage::Unregister);
        install_driver(context, DriverMessage::Deactivate);
        install_driver(context, DriverMessage::ResourceRequest);
        install_driver(context, |message| DriverMessage::LaunchTasks(Box::new(message)));
        install_driver(context, DriverMessage::ReviveOffers);
        install_driver(context, DriverMessage::KillTask);
        install_driver(context, DriverMessage::Acknowledge);
        install_driver(context, DriverMessage::FrameworkToExecutor);
        install_driver(context, |message| {
            DriverMessage::ReconcileTasks(Box::new(message))
        });
        install_driver(context, DriverMessage::SubmitScheduler);
    }

    fn on_driver_message(&mut self, context: &mut Context<Self>, from: &Upid, message: DriverMessage) {
        if let DriverMessage::Call(call) = &message
            && let Some(id) = call.framework_id.as_ref().map(FrameworkId::from)
            && self.core.is_driver_of(&id, from)
        {
            self.frameworks.called_by_driver(&id, call);
        }
        let from = from.clone();
        self.step(context, Input::Driver { from, message });
    }
}

/// Binds one message of agents; what lacks a required field is dropped.
fn install<M: Message + Name + Required + Default>(
    context: &mut Context<MasterProcess>,
    wrap: impl Fn(M) -> AgentMessage + Send + 'static,
) {
    install_decoded(context, move |this, context, from, message| {
        let (from, message) = (from.clone(), wrap(message));
        this.step(context, Input::Agent { from, message });
    });
}

/// Binds one message of drivers; what lacks a required field is dropped.
fn install_driver<M: Message + Name + Required + Default>(
    context: &mut Context<MasterProcess>,
    wrap: impl Fn(M) -> DriverMessage + Send + 'static,
) {
    install_decoded(context, move |this, context, from, message| {
        this.on_driver_message(context, from, wrap(message));
    });
}

fn install_decoded<M: Message + Name + Required + Default>(
    context: &mut Context<MasterProcess>,
    handle: impl Fn(&mut MasterProcess, &mut Context<MasterProcess>, &Upid, M) + Send + 'static,
) {
    context.install_raw(
        M::full_name(),
        move |this: &mut MasterProcess, context, from, body| match proto::decode::<M>(body) {
            Ok(message) => handle(this, context, from, message),
            Err(error) => tracing::warn!("Dropping {} from {from}: {error}", M::NAME),
        },
    );
}
