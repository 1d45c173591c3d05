//! Records: how an event becomes bytes.

use bytes::Bytes;
use proto::{ContentType, Message, json};

use super::Event;
use crate::core::OperatorEvent;

/// Room for the length of any record and its line feed.
const HEAD: usize = 21;

/// One RecordIO record whose content `write` appends: encoded in place, without copying it behind its length.
pub(crate) fn record(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut buffer = vec![0; HEAD];
    write(&mut buffer);
    let head = format!("{}\n", buffer.len() - HEAD);
    let start = HEAD - head.len();
    buffer[start..HEAD].copy_from_slice(head.as_bytes());
    Bytes::from(buffer).slice(start..)
}

/// A HEARTBEAT event, the same for everyone.
pub(crate) const fn heartbeat(content_type: ContentType) -> Bytes {
    match content_type {
        // Field 1, the type, is 9.
        ContentType::Protobuf => Bytes::from_static(b"2\n\x08\x09"),
        ContentType::Json => Bytes::from_static(b"20\n{\"type\":\"HEARTBEAT\"}"),
    }
}

impl Event for OperatorEvent {
    fn weight(&self) -> usize {
        let message = match self {
            Self::TaskAdded(task) => task.protobuf().len(),
            Self::TaskUpdated { status, .. } => status.encoded_len(),
            Self::AgentAdded(agent) => agent.info.encoded_len(),
            Self::AgentRemoved(_) => 0,
            Self::FrameworkAdded(framework) | Self::FrameworkUpdated(framework) => {
                framework.info.encoded_len()
            }
            Self::FrameworkRemoved(info) => info.encoded_len(),
        };
        // The value, its protobuf, and its JSON of about twice that length; and what comes with any event.
        512 + 4 * message
    }

    fn record(&self, content_type: ContentType) -> Bytes {
        record(|out| match (self, content_type) {
            // The task's own encoding is needed by snapshots as well.
            (Self::TaskAdded(task), ContentType::Json) => {
                out.extend_from_slice(b"{\"type\":\"TASK_ADDED\",\"task_added\":{\"task\":");
                out.extend_from_slice(task.json());
                out.extend_from_slice(b"}}");
            }
            (_, ContentType::Json) => json::write(&self.to_message(), out),
            (_, ContentType::Protobuf) => self.to_message().encode_raw(out),
        })
    }
}
