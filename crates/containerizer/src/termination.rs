//! How a container ended.

use proto::v1::task_status::Reason;
use proto::v1::{Resource, TaskState};

/// How a container ended. The fields after `status` are set when the containerizer itself ended it, because of
/// a limitation or a destroyed launch; the agent prefers them to its own guess.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Termination {
    /// Wait status of the executor as `waitpid` gives it. None: it left none, because it never started or
    /// because an earlier boot took the record along.
    pub status: Option<i32>,
    /// State for the tasks that had not ended.
    pub state: Option<TaskState>,
    /// Reason for them.
    pub reason: Option<Reason>,
    /// Message for them.
    pub message: Option<String>,
    /// The resources whose limit was passed.
    pub limited_resources: Vec<Resource>,
}

impl Termination {
    /// A container whose executor ended by itself or by a signal.
    #[must_use]
    pub fn of_status(status: i32) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }

    /// `exited with status N` or `terminated with signal <text>`, as the tasks' messages put it; none without status.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        self.status.map(crate::program::describe_status)
    }
}
