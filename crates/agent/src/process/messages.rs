//! libprocess messages on their way to the core.

use ::process::{Context, Upid};
use bytes::Bytes;
use proto::{Message, Name, Required, internal};

use super::AgentProcess;
use crate::core::{Input, Received};

/// Binds every message that the core understands.
pub(super) fn install(ctx: &mut Context<AgentProcess>) {
    on(ctx, |message: internal::SlaveRegisteredMessage| {
        Received::SlaveRegistered(message)
    });
    on(ctx, |message: internal::SlaveReregisteredMessage| {
        Received::SlaveReregistered(message)
    });
    on(ctx, |message: internal::PingSlaveMessage| {
        Received::PingSlave(message)
    });
    on(ctx, |message: internal::ShutdownMessage| {
        Received::Shutdown(message)
    });
    on(ctx, |message: internal::RunTaskMessage| {
        Received::RunTask(Box::new(message))
    });
    on(ctx, |message: internal::RunTaskGroupMessage| {
        Received::RunTaskGroup(Box::new(message))
    });
    on(ctx, |message: internal::KillTaskMessage| {
        Received::KillTask(message)
    });
    on(ctx, |message: internal::ShutdownExecutorMessage| {
        Received::ShutdownExecutor(message)
    });
    on(ctx, |message: internal::ShutdownFrameworkMessage| {
        Received::ShutdownFramework(message)
    });
    on(ctx, |message: internal::UpdateFrameworkMessage| {
        Received::UpdateFramework(Box::new(message))
    });
    on(ctx, |message: internal::FrameworkToExecutorMessage| {
        Received::FrameworkToExecutor(message)
    });
    on(ctx, |message: internal::StatusUpdateAcknowledgementMessage| {
        Received::StatusUpdateAcknowledgement(message)
    });
    on(ctx, |message: internal::RegisterExecutorMessage| {
        Received::RegisterExecutor(message)
    });
    on(ctx, |message: internal::ReregisterExecutorMessage| {
        Received::ReregisterExecutor(Box::new(message))
    });
    on(ctx, |message: internal::StatusUpdateMessage| {
        Received::StatusUpdate(Box::new(message))
    });
    on(ctx, |message: internal::ExecutorToFrameworkMessage| {
        Received::ExecutorToFramework(message)
    });
}

/// Binds one message. One that does not parse, or lacks a required field, is logged and dropped.
fn on<M: Message + Name + Required + Default>(
    ctx: &mut Context<AgentProcess>,
    wrap: impl Fn(M) -> Received + Send + 'static,
) {
    let handler =
        move |this: &mut AgentProcess, ctx: &mut Context<AgentProcess>, from: &Upid, body: Bytes| {
            match proto::decode::<M>(body) {
                Ok(message) => this.step(
                    ctx,
                    Input::Message {
                        from: from.clone(),
                        message: wrap(message),
                    },
                ),
                Err(error) => tracing::warn!(%from, %error, "dropping a {}", M::NAME),
            }
        };
    ctx.install_raw(M::full_name(), handler);
}
