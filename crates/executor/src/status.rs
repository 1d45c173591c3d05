//! What an executor says of a task.

use bytes::Bytes;
use proto::v1::task_status::{Reason, Source};
use proto::v1::{
    CheckStatusInfo, ContainerStatus, ExecutorId, Labels, TaskId, TaskResourceLimitation, TaskState,
    TaskStatus,
};
use uuid::Uuid;

/// What an executor says of a task. Uuid, time, source and executor id are added when it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    inner: TaskStatus,
}

impl Status {
    /// A task is in this state.
    #[must_use]
    pub fn new(task_id: TaskId, state: TaskState) -> Self {
        Self {
            inner: TaskStatus {
                task_id,
                state: state as i32,
                ..TaskStatus::default()
            },
        }
    }

    /// Words for people.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.inner.message = Some(message.into());
        self
    }

    /// Why, for machines.
    #[must_use]
    pub fn reason(mut self, reason: Reason) -> Self {
        self.inner.reason = Some(reason as i32);
        self
    }

    /// Whether the task is healthy.
    #[must_use]
    pub fn healthy(mut self, healthy: bool) -> Self {
        self.inner.healthy = Some(healthy);
        self
    }

    /// The last answer of the task's check; a task that has a check says it in every status.
    #[must_use]
    pub fn check_status(mut self, status: CheckStatusInfo) -> Self {
        self.inner.check_status = Some(status);
        self
    }

    /// The resources whose limit the task passed.
    #[must_use]
    pub fn limitation(mut self, limitation: TaskResourceLimitation) -> Self {
        self.inner.limitation = Some(limitation);
        self
    }

    /// Bytes for the scheduler.
    #[must_use]
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.inner.data = Some(data.into());
        self
    }

    /// Labels for whoever looks.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.inner.labels = Some(labels);
        self
    }

    /// What container the task is in; the agent fills in what it knows.
    #[must_use]
    pub fn container_status(mut self, status: ContainerStatus) -> Self {
        self.inner.container_status = Some(status);
        self
    }

    pub(crate) fn into_wire(self, uuid: Uuid, timestamp: f64, executor_id: &ExecutorId) -> TaskStatus {
        TaskStatus {
            uuid: Some(Bytes::copy_from_slice(uuid.as_bytes())),
            timestamp: Some(timestamp),
            source: Some(Source::Executor as i32),
            executor_id: Some(executor_id.clone()),
            ..self.inner
        }
    }
}
