//! A recorded executor of the v1 API: what it is told, and what the master is told of it, byte for byte.

use agent::core::{Input, Output, RequestId, StreamId};
use bytes::Bytes;
use proto::Message as _;
use proto::internal;
use proto::v1::executor::{Call, Event, call, event};

use crate::drivers::{from_master, replaced, to};
use crate::recording::{Message, messages, records};
use crate::support::*;

/// A call as it comes, and the events that it leads to.
fn call(bench: &mut Bench, number: u64, message: &Message) -> Vec<Output> {
    bench.step(Input::Call {
        request: RequestId(number),
        stream: StreamId(number),
        caller: None,
        call: Box::new(message.decode()),
    })
}

fn events(out: &[Output]) -> Vec<Bytes> {
    let of = |output: &Output| match output {
        Output::Event { event, .. } => Some(event.encode_to_vec().into()),
        _ => None,
    };
    out.iter().filter_map(of).collect()
}

fn kind(event: &Bytes) -> event::Type {
    proto::decode::<Event>(event.clone()).unwrap().r#type()
}

/// The acknowledgement of the update that is under way, if the recorded master sent one.
fn acknowledgement(orders: &[Message], out: &[Output]) -> Option<Message> {
    let [update] = &sent_updates(out)[..] else {
        return None;
    };
    let answers = |message: &&Message| {
        message.name == "StatusUpdateAcknowledgementMessage"
            && Some(
                message
                    .decode::<internal::StatusUpdateAcknowledgementMessage>()
                    .uuid,
            ) == update.uuid
    };
    orders.iter().find(answers).cloned()
}

#[test]
fn the_recorded_http_executor_runs_to_its_end() {
    let orders = messages("http-from-master");
    let calls = messages("http-from-executor");
    let launches: Vec<_> = orders
        .iter()
        .filter(|message| message.name == "RunTaskMessage")
        .collect();
    assert_eq!((launches.len(), calls.len()), (5, 11), "the recording is whole");
    let mut bench = Bench::registered();
    let mut container = None;
    for message in &launches[..4] {
        let out = bench.receive(from_master(message));
        container = container.or_else(|| launched(&out));
    }
    let container = container.unwrap();
    bench.step(Input::Launched {
        container: container.clone(),
        pid: 21369,
    });

    let mut told = events(&call(&mut bench, 1, &calls[0]));
    let mut master = Vec::new();
    for (index, message) in calls.iter().enumerate().skip(1) {
        assert_eq!(message.decode::<Call>().r#type(), call::Type::Update);
        if index == 9 {
            // The fifth task comes when the first four are over.
            told.extend(events(&bench.receive(from_master(launches[4]))));
        }
        let mut out = call(&mut bench, 1 + index as u64, message);
        told.extend(events(&out));
        master.extend(to(MASTER, &out));
        while let Some(acknowledgement) = acknowledgement(&orders, &out) {
            out = bench.receive(from_master(&acknowledgement));
            told.extend(events(&out));
            master.extend(to(MASTER, &out));
        }
    }
    told.extend(events(&bench.receive(from_master(orders.last().unwrap()))));

    let mut expected = records("http-to-executor");
    let first: Event = proto::decode(expected[0].clone()).unwrap();
    let recorded = first.subscribed.and_then(|subscribed| subscribed.container_id);
    let recorded = recorded.unwrap_or_default().value;
    for event in &mut expected {
        *event = replaced(event, &recorded, container.as_str());
    }
    // The one difference: an agent's `checkpoint` is unknown to Mesos's v1 schema, and so comes after the known fields.
    let with_known_order = proto::decode::<Event>(expected[0].clone())
        .unwrap()
        .encode_to_vec();
    assert_eq!(
        with_known_order.len(),
        expected[0].len(),
        "nothing is lost by that"
    );
    expected[0] = with_known_order.into();
    assert_eq!(told[..5], expected[..5], "SUBSCRIBED, then its tasks in order");
    assert_eq!(told.last(), expected.last(), "SHUTDOWN comes last");
    assert_eq!(kind(&told[0]), event::Type::Subscribed);
    assert_eq!(told.last().map(kind), Some(event::Type::Shutdown));
    // Which task's acknowledgement goes out first is a race on a real machine.
    told.sort();
    expected.sort();
    assert_eq!(told, expected);

    master.extend(to(MASTER, &bench.terminated(&container, Some(9))));
    let mut expected = messages("http-to-master");
    for message in &mut expected {
        message.body = replaced(&message.body, &recorded, container.as_str());
    }
    // Whether the next update is there when one is forwarded is a race, too; an update without a time gets the agent's.
    for message in master.iter_mut().chain(&mut expected) {
        if message.name == "StatusUpdateMessage" {
            let mut update: internal::StatusUpdateMessage = message.decode();
            assert!(update.update.latest_state.take().is_some());
            assert!(std::mem::take(&mut update.update.timestamp) > 1e9);
            message.body = update.encode_to_vec().into();
        }
    }
    let order = |message: &Message| (message.name.clone(), message.body.clone());
    master.sort_by_key(order);
    expected.sort_by_key(order);
    assert_eq!(master, expected);
}
