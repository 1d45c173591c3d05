//! The workloads that Mesos measures its allocator with, at their published sizes.

use allocator::{AgentId, AgentOptions, Allocator, Config, FrameworkId, FrameworkOptions, Offered};
use divan::Bencher;
use process::Time;
use proto::v1;
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::resource::{DiskInfo, ReservationInfo, disk_info};
use resources::{Limits, Quantities, Resources};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn main() {
    divan::main();
}

const START: Time = Time::from_secs(1_000);
const BATCH: Duration = Duration::from_secs(1);

fn new() -> Allocator {
    Allocator::new(Config {
        agents_per_run: usize::MAX,
        ..Config::default()
    })
}

fn add_agents(allocator: &mut Allocator, count: usize, total: impl Fn(usize) -> Resources) {
    let options = AgentOptions {
        multi_role: true,
        hierarchical_role: true,
        ..AgentOptions::default()
    };
    for index in 0..count {
        let id = AgentId::from(format!("agent-{index:05}"));
        allocator.add_agent(&id, options.clone(), total(index), &[], START);
    }
}

fn add_framework(allocator: &mut Allocator, id: &str, role: &str, suppressed: bool) {
    let roles = BTreeSet::from([role.to_owned()]);
    let options = FrameworkOptions {
        suppressed: if suppressed {
            roles.clone()
        } else {
            BTreeSet::new()
        },
        roles,
        ..FrameworkOptions::default()
    };
    allocator.add_framework(&FrameworkId::from(id), options, true, START);
}

fn add_frameworks(allocator: &mut Allocator, count: usize, role: &str) {
    for index in 0..count {
        add_framework(allocator, &format!("framework-{index:05}"), role, false);
    }
}

/// The first cycle of a cluster, which makes so many offers.
fn first_cycle(bencher: Bencher<'_, '_>, fresh: &Allocator, expected: usize) {
    bencher
        .with_inputs(|| fresh.clone())
        .bench_values(|mut allocator| {
            let offers = cycle(&mut allocator, &mut START.clone());
            assert_eq!(offers.len(), expected);
            (allocator, offers)
        });
}

fn parse(text: &str) -> Resources {
    Resources::parse(text).expect("valid text")
}

fn usual(_: usize) -> Resources {
    parse("cpus:24;mem:4096;disk:4096;ports:[31000-32000]")
}

/// Runs until nothing is due, a batch after `now`.
fn cycle(allocator: &mut Allocator, now: &mut Time) -> Vec<Offered> {
    *now += BATCH;
    let mut offers = Vec::new();
    while allocator.deadline().is_some_and(|at| at <= *now) {
        offers.append(&mut allocator.allocate(*now));
    }
    offers
}

fn decline(allocator: &mut Allocator, offers: &[Offered], now: Time) {
    for offer in offers {
        let refused = Some(Duration::from_secs(5));
        allocator.recover(&offer.framework, &offer.agent, &offer.resources, refused, now);
    }
}

/// Every offer is declined with the usual filter, for three rounds; then a round of offers.
#[divan::bench(args = [(1_000, 100), (10_000, 1_000), (20_000, 2_000), (50_000, 6_000)], sample_count = 5, sample_size = 1)]
fn decline_offers(bencher: Bencher<'_, '_>, (agents, frameworks): (usize, usize)) {
    let mut declined = new();
    add_frameworks(&mut declined, frameworks, "*");
    add_agents(&mut declined, agents, usual);
    let mut now = START;
    for _ in 0..3 {
        let offers = cycle(&mut declined, &mut now);
        assert_eq!(offers.len(), agents);
        decline(&mut declined, &offers, now);
    }
    bencher
        .with_inputs(|| (declined.clone(), now))
        .bench_values(|(mut allocator, mut now)| {
            let offers = cycle(&mut allocator, &mut now);
            assert_eq!(offers.len(), agents);
            (allocator, offers)
        });
}

/// All frameworks but one in a hundred have suppressed offers; then a round of offers.
#[divan::bench(args = [(1_000, 100), (10_000, 1_000), (20_000, 2_000), (50_000, 6_000)], sample_count = 5, sample_size = 1)]
fn suppress_offers(bencher: Bencher<'_, '_>, (agents, frameworks): (usize, usize)) {
    let mut fresh = new();
    for index in 0..frameworks {
        add_framework(
            &mut fresh,
            &format!("framework-{index:05}"),
            "*",
            index % 100 != 0,
        );
    }
    add_agents(&mut fresh, agents, usual);
    first_cycle(bencher, &fresh, agents);
}

/// Everybody has refused everything for long, and one framework revives.
#[divan::bench(args = [(1_000, 20), (10_000, 20)], sample_count = 5, sample_size = 1)]
fn revive_among_refusals(bencher: Bencher<'_, '_>, (agents, frameworks): (usize, usize)) {
    let mut refused = new();
    add_frameworks(&mut refused, frameworks, "*");
    add_agents(&mut refused, agents, usual);
    let mut now = START;
    loop {
        let offers = cycle(&mut refused, &mut now);
        if offers.is_empty() {
            break;
        }
        for offer in offers {
            let long = Some(Duration::from_secs(100_000));
            refused.recover(&offer.framework, &offer.agent, &offer.resources, long, now);
        }
    }
    bencher
        .with_inputs(|| (refused.clone(), now))
        .bench_values(|(mut allocator, mut now)| {
            allocator.revive(&FrameworkId::from("framework-00007"), &[], now);
            let offers = cycle(&mut allocator, &mut now);
            assert_eq!(offers.len(), agents);
            (allocator, offers)
        });
}

/// Guarantees of a fifth of an agent and of five agents, one framework a role; all of the cluster goes to them.
#[derive(Clone, Copy, Debug)]
struct Quotas {
    small: usize,
    large: usize,
}

const QUOTAS: [Quotas; 3] = [
    Quotas { small: 25, large: 5 },
    Quotas {
        small: 250,
        large: 50,
    },
    Quotas {
        small: 2_500,
        large: 500,
    },
];

impl std::fmt::Display for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} small, {} large", self.small, self.large)
    }
}

impl Quotas {
    fn cluster(self) -> Allocator {
        let mut allocator = new();
        add_agents(&mut allocator, self.small / 5 + self.large * 5, |_| {
            parse("cpus:5;mem:5120;disk:5120")
        });
        for (kind, count, amount) in [("small", self.small, 1), ("large", self.large, 25)] {
            for index in 0..count {
                let role = format!("{kind}-{index:05}");
                let text = format!("cpus:{amount};mem:{};disk:{}", amount * 1024, amount * 1024);
                let guarantees = Quantities::parse(&text).expect("valid text");
                let mut limits = Limits::default();
                guarantees.iter().for_each(|(name, most)| limits.set(name, most));
                allocator.update_quota(&role, guarantees, limits, START);
                add_framework(&mut allocator, &format!("framework-{role}"), &role, false);
            }
        }
        allocator
    }
}

#[divan::bench(args = QUOTAS, sample_count = 5, sample_size = 1)]
fn large_and_small_quota(bencher: Bencher<'_, '_>, quotas: Quotas) {
    let fresh = quotas.cluster();
    bencher
        .with_inputs(|| fresh.clone())
        .bench_values(|mut allocator| {
            let offers = cycle(&mut allocator, &mut START.clone());
            assert!(offers.len() >= quotas.small + quotas.large * 5);
            (allocator, offers)
        });
}

/// The next cycle finds nothing to do.
#[divan::bench(args = QUOTAS)]
fn large_and_small_quota_unchanged(bencher: Bencher<'_, '_>, quotas: Quotas) {
    let mut allocator = quotas.cluster();
    let mut now = START;
    cycle(&mut allocator, &mut now);
    bencher.bench_local(|| cycle(&mut allocator, &mut now).len());
}

/// A thousand roles want everything; half of them have a guarantee, or none has.
#[divan::bench(args = [false, true], sample_count = 5, sample_size = 1)]
fn non_quota_vs_quota(bencher: Bencher<'_, '_>, quota: bool) {
    let mut fresh = new();
    add_agents(&mut fresh, 1_000, |_| parse("cpus:2;mem:2048;disk:2048"));
    for index in 0..1_000 {
        let role = format!("role-{index:05}");
        if quota && index % 2 == 0 {
            let guarantees = Quantities::parse("cpus:2;mem:2048;disk:2048").expect("valid text");
            fresh.update_quota(&role, guarantees, Limits::default(), START);
        }
        add_framework(&mut fresh, &format!("framework-{index:05}"), &role, false);
    }
    first_cycle(bencher, &fresh, 1_000);
}

/// A kind of framework: how many, how many tasks each runs in all and of one offer, and what a task needs.
struct Kind {
    tasks: usize,
    of_an_offer: usize,
    task: Resources,
}

/// Eighty large agents, four frameworks with thousands of small tasks, 500 with five each, 50 with twenty larger ones: 200
/// rounds, or fewer if all 19,500 tasks run before.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn multi_framework_allocations(bencher: Bencher<'_, '_>) {
    let mut fresh = new();
    add_agents(&mut fresh, 80, |_| parse("cpus:64;mem:488000"));
    let mut kinds: BTreeMap<FrameworkId, Kind> = BTreeMap::new();
    let mut add = |id: String, role: &str, tasks, of_an_offer, task: &str| {
        add_framework(&mut fresh, &id, role, false);
        let kind = Kind {
            tasks,
            of_an_offer,
            task: parse(task),
        };
        kinds.insert(FrameworkId::from(id), kind);
    };
    for index in 0..4 {
        add(
            format!("marathon-{index}"),
            &format!("a-{index}"),
            4_000,
            100,
            "cpus:0.07;mem:400",
        );
    }
    for index in 0..500 {
        add(format!("jenkins-{index}"), "b", 5, 1, "cpus:0.1;mem:4000");
    }
    for index in 0..50 {
        add(
            format!("spark-{index}"),
            &format!("c-{index}"),
            20,
            5,
            "cpus:1;mem:1000",
        );
    }
    let all: usize = kinds.values().map(|kind| kind.tasks).sum();
    bencher
        .with_inputs(|| fresh.clone())
        .bench_values(|mut allocator| {
            let mut now = START;
            let mut launched: BTreeMap<FrameworkId, usize> = BTreeMap::new();
            let mut total = 0;
            let mut rounds = 0;
            while total < all && rounds < 200 {
                rounds += 1;
                for offer in cycle(&mut allocator, &mut now) {
                    let kind = &kinds[&offer.framework];
                    let mine = launched.entry(offer.framework.clone()).or_default();
                    let mut rest = offer.resources.unallocate();
                    let mut of_this = 0;
                    while *mine < kind.tasks && of_this < kind.of_an_offer && rest.contains(&kind.task) {
                        rest -= &kind.task;
                        *mine += 1;
                        of_this += 1;
                        total += 1;
                    }
                    let rest = rest.allocate(&offer.role);
                    allocator.recover(
                        &offer.framework,
                        &offer.agent,
                        &rest,
                        Some(Duration::from_secs(5)),
                        now,
                    );
                }
            }
            allocator
        });
}

/// Every agent carries a hundred persistent volumes.
#[divan::bench(args = [100, 1_000], sample_count = 5, sample_size = 1)]
fn persistent_volumes(bencher: Bencher<'_, '_>, agents: usize) {
    let total = |_| {
        let mut messages = parse("cpus:24;mem:4096;disk:4096;ports:[31000-32000]").to_proto();
        for volume in 0..100 {
            let mut message = parse("disk:10").to_proto().remove(0);
            message.reservations = vec![ReservationInfo {
                r#type: Some(ReservationType::Dynamic.into()),
                role: Some("dev".to_owned()),
                ..ReservationInfo::default()
            }];
            message.disk = Some(Box::new(DiskInfo {
                persistence: Some(disk_info::Persistence {
                    id: format!("volume-{volume}"),
                    principal: None,
                }),
                ..DiskInfo::default()
            }));
            messages.push(v1::Resource { ..message });
        }
        Resources::from_proto(&messages).expect("valid volumes")
    };
    let mut fresh = new();
    add_frameworks(&mut fresh, 50, "dev");
    add_agents(&mut fresh, agents, total);
    first_cycle(bencher, &fresh, agents);
}

/// A new agent changes all shares: the next look sorts everybody anew.
#[divan::bench(args = [1_000, 10_000, 50_000], sample_count = 10, sample_size = 1)]
fn full_sort(bencher: Bencher<'_, '_>, frameworks: usize) {
    let mut sorted = new();
    add_frameworks(&mut sorted, frameworks, "*");
    add_agents(&mut sorted, 1_000, usual);
    let mut now = START;
    cycle(&mut sorted, &mut now);
    let options = AgentOptions::default();
    let total = usual(0);
    bencher
        .with_inputs(|| (sorted.clone(), now))
        .bench_values(|(mut allocator, mut now)| {
            allocator.add_agent(&AgentId::from("new"), options.clone(), total.clone(), &[], now);
            assert_eq!(cycle(&mut allocator, &mut now).len(), 1);
            allocator
        });
}

/// Three thousand frameworks subscribe, each in a role of its own at the bottom of a tree six deep.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn add_three_thousand_frameworks(bencher: Bencher<'_, '_>) {
    let mut fresh = new();
    add_agents(&mut fresh, 1_000, usual);
    bencher
        .with_inputs(|| fresh.clone())
        .bench_values(|mut allocator| {
            for index in 0..3_000 {
                let role = format!("a/b{}/c{}/d/e/f{index}", index % 10, index % 100);
                add_framework(&mut allocator, &format!("framework-{index:05}"), &role, false);
            }
            allocator
        });
}
