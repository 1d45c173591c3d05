//! Random operations: what the allocator decides is what a slow reading of the rules decides, its sums stay right after
//! each operation, and when it has come to rest the slow one finds nothing more to give.
//!
//! `TIANGONG_ALLOCATOR_OPERATIONS` says how many (6,000 by default); a failure names its seed, and
//! `TIANGONG_ALLOCATOR_SEED` starts there.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "reference/model.rs"]
mod model;

use allocator::{AgentId, AgentOptions, Allocator, Config, FrameworkId, FrameworkOptions, Offered};
use model::{Agent, Decision, Framework, Model, Stage};
use process::Time;
use proto::v1;
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::resource::{DiskInfo, ReservationInfo, disk_info};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use resources::operation::{self, Conversion};
use resources::{Limits, Name, Quantities, Resources, Scalar, role};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    messages[0].disk = Some(DiskInfo {
        persistence: Some(disk_info::Persistence {
            id: id.to_owned(),
            principal: None,
        }),
        ..DiskInfo::default()
    });
    messages[0].shared = shared.then(Default::default);
    Resources::from_proto(&messages).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = Config {
            seed,
            agents_per_run: rng.random_range(1..8),
            region: rng.random_bool(0.5).then(|| "here".to_owned()),
            filter_gpu_resources: rng.random_bool(0.8),
            ..Config::default()
        };
        Self {
            fast: Allocator::new(config.clone()),
            slow: Model {
                config,
                ..Model::default()
            },
            now: Time::from_secs(1_000),
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
                messages[0].disk = Some(DiskInfo {
                    source: Some(disk_info::Source {
                        r#type: disk_info::source::Type::Mount.into(),
                        ..disk_info::Source::default()
                    }),
                    ..DiskInfo::default()
                });
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
            multi_role: !self.one_in(8),
            hierarchical_role: !self.one_in(8),
            ..AgentOptions::default()
        }
    }

    fn framework_options(&mut self) -> FrameworkOptions {
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
        options
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

    fn step(&mut self) {
        match self.rng.random_range(0..36) {
            0..=2 => self.add_agent(),
            3 => self.remove_agent(),
            4 => self.change_total(),
            5 => self.set_agent_active(),
            6..=7 => self.add_framework(),
            8 => self.remove_framework(),
            9 => self.set_framework_active(),
            10 => self.update_framework(),
            11 => self.suppress(),
            12..=13 => self.revive(),
            14..=20 => self.recover(),
            21 => self.set_quota(),
            22 => self.set_weight(),
            23..=24 => self.reserve(),
            25 => self.unreserve(),
            26 => self.reserve_free(),
            27 => self.assign(),
            28 => self.set_whitelist(),
            29 => self.set_unavailability(),
            30 => self.answer_inverse_offer(),
            31 => self.grow_or_make_volume(),
            _ => {
                let millis = self.rng.random_range(1..4_000);
                self.log.push(format!("advance {millis}"));
                self.now += Duration::from_millis(millis);
            }
        }
    }

    fn add_agent(&mut self) {
        let id = format!("a{}", self.rng.random_range(0..6));
        let (options, total) = (self.agent_options(&id), self.total());
        self.forget_agent(&id);
        let agent = Agent {
            options: options.clone(),
            active: true,
            total: total.clone(),
            filters: BTreeMap::new(),
            unavailable: false,
            asked: BTreeSet::new(),
            not_asked: BTreeMap::new(),
        };
        self.log.push(format!("add agent {id} {total:?}"));
        self.slow.agents.insert(id.clone(), agent);
        let mut used = Vec::new();
        if self.one_in(4) {
            let framework = format!("f{}", self.rng.random_range(0..6));
            let role = self.role();
            let part = Resources::parse("cpus:0.5;mem:64").unwrap();
            self.log.push(format!("  used by {framework} in {role}"));
            self.know(&framework);
            self.slow.allocate(&id, &framework, &role, &part);
            used.push((FrameworkId::from(framework), part.allocate(&role)));
        }
        self.fast
            .add_agent(&AgentId::from(id), options, total, &used, self.now);
    }

    /// Frameworks may be told of by agents before they subscribe.
    fn know(&mut self, id: &str) {
        let unknown = Framework {
            known: false,
            active: false,
            options: FrameworkOptions::default(),
        };
        self.slow.frameworks.entry(id.to_owned()).or_insert(unknown);
    }

    fn forget_agent(&mut self, id: &str) {
        self.slow.held.retain(|(agent, _, _), _| agent != id);
        self.slow.agents.remove(id);
        self.slow.prune();
    }

    fn remove_agent(&mut self) {
        let Some(id) = self.any_agent() else { return };
        self.log.push(format!("remove agent {id}"));
        self.forget_agent(&id);
        self.fast.remove_agent(&AgentId::from(id), self.now);
    }

    fn change_total(&mut self) {
        let Some(id) = self.any_agent() else { return };
        let total = self.total();
        let mut options = self.slow.agents[&id].options.clone();
        if self.one_in(3) {
            options = self.agent_options(&id);
        }
        self.log.push(format!("total {id} {total:?}"));
        let agent = self.slow.agents.get_mut(&id).unwrap();
        if agent.options != options {
            agent.filters.clear();
        }
        agent.options = options.clone();
        agent.total = total.clone();
        self.fast
            .update_agent(&AgentId::from(id), options, total, self.now);
    }

    fn set_agent_active(&mut self) {
        let Some(id) = self.any_agent() else { return };
        let active = self.rng.random_bool(0.7);
        self.log.push(format!("agent {id} active {active}"));
        self.slow.agents.get_mut(&id).unwrap().active = active;
        match active {
            true => self.fast.activate_agent(&AgentId::from(id), self.now),
            false => self.fast.deactivate_agent(&AgentId::from(id)),
        }
    }

    fn add_framework(&mut self) {
        let id = format!("f{}", self.rng.random_range(0..6));
        if self
            .slow
            .frameworks
            .get(&id)
            .is_some_and(|framework| framework.known)
        {
            return;
        }
        let (options, active) = (self.framework_options(), self.rng.random_bool(0.9));
        self.log.push(format!("framework {id} {active} {options:?}"));
        let framework = Framework {
            known: true,
            active,
            options: options.clone(),
        };
        self.slow.frameworks.insert(id.clone(), framework);
        self.fast
            .add_framework(&FrameworkId::from(id), options, active, self.now);
    }

    fn update_framework(&mut self) {
        let Some(id) = self.any_framework() else { return };
        let options = self.framework_options();
        self.log.push(format!("update {id} {options:?}"));
        let old = std::mem::replace(
            &mut self.slow.frameworks.get_mut(&id).unwrap().options,
            options.clone(),
        );
        for left in old.roles.difference(&options.roles) {
            self.slow.drop_filters(&id, Some(left));
        }
        self.slow.prune();
        self.fast
            .update_framework(&FrameworkId::from(id), options, self.now);
    }

    fn forget_questions(&mut self, id: &str) {
        for agent in self.slow.agents.values_mut() {
            agent.asked.remove(id);
            agent.not_asked.remove(id);
        }
    }

    fn remove_framework(&mut self) {
        let Some(id) = self.any_framework() else { return };
        self.log.push(format!("remove framework {id}"));
        self.forget_questions(&id);
        self.slow.drop_filters(&id, None);
        self.slow.held.retain(|(_, framework, _), _| *framework != id);
        self.slow.frameworks.remove(&id);
        self.slow.prune();
        self.fast.remove_framework(&FrameworkId::from(id), self.now);
    }

    fn set_framework_active(&mut self) {
        let Some(id) = self.any_framework() else { return };
        let active = self.rng.random_bool(0.7);
        self.log.push(format!("framework {id} active {active}"));
        self.slow.frameworks.get_mut(&id).unwrap().active = active;
        if active {
            self.fast.activate_framework(&FrameworkId::from(id), self.now);
        } else {
            self.slow.drop_filters(&id, None);
            self.forget_questions(&id);
            self.fast.deactivate_framework(&FrameworkId::from(id));
        }
    }

    fn roles_of(&mut self, id: &str) -> Vec<String> {
        let roles: Vec<String> = self.slow.frameworks[id].options.roles.iter().cloned().collect();
        match self.one_in(2) {
            true => Vec::new(),
            false => roles.into_iter().take(1).collect(),
        }
    }

    fn suppress(&mut self) {
        let Some(id) = self.any_framework() else { return };
        let roles = self.roles_of(&id);
        self.log.push(format!("suppress {id} {roles:?}"));
        let options = &mut self.slow.frameworks.get_mut(&id).unwrap().options;
        let all = options.roles.clone();
        options.suppressed.extend(
            all.into_iter()
                .filter(|role| roles.is_empty() || roles.contains(role)),
        );
        self.fast.suppress(&FrameworkId::from(id), &roles);
    }

    fn revive(&mut self) {
        let Some(id) = self.any_framework() else { return };
        let roles = self.roles_of(&id);
        self.log.push(format!("revive {id} {roles:?}"));
        let all = self.slow.frameworks[&id].options.roles.clone();
        for role in all {
            if roles.is_empty() || roles.contains(&role) {
                let framework = self.slow.frameworks.get_mut(&id).unwrap();
                framework.options.suppressed.remove(&role);
                self.slow.drop_filters(&id, Some(&role));
            }
        }
        for agent in self.slow.agents.values_mut() {
            agent.not_asked.remove(&id);
        }
        self.fast.revive(&FrameworkId::from(id), &roles, self.now);
    }

    fn recover(&mut self) {
        let Some((agent, framework, role, held)) = self.any_held() else {
            return;
        };
        let part = match self.rng.random_range(0..4) {
            0 => held.filter(|entry| *entry.name() == Name::Cpus),
            1 => held.filter(|entry| !entry.is_unreserved()),
            _ => held,
        };
        if part.is_empty() {
            return;
        }
        let refused = match self.rng.random_range(0..5) {
            0 => None,
            1 => Some(Duration::ZERO),
            _ => Some(Duration::from_millis(self.rng.random_range(1..20_000))),
        };
        self.log
            .push(format!("recover {framework} {agent} {role} {part:?} {refused:?}"));
        self.slow
            .recover((&agent, &framework, &role), &part, refused, self.now);
        self.fast.recover(
            &FrameworkId::from(framework),
            &AgentId::from(agent),
            &part.allocate(&role),
            refused,
            self.now,
        );
    }

    fn set_quota(&mut self) {
        let role = self.role();
        if role.contains('/') {
            return;
        }
        let (mut guarantees, mut limits) = (Quantities::new(), Limits::default());
        let (least, most) = (self.rng.random_range(0..10), self.rng.random_range(0..20));
        if least > 0 && self.one_in(2) {
            guarantees.add_one(&Name::Cpus, Scalar::units(least));
            if self.one_in(2) {
                guarantees.add_one(&Name::Mem, Scalar::units(least * 300));
            }
        }
        if self.one_in(2) {
            limits.set(&Name::Cpus, Scalar::units(most.max(least)));
        }
        self.log.push(format!("quota {role} {guarantees} {limits:?}"));
        if guarantees.is_empty() && limits.is_empty() {
            self.slow.quotas.remove(&role);
        } else {
            let quota = (guarantees.clone(), limits.clone());
            self.slow.quotas.insert(role.clone(), quota);
        }
        self.fast.update_quota(&role, guarantees, limits, self.now);
    }

    fn set_weight(&mut self) {
        let role = self.role();
        let weight = f64::from(self.rng.random_range(1..8u8)) / 2.0;
        self.log.push(format!("weight {role} {weight}"));
        self.slow.weights.insert(role.clone(), weight);
        self.fast.update_weights(&[(role, weight)]);
    }

    fn convert(&mut self, agent: &str, framework: &str, role: &str, conversion: &Conversion) {
        self.log
            .push(format!("convert {framework} {agent} {role} {conversion:?}"));
        let expected = self.slow.convert((agent, framework, role), conversion);
        let conversion = Conversion {
            consumed: conversion.consumed.allocate(role),
            converted: conversion.converted.allocate(role),
        };
        let done = self.fast.convert(
            &FrameworkId::from(framework),
            &AgentId::from(agent),
            &[conversion],
            self.now,
        );
        assert_eq!(done.is_ok(), expected, "{done:?}");
    }

    fn reserve(&mut self) {
        let Some((agent, framework, role, held)) = self.any_held() else {
            return;
        };
        let Some(entry) = held
            .iter()
            .find(|entry| entry.is_scalar() && !entry.is_revocable())
        else {
            return;
        };
        let may_refine = entry
            .reserved_role()
            .is_none_or(|above| role::is_strict_subrole(&role, above));
        if role == "*"
            || !may_refine
            || !entry.is_divisible()
            || entry.meta().is_some_and(|meta| meta.disk.is_some())
        {
            return;
        }
        let source: Resources = [entry.clone()].into_iter().collect();
        let mut messages = source.to_proto();
        messages[0].reservations.push(ReservationInfo {
            r#type: Some(ReservationType::Dynamic.into()),
            role: Some(role.clone()),
            ..ReservationInfo::default()
        });
        let made = Resources::from_proto(&messages).unwrap();
        let conversion = operation::reserve(&Resources::new(), &made).unwrap();
        self.convert(&agent, &framework, &role, &conversion);
    }

    fn unreserve(&mut self) {
        let Some((agent, framework, role, held)) = self.any_held() else {
            return;
        };
        let part = held.filter(|entry| {
            let dynamic = entry.reservations().last().is_some_and(|layer| !layer.is_static);
            dynamic && entry.meta().is_none_or(|meta| meta.disk.is_none())
        });
        // What comes of it must not stand beside something like it: see the model's `shrink`.
        if part.is_empty() {
            return;
        }
        let conversion = operation::unreserve(&part).unwrap();
        self.convert(&agent, &framework, &role, &conversion);
    }

    fn reserve_free(&mut self) {
        let Some(id) = self.any_agent() else { return };
        let made = Resources::from_proto(&dynamic("cpus:1;mem:64", "dev")).unwrap();
        let conversion = operation::reserve(&Resources::new(), &made).unwrap();
        self.log.push(format!("operator reserves on {id}"));
        let agent = &self.slow.agents[&id];
        let free = self.slow.free(&id).contains(&conversion.consumed);
        let total = agent.total.apply(&conversion);
        let done = self
            .fast
            .convert_free(&AgentId::from(id.as_str()), &[conversion], self.now);
        assert_eq!(done.is_ok(), free && total.is_ok(), "{done:?}");
        if let (Ok(()), Ok(total)) = (done, total) {
            self.slow.agents.get_mut(&id).unwrap().total = total;
        }
    }

    fn grow_or_make_volume(&mut self) {
        let Some((agent, framework, role, held)) = self.any_held() else {
            return;
        };
        let disk = held.filter(|entry| {
            *entry.name() == Name::Disk
                && entry
                    .meta()
                    .is_some_and(|meta| meta.disk.is_none() && !meta.revocable)
                && entry.reservations().last().is_some_and(|layer| !layer.is_static)
        });
        let Some(entry) = disk.iter().next() else { return };
        let source: Resources = [entry.clone()].into_iter().collect();
        let mut messages = source.to_proto();
        messages[0].disk = Some(DiskInfo {
            persistence: Some(disk_info::Persistence {
                id: format!("made-{}", self.rng.random_range(0..1_000_000)),
                principal: None,
            }),
            ..DiskInfo::default()
        });
        messages[0].shared = self.rng.random_bool(0.5).then(Default::default);
        let made = Resources::from_proto(&messages).unwrap();
        let conversion = operation::create(&made).unwrap();
        self.convert(&agent, &framework, &role, &conversion);
    }

    fn assign(&mut self) {
        let (Some(agent), framework, role) = (
            self.any_agent(),
            format!("f{}", self.rng.random_range(0..6)),
            self.role(),
        ) else {
            return;
        };
        let part = Resources::parse("cpus:0.1;mem:32").unwrap();
        self.log.push(format!("assign {framework} {agent} {role}"));
        self.know(&framework);
        self.slow.allocate(&agent, &framework, &role, &part);
        self.fast.assign(
            &FrameworkId::from(framework),
            &AgentId::from(agent),
            &part.allocate(&role),
            self.now,
        );
    }

    fn set_whitelist(&mut self) {
        let hosts: Option<BTreeSet<String>> = self
            .one_in(3)
            .then(|| (0..4).map(|id| format!("host-a{id}")).collect());
        self.log.push(format!("whitelist {hosts:?}"));
        self.slow.whitelist.clone_from(&hosts);
        self.fast.set_whitelist(hosts, self.now);
    }

    fn set_unavailability(&mut self) {
        let Some(id) = self.any_agent() else { return };
        let unavailability = self.rng.random_bool(0.7).then(v1::Unavailability::default);
        self.log
            .push(format!("unavailable {id} {}", unavailability.is_some()));
        let agent = self.slow.agents.get_mut(&id).unwrap();
        agent.unavailable = unavailability.is_some();
        agent.asked.clear();
        agent.not_asked.clear();
        self.fast
            .set_unavailability(&AgentId::from(id), unavailability, self.now);
    }

    fn answer_inverse_offer(&mut self) {
        let agents = self.slow.agents.iter();
        let asked: Vec<(String, String)> = agents
            .flat_map(|(id, agent)| {
                agent
                    .asked
                    .iter()
                    .map(move |framework| (id.clone(), framework.clone()))
            })
            .collect();
        let Some((id, framework)) = asked.choose(&mut self.rng).cloned() else {
            return;
        };
        let refused = Duration::from_millis(self.rng.random_range(0..10_000));
        self.log.push(format!("{framework} answers on {id}: {refused:?}"));
        let agent = self.slow.agents.get_mut(&id).unwrap();
        agent.asked.remove(&framework);
        if !refused.is_zero() {
            agent.not_asked.insert(framework.clone(), self.now + refused);
        }
        self.fast.answer_inverse_offer(
            &FrameworkId::from(framework),
            &AgentId::from(id),
            None,
            Some(refused),
            self.now,
        );
    }

    /// Runs while runs are due, and follows each.
    fn settle(&mut self) {
        let mut rounds = 0;
        while self.fast.deadline().is_some_and(|at| at <= self.now) {
            self.slow.expire(self.now);
            let offers = self.fast.allocate(self.now);
            self.follow(&offers);
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
            if !expected.is_empty() && left.starts_with(&expected) {
                (self.slow, shown) = (ahead, seen);
                left = left.get(expected.len()..).unwrap_or(&[]);
            } else if stage == Stage::Guarantees {
                stage = Stage::FairShare;
            } else {
                panic!("decided {left:#?}, expected {expected:#?}");
            }
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
        for id in self.slow.agents.keys().cloned().collect::<Vec<_>>() {
            for stage in [Stage::Guarantees, Stage::FairShare] {
                let found = self.slow.clone().visit(&id, stage, &mut Resources::new());
                let unshared: Vec<&Decision> = found
                    .iter()
                    .filter(|decision| !decision.resources.nonshared().is_empty())
                    .collect();
                if let Some(missed) = unshared.first() {
                    let why = self.fast.explain(&FrameworkId::from(missed.framework.as_str()));
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
            let log = world.log.join("\n");
            eprintln!("seed {seed}, operation {at}; what was done:\n{log}");
            std::panic::resume_unwind(failure);
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
