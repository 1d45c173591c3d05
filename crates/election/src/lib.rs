//! Who leads, and where the leader is.
//!
//! A master contends ([`Contender`]); masters, agents and schedulers detect ([`Detector`]). Detection is by
//! comparison: [`Detector::detect`] is given what the caller believes and answers as soon as the truth
//! differs, so that no change between two calls is ever missed. Clusters of one master have the standalone form,
//! others a [`Group`] in ZooKeeper.

mod candidacy;
mod detector;
mod group;
mod info;
mod location;
mod standalone;

pub use candidacy::{Candidacy, Contender};
pub use detector::{Detector, Pending};
pub use group::Group;
pub use info::{MasterInfoBuilder, ip_number, ip_of_number, pid_of};
pub use location::Location;
pub use standalone::{StandaloneContender, StandaloneDetector};

/// Why contending or detecting failed, or why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What appoints leaders is gone.
    #[error("nobody appoints leaders any more")]
    Closed,
    /// An address that is neither `host:port` nor `zk://...`.
    #[error("cannot parse master address '{0}'")]
    Address(String),
    /// A ZooKeeper address that is none, or servers that refuse us.
    #[error(transparent)]
    Ensemble(#[from] zookeeper::Error),
    /// The servers do not let us see the election's node or put one of ours in.
    #[error("the ZooKeeper path cannot be used: {0}; look at its ACL and at the credentials")]
    Forbidden(String),
    /// The servers answered with an error that may pass.
    #[error("ZooKeeper failed: {0}")]
    ZooKeeper(String),
    /// A host name without an address.
    #[error("cannot resolve '{0}'")]
    Unresolved(String),
    /// The file that was to hold the address.
    #[error("cannot read '{path}': {reason}")]
    File {
        /// Its path.
        path: String,
        /// What the system said.
        reason: String,
    },
}
