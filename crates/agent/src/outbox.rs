//! Holds outputs until the writes they rest on are on disk.

use std::collections::VecDeque;

use process::Upid;

use crate::core::{ContainerId, Output, StreamId, WriteId};

/// Outputs that wait, in order.
///
/// What rests on nothing passes those that wait, unless one of them goes to the same destination. So a slow disk
/// never holds up the answer to a ping, and nobody sees events out of order.
#[derive(Debug, Default)]
pub struct Outbox {
    written: u64,
    held: VecDeque<(u64, Output)>,
}

#[derive(PartialEq)]
enum Destination<'a> {
    Peer(&'a Upid),
    Stream(StreamId),
    Container(&'a ContainerId),
    /// The process itself: it ends after all that went before.
    Everything,
    Own,
}

fn destination(output: &Output) -> Destination<'_> {
    match output {
        Output::Send { to, .. } | Output::Link(to) | Output::Prove { to, .. } => Destination::Peer(to),
        Output::Event { stream, .. } | Output::CloseStream(stream) => Destination::Stream(*stream),
        Output::Launch { container, .. }
        | Output::Wait { container, .. }
        | Output::UpdateContainer { container, .. }
        | Output::Destroy(container) => Destination::Container(container),
        Output::Exit(_) => Destination::Everything,
        Output::Checkpoint { .. }
        | Output::Detect
        | Output::EndProof
        | Output::Reply { .. }
        | Output::RecoverContainers(_)
        | Output::ScheduleGc(_)
        | Output::UnscheduleGc(_) => Destination::Own,
    }
}

const fn rests_on(output: &Output) -> Option<WriteId> {
    match output {
        Output::Send { after, .. } | Output::Event { after, .. } | Output::Launch { after, .. } => *after,
        _ => None,
    }
}

impl Outbox {
    /// Takes an output; gives it back when it may be carried out now. `last` is the last write asked for.
    pub fn push(&mut self, output: Output, last: WriteId) -> Option<Output> {
        let mut needs = rests_on(&output).map_or(0, |write| write.0);
        let to = destination(&output);
        if to == Destination::Everything {
            needs = last.0;
        }
        let behind = self
            .held
            .iter()
            .any(|(_, held)| to != Destination::Own && destination(held) == to);
        if needs <= self.written && !behind {
            return Some(output);
        }
        self.held.push_back((needs, output));
        None
    }

    /// All writes up to `write` are on disk; gives what may be carried out now, in order.
    pub fn written(&mut self, write: WriteId) -> Vec<Output> {
        self.written = self.written.max(write.0);
        let mut ready = Vec::new();
        let mut waiting: VecDeque<(u64, Output)> = VecDeque::new();
        for (needs, output) in self.held.drain(..) {
            let to = destination(&output);
            let behind = waiting.iter().any(|(_, held)| destination(held) == to);
            if needs <= self.written && !behind {
                ready.push(output);
            } else {
                waiting.push_back((needs, output));
            }
        }
        self.held = waiting;
        ready
    }

    /// How many outputs wait.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proto::internal::PongSlaveMessage;

    use super::*;
    use crate::core::{Exit, Sent};

    fn send(to: &str, after: Option<u64>) -> Output {
        let message = Sent::PongSlave(PongSlaveMessage::default());
        Output::Send {
            to: to.parse().unwrap(),
            message,
            after: after.map(WriteId),
        }
    }

    #[test]
    fn waits_for_its_write_and_keeps_order_per_destination() {
        let last = WriteId(2);
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(send("m@1.1.1.1:1", Some(2)), last), None);
        assert_eq!(outbox.push(send("m@1.1.1.1:1", None), last), None);
        assert_eq!(
            outbox.push(send("o@1.1.1.1:1", None), last),
            Some(send("o@1.1.1.1:1", None))
        );
        assert_eq!(outbox.push(Output::Exit(Exit::Done), last), None);
        assert_eq!(outbox.written(WriteId(1)), []);
        let all = [
            send("m@1.1.1.1:1", Some(2)),
            send("m@1.1.1.1:1", None),
            Output::Exit(Exit::Done),
        ];
        assert_eq!(outbox.written(WriteId(2)), all);
        assert!(outbox.is_empty());
    }
}
