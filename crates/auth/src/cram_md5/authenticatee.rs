//! The side of an agent or a driver.

use bytes::Bytes;
use process::Upid;
use proto::internal;

use super::{MAX_STEP, MECHANISM, digest};
use crate::Credential;

/// What to do after a message of the master.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Send this to whoever sent the message.
    Start(internal::AuthenticationStartMessage),
    /// Send this to whoever sent the message.
    Step(internal::AuthenticationStepMessage),
    /// Proven: register.
    Completed,
    /// The credential is wrong: trying again is of no use.
    Failed,
    /// Something went wrong, for the reason given: try again.
    Error(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The request is sent.
    Starting,
    /// A mechanism is chosen.
    Stepping,
    /// It is over, well or badly.
    Ended,
}

/// One attempt to prove a credential.
#[derive(Debug, Clone)]
pub struct Authenticatee {
    credential: Credential,
    stage: Stage,
}

impl Authenticatee {
    /// Begins an attempt for `client`, the agent or driver itself; the message goes to the master.
    ///
    /// # Errors
    /// With a credential that has no secret nothing can be proven.
    pub fn begin(
        credential: Credential,
        client: &Upid,
    ) -> Result<(Self, internal::AuthenticateMessage), String> {
        if credential.secret.as_ref().is_none_or(crate::Secret::is_empty) {
            return Err("the credential has no secret".to_owned());
        }
        let attempt = Self {
            credential,
            stage: Stage::Starting,
        };
        let pid = client.to_string();
        Ok((attempt, internal::AuthenticateMessage { pid }))
    }

    /// The master told its mechanisms.
    pub fn mechanisms(&mut self, message: &internal::AuthenticationMechanismsMessage) -> Next {
        if self.stage != Stage::Starting {
            return self.fail("Unexpected authentication 'mechanisms' received");
        }
        if !message.mechanisms.iter().any(|name| name == MECHANISM) {
            return self.fail("No authentication mechanism in common");
        }
        self.stage = Stage::Stepping;
        Next::Start(internal::AuthenticationStartMessage {
            mechanism: MECHANISM.to_owned(),
            // Compat: present and empty (golden/wire/authentication).
            data: Some(Bytes::new()),
        })
    }

    /// The master sent a challenge.
    pub fn step(&mut self, message: &internal::AuthenticationStepMessage) -> Next {
        if self.stage != Stage::Stepping {
            return self.fail("Unexpected authentication 'step' received");
        }
        let challenge = &message.data;
        if challenge.is_empty() || challenge.len() > MAX_STEP {
            return self.fail("Malformed authentication challenge");
        }
        let Credential { principal, secret } = &self.credential;
        let secret = secret.as_ref().map_or(&[][..], |secret| secret.expose());
        let data = format!("{principal} {}", digest(secret, challenge));
        Next::Step(internal::AuthenticationStepMessage { data: data.into() })
    }

    /// The master is convinced.
    pub fn completed(&mut self) -> Next {
        if self.stage != Stage::Stepping {
            return self.fail("Unexpected authentication 'completed' received");
        }
        self.stage = Stage::Ended;
        Next::Completed
    }

    /// The master does not know the principal, or knows another secret.
    pub fn failed(&mut self) -> Next {
        self.stage = Stage::Ended;
        Next::Failed
    }

    /// The master cannot go on.
    pub fn error(&mut self, message: &internal::AuthenticationErrorMessage) -> Next {
        self.stage = Stage::Ended;
        Next::Error(format!("Authentication error: {}", message.error()))
    }

    fn fail(&mut self, reason: &str) -> Next {
        self.stage = Stage::Ended;
        Next::Error(reason.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn begin() -> Authenticatee {
        let credential = Credential {
            principal: "agent-1".to_owned(),
            secret: Some(Secret::new(*b"agent-secret")),
        };
        let client = Upid::parse_or_empty("slave(1)@127.0.0.1:5051");
        let (attempt, message) = Authenticatee::begin(credential, &client).unwrap();
        assert_eq!(message.pid, "slave(1)@127.0.0.1:5051");
        attempt
    }

    fn mechanisms(names: &[&str]) -> internal::AuthenticationMechanismsMessage {
        internal::AuthenticationMechanismsMessage {
            mechanisms: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn challenge(data: &'static [u8]) -> internal::AuthenticationStepMessage {
        internal::AuthenticationStepMessage {
            data: Bytes::from_static(data),
        }
    }

    #[test]
    fn the_recorded_exchange() {
        let mut attempt = begin();
        let start = attempt.mechanisms(&mechanisms(&["CRAM-MD5"]));
        assert!(
            matches!(&start, Next::Start(start) if start.mechanism == "CRAM-MD5" && start.data.as_deref() == Some(&[][..]))
        );
        let Next::Step(step) = attempt.step(&challenge(b"<3280204021.60082@vm>")) else {
            panic!("a challenge is answered");
        };
        assert_eq!(step.data, &b"agent-1 4c4e70be7bc75d2e426ec10d3159c15d"[..]);
        assert_eq!(attempt.completed(), Next::Completed);
    }

    #[test]
    fn what_comes_out_of_order_is_an_error() {
        let unexpected = |name: &str| Next::Error(format!("Unexpected authentication '{name}' received"));
        assert_eq!(begin().step(&challenge(b"<1.2@h>")), unexpected("step"));
        assert_eq!(begin().completed(), unexpected("completed"));
        let mut attempt = begin();
        attempt.mechanisms(&mechanisms(&["CRAM-MD5"]));
        assert_eq!(
            attempt.mechanisms(&mechanisms(&["CRAM-MD5"])),
            unexpected("mechanisms")
        );
        assert_eq!(attempt.completed(), unexpected("completed"));
    }

    #[test]
    fn foreign_mechanisms_and_empty_challenges_are_errors() {
        assert!(matches!(
            begin().mechanisms(&mechanisms(&["PLAIN"])),
            Next::Error(_)
        ));
        let mut attempt = begin();
        attempt.mechanisms(&mechanisms(&["PLAIN", "CRAM-MD5"]));
        assert!(matches!(attempt.step(&challenge(b"")), Next::Error(_)));
    }

    #[test]
    fn nothing_can_be_proven_without_a_secret() {
        let credential = Credential {
            principal: "a".to_owned(),
            secret: None,
        };
        assert!(Authenticatee::begin(credential, &Upid::empty()).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", begin()).contains("agent-secret"));
    }
}
