//! Where discarded things lie.

use std::path::PathBuf;

use super::Disk;
use crate::core::{Discarded, paths};

impl Disk {
    /// The directories of something discarded: in the sandbox tree and in the checkpoint.
    pub fn directories(&self, what: &Discarded) -> [PathBuf; 2] {
        [&self.work_dir, &self.meta].map(|root| match what {
            Discarded::Run(run) => paths::run(root, run),
            Discarded::Executor(agent, framework, executor) => {
                paths::executor(root, agent, framework, executor)
            }
            Discarded::Framework(agent, framework) => paths::framework(root, agent, framework),
        })
    }
}
