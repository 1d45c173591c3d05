//! What may happen, at random, to both allocators alike.

use crate::World;
use crate::dynamic;
use crate::model::{Agent, Framework};
use crate::wishes::Wishes;
use allocator::{AgentId, FrameworkId, FrameworkOptions};
use proto::v1;
use proto::v1::resource::reservation_info::Type as ReservationType;
use proto::v1::resource::{DiskInfo, ReservationInfo, disk_info};
use rand::Rng;
use rand::seq::IndexedRandom;
use resources::operation::{self, Conversion};
use resources::{Limits, Name, Quantities, Resources, Scalar, role};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl World {
    pub(crate) fn step(&mut self) {
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
        self.slow.count_agents();
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
            wishes: Wishes::default(),
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
        let ((options, wishes), active) = (self.framework_options(), self.rng.random_bool(0.9));
        self.log.push(format!("framework {id} {active} {options:?}"));
        let framework = Framework {
            known: true,
            active,
            options: options.clone(),
            wishes,
        };
        self.slow.frameworks.insert(id.clone(), framework);
        self.fast
            .add_framework(&FrameworkId::from(id), options, active, self.now);
    }

    fn update_framework(&mut self) {
        let Some(id) = self.any_framework() else { return };
        let (options, wishes) = self.framework_options();
        self.log.push(format!("update {id} {options:?}"));
        let framework = self.slow.frameworks.get_mut(&id).unwrap();
        framework.wishes = wishes;
        let old = std::mem::replace(&mut framework.options, options.clone());
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
        messages[0].disk = Some(Box::new(DiskInfo {
            persistence: Some(disk_info::Persistence {
                id: format!("made-{}", self.rng.random_range(0..1_000_000)),
                principal: None,
            }),
            ..DiskInfo::default()
        }));
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
}
