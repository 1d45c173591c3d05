//! What a client decides, without I/O: when to connect, where to, whether an answer will do, when silence
//! has lasted too long, how long to wait before the next attempt.
//!
//! Everything here takes the time as `now`, a [`Duration`](std::time::Duration) since some origin the driver
//! chose (it must never go back), opens no socket and draws no random number of its own: jitter comes from
//! a seed.

mod backoff;
mod reconciler;
mod subscription;

pub use backoff::Backoff;
pub use reconciler::{Reconciler, is_terminal};
pub use subscription::{Answer, Input, Kind, Output, Policy, State, Subscription};
pub(crate) use subscription::{is_transient, redirect};
