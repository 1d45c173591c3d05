//! Quotas that operators change (allocator.md §8).

use std::collections::BTreeMap;
use std::time::Duration;

use proto::v1::quota::QuotaConfig;
use proto::v1::scheduler::event::Type as Told;
use proto::v1::value::Scalar;

use super::gone::replies;
use super::support::*;
use crate::core::{Input, OperatorAction, Output, RegistryOperation, Reply, RequestId, Rescinding};

const OTHER: &str = "slave(1)@127.0.0.1:5052";

fn cpus(amount: f64) -> BTreeMap<String, Scalar> {
    [("cpus".to_owned(), Scalar { value: amount })].into()
}

fn quota(role: &str, guarantees: BTreeMap<String, Scalar>, limits: BTreeMap<String, Scalar>) -> QuotaConfig {
    QuotaConfig {
        role: role.to_owned(),
        guarantees,
        limits,
    }
}

impl Bench {
    fn change(&mut self, config: QuotaConfig, rescinding: Rescinding) -> Vec<Output> {
        self.step(Input::Operator {
            request: RequestId(7),
            action: OperatorAction::UpdateQuota {
                configs: vec![config],
                rescinding,
            },
        })
    }

    /// A framework of role `web` that is offered all of two agents.
    fn offered_two() -> Self {
        let mut bench = Self::new();
        bench.register(PID);
        bench.register(OTHER);
        let framework = bench.framework(1);
        bench.settle();
        assert_eq!(bench.offers(&framework).len(), 2);
        bench
    }

    fn rescinds(out: &[Output]) -> usize {
        kinds(out).iter().filter(|kind| **kind == Told::Rescind).count()
    }
}

#[test]
fn a_quota_is_in_force_and_answered_when_it_is_stored_and_not_before() {
    let (mut bench, _, framework) = Bench::ready();
    bench.stores = false;
    let config = quota("web", BTreeMap::new(), cpus(1.0));
    let out = bench.change(config.clone(), Rescinding::Exact);
    let [Output::Store { write, operations }] = out.as_slice() else {
        panic!("{out:?}")
    };
    let configs = vec![config.clone()];
    assert_eq!(operations, &[RegistryOperation::UpdateQuota { configs }]);
    assert!(bench.master.state().quotas.is_empty());
    let out = bench.step(Input::Stored(*write));
    assert_eq!(kinds(&out), [Told::Rescind]);
    assert_eq!(replies(&out), [Reply::Done]);
    assert!(matches!(out.last(), Some(Output::Reply { after: Some(after), .. }) if after == write));
    assert_eq!(bench.master.state().quotas["web"], config);
    bench.advance(Duration::from_secs(2));
    let offered = bench.master.state().frameworks[&framework].total_offered();
    assert_eq!(offered.cpus(), resources::Scalar::from_milli(1000));
}

#[test]
fn offers_of_a_role_are_taken_back_until_it_is_within_its_limits() {
    let mut bench = Bench::offered_two();
    let out = bench.change(quota("web", BTreeMap::new(), cpus(5.0)), Rescinding::Exact);
    assert_eq!(Bench::rescinds(&out), 1);
    let out = bench.change(quota("other", BTreeMap::new(), cpus(0.0)), Rescinding::Exact);
    assert_eq!(
        Bench::rescinds(&out),
        0,
        "a limit of one role is none of another's"
    );
}

#[test]
fn offers_of_others_are_taken_back_until_the_guarantees_are_covered() {
    for (guarantee, expected) in [(0.0, 0), (4.0, 1), (4.5, 2)] {
        let mut bench = Bench::offered_two();
        let out = bench.change(quota("db", cpus(guarantee), BTreeMap::new()), Rescinding::Exact);
        assert_eq!(Bench::rescinds(&out), expected, "{guarantee}");
    }
    // What the role is offered itself covers as well.
    let mut bench = Bench::offered_two();
    let out = bench.change(quota("web", cpus(8.0), BTreeMap::new()), Rescinding::Exact);
    assert_eq!(Bench::rescinds(&out), 0);
}

#[test]
fn an_old_quota_takes_back_the_offers_of_whole_agents() {
    // One agent at least for the one framework of the role.
    for (role, guarantee, expected) in [("web", 0.5, 1), ("web", 5.0, 2), ("db", 0.0, 0), ("db", 3.0, 1)] {
        let mut bench = Bench::offered_two();
        let config = quota(role, cpus(guarantee), cpus(guarantee));
        let out = bench.change(config, Rescinding::Agents);
        assert_eq!(Bench::rescinds(&out), expected, "{role} {guarantee}");
    }
}

#[test]
fn a_quota_of_nothing_is_removed_and_a_guarantee_of_nothing_is_none() {
    let (mut bench, ..) = Bench::ready();
    bench.change(quota("db", cpus(0.0), cpus(2.0)), Rescinding::Exact);
    assert_eq!(
        bench.master.state().quotas["db"],
        quota("db", BTreeMap::new(), cpus(2.0))
    );
    let out = bench.change(quota("db", BTreeMap::new(), BTreeMap::new()), Rescinding::Nothing);
    assert_eq!((Bench::rescinds(&out), replies(&out)), (0, vec![Reply::Done]));
    assert!(bench.master.state().quotas.is_empty());
    assert_eq!(bench.master.allocator().quota("db"), None);
}

#[test]
fn what_tasks_hold_counts_against_new_limits_and_what_is_offered_does_not() {
    let (bench, agent, _) = Bench::running("t");
    let held = bench.master.state().agents[&agent]
        .used
        .values()
        .fold(resources::Resources::new(), |sum, each| &sum + each)
        .cpus();
    assert!(held > resources::Scalar::ZERO);
    let below = quota("web", BTreeMap::new(), cpus(held.as_f64() / 2.0));
    let consumed = bench.master.beyond_limits(&below).unwrap();
    assert_eq!(consumed.get(&resources::Name::new("cpus")), held);
    let enough = quota("web", BTreeMap::new(), cpus(held.as_f64()));
    assert_eq!(bench.master.beyond_limits(&enough), None);
    let (bench, ..) = Bench::ready();
    assert_eq!(
        bench
            .master
            .beyond_limits(&quota("web", BTreeMap::new(), cpus(0.0))),
        None
    );
}

#[test]
fn guarantees_of_all_roles_together_must_fit_the_agents() {
    let (mut bench, ..) = Bench::ready();
    bench.change(quota("db", cpus(3.0), BTreeMap::new()), Rescinding::Exact);
    let check = |role: &str, amount: f64| {
        bench
            .master
            .overcommit(&[quota(role, cpus(amount), BTreeMap::new())])
            .map(|over| (over.guarantees.to_string(), over.capacity.to_string()))
    };
    assert_eq!(check("web", 1.0), None);
    let beyond = ("cpus:4.5".to_owned(), "cpus:4;disk:1000;mem:4096".to_owned());
    assert_eq!(check("web", 1.5), Some(beyond));
    assert_eq!(check("db", 4.0), None, "the new one takes the old one's place");
}
