//! Where the leader is.

use crate::Error;
use proto::v1::MasterInfo;
use std::pin::Pin;

/// An answer that is still to come.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Finds the leading master.
pub trait Detector: Send + Sync + std::fmt::Debug {
    /// Resolves to the leader as soon as it is not `previous`; `None` means that nobody leads. Dropping the
    /// future is enough to stop waiting.
    ///
    /// # Errors
    /// When leaders cannot be detected any more; calling again does not help.
    fn detect(&self, previous: Option<MasterInfo>) -> Pending<'_, Option<MasterInfo>>;
}
