//! What clients may use up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
