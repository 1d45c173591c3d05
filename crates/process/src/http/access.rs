//! Who may ask: realms, what authenticates in them, and what is allowed of the built-in endpoints
//! (facts: libprocess-wire, section 5; authorization.tsv, sections `authenticator` and `realm`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Request, Response, StatusCode, header};
use crate::Time;

/// An authenticated caller: a name, claims, or both.
///
/// Basic authentication gives a name; a token gives claims and never a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// The name that access rules speak of.
    pub value: Option<String>,
    /// What a token says about its bearer.
    pub claims: BTreeMap<String, String>,
}

impl Principal {
    /// Somebody with a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            value: Some(name.into()),
            claims: BTreeMap::new(),
        }
    }

    /// The bearer of a token.
    pub const fn bearer(claims: BTreeMap<String, String>) -> Self {
        Self { value: None, claims }
    }

    /// Whether there are claims but no name: such a caller may only do what its claims speak of.
    pub const fn is_nameless(&self) -> bool {
        self.value.is_none()
    }
}

/// The name, or the claims; never a secret.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(name) => f.write_str(name),
            None => f.debug_map().entries(&self.claims).finish(),
        }
    }
}

/// What an authenticator says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It comes from this caller.
    Authenticated(Principal),
    /// It proves nothing: 401.
    Unauthorized {
        /// The value of `WWW-Authenticate`.
        challenge: String,
        /// The text of the answer.
        body: String,
    },
    /// It is refused for another reason: 403 with this text.
    Forbidden(String),
}

impl Outcome {
    /// 401 with its usual text.
    pub fn unauthorized(challenge: impl Into<String>) -> Self {
        Self::Unauthorized {
            challenge: challenge.into(),
            body: "401 Unauthorized.".to_owned(),
        }
    }

    /// The caller, or the answer that refuses it.
    ///
    /// # Errors
    /// The answer.
    #[expect(clippy::result_large_err, reason = "the error is the response, and rare")]
    pub fn admit(self) -> Result<Principal, Response> {
        match self {
            Self::Authenticated(principal) => Ok(principal),
            Self::Unauthorized { challenge, body } => {
                let response = Response::text(StatusCode::UNAUTHORIZED, body);
                Err(response.header(header::WWW_AUTHENTICATE.as_str(), &challenge))
            }
            Self::Forbidden(body) => Err(Response::forbidden(body)),
        }
    }
}

/// Finds out who sent a request.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// What its challenges begin with, as `Basic`.
    fn scheme(&self) -> &'static str;

    /// Looks at the headers. It is called on the thread that runs the process, so it must not wait.
    fn authenticate(&self, request: &Request, now: Time) -> Outcome;
}

/// What may be read, by path and caller.
pub type Rule = dyn Fn(&str, Option<&Principal>) -> bool + Send + Sync;

/// Who may ask for what in a runtime. By default everybody for everything.
#[derive(Clone, Default)]
pub struct Access {
    /// The realm of built-in endpoints that only show something.
    pub readonly: Option<String>,
    /// The realm of built-in endpoints that change something.
    pub readwrite: Option<String>,
    /// What authenticates in each realm; one that is missing is open, and requests pass without a principal.
    pub authenticators: BTreeMap<String, Arc<dyn Authenticator>>,
    /// Whether `/logging/toggle`, `/metrics/snapshot` and `/files/debug` answer a caller.
    pub endpoints: Option<Arc<Rule>>,
}

impl Access {
    /// Whether `caller` may read the endpoint at `path`.
    pub(crate) fn allows(&self, path: &str, caller: Option<&Principal>) -> bool {
        self.endpoints.as_ref().is_none_or(|rule| rule(path, caller))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("authenticators", &self.authenticators)
            .field("endpoints", &self.endpoints.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_as_answers() {
        let response = Outcome::unauthorized("Basic realm=\"r\"").admit().unwrap_err();
        assert_eq!(response.status, StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers["www-authenticate"], "Basic realm=\"r\"");
        assert_eq!(response.body.to_bytes().unwrap(), "401 Unauthorized.");
        let response = Outcome::Forbidden("no".to_owned()).admit().unwrap_err();
        assert_eq!(response.status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn without_a_rule_everything_is_allowed() {
        assert!(Access::default().allows("/metrics/snapshot", None));
        let rule = |path: &str, caller: Option<&Principal>| path == "/x" && caller.is_some();
        let access = Access {
            endpoints: Some(Arc::new(rule)),
            ..Access::default()
        };
        assert!(access.allows("/x", Some(&Principal::named("a"))) && !access.allows("/x", None));
    }
}
