//! Recorded connections of real v0 drivers, fed to our master in the order of cause and effect: what it says to driver
//! and agent is what the real master said, byte for byte where nothing depends on an allocator's order.
//!
//! A recording is a list of `direction, length of name, name, length of body (2 bytes), body`; `d` and `a` are what driver
//! and agent sent, `D` and `A` what they were sent.

use std::collections::VecDeque;
use std::time::Duration;

use process::Time;
use proto::internal::{FrameworkRegisteredMessage, ResourceOffersMessage};
use proto::{Message, Name, internal};

use super::support::*;
use crate::core::{AgentMessage, Authentication, Config, DriverMessage, Input, Master, Output, Sender};

macro_rules! recording {
    ($name:literal) => {
        parse_recording(
            include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/golden/captured/drivers/",
                $name,
                ".bin"
            ))
            .as_slice(),
        )
    };
}

struct Record {
    direction: char,
    name: String,
    body: Vec<u8>,
}

fn parse_recording(bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut bytes = bytes.iter().copied();
    while let Some(direction) = bytes.next() {
        let mut take = |count: usize| -> Vec<u8> { bytes.by_ref().take(count).collect() };
        let length = usize::from(take(1)[0]);
        let name = String::from_utf8(take(length)).unwrap();
        let length = take(2);
        let body = take(usize::from(u16::from_be_bytes([length[0], length[1]])));
        records.push(Record {
            direction: char::from(direction),
            name,
            body,
        });
    }
    records
}

fn decode<M: Message + Default>(bytes: &[u8]) -> M {
    M::decode(bytes).unwrap()
}

/// The master, and what it has said that no record has matched yet.
struct Replay {
    bench: Bench,
    driver: &'static str,
    to_driver: VecDeque<(String, Vec<u8>)>,
    to_agent: VecDeque<(String, Vec<u8>)>,
}

impl Replay {
    /// A master that is called like the recorded one, and has come as far with its numbers.
    fn new(records: &[Record], driver: &'static str, configure: impl FnOnce(&mut Config)) -> Self {
        let find = |name: String| records.iter().find(|record| record.name == name).unwrap();
        let registered: FrameworkRegisteredMessage =
            decode(&find(FrameworkRegisteredMessage::full_name()).body);
        let offers: ResourceOffersMessage = decode(&find(ResourceOffersMessage::full_name()).body);
        let mut config = Config::new(registered.master_info);
        configure(&mut config);
        let mut bench = Bench {
            master: Master::new(config),
            now: Time::from_secs(1),
            stores: true,
            alive: true,
        };
        bench.step(Input::Recovered(Box::default()));
        let number = |id: &str, mark: char| id.rsplit_once(mark).unwrap().1.parse::<u64>().unwrap();
        bench.master.next_framework = number(&registered.framework_id.value, '-');
        bench.master.next_offer = number(&offers.offers[0].id.value, 'O');
        Self {
            bench,
            driver,
            to_driver: VecDeque::new(),
            to_agent: VecDeque::new(),
        }
    }

    fn feed(&mut self, input: Input) {
        let out = self.bench.step(input);
        self.sort(out);
    }

    fn sort(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::ToDriver { to, message, .. } => {
                    assert_eq!(to.to_string(), self.driver);
                    self.to_driver.push_back(message.encode());
                }
                Output::Send {
                    from: Sender::Master,
                    message,
                    ..
                } => {
                    let (name, body) = message.encode();
                    self.to_agent.push_back((name.to_owned(), body));
                }
                _ => {}
            }
        }
    }

    fn play(&mut self, records: Vec<Record>) {
        for record in records {
            let Record { name, body, .. } = record;
            match record.direction {
                'd' => self.feed(Input::Driver {
                    from: upid(self.driver),
                    message: DriverMessage::Call(Box::new(decode(&body))),
                }),
                'a' => self.hear_agent(&name, &body),
                'D' => self.expect_to_driver(&name, &body),
                'A' if name.ends_with(".ShutdownFrameworkMessage") => {
                    if self.to_agent.is_empty() {
                        // The recorded driver died instead of stopping.
                        self.feed(Input::Exited(upid(self.driver)));
                        self.to_driver.clear();
                    }
                    assert_eq!(self.to_agent.pop_front(), Some((name, body)));
                }
                'A' => assert_eq!(self.to_agent.pop_front(), Some((name, body))),
                other => panic!("{other}"),
            }
        }
        assert!(self.to_driver.is_empty(), "{:?}", self.to_driver);
        assert!(self.to_agent.is_empty(), "{:?}", self.to_agent);
        assert!(self.bench.master.state().frameworks.is_empty());
    }

    fn hear_agent(&mut self, name: &str, body: &[u8]) {
        let message = match name {
            "mesos.internal.RegisterSlaveMessage" => AgentMessage::Register(Box::new(decode(body))),
            "mesos.internal.UpdateSlaveMessage" => AgentMessage::UpdateAgent(Box::new(decode(body))),
            "mesos.internal.StatusUpdateMessage" => AgentMessage::StatusUpdate(Box::new(decode(body))),
            other => panic!("{other}"),
        };
        let registering = matches!(message, AgentMessage::Register(_));
        self.feed(Input::Agent {
            from: upid(PID),
            message,
        });
        if registering {
            let (name, _) = self.to_agent.pop_front().unwrap();
            assert_eq!(name, internal::SlaveRegisteredMessage::full_name());
        }
    }

    fn expect_to_driver(&mut self, name: &str, body: &[u8]) {
        let mut waited = 0;
        while self.to_driver.is_empty() && waited < 20 {
            let out = self.bench.advance(Duration::from_secs(1));
            self.sort(out);
            waited += 1;
        }
        let (told_name, told) = self.to_driver.pop_front().unwrap();
        assert_eq!(told_name, name);
        if name.ends_with(".ResourceOffersMessage") {
            assert_eq!(sorted(&told), sorted(body));
        } else {
            assert_eq!(told, body, "{name}");
        }
    }
}

/// Offers with their resources in the order of their names, which is the allocator's business.
fn sorted(bytes: &[u8]) -> ResourceOffersMessage {
    let mut message: ResourceOffersMessage = decode(bytes);
    for offer in &mut message.offers {
        offer.resources.sort_by(|left, right| left.name.cmp(&right.name));
    }
    message
}

#[test]
fn command_tasks() {
    let records = recording!("commands");
    let driver = "scheduler-0931fafe-5607-4b1a-8746-acacc1a79aff@127.0.0.1:36757";
    Replay::new(&records, driver, |_| {}).play(records);
}

#[test]
fn tasks_of_an_executor() {
    let records = recording!("executor");
    let driver = "scheduler-93cb53bd-3280-45d8-b5d7-debb487c121c@127.0.0.1:36125";
    Replay::new(&records, driver, |_| {}).play(records);
}

#[test]
fn offers_that_are_not_used() {
    let records = recording!("declines");
    let driver = "scheduler-d6e93c88-9f91-4b83-b9e9-80e68a09eb45@127.0.0.1:41479";
    Replay::new(&records, driver, |_| {}).play(records);
}

#[test]
fn agent_and_driver_that_authenticate() {
    let records = recording!("authenticated");
    let driver = "scheduler-5c5cc8db-e14d-4e4c-b666-a90319efca0c@127.0.0.1:32855";
    let mut replay = Replay::new(&records, driver, |config| {
        config.authenticate_agents = true;
        config.authenticate_frameworks = true;
    });
    for (pid, principal) in [(PID, "agent-1"), (driver, "framework-1")] {
        for step in [
            Authentication::Began,
            Authentication::Succeeded(principal.to_owned()),
        ] {
            let pid = upid(pid);
            replay.feed(Input::Authentication { pid, step });
        }
    }
    replay.play(records);
}
