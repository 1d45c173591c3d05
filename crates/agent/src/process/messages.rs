//! libprocess messages on their way to the core.

use ::process::{Context, Process, Upid};
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
    on(ctx, |message: internal::ApplyOperationMessage| {
        Received::ApplyOperation(Box::new(message))
    });
    on(ctx, |message: internal::CheckpointResourcesMessage| {
        Received::CheckpointResources(message)
    });
    on(ctx, |message: internal::AcknowledgeOperationStatusMessage| {
        Received::AcknowledgeOperationStatus(message)
    });
    on(ctx, |message: internal::ReconcileOperationsMessage| {
        Received::ReconcileOperations(message)
    });
    on(ctx, |message: internal::DrainSlaveMessage| {
        Received::DrainSlave(message)
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

/// Binds a message to the core.
fn on<M: Message + Name + Required + Default>(
    ctx: &mut Context<AgentProcess>,
    wrap: impl Fn(M) -> Received + Send + 'static,
) {
    bind(ctx, move |this: &mut AgentProcess, ctx, from, message: M| {
        let from = from.clone();
        let message = wrap(message);
        this.step(ctx, Input::Message { from, message });
    });
}

/// Binds one message. One that does not parse, or lacks a required field, is logged and dropped.
pub(super) fn bind<P: Process, M: Message + Name + Required + Default>(
    ctx: &mut Context<P>,
    handle: impl Fn(&mut P, &mut Context<P>, &Upid, M) + Send + 'static,
) {
    let handler =
        move |this: &mut P, ctx: &mut Context<P>, from: &Upid, body: Bytes| match proto::decode::<M>(body) {
            Ok(message) => handle(this, ctx, from, message),
            Err(error) => tracing::warn!(%from, %error, "dropping a {}", M::NAME),
        };
    ctx.install_raw(M::full_name(), handler);
}
