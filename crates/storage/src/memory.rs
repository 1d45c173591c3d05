//! A store that ends with the process.

use crate::Error;
use crate::store::{Change, Epoch, Pair, Store, check_sizes};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Keeps everything in memory: `--registry=in_memory`, tests, simulations.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    values: BTreeMap<String, Bytes>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for Memory {
    fn acquire(&self) -> Result<Epoch, Error> {
        let mut state = self.state.lock();
        state.epoch += 1;
        Ok(Epoch(state.epoch))
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.state.lock().values.get(key).cloned())
    }

    fn scan(&self, prefix: &str) -> Result<Vec<Pair>, Error> {
        let state = self.state.lock();
        let from = state.values.range(prefix.to_owned()..);
        Ok(from
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn write(&self, epoch: Epoch, changes: Vec<Change>) -> Result<(), Error> {
        check_sizes(&changes)?;
        let mut state = self.state.lock();
        if state.epoch != epoch.0 {
            return Err(Error::Deposed {
                mine: epoch,
                current: Epoch(state.epoch),
            });
        }
        for change in changes {
            match change {
                Change::Put { key, value } => state.values.insert(key, value),
                Change::Delete { key } => state.values.remove(&key),
            };
        }
        Ok(())
    }
}
