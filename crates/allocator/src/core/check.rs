//! A recount of everything that is kept as a sum.

use super::accounting::quota_part;
use super::allocator::Allocator;
use resources::{Quantities, Resources, role};
use std::collections::BTreeMap;

impl Allocator {
    /// Recounts free and held resources, shares, quota consumption and headroom, and says what differs: for
    /// tests and simulations. Work proportional to the whole cluster.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.anomalies > 0 {
            return Err(format!("{} recoveries of what was not held", self.anomalies));
        }
        self.check_agents()?;
        self.check_sums()
    }

    fn check_agents(&self) -> Result<(), String> {
        for (ax, agent) in self.agents.iter() {
            for (fx, held) in agent.held.iter() {
                if !self.frameworks[fx].holds_on.contains(&ax) {
                    return Err(format!("agent {}: its holders are not kept", agent.id));
                }
                for (role, _) in held.allocations() {
                    let client = self.roles.find(&role).map(|rx| self.roles.node(rx));
                    if client.is_none_or(|node| !node.clients.contains_key(&fx)) {
                        return Err(format!(
                            "agent {}: something is held in {role} by nobody",
                            agent.id
                        ));
                    }
                }
            }
            let held: Resources = agent
                .held
                .values()
                .fold(Resources::new(), |sum, part| sum + &part.unallocate());
            if held != agent.allocated {
                return Err(format!(
                    "agent {}: held {held}, kept {}",
                    agent.id, agent.allocated
                ));
            }
            let nonshared = held.nonshared();
            if agent.total.contains(&nonshared) {
                let sum = agent.free.nonshared() + &nonshared;
                if sum != agent.total.nonshared() {
                    return Err(format!(
                        "agent {}: free + held = {sum}, total {}",
                        agent.id, agent.total
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_sums(&self) -> Result<(), String> {
        let (mut totals, mut headroom) = (Quantities::new(), Quantities::new());
        let mut reserved: BTreeMap<String, Quantities> = BTreeMap::new();
        let mut unreserved: BTreeMap<String, Quantities> = BTreeMap::new();
        for (_, agent) in self.agents.iter() {
            totals.add(&Quantities::scalars(&agent.total));
            headroom.add(&quota_part(&agent.free));
            for (role, amounts) in agent.reservations() {
                reserved.entry(role.to_owned()).or_default().add(&amounts);
            }
            for (role, part) in agent.held.values().flat_map(Resources::allocations) {
                unreserved
                    .entry(role::top(&role).to_owned())
                    .or_default()
                    .add(&quota_part(&part));
            }
        }
        same("totals", &totals, &self.roles.cluster.totals)?;
        same("headroom", &headroom, &self.quotas.headroom)?;
        let mut required = Quantities::new();
        for top in self.quotas.iter() {
            same(&top.name, &top.unsatisfied(), top.owed())?;
            let none = Quantities::new();
            same(
                &top.name,
                reserved.get(&*top.name).unwrap_or(&none),
                &top.reserved,
            )?;
            same(
                &top.name,
                unreserved.get(&*top.name).unwrap_or(&none),
                &top.unreserved,
            )?;
            required.add(&top.unsatisfied());
        }
        same("required headroom", &required, &self.quotas.required)?;
        self.check_shares()
    }

    fn check_shares(&self) -> Result<(), String> {
        for (index, node) in self.roles.iter() {
            if node.filters != self.count_filters(index) {
                return Err(format!("role {}: {} filters kept", node.path, node.filters));
            }
            let mut sum = Quantities::new();
            let below = |path: &str| path == &*node.path || role::is_strict_subrole(path, &node.path);
            for (_, agent) in self.agents.iter() {
                let mut there = Resources::new();
                for entry in agent.held.values().flat_map(Resources::iter) {
                    if entry.allocation().is_some_and(below) {
                        there.add_entry(&entry.clone().unallocated());
                    }
                }
                sum.add(&Quantities::scalars(&there));
            }
            same(&node.path, &sum, &node.subtree.allocated)?;
        }
        Ok(())
    }

    fn count_filters(&self, role: u32) -> usize {
        self.agents
            .iter()
            .map(|(_, agent)| agent.filters.keys().filter(|key| key.1 == role).count())
            .sum()
    }
}

fn same(what: &str, counted: &Quantities, kept: &Quantities) -> Result<(), String> {
    if counted == kept {
        return Ok(());
    }
    Err(format!("{what}: counted {counted}, kept {kept}"))
}
