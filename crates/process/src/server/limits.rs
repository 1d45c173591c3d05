//! What clients may use up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::flags::{self, Values};

/// What any browser's cookies fit into, and what a connection may well cost.
const LEAST_HEAD: usize = 8 << 10;
const MOST_HEAD: usize = 16 << 20;

/// What HTTP clients may use up. Libprocess peers are bounded by `head`, `body` and
/// `connections` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request's line and headers; beyond, 431 and the connection is closed. At least 8 KiB.
    pub head: usize,
    /// Bytes of a request's body, also after inflating it; beyond, 413 and the connection is closed.
    pub body: usize,
    /// Connections held open; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take between two requests, and to send one. A connection on which nothing was sent yet
    /// may be a peer's, and is left alone.
    pub idle: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head: 64 << 10,
            body: 256 << 20,
            connections: 50_000,
            idle: Duration::from_secs(120),
        }
    }
}

impl HttpLimits {
    /// The limits that the flags of [`flags::HTTP`] ask for; the usual ones where they are unset.
    ///
    /// # Errors
    /// For values out of range.
    pub fn from_flags(values: &Values) -> Result<Self, flags::Error> {
        let usual = Self::default();
        let bytes = |name| {
            values
                .bytes(name)
                .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
        };
        let rejected = |name: &str, expected: &str| {
            let value = values.value(name).map(ToString::to_string).unwrap_or_default();
            flags::Error::Rejected(format!(
                "flag '{name}' does not take '{value}': expected {expected}"
            ))
        };
        let limits = Self {
            head: bytes("http_max_head_size").unwrap_or(usual.head),
            body: bytes("http_max_body_size").unwrap_or(usual.body),
            connections: values.size("http_max_connections").unwrap_or(usual.connections),
            idle: values.duration("http_idle_timeout").unwrap_or(usual.idle),
        };
        if !(LEAST_HEAD..=MOST_HEAD).contains(&limits.head) {
            return Err(rejected("http_max_head_size", "8KB to 16MB"));
        }
        if limits.connections == 0 {
            return Err(rejected("http_max_connections", "at least 1"));
        }
        if limits.idle.is_zero() {
            return Err(rejected("http_idle_timeout", "more than nothing"));
        }
        Ok(limits)
    }
}

/// Counts open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    permits: Arc<Semaphore>,
}

impl Connections {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// Waits until one more connection may be opened; it counts until the permit is dropped.
    pub(crate) async fn admit(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Error, HTTP, Table};

    fn read(args: &[&str]) -> Result<HttpLimits, Error> {
        let table = Table {
            program: "x",
            prefix: "X_",
            flags: &[HTTP],
        };
        let args = args.iter().map(ToString::to_string);
        HttpLimits::from_flags(&table.parse(args, [])?)
    }

    #[test]
    fn flags_set_the_limits_and_nothing_changes_without_them() {
        assert_eq!(read(&[]).unwrap(), HttpLimits::default());
        let limits = read(&[
            "--http_max_head_size=16KB",
            "--http_max_body_size=1MB",
            "--http_max_connections=7",
            "--http_idle_timeout=5secs",
        ]);
        let expected = HttpLimits {
            head: 16 << 10,
            body: 1 << 20,
            connections: 7,
            idle: Duration::from_secs(5),
        };
        assert_eq!(limits.unwrap(), expected);
    }

    #[test]
    fn limits_nobody_could_be_served_with_are_refused() {
        for (flag, reason) in [
            (
                "--http_max_head_size=1KB",
                "flag 'http_max_head_size' does not take '1KB': expected 8KB to 16MB",
            ),
            (
                "--http_max_head_size=1GB",
                "flag 'http_max_head_size' does not take '1GB': expected 8KB to 16MB",
            ),
            (
                "--http_max_connections=0",
                "flag 'http_max_connections' does not take '0': expected at least 1",
            ),
            (
                "--http_idle_timeout=0secs",
                "flag 'http_idle_timeout' does not take '0ns': expected more than nothing",
            ),
        ] {
            assert_eq!(read(&[flag]).unwrap_err().to_string(), reason);
        }
    }
}
