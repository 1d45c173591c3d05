//! One request to another process, and the one message that answers it (facts: libprocess-wire, section 7).

use tokio::sync::oneshot;

use super::{Context, Handle, Process, Typed};
use crate::runtime::Runtime;
use crate::{Error, Upid};

/// Sends a request from an address of its own, so that whatever arrives there of the right type is the answer.
struct Requester<Q, A> {
    to: Upid,
    request: Option<Q>,
    answer: Option<oneshot::Sender<A>>,
}

impl<Q: Typed, A: Typed> Process for Requester<Q, A> {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.install::<A>(|this, ctx, _from, answer| {
            if let Some(sender) = this.answer.take() {
                // Who asked may have stopped waiting.
                drop(sender.send(answer));
            }
            ctx.terminate();
        });
        if let Some(request) = self.request.take() {
            ctx.post(&self.to, request);
        }
    }
}

/// Ends the requester when nobody waits any more.
struct Waiting<Q: Typed, A: Typed>(Handle<Requester<Q, A>>);

impl<Q: Typed, A: Typed> Drop for Waiting<Q, A> {
    fn drop(&mut self) {
        self.0.terminate();
    }
}

impl Runtime {
    /// Sends a request from a process of its own, `__req_res__(N)`, and waits for the message of type `A` that is sent
    /// back to it. Waits without end: messages may be lost, so put a time-out around it. When the future is dropped,
    /// a later answer finds nobody.
    ///
    /// # Errors
    /// [`Error::Terminated`] when this runtime shuts down meanwhile.
    pub async fn request<Q: Typed, A: Typed>(&self, to: &Upid, request: Q) -> Result<A, Error> {
        let (answer, receiver) = oneshot::channel();
        let requester = Requester {
            to: to.clone(),
            request: Some(request),
            answer: Some(answer),
        };
        let waiting = Waiting(self.spawn(self.unique_id("__req_res__"), requester)?);
        receiver
            .await
            .map_err(|_| Error::Terminated(waiting.0.upid().id().to_owned()))
    }
}
