//! The invariants of the books, for simulations and tests: a recount of everything, so not for every step in production.

use std::collections::{BTreeMap, BTreeSet};

use imbl::OrdMap;
use resources::Resources;

use super::Master;
use super::books::holds;
use super::ids::AgentId;
use super::state::{Agent, Framework};

/// An invariant that does not hold, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

fn ensure(holds: bool, text: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(text())) }
}

impl Master {
    /// Recounts the books; O(everything).
    pub fn check(&self) -> Result<(), Violation> {
        for (id, agent) in &self.state.agents {
            self.check_agent(id, agent)?;
        }
        for framework in self.state.frameworks.values() {
            self.check_framework(framework)?;
        }
        for (id, offer) in &self.state.offers {
            let known = self
                .state
                .agents
                .get(&offer.agent)
                .is_some_and(|agent| agent.offers.contains(id) && agent.connected);
            ensure(known, || {
                format!("offer {id} is not known to connected agent {}", offer.agent)
            })?;
        }
        let offers = self.state.offers.len() as u64;
        ensure(self.gauges.outstanding_offers == offers, || {
            format!("outstanding_offers is not {offers}")
        })?;
        for (stream, framework) in &self.streams {
            ensure(self.stream_of(framework) == Some(*stream), || {
                format!("{stream:?} is not that of framework {framework}")
            })?;
        }
        for (pid, framework) in &self.drivers {
            ensure(self.is_driver_of(framework, pid), || {
                format!("{pid} is not the driver of framework {framework}")
            })?;
        }
        let of_drivers = self
            .state
            .frameworks
            .values()
            .filter_map(|framework| framework.driver());
        ensure(of_drivers.count() == self.drivers.len(), || {
            "a framework's driver is not known by its address".to_owned()
        })?;
        self.check_inverse_offers()?;
        self.check_operations()?;
        self.check_held()?;
        self.allocator.check().map_err(Violation)
    }

    /// What the allocator believes each framework holds is what the books say it uses and is offered.
    fn check_held(&self) -> Result<(), Violation> {
        let mut by_agent: BTreeMap<AgentId, Resources> = BTreeMap::new();
        for (id, framework) in &self.state.frameworks {
            let mut booked: BTreeMap<AgentId, Resources> = BTreeMap::new();
            for (agent, part) in framework.used.iter().chain(&framework.offered) {
                *booked.entry(agent.clone()).or_default() += part;
            }
            let mut held: BTreeMap<AgentId, Resources> = self.allocator.held_by(id).into_iter().collect();
            booked.retain(|_, part| !part.is_empty());
            held.retain(|_, part| !part.is_empty());
            ensure(booked == held, || {
                format!("framework {id} has {booked:?}, and the allocator knows of {held:?}")
            })?;
            for (agent, part) in booked {
                *by_agent.entry(agent).or_default() += &part.unallocate();
            }
        }
        for id in self.state.agents.keys() {
            let booked = by_agent.remove(id).unwrap_or_default();
            let held = self.allocator.allocated(id);
            ensure(held == Some(&booked), || {
                format!("agent {id}: its frameworks have {booked}, the allocator has given away {held:?}")
            })?;
        }
        ensure(by_agent.is_empty(), || {
            format!("agents {:?} are held and not registered", by_agent.keys())
        })
    }

    fn check_inverse_offers(&self) -> Result<(), Violation> {
        let mut pairs = BTreeSet::new();
        for (id, framework, agent) in self.inverse_offers.iter() {
            let known = self.state.frameworks.get(framework);
            ensure(
                known.is_some_and(|known| known.inverse_offers.contains_key(id) && known.connected()),
                || format!("inverse offer {id} is not known to connected framework {framework}"),
            )?;
            let known = self.state.agents.get(agent);
            ensure(known.is_some_and(|agent| agent.connected), || {
                format!("inverse offer {id} is about agent {agent}, which is not here")
            })?;
            ensure(pairs.insert((framework, agent)), || {
                format!("framework {framework} is asked twice to leave agent {agent}")
            })?;
        }
        let frameworks = self.state.frameworks.values();
        let shown: usize = frameworks.map(|framework| framework.inverse_offers.len()).sum();
        ensure(shown == pairs.len(), || {
            format!("frameworks have {shown} inverse offers, not {}", pairs.len())
        })
    }

    fn check_operations(&self) -> Result<(), Violation> {
        for (uuid, operation) in &self.state.operations {
            let agent = self.state.agents.get(&operation.agent);
            ensure(agent.is_some_and(|agent| agent.operations.contains(uuid)), || {
                format!("operation {uuid:x} is unknown to agent {}", operation.agent)
            })?;
        }
        let of_agents = self.state.agents.values().map(|agent| agent.operations.len());
        ensure(of_agents.sum::<usize>() == self.state.operations.len(), || {
            "an agent has operations that are not known".to_owned()
        })?;
        for framework in self.state.frameworks.values() {
            for (id, uuid) in &framework.operation_ids {
                let known = self.state.operations.get(uuid).is_some_and(|operation| {
                    operation.framework.as_ref() == Some(&framework.id)
                        && operation
                            .message
                            .info
                            .id
                            .as_ref()
                            .is_some_and(|own| own.value == *id)
                });
                ensure(known, || {
                    format!("operation '{id}' of framework {} is not known", framework.id)
                })?;
            }
        }
        Ok(())
    }

    fn check_agent(&self, id: &AgentId, agent: &Agent) -> Result<(), Violation> {
        let mut offered = Resources::new();
        for offer in &agent.offers {
            let offer = self
                .state
                .offers
                .get(offer)
                .ok_or_else(|| Violation(format!("offer {offer} of agent {id} is unknown")))?;
            offered += &offer.resources;
        }
        ensure(agent.offered == offered, || {
            format!("agent {id} has {} offered, its offers {offered}", agent.offered)
        })?;
        let mut used = Resources::new();
        for (framework, task) in &agent.tasks {
            let known = self.state.task(framework, task).filter(|task| task.agent == *id);
            let task = known.ok_or_else(|| {
                Violation(format!(
                    "task {task} of agent {id} is unknown to framework {framework}"
                ))
            })?;
            if holds(task.state()) {
                used += &task.resources;
            }
        }
        for executor in agent.executors.values() {
            used += &executor.resources;
        }
        let booked = agent.used.values().fold(Resources::new(), |sum, each| sum + each);
        ensure(booked == used, || {
            format!("agent {id} has {booked} used, its tasks and executors {used}")
        })?;
        ensure(agent.deactivated == self.state.deactivated.contains(id), || {
            format!("agent {id} is deactivated and not")
        })?;
        ensure(self.allocator.total(id) == Some(&agent.total), || {
            format!("agent {id} has {} in all, and the allocator other", agent.total)
        })?;
        ensure(agent.active || agent.offers.is_empty(), || {
            format!("inactive agent {id} has offers")
        })?;
        ensure(
            self.agents_by_pid.get(&agent.pid) == Some(id) || !agent.connected,
            || format!("connected agent {id} is not known by its pid {}", agent.pid),
        )?;
        ensure(self.observers.contains_key(id), || {
            format!("agent {id} is not observed")
        })?;
        let (used, offered) = (used.unallocate(), offered.unallocate());
        // What an agent reports may exceed what it has; what is offered is of what that leaves.
        let fits = agent.total.contains(&(&used + &offered)) || (&agent.total - &used).contains(&offered);
        ensure(fits, || {
            format!(
                "agent {id} has {used} used and {offered} offered of {}",
                agent.total
            )
        })
    }

    fn check_framework(&self, framework: &Framework) -> Result<(), Violation> {
        let id = &framework.id;
        let mut used: BTreeMap<&AgentId, Resources> = BTreeMap::new();
        for task in framework.tasks.values() {
            let key = (id.clone(), task.id.clone());
            let known = self
                .state
                .agents
                .get(&task.agent)
                .is_some_and(|agent| agent.tasks.contains(&key));
            ensure(known, || {
                format!(
                    "task {} of framework {id} is unknown to agent {}",
                    task.id, task.agent
                )
            })?;
            ensure(!framework.unreachable_tasks.contains(&task.id), || {
                format!("task {} is reachable and not", task.id)
            })?;
            if holds(task.state()) {
                *used.entry(&task.agent).or_default() += &task.resources;
            }
        }
        for executor in framework.executors.values() {
            let key = (id.clone(), executor.id.clone());
            let known = self
                .state
                .agents
                .get(&executor.agent)
                .is_some_and(|agent| agent.executors.contains_key(&key));
            ensure(known, || {
                format!("executor {} is unknown to agent {}", executor.id, executor.agent)
            })?;
            *used.entry(&executor.agent).or_default() += &executor.resources;
        }
        ensure(equal(&framework.used, &used), || {
            format!("framework {id} has {:?} used, not {used:?}", framework.used)
        })?;
        let mut offered: BTreeMap<&AgentId, Resources> = BTreeMap::new();
        for offer in framework.offers.values() {
            *offered.entry(&offer.agent).or_default() += &offer.resources;
        }
        ensure(equal(&framework.offered, &offered), || {
            format!(
                "framework {id} has {:?} offered, not {offered:?}",
                framework.offered
            )
        })?;
        ensure(framework.offers.is_empty() || framework.connected(), || {
            format!("absent framework {id} has offers")
        })?;
        ensure(!self.is_completed(id), || {
            format!("framework {id} is completed and not")
        })
    }
}

fn equal(booked: &OrdMap<AgentId, Resources>, counted: &BTreeMap<&AgentId, Resources>) -> bool {
    let counted = counted.iter().filter(|(_, resources)| !resources.is_empty());
    booked
        .iter()
        .eq(counted.map(|(agent, resources)| (*agent, resources)))
}
