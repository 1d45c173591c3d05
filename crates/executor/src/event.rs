//! What an agent tells its executors.

use bytes::Bytes;
use proto::v1::executor::event::Type;
use proto::v1::executor::{Event as Wire, event};
use proto::v1::{KillPolicy, TaskGroupInfo, TaskId, TaskInfo};
use uuid::Uuid;

/// What an agent tells its executors (facts: executor-http.md, section 3), and what happens to the connection.
/// Heartbeats are not shown.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The agent knows us, for the first time or again.
    Subscribed(Box<event::Subscribed>),
    /// Run this task.
    Launch(Box<TaskInfo>),
    /// Run these tasks, all or none.
    LaunchGroup(Box<TaskGroupInfo>),
    /// Kill this task.
    Kill {
        /// Which.
        task_id: TaskId,
        /// How, before what the task itself says.
        kill_policy: Option<KillPolicy>,
    },
    /// The agent has stored an update; it is not kept here any more.
    Acknowledged {
        /// Of which task.
        task_id: TaskId,
        /// Which.
        uuid: Uuid,
    },
    /// Bytes from the scheduler.
    Message(Bytes),
    /// A call was refused for good and is not sent again; an update among them has not reached the agent.
    Refused {
        /// The uuid, if it was an update.
        uuid: Option<Uuid>,
        /// The HTTP status.
        status: u16,
        /// What the agent said.
        message: String,
    },
    /// The connection is lost; it is being sought again.
    Disconnected,
    /// The agent gave up on us: stop. The last event.
    Error(String),
    /// End all tasks and exit, before the grace period is over. Also the last event when the agent stays away
    /// too long.
    Shutdown,
}

impl Event {
    /// What the wire says; none for heartbeats and for what this version does not know or that lacks its part.
    pub(crate) fn from_wire(event: Wire) -> Option<Self> {
        Some(match event.r#type() {
            Type::Subscribed => Self::Subscribed(Box::new(event.subscribed?)),
            Type::Launch => Self::Launch(Box::new(event.launch?.task)),
            Type::LaunchGroup => Self::LaunchGroup(Box::new(event.launch_group?.task_group)),
            Type::Kill => {
                let kill = event.kill?;
                Self::Kill {
                    task_id: kill.task_id,
                    kill_policy: kill.kill_policy,
                }
            }
            Type::Acknowledged => {
                let acknowledged = event.acknowledged?;
                let uuid = Uuid::from_slice(&acknowledged.uuid).ok()?;
                Self::Acknowledged {
                    task_id: acknowledged.task_id,
                    uuid,
                }
            }
            Type::Message => Self::Message(event.message?.data),
            Type::Error => Self::Error(event.error?.message),
            Type::Shutdown => Self::Shutdown,
            Type::Heartbeat | Type::Unknown => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use recordio::{Decoder, Limits};

    use super::*;

    /// What is in the chunks of a recorded stream.
    fn body() -> Bytes {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/captured/events.bin");
        let recorded = std::fs::read(path).unwrap();
        let mut rest = recorded.as_slice();
        let mut body = Vec::new();
        while !rest.is_empty() {
            let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
            let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            body.extend_from_slice(&rest[end + 2..end + 2 + length]);
            rest = &rest[end + 2 + length + 2..];
        }
        body.into()
    }

    /// What a real agent told a real executor: five tasks, two updates of each, and the end.
    #[test]
    fn the_events_of_a_recorded_agent_are_understood() {
        let mut body = body();
        let mut decoder = Decoder::new(Limits::default());
        let mut launched = Vec::new();
        let mut acknowledged = Vec::new();
        let mut others = Vec::new();
        while let Some(record) = decoder.decode(&mut body).unwrap() {
            let wire: Wire = proto::decode(record).unwrap();
            match Event::from_wire(wire).unwrap() {
                Event::Launch(task) => launched.push(task.task_id.value),
                Event::Acknowledged { task_id, .. } => acknowledged.push(task_id.value),
                other => others.push(other),
            }
        }
        decoder.finish().unwrap();
        assert_eq!(launched, ["0", "1", "2", "3", "4"]);
        acknowledged.sort();
        assert_eq!(acknowledged, ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"]);
        let [Event::Subscribed(subscribed), Event::Shutdown] = &others[..] else {
            panic!("{others:?}")
        };
        assert_eq!(subscribed.executor_info.executor_id.value, "default");
        assert_eq!(subscribed.agent_info.hostname, "localhost");
        assert!(subscribed.container_id.is_some());
    }
}
