//! What authenticates HTTP requests (facts: authorization.tsv, section `authenticator`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use process::Time;
use process::http::{Authenticator, Outcome, Principal, Request};

use crate::{Credentials, jwt};

/// `basic`: a principal and its secret.
#[derive(Debug)]
pub struct Basic {
    challenge: String,
    credentials: Arc<Credentials>,
}

impl Basic {
    /// Lets those pass in `realm` that know a secret.
    pub fn new(realm: &str, credentials: Arc<Credentials>) -> Self {
        Self {
            challenge: format!("Basic realm=\"{realm}\""),
            credentials,
        }
    }

    /// The principal, if the header proves it. A name or a secret with a colon in it cannot be told apart.
    fn principal(&self, header: &str) -> Option<String> {
        let (scheme, encoded) = header.split_once(' ')?;
        if scheme != "Basic" {
            return None;
        }
        let decoded = STANDARD.decode(encoded).ok()?;
        let (name, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        let proven = !secret.contains(':') && self.credentials.check(name, secret.as_bytes());
        proven.then(|| name.to_owned())
    }
}

impl Authenticator for Basic {
    fn scheme(&self) -> &'static str {
        "Basic"
    }

    fn authenticate(&self, request: &Request, _now: Time) -> Outcome {
        match request
            .header("authorization")
            .and_then(|header| self.principal(header))
        {
            Some(name) => Outcome::Authenticated(Principal::named(name)),
            None => Outcome::unauthorized(&self.challenge),
        }
    }
}

/// `jwt`: a token that we signed.
#[derive(Debug)]
pub struct Bearer {
    challenge: String,
    key: jwt::Key,
}

impl Bearer {
    /// Lets the bearers of tokens signed with `key` pass in `realm`.
    pub fn new(realm: &str, key: jwt::Key) -> Self {
        Self {
            challenge: format!("Bearer realm=\"{realm}\""),
            key,
        }
    }

    /// A challenge that says what is wrong. Compat: in these words, but what the client sent is not repeated.
    fn refuse(&self, description: &str) -> Outcome {
        Outcome::unauthorized(format!(
            "{}, error=\"invalid_token\", error_description=\"{}\"",
            self.challenge,
            description.replace('"', "'")
        ))
    }
}

impl Authenticator for Bearer {
    fn scheme(&self) -> &'static str {
        "Bearer"
    }

    fn authenticate(&self, request: &Request, now: Time) -> Outcome {
        let Some(header) = request.header("authorization") else {
            return Outcome::unauthorized(&self.challenge);
        };
        let mut words = header.split(' ');
        let (Some(scheme), Some(token), None) = (words.next(), words.next(), words.next()) else {
            return self.refuse("Malformed 'Authorization' header");
        };
        if scheme != "Bearer" {
            return self.refuse(&format!("Scheme '{scheme}' unsupported"));
        }
        match jwt::check(&self.key, token, now) {
            Ok(claims) => Outcome::Authenticated(Principal::bearer(claims)),
            Err(error @ jwt::Error::NoClaims) => self.refuse(&error.to_string()),
            Err(error) => self.refuse(&format!("Invalid JWT: {error}")),
        }
    }
}

/// Several, asked one after another: the first that knows the caller counts.
#[derive(Debug)]
pub struct Combined(Vec<Arc<dyn Authenticator>>);

impl Combined {
    /// These, in this order.
    pub const fn new(authenticators: Vec<Arc<dyn Authenticator>>) -> Self {
        Self(authenticators)
    }
}

impl Authenticator for Combined {
    fn scheme(&self) -> &'static str {
        self.0.first().map_or("Basic", |first| first.scheme())
    }

    fn authenticate(&self, request: &Request, now: Time) -> Outcome {
        let said = |scheme: &str, text: &str| format!("\"{scheme}\" authenticator returned:\n{text}");
        let (mut challenges, mut unauthorized, mut forbidden) = (Vec::new(), Vec::new(), Vec::new());
        for authenticator in &self.0 {
            let scheme = authenticator.scheme();
            match authenticator.authenticate(request, now) {
                outcome @ Outcome::Authenticated(_) => return outcome,
                Outcome::Unauthorized { challenge, body } => {
                    challenges.push(challenge);
                    unauthorized.push(said(scheme, &body));
                }
                Outcome::Forbidden(body) => forbidden.push(said(scheme, &body)),
            }
        }
        if challenges.is_empty() {
            return Outcome::Forbidden(forbidden.join("\n\n"));
        }
        Outcome::Unauthorized {
            challenge: challenges.join(","),
            body: unauthorized.join("\n\n"),
        }
    }
}

/// The authenticator of a realm, by the names that flags give (`basic`, `jwt`).
///
/// # Errors
/// When a name is neither, is given twice, or lacks what it needs: credentials or a key.
pub fn by_names(
    names: &str,
    realm: &str,
    credentials: Option<&Arc<Credentials>>,
    key: Option<&jwt::Key>,
) -> Result<Arc<dyn Authenticator>, String> {
    let mut found: Vec<Arc<dyn Authenticator>> = Vec::new();
    for name in names.split(',').map(str::trim) {
        let authenticator: Arc<dyn Authenticator> = match name {
            "basic" => {
                let missing = || format!("no credentials are given for 'basic' authentication in '{realm}'");
                Arc::new(Basic::new(realm, Arc::clone(credentials.ok_or_else(missing)?)))
            }
            "jwt" => {
                let missing = || format!("no key is given for 'jwt' authentication in '{realm}'");
                Arc::new(Bearer::new(realm, key.ok_or_else(missing)?.clone()))
            }
            other => {
                return Err(format!(
                    "there is no HTTP authenticator '{other}'; 'basic' and 'jwt' are built in"
                ));
            }
        };
        if found.iter().any(|other| other.scheme() == authenticator.scheme()) {
            return Err(format!("HTTP authenticator '{name}' is named twice"));
        }
        found.push(authenticator);
    }
    Ok(match <[_; 1]>::try_from(found) {
        Ok([only]) => only,
        Err(several) => Arc::new(Combined::new(several)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use process::http::Method;

    fn request(authorization: &str) -> Request {
        let mut request = Request::new(Method::GET, "/master/state", "");
        if !authorization.is_empty() {
            let value = authorization.parse().unwrap();
            request.headers.insert("authorization", value);
        }
        request
    }

    fn credentials() -> Arc<Credentials> {
        let pairs = [("a", "secret"), ("empty", "")];
        Arc::new(
            pairs
                .map(|(name, secret)| (name.to_owned(), secret.to_owned()))
                .into_iter()
                .collect(),
        )
    }

    fn key() -> jwt::Key {
        jwt::Key::new(Secret::new(*b"key"))
    }

    fn ask(authenticator: &dyn Authenticator, authorization: &str) -> Outcome {
        authenticator.authenticate(&request(authorization), Time::from_secs(1_000))
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn basic_takes_a_name_and_its_secret() {
        let authenticator = Basic::new("r", credentials());
        assert_eq!(
            ask(&authenticator, &basic("a:secret")),
            Outcome::Authenticated(Principal::named("a"))
        );
        let refused = Outcome::unauthorized("Basic realm=\"r\"");
        for header in [
            String::new(),
            basic("a:Secret"),
            basic("a:"),
            basic("a"),
            basic("a:secret:"),
            basic("b:secret"),
            basic("empty:"),
            basic(":"),
            basic("a:secret").to_lowercase(),
            format!("{} x", basic("a:secret")),
            "Basic !!!".to_owned(),
            "Basic".to_owned(),
            "Bearer x".to_owned(),
            format!("Basic {}", STANDARD.encode(b"\xff:\xfe")),
        ] {
            assert_eq!(ask(&authenticator, &header), refused, "{header}");
        }
    }

    #[test]
    fn bearer_takes_our_tokens() {
        let authenticator = Bearer::new("r", key());
        let token = jwt::make(&key(), [("cid", "c")]);
        let claims = [("cid".to_owned(), "c".to_owned())].into();
        assert_eq!(
            ask(&authenticator, &format!("Bearer {token}")),
            Outcome::Authenticated(Principal::bearer(claims))
        );
        assert_eq!(
            ask(&authenticator, ""),
            Outcome::unauthorized("Bearer realm=\"r\"")
        );
        let check = |header: &str, description: &str| {
            let challenge =
                format!("Bearer realm=\"r\", error=\"invalid_token\", error_description=\"{description}\"");
            assert_eq!(
                ask(&authenticator, header),
                Outcome::unauthorized(challenge),
                "{header}"
            );
        };
        check("Bearer", "Malformed 'Authorization' header");
        check("Bearer a b", "Malformed 'Authorization' header");
        check(&basic("a:b"), "Scheme 'Basic' unsupported");
        check("Bearer a.b", "Invalid JWT: Expected 3 components in token, got 2");
        check(
            &format!("Bearer {token}x"),
            "Invalid JWT: Token signature does not match",
        );
        check(&format!("Bearer {}", jwt::make(&key(), [])), "JWT claims missing");
    }

    #[test]
    fn of_several_the_first_that_knows_the_caller_counts() {
        let both = by_names("basic,jwt", "r", Some(&credentials()), Some(&key())).unwrap();
        let token = jwt::make(&key(), [("cid", "c")]);
        assert!(matches!(ask(&*both, &basic("a:secret")), Outcome::Authenticated(who) if !who.is_nameless()));
        assert!(
            matches!(ask(&*both, &format!("Bearer {token}")), Outcome::Authenticated(who) if who.is_nameless())
        );
        let refused = Outcome::Unauthorized {
            challenge: "Basic realm=\"r\",Bearer realm=\"r\"".to_owned(),
            body: "\"Basic\" authenticator returned:\n401 Unauthorized.\n\n\"Bearer\" authenticator returned:\n401 \
                   Unauthorized."
                .to_owned(),
        };
        assert_eq!(ask(&*both, ""), refused);
    }

    #[test]
    fn names_must_be_known_and_have_what_they_need() {
        let (credentials, key) = (credentials(), key());
        assert_eq!(
            by_names("basic", "r", Some(&credentials), None).unwrap().scheme(),
            "Basic"
        );
        assert_eq!(by_names("jwt", "r", None, Some(&key)).unwrap().scheme(), "Bearer");
        for names in ["basic", "jwt", "basic,jwt", "", "module", "basic,"] {
            assert!(by_names(names, "r", None, None).is_err(), "{names}");
        }
        assert!(by_names("basic,basic", "r", Some(&credentials), None).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let both = by_names("basic,jwt", "r", Some(&credentials()), Some(&key())).unwrap();
        let text = format!("{both:?}");
        assert!(!text.contains("\"secret\"") && !text.contains("key\""), "{text}");
    }
}
