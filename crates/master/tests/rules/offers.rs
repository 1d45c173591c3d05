//! The list of offers of an ACCEPT, and operations that cannot be carried out (scheduler-http.md §8.1, §8.3).

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use master::core::{Input, OfferId, StreamId};
use proto::v1;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{Reserve, Type as OperationType};
use proto::v1::scheduler::{Call, Event, call};
use proto::v1::task_status::Reason;

use super::rig::*;

fn accept_with(rig: &mut Rig, offers: &[OfferId], operation: Operation) -> Vec<Event> {
    let framework = rig.framework();
    let accept = call::Accept {
        offer_ids: offers.iter().map(Into::into).collect(),
        operations: vec![operation],
        filters: None,
    };
    let call = Call {
        framework_id: Some((&framework).into()),
        r#type: Some(call::Type::Accept as i32),
        accept: Some(accept),
        ..Call::default()
    };
    let out = rig.step(Input::Call {
        framework,
        call: Box::new(call),
    });
    events(out)
}

/// A rule's name, the offers that break it (own, of another framework), and what is told.
type Case = (&'static str, fn(&OfferId, &OfferId) -> Vec<OfferId>, &'static str);

const RULES: &[Case] = &[
    ("some offers", |_, _| Vec::new(), "No offers specified"),
    (
        "each once",
        |own, _| vec![own.clone(), own.clone()],
        "Duplicate offer m-O0 in offer list",
    ),
    (
        "still valid",
        |own, _| vec![own.clone(), OfferId::from("m-O99")],
        "Offer m-O99 is no longer valid",
    ),
    (
        "own",
        |own, other| vec![own.clone(), other.clone()],
        "Offer m-O1 has invalid framework m-0001 while framework m-0000 is expected",
    ),
];

/// Two agents' offers, each to another framework; the first is the one that calls.
fn two() -> (Rig, OfferId, OfferId) {
    let mut rig = ready(8);
    let own = rig.offers().remove(0);
    rig.add_agent(8, RESOURCES, "slave(1)@127.0.0.1:5052");
    let out = rig.step(Input::Subscribe {
        stream: StreamId(2),
        principal: None,
        subscribe: Box::new(call::Subscribe {
            framework_info: description(),
            ..call::Subscribe::default()
        }),
    });
    assert!(events(out)[0].subscribed.is_some());
    rig.advance();
    let other = rig
        .master
        .state()
        .offers
        .values()
        .find(|offer| offer.framework.as_str() == "m-0001");
    let other = other.unwrap().id.clone();
    (rig, own, other)
}

#[test]
fn every_rule_of_a_list_of_offers() {
    for (rule, list, text) in RULES {
        let (mut rig, own, other) = two();
        let told = accept_with(&mut rig, &list(&own, &other), launch(vec![task("t")]));
        let status = told[0].update.clone().unwrap().status;
        assert_eq!(status.state(), v1::TaskState::TaskDropped, "{rule}");
        assert_eq!(status.reason(), Reason::InvalidOffers, "{rule}");
        assert_eq!(status.executor_id, None, "{rule}");
        expect(status.message(), text, rule);
        expect(status.message(), "Task launched with invalid offers: ", rule);
        let stands = |offer: &OfferId| rig.master.state().offers.contains_key(offer);
        assert!(
            list(&own, &other).is_empty() || !stands(&own),
            "{rule}: what is valid of the list is taken back"
        );
        assert!(stands(&other), "{rule}: another's offer is not touched");
    }
}

fn reserve(id: Option<&str>) -> Operation {
    Operation {
        id: id.map(|id| v1::OperationId { value: id.to_owned() }),
        r#type: Some(OperationType::Reserve as i32),
        reserve: Some(Reserve::default()),
        ..Operation::default()
    }
}

#[test]
fn an_operation_that_is_not_carried_out_is_told_if_it_has_an_id() {
    let mut rig = ready(8);
    let offers = rig.offers();
    let told = accept_with(&mut rig, &offers, reserve(Some("o")));
    let status = told[0].update_operation_status.clone().unwrap().status;
    assert_eq!(status.state(), v1::OperationState::OperationError);
    assert_eq!(status.operation_id.unwrap().value, "o");
    assert_eq!((status.agent_id, status.uuid), (None, None));
    assert_eq!(
        rig.master.counters().operation_errors[&(OperationType::Reserve as i32)],
        1
    );

    let offers = rig.offers();
    assert!(accept_with(&mut rig, &offers, reserve(None)).is_empty());
    let told = accept_with(&mut rig, &[OfferId::from("gone")], reserve(Some("o")));
    let status = told[0].update_operation_status.clone().unwrap().status;
    expect(
        status.message(),
        "Operation attempted with invalid offers: Offer gone is no longer valid",
        "invalid offers",
    );
}
