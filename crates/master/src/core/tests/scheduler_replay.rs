//! Recorded connections of real schedulers, drivers and ones over HTTP, fed to our master in the order of cause and
//! effect: what it says to scheduler and agent is what the real master said, byte for byte where nothing depends on an
//! allocator's order.
//!
//! A recording is a list of `direction, length of name, name, length of body (2 bytes), body`; `d`, `s` and `a` are what
//! driver, HTTP scheduler and agent sent, `D`, `S` and `A` what they were sent.

use std::collections::VecDeque;
use std::time::Duration;

use process::Time;
use proto::internal::{ApplyOperationMessage, FrameworkRegisteredMessage, ResourceOffersMessage};
use proto::v1::scheduler::{Call, Event, call, event};
use proto::v1::{MasterInfo, Offer};
use proto::{Message, Name, internal};

use super::support::*;
use crate::core::{
    AgentMessage, Authentication, Config, DriverMessage, FrameworkId, Input, Master, Output, Sender,
    StreamId, validation,
};

macro_rules! recording {
    ($name:literal) => {
        parse_recording(
            include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/golden/captured/",
                $name,
                ".bin"
            ))
            .as_slice(),
        )
    };
}

const EVENT: &str = "mesos.v1.scheduler.Event";

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

/// What the recorded master said of itself, the framework's id, and the first offers.
fn introduction(records: &[Record]) -> (MasterInfo, FrameworkId, Vec<Offer>) {
    let find = |name: String| records.iter().find(|record| record.name == name);
    if let Some(registered) = find(FrameworkRegisteredMessage::full_name()) {
        let registered: FrameworkRegisteredMessage = decode(&registered.body);
        let offers = find(ResourceOffersMessage::full_name()).unwrap();
        let offers: ResourceOffersMessage = decode(&offers.body);
        let framework = FrameworkId::from(&registered.framework_id);
        return (registered.master_info, framework, offers.offers);
    }
    let events = records.iter().filter(|record| record.name == EVENT);
    let events: Vec<Event> = events.map(|record| decode(&record.body)).collect();
    let subscribed = events[0].subscribed.clone().unwrap();
    let offers = events.iter().find_map(|event| event.offers.clone()).unwrap();
    let framework = FrameworkId::from(&subscribed.framework_id);
    (subscribed.master_info.unwrap(), framework, offers.offers)
}

/// The master, and what it has said that no record has matched yet.
struct Replay {
    bench: Bench,
    /// Where the driver is; none for a scheduler over HTTP.
    driver: Option<&'static str>,
    to_scheduler: VecDeque<(String, Vec<u8>)>,
    to_agent: VecDeque<(String, Vec<u8>)>,
    /// Names of operations, which a master draws: the recorded one's and ours.
    operations: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Replay {
    /// A master that is called like the recorded one, and has come as far with its numbers.
    fn new(records: &[Record], driver: Option<&'static str>, configure: impl FnOnce(&mut Config)) -> Self {
        let (info, framework, offers) = introduction(records);
        let mut config = Config::new(info);
        configure(&mut config);
        let mut bench = Bench {
            master: Master::new(config),
            now: Time::from_secs(1),
            stores: true,
            alive: true,
        };
        bench.step(Input::Recovered(Box::default()));
        let number = |id: &str, mark: char| id.rsplit_once(mark).unwrap().1.parse::<u64>().unwrap();
        bench.master.next_framework = number(framework.as_str(), '-');
        bench.master.next_offer = number(&offers[0].id.value, 'O');
        Self {
            bench,
            driver,
            to_scheduler: VecDeque::new(),
            to_agent: VecDeque::new(),
            operations: Vec::new(),
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
                    assert_eq!(Some(to.to_string().as_str()), self.driver);
                    self.to_scheduler.push_back(message.encode());
                }
                Output::Event { event, .. } => {
                    self.to_scheduler
                        .push_back((EVENT.to_owned(), event.encode_to_vec()));
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
                    from: upid(self.driver.unwrap()),
                    message: DriverMessage::Call(Box::new(decode(&body))),
                }),
                's' => self.hear_scheduler(&body),
                'a' => self.hear_agent(&name, &body),
                'D' | 'S' => self.expect_to_scheduler(&name, &body),
                'A' => self.expect_to_agent(&name, &body),
                other => panic!("{other}"),
            }
        }
        assert!(self.to_scheduler.is_empty(), "{:?}", self.to_scheduler);
        assert!(self.to_agent.is_empty(), "{:?}", self.to_agent);
        assert!(self.bench.master.state().frameworks.is_empty());
        assert!(self.bench.master.state().operations.is_empty());
    }

    fn hear_scheduler(&mut self, body: &[u8]) {
        let call: Call = decode(body);
        validation::call::validate(&call, None).unwrap();
        if call.r#type() == call::Type::Subscribe {
            return self.feed(Input::Subscribe {
                stream: StreamId(1),
                principal: None,
                subscribe: Box::new(call.subscribe.unwrap()),
            });
        }
        let framework = call.framework_id.as_ref().unwrap().into();
        self.bench.master.admit(&framework, None).unwrap();
        self.feed(Input::Call {
            framework,
            call: Box::new(call),
        });
    }

    fn hear_agent(&mut self, name: &str, body: &[u8]) {
        let body = &*self.translated(body, |(recorded, ours)| (recorded, ours));
        let message = match name.rsplit_once('.').unwrap().1 {
            "RegisterSlaveMessage" => AgentMessage::Register(Box::new(decode(body))),
            "UpdateSlaveMessage" => AgentMessage::UpdateAgent(Box::new(decode(body))),
            "StatusUpdateMessage" => AgentMessage::StatusUpdate(Box::new(decode(body))),
            "ExitedExecutorMessage" => AgentMessage::ExitedExecutor(decode(body)),
            "UpdateOperationStatusMessage" => AgentMessage::UpdateOperationStatus(Box::new(decode(body))),
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

    /// Bytes with the names of operations replaced.
    fn translated<'a>(
        &'a self,
        body: &[u8],
        direction: impl Fn(&'a (Vec<u8>, Vec<u8>)) -> (&'a Vec<u8>, &'a Vec<u8>),
    ) -> Vec<u8> {
        let mut body = body.to_vec();
        for (from, to) in self.operations.iter().map(direction) {
            for at in 0..body.len().saturating_sub(from.len() - 1) {
                if body[at..].starts_with(from) {
                    body[at..at + to.len()].copy_from_slice(to);
                }
            }
        }
        body
    }

    fn expect_to_agent(&mut self, name: &str, body: &[u8]) {
        if name.ends_with(".ShutdownFrameworkMessage") && self.to_agent.is_empty() {
            // The recorded scheduler went away instead of tearing its framework down.
            self.feed(match self.driver {
                Some(driver) => Input::Exited(upid(driver)),
                None => Input::StreamClosed(StreamId(1)),
            });
            self.to_scheduler.clear();
        }
        let Some((told_name, told)) = self.to_agent.pop_front() else {
            panic!("the agent is told no {name}")
        };
        assert_eq!(told_name, name);
        if name.ends_with(".ApplyOperationMessage") {
            let uuid = |bytes: &[u8]| {
                decode::<ApplyOperationMessage>(bytes)
                    .operation_uuid
                    .value
                    .to_vec()
            };
            self.operations.push((uuid(body), uuid(&told)));
        }
        let told = self.translated(&told, |(recorded, ours)| (ours, recorded));
        assert_eq!(told, body, "{name}");
    }

    fn expect_to_scheduler(&mut self, name: &str, body: &[u8]) {
        let is_beat = |body: &[u8]| decode::<Event>(body).r#type() == event::Type::Heartbeat;
        let late = |(_, told): &mut (String, Vec<u8>)| name == EVENT && !is_beat(body) && is_beat(told);
        // Time passes here as it did not there.
        while self.to_scheduler.pop_front_if(late).is_some() {}
        let mut waited = 0;
        while self.to_scheduler.is_empty() && waited < 10 {
            let out = self.bench.advance(Duration::from_secs(1));
            self.sort(out);
            waited += 1;
        }
        let Some((told_name, told)) = self.to_scheduler.pop_front() else {
            panic!("the scheduler is told no {name}")
        };
        assert_eq!(told_name, name);
        if name.ends_with(".ResourceOffersMessage") {
            assert_eq!(sorted(&told), sorted(body));
        } else if name == EVENT && decode::<Event>(body).offers.is_some() {
            let offers = |body| {
                let event: Event = decode(body);
                assert!(event.offers.is_some(), "{event:?}");
                event.offers.unwrap().offers
            };
            assert_eq!(in_order(offers(&told)), in_order(offers(body)));
        } else {
            assert_eq!(told, body, "{name}");
        }
    }
}

/// Offers with their resources in an order of their own, as theirs is the allocator's business.
fn in_order(mut offers: Vec<Offer>) -> Vec<Offer> {
    for offer in &mut offers {
        let key = |resource: &proto::v1::Resource| (resource.name.clone(), resource.encode_to_vec());
        offer.resources.sort_by_key(key);
    }
    offers
}

fn sorted(bytes: &[u8]) -> ResourceOffersMessage {
    let mut message: ResourceOffersMessage = decode(bytes);
    message.offers = in_order(message.offers);
    message
}

#[test]
fn command_tasks() {
    let records = recording!("drivers/commands");
    let driver = "scheduler-0931fafe-5607-4b1a-8746-acacc1a79aff@127.0.0.1:36757";
    Replay::new(&records, Some(driver), |_| {}).play(records);
}

#[test]
fn tasks_of_an_executor() {
    let records = recording!("drivers/executor");
    let driver = "scheduler-93cb53bd-3280-45d8-b5d7-debb487c121c@127.0.0.1:36125";
    Replay::new(&records, Some(driver), |_| {}).play(records);
}

#[test]
fn offers_that_are_not_used() {
    let records = recording!("drivers/declines");
    let driver = "scheduler-d6e93c88-9f91-4b83-b9e9-80e68a09eb45@127.0.0.1:41479";
    Replay::new(&records, Some(driver), |_| {}).play(records);
}

#[test]
fn agent_and_driver_that_authenticate() {
    let records = recording!("drivers/authenticated");
    let driver = "scheduler-5c5cc8db-e14d-4e4c-b666-a90319efca0c@127.0.0.1:32855";
    let mut replay = Replay::new(&records, Some(driver), |config| {
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

#[test]
fn a_reservation_that_comes_and_goes() {
    let records = recording!("drivers/reservations");
    let driver = "scheduler-7c89abc3-5157-4772-a8fc-daf2e5f316a3@127.0.0.1:41889";
    Replay::new(&records, Some(driver), |_| {}).play(records);
}

#[test]
fn an_http_scheduler_with_an_executor_of_its_own() {
    let records = recording!("schedulers/http_executor");
    Replay::new(&records, None, |_| {}).play(records);
}

/// The scheduler asks for feedback, and leaves before it has acknowledged the last of it: the master does. The recorded
/// one did when the agent repeated itself; ours does at once, so these repetitions are left out.
#[test]
fn operations_with_feedback() {
    let records = recording!("schedulers/feedback");
    Replay::new(&records, None, |_| {}).play(records);
}
