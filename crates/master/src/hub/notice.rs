//! An event with what filters need to know about it.

use bytes::Bytes;
use proto::ContentType;

use super::Event;
use crate::core::OperatorEvent;

/// Whose task an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Users {
    /// The user of the task.
    pub(crate) task: Box<str>,
    /// The user of its framework.
    pub(crate) framework: Box<str>,
}

/// An event as it is published.
#[derive(Debug)]
pub(crate) struct Notice {
    /// The event.
    pub(crate) event: OperatorEvent,
    /// For events about tasks, where not everybody may see everything.
    pub(crate) users: Option<Users>,
}

impl Event for Notice {
    fn weight(&self) -> usize {
        self.event.weight()
    }

    fn record(&self, content_type: ContentType) -> Bytes {
        self.event.record(content_type)
    }
}
