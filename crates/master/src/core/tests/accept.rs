//! Offers, and what may be done with them.

use std::time::Duration;

use proto::v1::offer::Operation;
use proto::v1::offer::operation::Type as OperationType;
use proto::v1::scheduler::call;
use proto::v1::scheduler::event::Type as Told;
use proto::v1::task_status::Reason;
use proto::v1::{self, OperationState, TaskState};

use super::support::*;
use crate::core::{Input, OfferId, StreamId};

#[test]
fn an_offer_has_all_that_a_scheduler_looks_at() {
    let mut bench = Bench::new();
    let agent = bench.register(PID);
    bench.framework(1);
    let out = bench.settle();
    let offer = events(&out)[0].1.offers.clone().unwrap().offers.remove(0);
    assert_eq!(offer.id.value, "m-O0");
    assert_eq!(offer.framework_id.value, "m-0000");
    assert_eq!(offer.agent_id.value, agent.as_str());
    assert_eq!(offer.hostname, "localhost");
    assert_eq!(offer.allocation_info.as_ref().unwrap().role(), "web");
    let url = offer.url.unwrap();
    assert_eq!(
        (url.scheme.as_str(), url.path.as_deref()),
        ("http", Some("/slave(1)"))
    );
    assert_eq!(
        (url.address.ip.as_deref(), url.address.port),
        (Some("127.0.0.1"), 5051)
    );
    let names: Vec<&str> = offer
        .resources
        .iter()
        .map(|resource| resource.name.as_str())
        .collect();
    assert_eq!(names.len(), 4);
    #[allow(deprecated, reason = "the old field must be unset")]
    let old_role = offer.resources[0].role.clone();
    assert_eq!(old_role, None);
    assert_eq!(offer.resources[0].allocation_info.as_ref().unwrap().role(), "web");
}

#[test]
fn an_old_framework_sees_the_old_form() {
    let mut bench = Bench::new();
    bench.register(PID);
    bench.subscribe(1, old_framework_info());
    let out = bench.settle();
    let offer = events(&out)[0].1.offers.clone().unwrap().offers.remove(0);
    assert_eq!(offer.allocation_info, None);
    for resource in &offer.resources {
        assert_eq!(resource.allocation_info, None);
        assert!(resource.reservations.is_empty());
        #[allow(deprecated, reason = "the old field is what is looked at")]
        let role = resource.role.as_deref();
        assert_eq!(role, Some("*"));
    }
    let shown = bench
        .master
        .state()
        .offers
        .values()
        .next()
        .unwrap()
        .message
        .allocation_info
        .clone();
    assert_eq!(shown.unwrap().role(), "*", "operators see the full form");
}

#[test]
fn hidden_resources_are_not_shown() {
    let mut bench = Bench::new();
    let mut message = registration();
    message
        .slave
        .resources
        .extend(parse("ephemeral_ports:[33000-34000]"));
    bench.agent(PID, crate::core::AgentMessage::Register(Box::new(message)));
    bench.framework(1);
    let out = bench.settle();
    let offer = events(&out)[0].1.offers.clone().unwrap().offers.remove(0);
    assert!(
        offer
            .resources
            .iter()
            .all(|resource| resource.name != "ephemeral_ports")
    );
}

#[test]
fn declined_resources_come_back_after_the_filter() {
    let (mut bench, _, framework) = Bench::ready();
    let offers = bench.offers(&framework);
    let decline = call::Decline {
        offer_ids: offers.iter().map(Into::into).collect(),
        filters: Some(v1::Filters {
            refuse_seconds: Some(10.0),
        }),
    };
    bench.call(&framework, call::Type::Decline, |call| {
        call.decline = Some(decline)
    });
    assert!(bench.offers(&framework).is_empty());
    assert!(kinds(&bench.advance(Duration::from_secs(9))).is_empty());
    assert_eq!(kinds(&bench.advance(Duration::from_secs(3))), [Told::Offers]);
}

#[test]
fn nobody_declines_for_another() {
    let (mut bench, _, framework) = Bench::ready();
    let other = bench.framework(2);
    let offers = bench.offers(&framework);
    let offer_ids: Vec<v1::OfferId> = offers.iter().map(Into::into).collect();
    let decline = call::Decline {
        offer_ids,
        filters: None,
    };
    bench.call(&other, call::Type::Decline, |call| call.decline = Some(decline));
    bench.accept(&other, &offers, vec![]);
    assert_eq!(bench.offers(&framework), offers);
}

#[test]
fn offers_expire() {
    let mut bench = Bench::with(
        |config| config.offer_timeout = Some(Duration::from_secs(30)),
        Default::default(),
    );
    bench.register(PID);
    bench.framework(1);
    bench.settle();
    let out = bench.advance(Duration::from_secs(30));
    assert!(kinds(&out).starts_with(&[Told::Rescind]), "{:?}", kinds(&out));
    assert_eq!(
        bench.master.state().offers.len(),
        1,
        "and the resources are offered anew"
    );
}

#[test]
fn tasks_on_offers_that_are_gone_are_dropped() {
    let (mut bench, agent, framework) = Bench::ready();
    let task = || vec![launch(vec![command_task("t", &agent)])];
    let mut check = |offers: &[OfferId]| {
        let out = bench.accept(&framework, offers, task());
        assert_eq!(
            fates(&out),
            [("t".to_owned(), TaskState::TaskDropped, Reason::InvalidOffers)]
        );
        assert_eq!(statuses(&out)[0].uuid, None);
        assert!(sent(&out).is_empty());
    };
    check(&[]);
    check(&[OfferId::from("m-O99")]);
    // A list with one bad offer spoils the good ones: they are taken back.
    check(&[OfferId::from("m-O0"), OfferId::from("m-O99")]);
    assert!(bench.master.state().offers.is_empty());
    assert_eq!(kinds(&bench.settle()), [Told::Offers]);
}

#[test]
fn old_frameworks_are_told_lost() {
    let mut bench = Bench::new();
    let agent = bench.register(PID);
    bench.subscribe(1, old_framework_info());
    let framework = "m-0000".into();
    let out = bench.accept(&framework, &[], vec![launch(vec![command_task("t", &agent)])]);
    assert_eq!(
        fates(&out),
        [("t".to_owned(), TaskState::TaskLost, Reason::InvalidOffers)]
    );
}

#[test]
fn offers_of_two_agents_cannot_be_used_together() {
    let mut bench = Bench::new();
    let agent = bench.register(PID);
    bench.register("slave(1)@127.0.0.1:5052");
    let framework = bench.framework(1);
    bench.settle();
    let offers = bench.offers(&framework);
    assert_eq!(offers.len(), 2);
    let out = bench.accept(&framework, &offers, vec![launch(vec![command_task("t", &agent)])]);
    assert_eq!(fates(&out)[0].2, Reason::InvalidOffers);
    assert!(statuses(&out)[0].message().contains("one single agent"));
}

#[test]
fn an_unused_offer_is_declined() {
    let (mut bench, _, framework) = Bench::ready();
    let offers = bench.offers(&framework);
    let out = bench.accept(&framework, &offers, vec![launch(Vec::new())]);
    assert!(out.is_empty());
    assert!(kinds(&bench.advance(Duration::from_secs(4))).is_empty());
    assert_eq!(kinds(&bench.advance(Duration::from_secs(3))), [Told::Offers]);
    assert_eq!(bench.master.counters().messages_decline_offers, 1);
}

#[test]
fn operations_that_are_refused_are_answered_if_they_have_an_id() {
    let (mut bench, _, framework) = Bench::ready();
    let reserve = |id: Option<&str>| Operation {
        r#type: Some(OperationType::Reserve as i32),
        id: id.map(|id| v1::OperationId { value: id.to_owned() }),
        reserve: Some(v1::offer::operation::Reserve::default()),
        ..Operation::default()
    };
    let offers = bench.offers(&framework);
    let out = bench.accept(&framework, &offers, vec![reserve(None), reserve(Some("o"))]);
    let told: Vec<_> = events(&out)
        .into_iter()
        .filter_map(|(_, event)| event.update_operation_status)
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].status.state(), OperationState::OperationError);
    assert_eq!(told[0].status.operation_id.as_ref().unwrap().value, "o");
}

#[test]
fn calls_on_a_closed_stream_are_nothing() {
    let (mut bench, agent, framework) = Bench::ready();
    let offers = bench.offers(&framework);
    bench.step(Input::StreamClosed(StreamId(1)));
    let out = bench.accept(&framework, &offers, vec![launch(vec![command_task("t", &agent)])]);
    assert!(out.is_empty());
}
