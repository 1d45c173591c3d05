//! A process, seen from outside.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::cell::{Cell, Event, QueueCounts};
use super::context::Context;
use super::{Process, Timer};
use crate::runtime::Runtime;
use crate::{Error, Upid};

/// A running (or ended) process: lets others call it, end it and wait for its end. Dropping it changes nothing.
pub struct Handle<P> {
    runtime: Runtime,
    cell: Arc<Cell<P>>,
}

impl<P> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            cell: Arc::clone(&self.cell),
        }
    }
}

impl<P> std::fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("process", self.cell.upid())
            .finish_non_exhaustive()
    }
}

impl<P: Process> Handle<P> {
    pub(crate) const fn new(runtime: Runtime, cell: Arc<Cell<P>>) -> Self {
        Self { runtime, cell }
    }

    /// The process's address.
    pub fn upid(&self) -> &Upid {
        self.cell.upid()
    }

    /// The runtime it lives in.
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Queues a call; dropped when the process is gone.
    pub fn dispatch(&self, f: impl FnOnce(&mut P, &mut Context<P>) + Send + 'static) {
        drop(self.cell.push(Event::Dispatch(Box::new(f))));
    }

    /// Queues a call and waits for its result.
    ///
    /// # Errors
    /// [`Error::Terminated`] when the process is gone or ends before it comes to the call.
    pub async fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut P, &mut Context<P>) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (sender, receiver) = oneshot::channel();
        // A receiver that has stopped waiting does not matter.
        self.dispatch(move |process, ctx| drop(sender.send(f(process, ctx))));
        receiver
            .await
            .map_err(|_| Error::Terminated(self.upid().id().to_owned()))
    }

    /// Queues a call after `duration` on the runtime's clock.
    pub fn delay(
        &self,
        duration: Duration,
        f: impl FnOnce(&mut P, &mut Context<P>) + Send + 'static,
    ) -> Timer {
        let cell = Arc::clone(&self.cell);
        self.runtime
            .clock()
            .after(duration, move || drop(cell.push(Event::Dispatch(Box::new(f)))))
    }

    /// Ends the process before what is queued.
    pub fn terminate(&self) {
        self.cell.kill();
    }

    /// Ends the process after what is queued.
    pub fn terminate_last(&self) {
        drop(self.cell.push(Event::Terminate));
    }

    /// Whether the process has ended.
    pub fn is_gone(&self) -> bool {
        self.cell.is_gone()
    }

    /// Waits until the process has ended.
    pub async fn wait(&self) {
        self.cell.ended().await;
    }

    /// What waits in its mailbox.
    pub fn queue(&self) -> QueueCounts {
        self.cell.counts()
    }
}
