//! Running for leadership.

use crate::{Error, Pending};
use proto::v1::MasterInfo;
use tokio::sync::watch;

/// Runs for leadership on behalf of one master.
pub trait Contender: Send + Sync + std::fmt::Debug {
    /// Enters the contest. Resolves when the master is a candidate, which does not mean that it leads: that
    /// is for the detector to say. An earlier candidacy of this contender ends.
    ///
    /// # Errors
    /// When the contest cannot be entered.
    fn contend(&self, master: MasterInfo) -> Pending<'_, Candidacy>;
}

/// A place among the candidates, given up when dropped.
#[derive(Debug)]
pub struct Candidacy {
    lost: watch::Receiver<bool>,
    /// Told when this is dropped.
    _held: watch::Sender<()>,
}

impl Candidacy {
    /// A candidacy, for implementations of [`Contender`]: it is lost when `lost` becomes true or its sender
    /// goes. The receiver returned sees its sender go when the candidate gives up.
    pub fn new(lost: watch::Receiver<bool>) -> (Self, watch::Receiver<()>) {
        let (held, released) = watch::channel(());
        (Self { lost, _held: held }, released)
    }

    /// Resolves when the candidacy is over without having been given up.
    pub async fn lost(&mut self) {
        // The contest's end ends every candidacy in it.
        let _over: Result<_, _> = self.lost.wait_for(|lost| *lost).await.map_err(|_| Error::Closed);
    }
}
