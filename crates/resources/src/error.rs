//! Why resources were refused.

use crate::Name;

/// Why a message or a text is not a valid resource, or an operation cannot be applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is empty.
    #[error("resource name is empty")]
    EmptyName,
    /// The type field is not one of SCALAR, RANGES and SET.
    #[error("resource {0} has an unsupported type")]
    UnsupportedType(String),
    /// The value does not fit the type: missing, or of another type.
    #[error("resource {0} has a value that does not fit its type")]
    ValueMismatch(String),
    /// A scalar that is negative, not finite, too large, or rounds to nothing.
    #[error("resource {name} has an invalid scalar {value}")]
    InvalidScalar {
        /// The resource.
        name: String,
        /// What was given.
        value: f64,
    },
    /// A range whose begin is after its end, or that overlaps another.
    #[error("resource {0} has reversed or overlapping ranges")]
    InvalidRanges(String),
    /// A string twice in a set.
    #[error("resource {0} has duplicate set items")]
    DuplicateItem(String),
    /// A role name that breaks the rules.
    #[error("invalid role name '{name}': {flaw}")]
    Role {
        /// The name.
        name: String,
        /// What is wrong with it.
        flaw: crate::role::Flaw,
    },
    /// A reservation that breaks the rules of its format.
    #[error("resource {name} has an invalid reservation: {reason}")]
    InvalidReservation {
        /// The resource.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Disk information that breaks its rules.
    #[error("resource {name} has invalid disk info: {reason}")]
    InvalidDisk {
        /// The resource.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Only persistent volumes can be shared.
    #[error("resource {0} is shared but not a persistent volume")]
    InvalidShared(String),
    /// Revocable resources are neither reserved nor persistent.
    #[error("resource {0} is revocable but reserved or persistent")]
    InvalidRevocable(String),
    /// A stack of reservations has no older form.
    #[error("resource {0} has a refined reservation, which the peer cannot understand")]
    CannotDowngrade(String),
    /// A piece of text is not `name:value` or `name(role):value`.
    #[error("cannot parse resource '{0}'")]
    Syntax(String),
    /// The JSON form is not an array of resources.
    #[error("cannot parse resources as JSON: {0}")]
    Json(String),
    /// The same name is used with two types.
    #[error("resource {0} appears with different types")]
    MixedTypes(Name),
    /// An operation is malformed.
    #[error("invalid {operation} operation: {reason}")]
    InvalidOperation {
        /// Which operation.
        operation: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An operation consumes what is not there.
    #[error("{have} does not contain {want}")]
    NotContained {
        /// What there is.
        have: String,
        /// What the operation consumes.
        want: String,
    },
}
