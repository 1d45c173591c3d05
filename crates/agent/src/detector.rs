//! Where the master is: one address, given by the operator.

use std::time::Duration;

use ::process::Clock;
use election::{Detector, Location, Pending};
use proto::v1::MasterInfo;

/// Between two attempts to resolve a name that does not resolve.
const RETRY: Duration = Duration::from_secs(1);

/// Finds the master at a fixed address. The name is looked up whenever the agent asks anew, so a master that moved is
/// found, and for as long as it takes.
#[derive(Clone, Debug)]
pub(crate) struct FixedDetector {
    location: Location,
    clock: Clock,
}

impl FixedDetector {
    /// A detector for a standalone location.
    pub(crate) const fn new(location: Location, clock: Clock) -> Self {
        Self { location, clock }
    }

    async fn resolve(&self) -> MasterInfo {
        loop {
            let location = self.location.clone();
            let found = tokio::task::spawn_blocking(move || location.standalone_info()).await;
            match found {
                Ok(Ok(mut master)) => {
                    if let Some(ip) = master.address.as_ref().and_then(|address| address.ip.as_deref())
                        && ip.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
                    {
                        // Compat: the address as people know it, in `/state`.
                        master.hostname = Some("localhost".to_owned());
                    }
                    return master;
                }
                Ok(Err(error)) => tracing::warn!(%error, "no master yet"),
                Err(error) => tracing::warn!(%error, "the search for the master broke off"),
            }
            self.clock.sleep(RETRY).await;
        }
    }
}

impl Detector for FixedDetector {
    fn detect(&self, previous: Option<MasterInfo>) -> Pending<'_, Option<MasterInfo>> {
        Box::pin(async move {
            if previous.is_some() {
                // It leads for ever.
                std::future::pending::<()>().await;
            }
            Ok(Some(self.resolve().await))
        })
    }
}
