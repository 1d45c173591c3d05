//! The registry, beside the master's thread: read once, then changed by one write after the other.

use proto::internal;

use crate::Error;
use crate::core::RegistryOperation;

/// Where changes of the registry go. Each is reported when it is durable, in the order they were given.
#[derive(Debug)]
pub(crate) enum Registrar {
    /// Nowhere: durable as long as this process is.
    Memory,
}

impl Registrar {
    /// Reads the registry.
    pub(crate) fn recover(&self, done: impl FnOnce(Result<internal::Registry, Error>) + Send + 'static) {
        match self {
            Self::Memory => done(Ok(internal::Registry::default())),
        }
    }

    /// Applies operations together.
    pub(crate) fn apply(
        &self,
        _operations: Vec<RegistryOperation>,
        done: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        match self {
            Self::Memory => done(Ok(())),
        }
    }
}
