//! Allocation cycles: everything free, nothing changed, everything declined.

use allocator::{AgentId, AgentOptions, Allocator, Config, FrameworkId, FrameworkOptions};
use divan::{Bencher, black_box};
use process::Time;
use resources::{Name, Quantities, Resources, Scalar};
use std::collections::BTreeSet;
use std::time::Duration;

fn main() {
    divan::main();
}

/// Agents by frameworks.
const SIZES: [(usize, usize); 4] = [(1_000, 100), (10_000, 100), (10_000, 1_000), (20_000, 2_000)];

const START: Time = Time::from_secs(1_000);

fn cluster((agents, frameworks): (usize, usize)) -> Allocator {
    let mut allocator = Allocator::new(Config {
        agents_per_run: usize::MAX,
        ..Config::default()
    });
    // Each agent's own: nothing is shared that would not be in a cluster.
    let total = || Resources::parse("cpus:24;mem:4096;disk:4096;ports:[31000-32000]").expect("valid text");
    let options = AgentOptions {
        multi_role: true,
        hierarchical_role: true,
        ..AgentOptions::default()
    };
    for index in 0..frameworks {
        let id = FrameworkId::from(format!("framework-{index:05}"));
        let roles = BTreeSet::from(["*".to_owned()]);
        allocator.add_framework(
            &id,
            FrameworkOptions {
                roles,
                ..FrameworkOptions::default()
            },
            true,
            START,
        );
    }
    for index in 0..agents {
        let id = AgentId::from(format!("agent-{index:05}"));
        allocator.add_agent(&id, options.clone(), total(), &[], START);
    }
    allocator
}

/// Everything is free and everybody wants it.
#[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
fn full(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    let fresh = cluster(size);
    bencher
        .with_inputs(|| fresh.clone())
        .bench_values(|mut allocator| {
            let offers = allocator.allocate(START + Duration::from_secs(1));
            assert_eq!(offers.len(), size.0);
            (allocator, offers)
        });
}

/// Every offer was declined by its framework and all is offered again.
#[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
fn declined_once(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    let mut declined = cluster(size);
    let now = START + Duration::from_secs(1);
    for offer in declined.allocate(now) {
        let refused = Some(Duration::from_secs(3_600));
        declined.recover(&offer.framework, &offer.agent, &offer.resources, refused, now);
    }
    bencher
        .with_inputs(|| declined.clone())
        .bench_values(|mut allocator| {
            let offers = allocator.allocate(now + Duration::from_secs(2));
            assert_eq!(offers.len(), size.0);
            (allocator, offers)
        });
}

/// Nothing has changed since the last cycle.
#[divan::bench(args = SIZES)]
fn unchanged(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    let mut allocator = cluster(size);
    allocator.allocate(START + Duration::from_secs(1));
    let now = START + Duration::from_secs(2);
    bencher.bench_local(|| black_box(allocator.allocate(black_box(now))));
}

/// One task ended on one agent.
#[divan::bench(args = SIZES)]
fn one_task_ended(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    let mut allocator = cluster(size);
    let mut now = START + Duration::from_secs(1);
    let offer = allocator.allocate(now).swap_remove(0);
    let part = Resources::parse("cpus:1;mem:128")
        .expect("valid text")
        .allocate("*");
    let mut holder = offer.framework;
    bencher.bench_local(|| {
        allocator.recover(&holder, &offer.agent, &part, None, now);
        now += Duration::from_secs(1);
        let offers = allocator.allocate(now);
        assert_eq!(offers.len(), 1);
        holder = offers[0].framework.clone();
    });
}

/// As many roles as agents, each with a small guarantee.
#[divan::bench(args = [300, 3_000], sample_count = 5, sample_size = 1)]
fn quota(bencher: Bencher<'_, '_>, count: usize) {
    let mut fresh = cluster((count, 0));
    let mut guarantees = Quantities::new();
    guarantees.add_one(&Name::Cpus, Scalar::units(12));
    for index in 0..count {
        let role = format!("role-{index:05}");
        fresh.update_quota(&role, guarantees.clone(), resources::Limits::default(), START);
        let options = FrameworkOptions {
            roles: BTreeSet::from([role]),
            ..FrameworkOptions::default()
        };
        fresh.add_framework(
            &FrameworkId::from(format!("framework-{index:05}")),
            options,
            true,
            START,
        );
    }
    bencher
        .with_inputs(|| fresh.clone())
        .bench_values(|mut allocator| {
            let offers = allocator.allocate(START + Duration::from_secs(2));
            assert!(offers.len() >= count);
            (allocator, offers)
        });
}
