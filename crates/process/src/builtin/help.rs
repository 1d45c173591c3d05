//! What `/help` knows: the routes of every process, with texts.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Routes by process id, with their texts.
#[derive(Debug, Default)]
pub(crate) struct Help {
    processes: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Help {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Notes a route; a text that it has already stays.
    pub(crate) fn add_route(&self, id: &str, path: &str) {
        let mut processes = self.processes.lock();
        processes
            .entry(id.to_owned())
            .or_default()
            .entry(path.to_owned())
            .or_default();
    }

    pub(crate) fn describe(&self, id: &str, path: &str, text: String) {
        self.processes
            .lock()
            .entry(id.to_owned())
            .or_default()
            .insert(path.to_owned(), text);
    }

    /// Forgets an ended process.
    pub(crate) fn remove(&self, id: &str) {
        self.processes.lock().remove(id);
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        self.processes.lock().clone()
    }
}
