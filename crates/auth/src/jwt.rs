//! Tokens: JWT signed with HMAC-SHA256 (facts: authorization.tsv, rows `executor token` and `jwt`).

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use process::Time;
use serde_json::{Map, Value};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::Secret;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 << 10;

/// The key that tokens are signed with.
#[derive(Debug, Clone)]
pub struct Key(Secret);

/// Why a token was refused. Compat: the text goes into the challenge of a 401.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are not three parts between dots.
    #[error("Expected 3 components in token, got {0}")]
    Components(usize),
    /// A part is not base64url, or not a JSON object.
    #[error("Failed to decode token {0}")]
    Encoding(&'static str),
    /// The header asks for another algorithm (none at all, for one), or none that is text.
    #[error("Token 'alg' is not HS256")]
    Algorithm,
    /// The header's `typ` is not text.
    #[error("Token 'typ' is not a string")]
    Type,
    /// The header asks for an extension.
    #[error("Token 'crit' field is unsupported")]
    Critical,
    /// The time in `exp` is no number.
    #[error("JSON payload 'exp' field is not a number")]
    Expiry,
    /// The time in `exp` has passed.
    #[error("Token has expired: exp({exp}) < now({now})")]
    Expired {
        /// When, in seconds.
        exp: i64,
        /// What time it is.
        now: i64,
    },
    /// The signature is not ours.
    #[error("Token signature does not match")]
    Signature,
    /// The token says nothing.
    #[error("JWT claims missing")]
    NoClaims,
    /// Longer than [`MAX_TOKEN`].
    #[error("Token is too long")]
    TooLong,
}

impl Key {
    /// A key of these bytes, all of them.
    pub const fn new(bytes: Secret) -> Self {
        Self(bytes)
    }

    /// The key that a file holds (`--jwt_secret_key`): its content to the last byte. A warning comes with a file that
    /// others may read.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or is larger than [`crate::Credentials`] may be.
    pub fn read(path: &Path) -> Result<crate::Loaded<Self>, crate::Error> {
        let (bytes, warning) = crate::credentials::read_private(path)?;
        Ok(crate::Loaded {
            value: Self(Secret::new(bytes)),
            warning,
        })
    }

    fn sign(&self, text: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("this code takes keys of any length");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// A token with these claims.
pub fn make<'a>(key: &Key, claims: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let payload: Map<String, Value> = claims
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let payload = URL_SAFE_NO_PAD.encode(Value::Object(payload).to_string());
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(&signed));
    format!("{signed}.{signature}")
}

/// The token of an executor (facts: executor-http.md, last section).
pub fn executor(key: &Key, framework: &str, executor: &str, container: &str) -> String {
    make(key, [("fid", framework), ("eid", executor), ("cid", container)])
}

/// What a token says, if we signed it and it has not expired. Values that are not text become their JSON.
///
/// # Errors
/// Why it is refused. The signature is compared in constant time, and before any of the payload is read.
pub fn check(key: &Key, token: &str, now: Time) -> Result<BTreeMap<String, String>, Error> {
    if token.len() > MAX_TOKEN {
        return Err(Error::TooLong);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(Error::Components(parts.len()));
    };
    check_header(&object(header, "header")?)?;
    let signature = decode(signature, "signature")?;
    let ours = key.sign(&format!("{header}.{payload}"));
    if !bool::from(ours.as_slice().ct_eq(&signature)) {
        return Err(Error::Signature);
    }
    let payload = object(payload, "payload")?;
    check_expiry(&payload, now)?;
    if payload.is_empty() {
        return Err(Error::NoClaims);
    }
    Ok(payload
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect())
}

fn check_header(header: &Map<String, Value>) -> Result<(), Error> {
    if header.get("typ").is_some_and(|kind| !kind.is_string()) {
        return Err(Error::Type);
    }
    if header.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(Error::Algorithm);
    }
    if header.contains_key("crit") {
        return Err(Error::Critical);
    }
    Ok(())
}

fn check_expiry(payload: &Map<String, Value>, now: Time) -> Result<(), Error> {
    let Some(exp) = payload.get("exp") else {
        return Ok(());
    };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
    let exp = exp.as_f64().ok_or(Error::Expiry)?.floor() as i64;
    let now = now.as_secs();
    if exp < now {
        return Err(Error::Expired { exp, now });
    }
    Ok(())
}

fn decode(part: &str, what: &'static str) -> Result<Vec<u8>, Error> {
    // With or without padding.
    URL_SAFE_NO_PAD
        .decode(part.trim_end_matches('='))
        .map_err(|_| Error::Encoding(what))
}

fn object(part: &str, what: &'static str) -> Result<Map<String, Value>, Error> {
    match serde_json::from_slice(&decode(part, what)?) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Error::Encoding(what)),
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new(Secret::new(*b"secret"))
    }

    fn signed(header: &str, payload: &str) -> String {
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(key().sign(&text)))
    }

    fn read(token: &str) -> Result<BTreeMap<String, String>, Error> {
        check(&key(), token, Time::from_secs(1_000))
    }

    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    #[test]
    fn a_known_token() {
        // Made with another implementation (the example of jwt.io).
        let key = Key::new(Secret::new(*b"your-256-bit-secret"));
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
            eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
            SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        let claims = check(&key, token, Time::from_secs(1_000)).unwrap();
        assert_eq!(claims["sub"], "1234567890");
        assert_eq!(claims["iat"], "1516239022");
    }

    #[test]
    fn tokens_of_executors_carry_three_claims() {
        let token = executor(&key(), "f", "e", "c");
        let claims = read(&token).unwrap();
        let pairs = [("cid", "c"), ("eid", "e"), ("fid", "f")];
        assert_eq!(
            claims,
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        );
    }

    #[test]
    fn another_key_or_another_text_does_not_match() {
        let token = executor(&key(), "f", "e", "c");
        let other = Key::new(Secret::new(*b"Secret"));
        assert_eq!(check(&other, &token, Time::EPOCH), Err(Error::Signature));
        // Every single changed character is noticed, but for the last, some bits of which carry nothing.
        for at in 0..token.len() - 1 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(read(&changed).is_err(), "{at}");
        }
    }

    #[test]
    fn algorithms_cannot_be_chosen() {
        let none = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
            URL_SAFE_NO_PAD.encode(r#"{"fid":"f"}"#)
        );
        assert_eq!(read(&none), Err(Error::Algorithm));
        for alg in [r#"{"alg":"RS256"}"#, r#"{"alg":"hs256"}"#, r#"{"alg":1}"#, "{}"] {
            assert_eq!(read(&signed(alg, r#"{"a":"b"}"#)), Err(Error::Algorithm), "{alg}");
        }
        assert_eq!(
            read(&signed(r#"{"alg":"HS256","crit":[]}"#, r#"{"a":"b"}"#)),
            Err(Error::Critical)
        );
        assert_eq!(
            read(&signed(r#"{"alg":"HS256","typ":3}"#, r#"{"a":"b"}"#)),
            Err(Error::Type)
        );
    }

    #[test]
    fn tokens_expire() {
        assert!(read(&signed(HEADER, r#"{"exp":1000}"#)).is_ok());
        assert!(read(&signed(HEADER, r#"{"exp":1e300}"#)).is_ok());
        assert_eq!(
            read(&signed(HEADER, r#"{"exp":999}"#)),
            Err(Error::Expired { exp: 999, now: 1000 })
        );
        assert_eq!(read(&signed(HEADER, r#"{"exp":"x"}"#)), Err(Error::Expiry));
    }

    #[test]
    fn malformed_tokens() {
        assert_eq!(read(""), Err(Error::Components(1)));
        assert_eq!(read("a.b"), Err(Error::Components(2)));
        assert_eq!(read("a.b.c.d"), Err(Error::Components(4)));
        assert_eq!(read("!.b.c"), Err(Error::Encoding("header")));
        assert_eq!(read(&signed("[]", "{}")), Err(Error::Encoding("header")));
        assert_eq!(read(&signed(HEADER, "not json")), Err(Error::Encoding("payload")));
        assert_eq!(read(&signed(HEADER, "{}")), Err(Error::NoClaims));
        let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(2_000), "]".repeat(2_000));
        assert_eq!(read(&signed(HEADER, &deep)), Err(Error::Encoding("payload")));
        assert_eq!(read(&"a".repeat(MAX_TOKEN + 1)), Err(Error::TooLong));
    }

    #[test]
    fn values_that_are_no_text_become_their_json() {
        let claims = read(&signed(HEADER, r#"{"n":1,"b":true,"o":{"x":[1]}}"#)).unwrap();
        assert_eq!(claims["n"], "1");
        assert_eq!(claims["b"], "true");
        assert_eq!(claims["o"], r#"{"x":[1]}"#);
    }
}
