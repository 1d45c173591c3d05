//! Drivers that are too fast (authorization.tsv, section rate-limit).

use std::time::Duration;

use proto::internal;
use proto::v1;
use proto::v1::scheduler::call;

use super::drivers::{DRIVER, OTHER, errors, subscribe_call};
use super::support::*;
use crate::core::{FrameworkId, Input};

fn limited(limits: v1::RateLimits) -> Bench {
    Bench::with(
        |config| config.rate_limits = limits,
        internal::Registry::default(),
    )
}

fn limits() -> v1::RateLimits {
    v1::RateLimits {
        limits: vec![v1::RateLimit {
            qps: Some(1.0),
            principal: "p".to_owned(),
            capacity: Some(1),
        }],
        ..v1::RateLimits::default()
    }
}

fn drive(bench: &mut Bench, pid: &str, principal: Option<&str>) -> FrameworkId {
    let info = v1::FrameworkInfo {
        principal: principal.map(str::to_owned),
        ..framework_info()
    };
    bench.driver(pid, subscribe_call(info, false));
    bench
        .master
        .state()
        .frameworks
        .values()
        .find(|framework| framework.driver() == Some(&upid(pid)))
        .unwrap()
        .id
        .clone()
}

fn revive(bench: &mut Bench, pid: &str, id: &FrameworkId) -> Vec<(String, String)> {
    errors(&bench.driver_call(pid, id, call::Type::Revive, |_| {}))
}

fn revived(bench: &Bench) -> u64 {
    bench.master.counters().messages_revive_offers
}

#[test]
fn a_principal_has_its_pace_and_its_capacity() {
    let mut bench = limited(limits());
    let id = drive(&mut bench, DRIVER, Some("p"));
    assert!(revive(&mut bench, DRIVER, &id).is_empty());
    assert!(revive(&mut bench, DRIVER, &id).is_empty());
    assert_eq!(revived(&bench), 1, "the second waits");
    let told = revive(&mut bench, DRIVER, &id);
    let text = "Message mesos.scheduler.Call dropped: capacity(1) exceeded";
    assert_eq!(told, [(DRIVER.to_owned(), text.to_owned())]);
    bench.advance(Duration::from_secs(1));
    assert_eq!(revived(&bench), 2);
    let counts = bench.master.counters().by_principal["p"];
    assert_eq!((counts.received, counts.processed), (3, 2));
}

#[test]
fn others_are_not_slowed_down() {
    let mut bench = limited(limits());
    let id = drive(&mut bench, OTHER, Some("q"));
    for _ in 0..10 {
        assert!(revive(&mut bench, OTHER, &id).is_empty());
    }
    assert_eq!(revived(&bench), 10);
    assert_eq!(bench.master.counters().by_principal["q"].processed, 10);
}

#[test]
fn the_default_pace_is_shared_by_those_without_a_principal() {
    let mut bench = limited(v1::RateLimits {
        aggregate_default_qps: Some(1.0),
        aggregate_default_capacity: Some(10),
        ..limits()
    });
    let id = drive(&mut bench, OTHER, None);
    revive(&mut bench, OTHER, &id);
    revive(&mut bench, OTHER, &id);
    assert_eq!(revived(&bench), 1);
    assert!(
        bench.master.counters().by_principal.is_empty(),
        "there is no name to count under"
    );
}

#[test]
fn the_end_does_not_overtake_what_was_said_before() {
    let mut bench = limited(limits());
    let id = drive(&mut bench, DRIVER, Some("p"));
    revive(&mut bench, DRIVER, &id);
    revive(&mut bench, DRIVER, &id);
    bench.step(Input::Exited(upid(DRIVER)));
    assert!(bench.master.state().frameworks[&id].connected());
    bench.advance(Duration::from_secs(2));
    assert_eq!(revived(&bench), 2);
    assert!(!bench.master.state().frameworks[&id].connected());
}

#[test]
fn counts_go_with_the_last_framework_of_a_principal() {
    let mut bench = limited(v1::RateLimits::default());
    let id = drive(&mut bench, DRIVER, Some("p"));
    revive(&mut bench, DRIVER, &id);
    assert!(bench.master.counters().by_principal.contains_key("p"));
    bench.driver_call(DRIVER, &id, call::Type::Teardown, |_| {});
    assert!(bench.master.counters().by_principal.is_empty());
}
