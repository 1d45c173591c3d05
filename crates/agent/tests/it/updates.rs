//! The status update manager against a model: whatever happens, every update arrives once, in order.

use agent::core::status_updates::{Acknowledged, Added, Key};
use agent::core::{Run, StatusUpdates};
use bytes::Bytes;
use process::Time;
use proptest::prelude::*;
use proto::internal::StatusUpdate;
use proto::v1::TaskState;

use crate::support::{run_of, status};

#[derive(Clone, Debug)]
enum Event {
    /// The executor sends the update of this number, for the first time or again.
    Update(u8),
    /// The framework acknowledges what it was sent last.
    Acknowledge,
    /// The framework acknowledges something else.
    AcknowledgeWrong(u8),
    /// The master goes.
    Pause,
    /// The master comes.
    Resume,
    /// The agent is killed and started again.
    Restart,
    /// Time passes.
    Wait(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u8..12).prop_map(Event::Update),
        4 => Just(Event::Acknowledge),
        1 => (0u8..12).prop_map(Event::AcknowledgeWrong),
        1 => Just(Event::Pause),
        2 => Just(Event::Resume),
        1 => Just(Event::Restart),
        2 => any::<u8>().prop_map(Event::Wait),
    ]
}

fn key() -> Key {
    ("f".into(), "t".into())
}

fn run() -> Run {
    run_of(&"c".into())
}

fn uuid(number: u8) -> Bytes {
    vec![number; 16].into()
}

/// Update number 11 ends the task.
fn update(number: u8) -> StatusUpdate {
    let state = if number == 11 {
        TaskState::TaskFinished
    } else {
        TaskState::TaskRunning
    };
    StatusUpdate {
        status: status("t", state, number),
        uuid: Some(uuid(number)),
        ..Default::default()
    }
}

#[derive(Default)]
struct World {
    manager: StatusUpdates,
    now: Time,
    /// What is on disk.
    log: Vec<StatusUpdate>,
    acknowledged: Vec<Bytes>,
    /// What the framework was sent and has not acknowledged.
    at_framework: Option<Bytes>,
    /// What the framework has got, once each, in order.
    got: Vec<Bytes>,
    ended: bool,
}

impl World {
    fn send(&mut self) {
        let (head, _) = self.manager.head(&key()).expect("only what is there is sent");
        let uuid = head.uuid.unwrap();
        assert!(
            !self.acknowledged.contains(&uuid),
            "sent again after its acknowledgement"
        );
        if self.got.last() != Some(&uuid) {
            assert!(!self.got.contains(&uuid), "out of order");
            self.got.push(uuid.clone());
        }
        self.at_framework = Some(uuid);
    }

    fn acknowledge(&mut self, uuid: &Bytes) {
        match self.manager.acknowledge(self.now, &key(), uuid) {
            Ok(outcome) => {
                self.acknowledged.push(uuid.clone());
                self.at_framework = None;
                match outcome {
                    Acknowledged::Next => self.send(),
                    Acknowledged::Ended => self.ended = true,
                    Acknowledged::Idle => {}
                }
            }
            Err(_) => assert_ne!(self.at_framework.as_ref(), Some(uuid), "the head was refused"),
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Update(_) if self.ended => {}
            Event::Update(number) => {
                // After the terminal update the executor's task takes no more, which is not the manager's business.
                if self.log.iter().any(|old| old.uuid == Some(uuid(11)))
                    && !self.log.iter().any(|old| old.uuid == Some(uuid(number)))
                {
                    return;
                }
                let added = self
                    .manager
                    .update(self.now, &key(), update(number), Some(&run()));
                let known = self.log.iter().any(|old| old.uuid == Some(uuid(number)));
                assert_eq!(added == Added::Duplicate, known);
                if !known {
                    self.log.push(update(number));
                }
                if added == Added::Forward {
                    self.send();
                }
            }
            Event::Acknowledge => {
                if let Some(uuid) = self.at_framework.clone() {
                    self.acknowledge(&uuid);
                }
            }
            Event::AcknowledgeWrong(number) => {
                if self.at_framework != Some(uuid(number)) {
                    let refused = self.manager.acknowledge(self.now, &key(), &uuid(number));
                    let head = self.manager.head(&key()).and_then(|(head, _)| head.uuid);
                    // A head that waits for the master may be acknowledged by one who got it before.
                    if refused.is_ok() {
                        self.acknowledged.push(uuid(number));
                        self.ended |= number == 11;
                    }
                    assert!(head != Some(uuid(number)) || refused.is_err());
                }
            }
            Event::Pause => self.manager.pause(),
            Event::Resume => {
                for _ in self.manager.resume(self.now) {
                    self.send();
                }
            }
            Event::Restart => {
                self.manager = StatusUpdates::new();
                let goes_on = self
                    .manager
                    .recover(key(), run(), self.log.clone(), &self.acknowledged);
                assert_eq!(goes_on, !self.ended);
            }
            Event::Wait(seconds) => {
                self.now += std::time::Duration::from_secs(u64::from(seconds));
                while self.manager.take_due(self.now).is_some() {
                    self.send();
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_update_arrives_once_and_in_order(events in prop::collection::vec(event(), 0..200)) {
        let mut world = World::default();
        for event in events {
            world.apply(event);
        }
        // Then the master is there and everything is acknowledged.
        world.apply(Event::Resume);
        while let Some(uuid) = world.at_framework.clone() {
            let before = world.acknowledged.len();
            world.acknowledge(&uuid);
            if world.acknowledged.len() == before {
                break;
            }
        }
        let sent: Vec<Bytes> = world.log.iter().filter_map(|update| update.uuid.clone()).collect();
        prop_assert_eq!(&world.acknowledged, &sent);
    }
}

#[test]
fn the_wait_doubles_up_to_ten_minutes() {
    let mut world = World::default();
    world.apply(Event::Resume);
    world.apply(Event::Update(1));
    let mut waits = Vec::new();
    for _ in 0..9 {
        let before = world.now;
        world.now = world.manager.deadline().unwrap();
        assert!(world.manager.take_due(world.now).is_some());
        waits.push((world.now - before).as_secs());
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
}
