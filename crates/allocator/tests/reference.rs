//! Random operations: what the allocator decides is what a slow reading of the rules decides, its sums stay right after
//! each operation, and when it has come to rest the slow one finds nothing more to give.
//!
//! `TIANGONG_ALLOCATOR_OPERATIONS` says how many (6,000 by default); a failure names its seed, and
//! `TIANGONG_ALLOCATOR_SEED` starts there.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "reference/model.rs"]
mod model;
#[path = "reference/steps.rs"]
mod steps;
#[path = "reference/wishes.rs"]
mod wishes;

use allocator::{
    AgentId, AgentOptions, Allocator, Config, FrameworkId, FrameworkOptions, Offered, RegexLimits, Sorter,
};
use model::{Decision, Model, Stage};
use process::Time;
use proto::v1;
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::resource::{DiskInfo, ReservationInfo, disk_info};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use resources::{Quantities, Resources};
use std::collections::BTreeMap;
use std::time::Duration;
use wishes::Wishes;

const ROLES: [&str; 7] = ["*", "dev", "ops", "ops/night", "ops/night/late", "ops/day", "web"];
/// How many operations one cluster lives through.
const LIFE: u64 = 300;

struct World {
    fast: Allocator,
    slow: Model,
    now: Time,
    rng: ChaCha8Rng,
    log: Vec<String>,
}

fn dynamic(text: &str, role: &str) -> Vec<v1::Resource> {
    let mut messages = Resources::parse(text).unwrap().to_proto();
    for message in &mut messages {
        message.reservations.push(ReservationInfo {
            r#type: Some(ReservationType::Dynamic.into()),
            role: Some(role.to_owned()),
            ..ReservationInfo::default()
        });
    }
    messages
}

/// A persistent volume, which may be shared.
fn volume(id: &str, role: &str, size: u32, shared: bool) -> Resources {
    let mut messages = dynamic(&format!("disk:{size}"), role);
    messages[0].disk = Some(Box::new(DiskInfo {
        persistence: Some(disk_info::Persistence {
            id: id.to_owned(),
            principal: None,
        }),
        ..DiskInfo::default()
    }));
    messages[0].shared = shared.then(Default::default);
    Resources::from_proto(&messages).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let sorter = |random| if random { Sorter::Random } else { Sorter::Drf };
        let config = Config {
            seed,
            agents_per_run: rng.random_range(1..8),
            region: rng.random_bool(0.5).then(|| "here".to_owned()),
            filter_gpu_resources: rng.random_bool(0.8),
            role_sorter: sorter(rng.random_bool(0.2)),
            framework_sorter: sorter(rng.random_bool(0.2)),
            ..Config::default()
        };
        let now = Time::from_secs(1_000);
        let mut fast = Allocator::new(config.clone());
        // As after a failover.
        let hold = rng.random_bool(0.3).then(|| {
            (
                rng.random_range(1..5),
                now + Duration::from_secs(rng.random_range(1..60)),
            )
        });
        if let Some((expected, until)) = hold {
            fast.hold_for_recovery(expected, until);
        }
        Self {
            fast,
            slow: Model {
                config,
                hold,
                ..Model::default()
            },
            now,
            rng,
            log: Vec::new(),
        }
    }

    fn one_in(&mut self, chance: u32) -> bool {
        self.rng.random_range(0..chance) == 0
    }

    fn role(&mut self) -> String {
        (*ROLES.choose(&mut self.rng).unwrap()).to_owned()
    }

    fn total(&mut self) -> Resources {
        let size = self.rng.random_range(1..9u32);
        let mut total =
            Resources::parse(&format!("cpus:{size};mem:{};ports:[1-{size}]", size * 512)).unwrap();
        if self.one_in(4) {
            total += &Resources::parse("gpus:1").unwrap();
        }
        if self.one_in(3) {
            let role = self.role();
            let role = if role == "*" { "ops" } else { &role };
            total += &Resources::parse(&format!("cpus({role}):1.5;mem({role}):64")).unwrap();
        }
        if self.one_in(5) {
            let mut messages = Resources::parse("cpus:2;mem:128").unwrap().to_proto();
            messages
                .iter_mut()
                .for_each(|message| message.revocable = Some(Default::default()));
            total += &Resources::from_proto(&messages).unwrap();
        }
        if self.one_in(4) {
            let shared = self.one_in(2);
            let role = ["ops", "ops/night", "dev"].choose(&mut self.rng).unwrap();
            total += &volume("v", role, 100, shared);
        }
        match self.rng.random_range(0..4) {
            0 => total += &Resources::parse("disk:1000").unwrap(),
            1 => {
                // One thing that cannot be cut.
                let mut messages = Resources::parse("disk:1000").unwrap().to_proto();
                messages[0].disk = Some(Box::new(DiskInfo {
                    source: Some(disk_info::Source {
                        r#type: disk_info::source::Type::Mount.into(),
                        ..disk_info::Source::default()
                    }),
                    ..DiskInfo::default()
                }));
                total += &Resources::from_proto(&messages).unwrap();
            }
            _ => {}
        }
        total
    }

    fn agent_options(&mut self, id: &str) -> AgentOptions {
        let region = match self.rng.random_range(0..6) {
            0 => Some("there".to_owned()),
            1 => Some("here".to_owned()),
            _ => None,
        };
        AgentOptions {
            hostname: format!("host-{id}"),
            region,
            zone: self.one_in(3).then(|| "r1".to_owned()),
            attributes: match self.rng.random_range(0..5) {
                0 => [("rack".to_owned(), None)].into(),
                1 => [("rack".to_owned(), Some("r1".to_owned()))].into(),
                2 => [("rack".to_owned(), Some("r2".to_owned()))].into(),
                _ => BTreeMap::new(),
            },
            multi_role: !self.one_in(8),
            hierarchical_role: !self.one_in(8),
        }
    }

    /// The constraints stand in the options, and beside them as they are meant.
    fn framework_options(&mut self) -> (FrameworkOptions, Wishes) {
        let mut options = FrameworkOptions::default();
        let roles = self.rng.random_range(1..3);
        while options.roles.len() < roles {
            options.roles.insert(self.role());
        }
        if self.one_in(6) {
            options.suppressed.extend(options.roles.first().cloned());
        }
        options.capabilities.multi_role = roles > 1;
        options.capabilities.shared_resources = self.one_in(2);
        options.capabilities.revocable_resources = self.one_in(2);
        options.capabilities.reservation_refinement = self.one_in(2);
        options.capabilities.gpu_resources = self.one_in(2);
        options.capabilities.region_aware = self.one_in(2);
        if self.one_in(8) {
            let minimum = ["", "cpus:3", "ports:2"].choose(&mut self.rng).unwrap();
            let sets = (!minimum.is_empty()).then(|| Quantities::parse(minimum).unwrap());
            let role = options.roles.first().cloned().unwrap();
            options.min_allocatable.insert(role, sets.into_iter().collect());
        }
        let mut wishes = Wishes::default();
        if self.one_in(4) {
            let role = options.roles.first().cloned().unwrap();
            wishes = Wishes::random(&role, &mut self.rng);
            options = options.constrained(Some(&wishes.to_proto()), RegexLimits::default());
        }
        (options, wishes)
    }

    fn any_agent(&mut self) -> Option<String> {
        let all: Vec<&String> = self.slow.agents.keys().collect();
        all.choose(&mut self.rng).map(|id| (*id).clone())
    }

    fn any_framework(&mut self) -> Option<String> {
        let known = self
            .slow
            .frameworks
            .iter()
            .filter(|(_, framework)| framework.known);
        let all: Vec<&String> = known.map(|(id, _)| id).collect();
        all.choose(&mut self.rng).map(|id| (*id).clone())
    }

    /// Agent, framework, role and what is held there.
    fn any_held(&mut self) -> Option<(String, String, String, Resources)> {
        let all: Vec<_> = self.slow.held.iter().collect();
        let ((agent, framework, role), held) = all.choose(&mut self.rng)?;
        Some((agent.clone(), framework.clone(), role.clone(), (*held).clone()))
    }

    /// Runs while runs are due, and follows each.
    fn settle(&mut self) {
        let mut rounds = 0;
        while self.fast.deadline().is_some_and(|at| at <= self.now) {
            self.slow.expire(self.now);
            let offers = self.fast.allocate(self.now);
            assert!(
                offers.is_empty() || !self.slow.is_held(self.now),
                "offers are held back"
            );
            if [self.slow.config.role_sorter, self.slow.config.framework_sorter].contains(&Sorter::Random) {
                self.follow_at_random(&offers);
            } else {
                self.follow(&offers);
            }
            for asked in self.fast.inverse_offers(self.now) {
                let (id, framework) = (asked.agent.as_str(), asked.framework.as_str());
                assert!(
                    self.slow.to_ask(id).contains(framework),
                    "asked {framework} on {id}"
                );
                self.slow
                    .agents
                    .get_mut(id)
                    .unwrap()
                    .asked
                    .insert(framework.to_owned());
            }
            rounds += 1;
            assert!(rounds < 200, "runs come to an end");
        }
        self.slow.expire(self.now);
    }

    /// The slow one decides the same for each agent that was visited, in the same order.
    fn follow(&mut self, offers: &[Offered]) {
        let decisions: Vec<Decision> = offers.iter().map(decision).collect();
        let mut left = decisions.as_slice();
        let mut stage = Stage::Guarantees;
        let mut shown: BTreeMap<String, Resources> = BTreeMap::new();
        while let Some(next) = left.first() {
            let (mut ahead, mut seen) = (self.slow.clone(), shown.clone());
            let expected = ahead.visit(&next.agent, stage, seen.entry(next.agent.clone()).or_default());
            let taken = common(left, &expected);
            if taken > 0 && taken == expected.len() {
                (self.slow, shown) = (ahead, seen);
                left = left.get(taken..).unwrap_or(&[]);
            } else if taken > 0 {
                // A visit for some finds nothing more for others, but for a further copy of something shared.
                let seen = shown.entry(next.agent.clone()).or_default();
                for decision in left.get(..taken).unwrap_or(&[]) {
                    assert!(self.slow.permit(decision, stage, seen), "decided {decision:#?}");
                }
                left = left.get(taken..).unwrap_or(&[]);
            } else if stage == Stage::Guarantees {
                stage = Stage::FairShare;
            } else {
                panic!("decided {left:#?}, expected {expected:#?}");
            }
        }
    }

    /// The slow one may decide the same, each framework once for a role, agent and stage, and one role after another.
    /// That nobody is passed over is seen at rest.
    fn follow_at_random(&mut self, offers: &[Offered]) {
        let mut stage = Stage::Guarantees;
        let mut shown: BTreeMap<String, Resources> = BTreeMap::new();
        let mut served: Vec<(String, String, String)> = Vec::new();
        for next in offers.iter().map(decision) {
            let seen = shown.entry(next.agent.clone()).or_default();
            let place = (next.agent.clone(), next.role.clone(), next.framework.clone());
            let in_order = is_next(&served, &place);
            if !in_order || !self.slow.permit(&next, stage, seen) {
                assert_eq!(stage, Stage::Guarantees, "decided {next:#?} after {served:?}");
                stage = Stage::FairShare;
                served.clear();
                assert!(self.slow.permit(&next, stage, seen), "decided {next:#?}");
            }
            served.push(place);
        }
    }

    /// After some batches the slow one finds nothing that could still be given, and nobody to be asked.
    fn rest(&mut self) {
        // What one run gives for a guarantee is free for the next, and refusals end; so it may take some.
        let mut rounds = 0;
        loop {
            self.now += Duration::from_millis(1_001);
            self.settle();
            let soon = self.now + Duration::from_secs(1);
            if self.fast.deadline().is_none_or(|at| at > soon) {
                break;
            }
            rounds += 1;
            assert!(rounds < 100, "it comes to rest");
        }
        if self.slow.is_held(self.now) {
            return;
        }
        for id in self.slow.agents.keys().cloned().collect::<Vec<_>>() {
            for stage in [Stage::Guarantees, Stage::FairShare] {
                let found = self.slow.clone().visit(&id, stage, &mut Resources::new());
                let unshared: Vec<&Decision> = found
                    .iter()
                    .filter(|decision| !decision.resources.nonshared().is_empty())
                    .collect();
                if let Some(missed) = unshared.first() {
                    let id = FrameworkId::from(missed.framework.as_str());
                    let why = self.fast.explainer().framework(&id, |_| true);
                    panic!("missed {unshared:#?}, next {:?}: {why:#?}", self.fast.deadline());
                }
            }
            let to_ask = self.slow.to_ask(&id);
            assert!(to_ask.is_empty(), "not asked on {id}: {to_ask:?}");
        }
    }

    fn compare(&self) {
        for id in self.slow.agents.keys() {
            let agent = AgentId::from(id.as_str());
            assert_eq!(self.fast.free(&agent), Some(&self.slow.free(id)), "free on {id}");
        }
        for (place, held) in &self.slow.held {
            let (agent, framework) = (
                AgentId::from(place.0.as_str()),
                FrameworkId::from(place.1.as_str()),
            );
            let there = self.fast.held(&framework, &agent).cloned().unwrap_or_default();
            let in_role = there
                .filter(|entry| entry.allocation() == Some(&*place.2))
                .unallocate();
            assert_eq!(in_role, *held, "held: {place:?}");
        }
        assert_eq!(*self.fast.totals(), self.slow.totals());
        for role in ["*", "dev", "ops", "web"] {
            assert_eq!(
                self.fast.consumed(role),
                self.slow.consumed(role),
                "consumed by {role}"
            );
            if let Some(share) = self.fast.role_share(role) {
                assert!(
                    (share - self.slow.role_share(role)).abs() < 1e-12,
                    "share of {role}"
                );
            }
        }
    }
}

/// How many of the decisions that were made are the expected ones, from the first on, when of those expected only copies of
/// something shared are left out; none when others are.
fn common(made: &[Decision], expected: &[Decision]) -> usize {
    let mut taken = 0;
    for decision in expected {
        if made.get(taken) == Some(decision) {
            taken += 1;
        } else if !decision.resources.nonshared().is_empty() {
            return 0;
        }
    }
    taken
}

/// Whether nobody is served twice (agent, role, framework), and no role of an agent is come back to.
fn is_next(served: &[(String, String, String)], place: &(String, String, String)) -> bool {
    let same_role = |other: &(String, String, String)| (&other.0, &other.1) == (&place.0, &place.1);
    let goes_on = served.last().is_none_or(same_role);
    !served.contains(place) && (goes_on || !served.iter().any(same_role))
}

fn decision(offer: &Offered) -> Decision {
    Decision {
        framework: offer.framework.as_str().to_owned(),
        role: offer.role.to_string(),
        agent: offer.agent.as_str().to_owned(),
        resources: offer.resources.unallocate(),
    }
}

fn live(seed: u64, operations: u64) {
    let mut world = World::new(seed);
    for at in 0..operations {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.step();
            world.fast.check().unwrap();
            world.compare();
            world.settle();
            world.fast.check().unwrap();
            if at % 20 == 19 {
                world.rest();
            }
        }));
        if let Err(failure) = outcome {
            let said = failure
                .downcast_ref::<String>()
                .map_or("no reason given", String::as_str);
            let log = world.log.join("\n");
            panic!("{said}\nseed {seed}, operation {at}; what was done:\n{log}");
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn random_operations_are_decided_as_a_slow_reading_of_the_rules_decides_them() {
    let operations = number("TIANGONG_ALLOCATOR_OPERATIONS", 6_000);
    let first = number("TIANGONG_ALLOCATOR_SEED", 1);
    for life in 0..operations.div_ceil(LIFE) {
        live(first + life, LIFE.min(operations - life * LIFE));
    }
}
