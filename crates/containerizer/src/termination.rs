//! How a container ended.

use proto::Message;
use proto::slave::ContainerTermination;
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

    /// As it lies in a nested container's runtime directory: a length (four bytes, little end first) and a
    /// `ContainerTermination`, as Mesos checkpoints messages.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let message = ContainerTermination {
            status: self.status,
            state: self.state.map(|state| state as i32),
            reason: self.reason.map(|reason| reason as i32),
            message: self.message.clone(),
            limited_resources: self.limited_resources.clone(),
        }
        .encode_to_vec();
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        [length.to_le_bytes().as_slice(), &message].concat()
    }

    /// The reverse; none if the bytes are something else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, message) = bytes.split_first_chunk::<4>()?;
        if usize::try_from(u32::from_le_bytes(*length)).ok()? != message.len() {
            return None;
        }
        let message = ContainerTermination::decode(message).ok()?;
        Some(Self {
            status: message.status,
            state: message.state.and_then(|state| TaskState::try_from(state).ok()),
            reason: message.reason.and_then(|reason| Reason::try_from(reason).ok()),
            message: message.message,
            limited_resources: message.limited_resources,
        })
    }

    /// `exited with status N` or `terminated with signal <text>`, as the tasks' messages put it; none without status.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        self.status.map(crate::program::describe_status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_termination_is_read_back_and_torn_ones_are_not() {
        let termination = Termination {
            status: Some(9),
            state: Some(TaskState::TaskFailed),
            reason: Some(Reason::IoSwitchboardExited),
            message: Some("gone".to_owned()),
            limited_resources: vec![Resource {
                name: "mem".to_owned(),
                ..Resource::default()
            }],
        };
        let bytes = termination.encode();
        assert_eq!(Termination::decode(&bytes), Some(termination));
        for cut in 0..bytes.len() {
            assert_eq!(Termination::decode(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(
            Termination::decode(&Termination::default().encode()),
            Some(Termination::default())
        );
    }
}
