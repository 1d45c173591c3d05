//! Attached input and output of a container: bounded channels of records.

use proto::v1::agent::ProcessIo;
use tokio::sync::{mpsc, oneshot};

use crate::Error;

/// How many records wait on each side of an attachment; whoever sends more waits.
pub const MAX_ATTACHED: usize = 16;

/// What a container writes, record by record. Dropping it detaches; the container goes on.
#[derive(Debug)]
pub struct ContainerOutput {
    records: mpsc::Receiver<ProcessIo>,
}

impl ContainerOutput {
    /// An output and the end that feeds it; it ends when that is dropped.
    #[must_use]
    pub fn channel() -> (mpsc::Sender<ProcessIo>, Self) {
        let (sender, records) = mpsc::channel(MAX_ATTACHED);
        (sender, Self { records })
    }

    /// The next record, DATA of `STDOUT` or `STDERR` (with a terminal `STDOUT` alone); none when the container has
    /// ended and all was read. May be dropped at any time without loss.
    pub async fn next(&mut self) -> Option<ProcessIo> {
        self.records.recv().await
    }
}

/// A record for a container's input, and where to say what came of it.
pub type InputRequest = (ProcessIo, oneshot::Sender<Result<(), Error>>);

/// A container's standard input. Dropping it detaches, which does not close the input: an empty record of `STDIN`
/// does (without a terminal).
#[derive(Debug)]
pub struct ContainerInput {
    requests: mpsc::Sender<InputRequest>,
}

impl ContainerInput {
    /// An input and the end that serves it.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<InputRequest>) {
        let (requests, receiver) = mpsc::channel(MAX_ATTACHED);
        (Self { requests }, receiver)
    }

    /// Hands a record over (DATA of `STDIN`, or CONTROL with a window size or a heartbeat); resolves when it was
    /// written.
    ///
    /// # Errors
    /// [`Error::Input`]: it was no input, or the container did not take it. [`Error::UnknownContainer`]: the
    /// container has ended.
    pub async fn send(&self, record: ProcessIo) -> Result<(), Error> {
        let gone = || Error::UnknownContainer("that was attached to".to_owned());
        let (answer, answered) = oneshot::channel();
        self.requests.send((record, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Resolves when the container takes no more input, because it has ended.
    pub async fn closed(&self) {
        self.requests.closed().await;
    }
}
