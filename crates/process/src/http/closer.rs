//! Cutting a client off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Closes the connection that a response is sent on, even while a write to it is blocked: for clients that do not
/// read. Clones close the same connection.
#[derive(Clone, Debug, Default)]
pub struct Closer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    closed: AtomicBool,
    notify: Notify,
}

impl Closer {
    /// One that has closed nothing yet; give it to [`super::Response::closer`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes the connection, now or as soon as the response is on it.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.notify.notify_waiters();
    }

    /// Waits until it is closed.
    pub(crate) async fn closed(&self) {
        loop {
            let notified = self.shared.notify.notified();
            if self.shared.closed.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }
}
