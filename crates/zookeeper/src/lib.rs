//! Sessions with a ZooKeeper ensemble (facts: zookeeper.md, sections 1 to 3).
//!
//! An [`Ensemble`] is where servers are and how nodes are protected. [`Ensemble::session`] makes a [`Session`], trying
//! for as long as it takes. A session ends once and for all: the servers have ended it, or they may have while nobody
//! could be asked. Who holds ephemeral nodes acts on [`Session::over`] and makes another one.

mod session;
mod url;

pub use session::{Ensemble, Session};
pub use url::Url;
pub use zookeeper_client as client;

/// Why there is no session, or an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not `zk://...`, or without servers.
    #[error("cannot parse '{0}' as zk://[user:password@]host:port,.../path")]
    Address(String),
    /// An address without a path of its own.
    #[error("expecting a (chroot) path for ZK in '{0}'")]
    NoPath(String),
    /// The servers do not accept the credentials.
    #[error("the ZooKeeper servers at {0} refuse the credentials")]
    Refused(String),
}
