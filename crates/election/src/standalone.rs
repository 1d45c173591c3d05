//! One master, which always leads.

use crate::{Candidacy, Contender, Detector, Error, Pending};
use proto::v1::MasterInfo;
use std::sync::Arc;
use tokio::sync::watch;

/// Knows the leader because it is told: `--master=host:port`, a master without ZooKeeper, tests.
#[derive(Clone, Debug)]
pub struct StandaloneDetector {
    leader: Arc<watch::Sender<Option<MasterInfo>>>,
}

impl StandaloneDetector {
    /// A detector that knows this leader, or none.
    pub fn new(leader: Option<MasterInfo>) -> Self {
        Self {
            leader: Arc::new(watch::Sender::new(leader)),
        }
    }

    /// Somebody else leads from now on, or nobody. Clones of the detector see it too.
    pub fn appoint(&self, leader: Option<MasterInfo>) {
        self.leader.send_replace(leader);
    }
}

impl Detector for StandaloneDetector {
    fn detect(&self, previous: Option<MasterInfo>) -> Pending<'_, Option<MasterInfo>> {
        let mut leader = self.leader.subscribe();
        Box::pin(async move {
            let leader = leader
                .wait_for(|leader| *leader != previous)
                .await
                .map_err(|_| Error::Closed)?;
            Ok(leader.clone())
        })
    }
}

/// Enters a contest without others: the candidacy is never lost.
#[derive(Debug, Default)]
pub struct StandaloneContender {
    lost: watch::Sender<bool>,
}

impl StandaloneContender {
    /// A contender.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Contender for StandaloneContender {
    fn contend(&self, _master: MasterInfo) -> Pending<'_, Candidacy> {
        // An earlier candidacy ends, the new one listens from here on.
        self.lost.send_replace(true);
        self.lost.send_replace(false);
        let (candidacy, _released) = Candidacy::new(self.lost.subscribe());
        Box::pin(async move { Ok(candidacy) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(id: &str) -> MasterInfo {
        MasterInfo {
            id: id.to_owned(),
            ..MasterInfo::default()
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_detector_answers_at_once_when_the_caller_is_wrong() {
        let detector = StandaloneDetector::new(Some(master("a")));
        assert_eq!(detector.detect(None).await, Ok(Some(master("a"))));
        assert_eq!(detector.detect(Some(master("b"))).await, Ok(Some(master("a"))));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_detector_waits_for_a_change() {
        let detector = StandaloneDetector::new(Some(master("a")));
        let other = detector.clone();
        let waiting = tokio::spawn(async move { other.detect(Some(master("a"))).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        detector.appoint(None);
        assert_eq!(waiting.await.unwrap(), Ok(None));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_change_between_two_calls_is_not_missed() {
        let detector = StandaloneDetector::new(None);
        detector.appoint(Some(master("a")));
        detector.appoint(Some(master("b")));
        assert_eq!(detector.detect(None).await, Ok(Some(master("b"))));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn contending_again_ends_the_candidacy_before() {
        let contender = StandaloneContender::new();
        let mut first = contender.contend(master("a")).await.unwrap();
        drop(contender);
        first.lost().await;
    }
}
