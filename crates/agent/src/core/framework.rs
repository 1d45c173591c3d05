//! What the agent knows of one framework.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexMap;
use process::Upid;
use proto::v1;

use super::executor::Executor;
use super::ids::{ExecutorId, TaskId};

/// Completed frameworks remembered (facts: agent-disk, section 9).
pub const MAX_COMPLETED_FRAMEWORKS: usize = 50;

/// Where a framework is in its life on this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has executors, or is getting one.
    Running,
    /// It is being removed: its executors end, its updates are dropped.
    Terminating,
}

/// One framework.
#[derive(Clone, Debug)]
pub struct Framework {
    /// Its description, with its id.
    pub info: v1::FrameworkInfo,
    /// Its scheduler's address; empty for an HTTP framework.
    pub pid: Upid,
    /// Where it is in its life.
    pub phase: Phase,
    /// Its executors in the order of their launch.
    pub executors: IndexMap<ExecutorId, Executor>,
    /// Executors that are over, oldest first; at most `--max_completed_executors_per_framework`.
    pub completed: VecDeque<Arc<Executor>>,
}

impl Framework {
    /// A framework without executors.
    pub fn new(info: v1::FrameworkInfo, pid: Upid) -> Self {
        Self {
            info,
            pid,
            phase: Phase::Running,
            executors: IndexMap::new(),
            completed: VecDeque::new(),
        }
    }

    /// Whether its state is written to disk.
    pub fn checkpoint(&self) -> bool {
        self.info.checkpoint()
    }

    /// The executor that holds a task in any form but completed.
    pub fn executor_of(&self, task: &TaskId) -> Option<&Executor> {
        self.executors.values().find(|executor| executor.has(task))
    }
}
