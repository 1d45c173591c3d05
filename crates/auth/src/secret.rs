//! What only its owner and we may know.

use std::fmt;

use subtle::ConstantTimeEq;

/// A secret: `Debug` hides it, and comparing takes a time that tells nothing about its bytes.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A secret of these bytes.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for a proof or for the wire; not for logs.
    pub const fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing to know.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` is the same, in a time that depends on lengths alone.
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_it() {
        assert_eq!(format!("{:?}", Secret::new(*b"hunter2")), "Secret(..)");
    }

    #[test]
    fn equal_bytes_match() {
        let secret = Secret::new(*b"abc");
        assert!(secret.matches(b"abc") && !secret.matches(b"abd") && !secret.matches(b"ab"));
        assert!(Secret::new([]).matches(b""));
    }
}
