//! The process that proves a driver's identity to a master by CRAM-MD5 (facts: internal-protocol, section 5).

use auth::Credential;
use auth::cram_md5::{Authenticatee, Next};
use process::{Context, LinkMode, Process, Upid};
use proto::internal;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The master is convinced.
    Proven,
    /// It is not, and will not be.
    Refused,
    /// Something went wrong; the driver tries again.
    Failed,
}

/// One attempt: `crammd5-authenticatee(N)`. Messages come to it, not to the driver whose identity is proven.
pub(super) struct Attempt<F> {
    pub(super) credential: Credential,
    /// The driver.
    pub(super) client: Upid,
    pub(super) master: Upid,
    pub(super) machine: Option<Authenticatee>,
    /// Told once.
    pub(super) done: Option<F>,
}

impl<F: FnOnce(Verdict) + Send + 'static> Process for Attempt<F> {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.install(
            |attempt: &mut Self, ctx, from, message: internal::AuthenticationMechanismsMessage| {
                attempt.on(ctx, from, |machine| machine.mechanisms(&message));
            },
        );
        ctx.install(
            |attempt: &mut Self, ctx, from, message: internal::AuthenticationStepMessage| {
                attempt.on(ctx, from, |machine| machine.step(&message));
            },
        );
        ctx.install(
            |attempt: &mut Self, ctx, from, _: internal::AuthenticationCompletedMessage| {
                attempt.on(ctx, from, Authenticatee::completed);
            },
        );
        ctx.install(
            |attempt: &mut Self, ctx, from, _: internal::AuthenticationFailedMessage| {
                attempt.on(ctx, from, Authenticatee::failed);
            },
        );
        ctx.install(
            |attempt: &mut Self, ctx, from, message: internal::AuthenticationErrorMessage| {
                attempt.on(ctx, from, |machine| machine.error(&message));
            },
        );
        match Authenticatee::begin(self.credential.clone(), &self.client) {
            Ok((machine, message)) => {
                self.machine = Some(machine);
                ctx.link(&self.master, LinkMode::Reuse);
                ctx.send(&self.master, &message);
            }
            Err(_no_secret) => self.end(ctx, Verdict::Refused),
        }
    }
}

impl<F: FnOnce(Verdict) + Send + 'static> Attempt<F> {
    fn on(&mut self, ctx: &mut Context<Self>, from: &Upid, step: impl FnOnce(&mut Authenticatee) -> Next) {
        let Some(machine) = &mut self.machine else { return };
        match step(machine) {
            Next::Start(message) => ctx.send(from, &message),
            Next::Step(message) => ctx.send(from, &message),
            Next::Completed => self.end(ctx, Verdict::Proven),
            Next::Failed => self.end(ctx, Verdict::Refused),
            Next::Error(_) => self.end(ctx, Verdict::Failed),
        }
    }

    fn end(&mut self, ctx: &mut Context<Self>, verdict: Verdict) {
        if let Some(done) = self.done.take() {
            done(verdict);
        }
        ctx.terminate();
    }
}
