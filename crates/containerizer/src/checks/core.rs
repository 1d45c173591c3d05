//! When to ask and what an answer means: no I/O, no clock.

mod checker;
mod probe;

pub use checker::{Checker, Finding, Output};
pub use probe::{Answer, HttpProbe, Probe};
