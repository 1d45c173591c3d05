//! The registry in a store: what a leading master writes through.

use crate::registry::{Operation, Refused, Registry};
use crate::{Change, Epoch, Error, Store};
use proto::{internal, v1};
use std::sync::Arc;

/// What this generation of masters can do, by the names that the registry may demand.
pub const CAPABILITIES: [&str; 3] = ["AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"];

/// A leader's access to the registry. Calls block; make them on a thread of their own.
#[derive(Debug)]
pub struct Registrar {
    store: Arc<dyn Store>,
    epoch: Epoch,
    registry: Registry,
}

impl Registrar {
    /// Becomes the leader of the store, reads the registry, and stores the leader's info in it.
    ///
    /// # Errors
    /// [`Error::MissingCapabilities`] when the registry needs more than [`CAPABILITIES`]; else what reading
    /// and writing may fail with.
    pub fn recover(store: Arc<dyn Store>, master: v1::MasterInfo) -> Result<Self, Error> {
        let epoch = store.acquire()?;
        let mut registry = Registry::load(store.scan(crate::registry::ROOT)?)?;
        let missing: Vec<&str> = registry
            .minimum_capabilities()
            .filter(|name| !CAPABILITIES.contains(name))
            .collect();
        if !missing.is_empty() {
            return Err(Error::MissingCapabilities(missing.join(", ")));
        }
        let mut changes = Vec::new();
        registry.lead(master, &mut changes);
        store.write(epoch, changes)?;
        Ok(Self {
            store,
            epoch,
            registry,
        })
    }

    /// Applies operations in order and stores what they changed, all with one write. Each has its own result:
    /// whether it changed anything, or why it does not fit. All are durable when this returns.
    ///
    /// # Errors
    /// When storing fails: none of them happened, and this registrar must not be used again.
    pub fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Result<bool, Refused>>, Error> {
        let mut changes: Vec<Change> = Vec::new();
        let results = operations
            .iter()
            .map(|operation| self.registry.apply(operation, &mut changes))
            .collect();
        if !changes.is_empty() {
            self.store.write(self.epoch, changes)?;
        }
        Ok(results)
    }

    /// The registry as it is stored.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The registry as a message.
    pub fn to_proto(&self) -> internal::Registry {
        self.registry.to_proto()
    }
}
