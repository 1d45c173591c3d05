//! Who one has proven to be.

use std::collections::BTreeMap;
use std::fmt;

/// An authenticated caller: a name, claims, or both (facts: authorization.tsv, `implicit`).
///
/// Basic authentication and CRAM-MD5 give a name; a token gives claims and never a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// The name that ACLs speak of.
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
    pub fn is_nameless(&self) -> bool {
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
