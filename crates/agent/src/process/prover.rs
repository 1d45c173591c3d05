//! Each attempt to authenticate has a process of its own, `crammd5-authenticatee(N)`, to which the master's session
//! speaks (facts: internal-protocol, section 5).

use ::process::{Context, Handle, Process, Upid};
use proto::internal;

use super::{AgentProcess, messages};
use crate::core::{Challenge, Input, Proof};

/// The process of one attempt.
pub(crate) struct Prover {
    agent: Handle<AgentProcess>,
    attempt: u64,
}

impl Prover {
    fn hear(&self, from: &Upid, challenge: Challenge) {
        let (attempt, from) = (self.attempt, from.clone());
        self.agent.dispatch(move |this, ctx| {
            this.step(
                ctx,
                Input::Challenge {
                    attempt,
                    from,
                    challenge,
                },
            );
        });
    }
}

impl Process for Prover {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        use internal as wire;
        messages::bind(
            ctx,
            |this: &mut Self, _, from, message: wire::AuthenticationMechanismsMessage| {
                this.hear(from, Challenge::Mechanisms(message));
            },
        );
        messages::bind(
            ctx,
            |this: &mut Self, _, from, message: wire::AuthenticationStepMessage| {
                this.hear(from, Challenge::Step(message));
            },
        );
        messages::bind(
            ctx,
            |this: &mut Self, _, from, message: wire::AuthenticationCompletedMessage| {
                this.hear(from, Challenge::Completed(message));
            },
        );
        messages::bind(
            ctx,
            |this: &mut Self, _, from, message: wire::AuthenticationFailedMessage| {
                this.hear(from, Challenge::Failed(message));
            },
        );
        messages::bind(
            ctx,
            |this: &mut Self, _, from, message: wire::AuthenticationErrorMessage| {
                this.hear(from, Challenge::Error(message));
            },
        );
    }
}

impl AgentProcess {
    /// Says something for an attempt, whose process is made if it is a new one.
    pub(super) fn prove(&mut self, ctx: &Context<Self>, attempt: u64, to: Upid, message: Proof) {
        if self
            .prover
            .as_ref()
            .is_none_or(|(current, _)| *current != attempt)
        {
            self.end_proof();
            let id = ctx.runtime().unique_id("crammd5-authenticatee");
            let prover = Prover {
                agent: ctx.handle(),
                attempt,
            };
            match ctx.runtime().spawn(id, prover) {
                Ok(handle) => self.prover = Some((attempt, handle)),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot authenticate");
                    return;
                }
            }
        }
        if let Some((_, prover)) = &self.prover {
            prover.dispatch(move |_, ctx| match message {
                Proof::Authenticate(message) => ctx.send(&to, &message),
                Proof::Start(message) => ctx.send(&to, &message),
                Proof::Step(message) => ctx.send(&to, &message),
            });
        }
    }

    /// No attempt is under way any more.
    pub(super) fn end_proof(&mut self) {
        if let Some((_, prover)) = self.prover.take() {
            prover.terminate();
        }
    }
}
