//! The algebra of resources: scalars in thousandths, ranges, sets, reservations, disks.
//!
//! [`Resources`] is a normalised bag of [`Entry`] values: entries of the same identity are merged, empty
//! ones are absent, reservations are always in the stacked ("post-refinement") form. Messages come in by
//! [`Resources::from_proto`], which upgrades the older form, and go out by [`Resources::to_proto`];
//! [`mod@format`] converts between the three forms that peers speak.
//!
//! [`Quantities`] are amounts by name without any metadata, for quota and for shares.
//!
//! The crate is pure: no clock, no I/O, no randomness.

pub mod format;
pub mod operation;
pub mod role;

mod algebra;
mod convert;
mod entry;
mod error;
mod name;
mod parse;
mod quantities;
mod ranges;
mod scalar;
mod set;
mod validate;

pub use algebra::Resources;
pub use entry::{Entry, Meta, Reservation, Value};
pub use error::Error;
pub use name::Name;
pub use quantities::{Limits, Quantities};
pub use ranges::Ranges;
pub use scalar::Scalar;
pub use set::Set;
pub use validate::validate;
