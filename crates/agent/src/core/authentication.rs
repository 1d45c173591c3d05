//! Proving to the master who the agent is, before it registers (facts: internal-protocol, section 5).

use auth::cram_md5::{Authenticatee, Next, Timeouts};
use process::{Time, Upid};
use proto::internal;
use rand::Rng;

use super::agent::{Agent, Phase, Timer};
use super::output::{Exit, Output};

/// What the master's session says.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the message of its name")]
pub enum Challenge {
    Mechanisms(internal::AuthenticationMechanismsMessage),
    Step(internal::AuthenticationStepMessage),
    Completed(internal::AuthenticationCompletedMessage),
    Failed(internal::AuthenticationFailedMessage),
    Error(internal::AuthenticationErrorMessage),
}

/// What an attempt says.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the message of its name")]
pub enum Proof {
    Authenticate(internal::AuthenticateMessage),
    Start(internal::AuthenticationStartMessage),
    Step(internal::AuthenticationStepMessage),
}

/// How far the agent has got with the present master.
#[derive(Debug)]
pub(super) struct Authentication {
    /// Counts the attempts, also those with other masters.
    last: u64,
    current: Option<Authenticatee>,
    /// Whether the master is convinced.
    pub(super) done: bool,
    timeouts: Option<Timeouts>,
}

impl Authentication {
    pub(super) const fn new() -> Self {
        Self {
            last: 0,
            current: None,
            done: false,
            timeouts: None,
        }
    }
}

impl Agent {
    /// Whether the agent must prove who it is before it registers.
    pub(super) fn must_authenticate(&self) -> bool {
        self.config.credential.is_some() && !self.authentication.done
    }

    /// Forgets what was proven: another master is to hear of it, or the same one anew.
    pub(super) fn forget_authentication(&mut self, out: &mut Vec<Output>) {
        self.timers.cancel(&Timer::Authentication);
        let authentication = &mut self.authentication;
        authentication.done = false;
        authentication.timeouts = None;
        if authentication.current.take().is_some() {
            out.push(Output::EndProof);
        }
    }

    /// Begins an attempt. An earlier one counts no more.
    pub(super) fn authenticate(&mut self, now: Time, out: &mut Vec<Output>) {
        let (Some(master), Some(credential)) = (&self.master, &self.config.credential) else {
            return;
        };
        if self.phase != Phase::Disconnected {
            return;
        }
        let to = master.pid.clone();
        let (attempt, message) = match Authenticatee::begin(credential.clone(), &self.config.pid) {
            Ok(begun) => begun,
            Err(why) => {
                out.push(Output::Exit(Exit::Failed(format!("cannot authenticate: {why}"))));
                return;
            }
        };
        tracing::info!(master = %to, "authenticating with the master");
        let config = &self.config;
        let authentication = &mut self.authentication;
        authentication.last += 1;
        authentication.current = Some(attempt);
        let timeout = authentication
            .timeouts
            .get_or_insert_with(|| {
                Timeouts::new(
                    config.authentication_timeout_min,
                    config.authentication_timeout_max,
                    config.authentication_backoff_factor,
                )
            })
            .next(self.rng.random());
        self.timers.set(Timer::Authentication, now + timeout);
        out.push(Output::Link(to.clone()));
        out.push(Output::Prove {
            attempt: self.authentication.last,
            to,
            message: Proof::Authenticate(message),
        });
    }

    pub(super) fn on_authentication_timeout(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.authentication.current.is_some() {
            tracing::warn!("authentication with the master timed out");
        }
        self.authenticate(now, out);
    }

    pub(super) fn on_challenge(
        &mut self,
        now: Time,
        attempt: u64,
        from: Upid,
        challenge: &Challenge,
        out: &mut Vec<Output>,
    ) {
        if attempt != self.authentication.last {
            return;
        }
        let Some(current) = &mut self.authentication.current else {
            return;
        };
        let next = match challenge {
            Challenge::Mechanisms(message) => current.mechanisms(message),
            Challenge::Step(message) => current.step(message),
            Challenge::Completed(_) => current.completed(),
            Challenge::Failed(_) => current.failed(),
            Challenge::Error(message) => current.error(message),
        };
        let message = match next {
            Next::Start(message) => Proof::Start(message),
            Next::Step(message) => Proof::Step(message),
            Next::Completed => {
                tracing::info!("authenticated with the master");
                self.end_attempt(out);
                self.authentication.done = true;
                self.register(now, out);
                return;
            }
            Next::Failed => {
                self.end_attempt(out);
                let master = self.master.as_ref().map(|master| master.pid.to_string());
                let message = format!("master {} refused authentication", master.unwrap_or_default());
                out.push(Output::Exit(Exit::Failed(message)));
                return;
            }
            Next::Error(why) => {
                tracing::warn!("failed to authenticate with the master: {why}");
                self.end_attempt(out);
                // Not at once: a master that knows no authentication says so as fast as it is asked.
                let most = self.config.authentication_backoff_factor;
                let wait = most.mul_f64(self.rng.random());
                self.timers.set(Timer::Authentication, now + wait);
                return;
            }
        };
        out.push(Output::Prove {
            attempt,
            to: from,
            message,
        });
    }

    fn end_attempt(&mut self, out: &mut Vec<Output>) {
        self.timers.cancel(&Timer::Authentication);
        self.authentication.current = None;
        out.push(Output::EndProof);
    }
}
