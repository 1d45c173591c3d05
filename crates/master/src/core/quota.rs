//! Guarantees and limits of roles, as operators change them (allocator.md §8).
//!
//! What is wrong with a change is asked before it is ordered, since who may make it is asked in between. A change is in
//! force when it is stored; then offers that it makes wrong are taken back, as well as that can be told: what an
//! allocation of the same moment hands out is not known here.

use std::collections::BTreeMap;

use proto::v1::quota::QuotaConfig;
use proto::v1::value;
use resources::{Limits, Quantities, Resources};

use super::Master;
use super::ids::{AgentId, OfferId, RequestId, WriteId};
use super::output::{Output, RegistryOperation, Reply};
use super::registry::Pending;
use super::state::Offer;

/// Which offers are taken back for a change of quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescinding {
    /// UPDATE_QUOTA: those of the role until it is within its limits, then those of others until its guarantees are
    /// covered.
    Exact,
    /// SET_QUOTA: those of whole agents until the guarantees are covered, and as many agents as the role has active
    /// frameworks.
    Agents,
    /// REMOVE_QUOTA: none.
    Nothing,
}

/// Quota that is promised beyond what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overcommit {
    /// What all roles together would be guaranteed.
    pub guarantees: Quantities,
    /// What agents registered with this master have, disconnected ones included.
    pub capacity: Quantities,
}

impl Master {
    /// What a role and those below it consume, offers not counted, if that is more than these limits.
    pub fn beyond_limits(&self, config: &QuotaConfig) -> Option<Quantities> {
        let limits = Limits::from_scalars(&config.limits).unwrap_or_default();
        let mut consumed = self.allocator.consumed(&config.role);
        for offer in self.state.offers.values() {
            if is_below(offer, &config.role) {
                consumed.subtract(&counted(&offer.resources));
            }
        }
        (!limits.contains(&consumed)).then_some(consumed)
    }

    /// Whether the guarantees of all roles would be more than there is, with these changes.
    pub fn overcommit(&self, configs: &[QuotaConfig]) -> Option<Overcommit> {
        let mut by_role: BTreeMap<&str, &QuotaConfig> = self
            .state
            .quotas
            .iter()
            .map(|(role, config)| (role.as_str(), config))
            .collect();
        by_role.extend(configs.iter().map(|config| (config.role.as_str(), config)));
        let mut guarantees = Quantities::new();
        for config in by_role.values() {
            guarantees.add(&Quantities::from_scalars(&config.guarantees).unwrap_or_default());
        }
        let capacity = self.allocator.nonrevocable_total();
        (!capacity.contains(&guarantees)).then_some(Overcommit { guarantees, capacity })
    }

    /// Has quotas stored; the answer comes when they are.
    pub(super) fn change_quotas(
        &mut self,
        request: RequestId,
        configs: Vec<QuotaConfig>,
        rescinding: Rescinding,
        out: &mut Vec<Output>,
    ) -> Option<Reply> {
        let configs: Vec<QuotaConfig> = configs.into_iter().map(without_zeros).collect();
        let operation = RegistryOperation::UpdateQuota {
            configs: configs.clone(),
        };
        let pending = Pending::Quota {
            configs,
            rescinding,
            request,
        };
        self.store(vec![operation], pending, out);
        None
    }

    pub(super) fn finish_quotas(
        &mut self,
        configs: Vec<QuotaConfig>,
        rescinding: Rescinding,
        request: RequestId,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        self.state.version += 1;
        for config in configs {
            // Amounts out of range were refused before they were stored.
            let guarantees = Quantities::from_scalars(&config.guarantees).unwrap_or_default();
            let limits = Limits::from_scalars(&config.limits).unwrap_or_default();
            self.allocator
                .update_quota(&config.role, guarantees.clone(), limits.clone(), self.now);
            let role = config.role.clone();
            if config.guarantees.is_empty() && config.limits.is_empty() {
                self.state.quotas.remove(&role);
            } else {
                self.state.quotas.insert(role.clone(), config);
            }
            match rescinding {
                Rescinding::Exact => {
                    self.rescind_beyond_limits(&role, &limits, write, out);
                    self.rescind_for_guarantees(&role, &guarantees, write, out);
                }
                Rescinding::Agents => self.rescind_agents_for(&role, &guarantees, write, out),
                Rescinding::Nothing => {}
            }
        }
        out.push(Output::Reply {
            request,
            reply: Reply::Done,
            after: Some(write),
        });
    }

    /// Takes back offers of a role and those below it until what it consumes is within its limits.
    fn rescind_beyond_limits(&mut self, role: &str, limits: &Limits, write: WriteId, out: &mut Vec<Output>) {
        for offer in self.offers_where(|offer| is_below(offer, role) && !counted(&offer.resources).is_empty())
        {
            if limits.contains(&self.allocator.consumed(role)) {
                return;
            }
            self.rescind_offer(&offer, Some(write), out);
        }
    }

    /// Takes back offers of other roles until they, with what the role consumes, cover its guarantees.
    fn rescind_for_guarantees(
        &mut self,
        role: &str,
        guarantees: &Quantities,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        let mut covered = self.allocator.consumed(role);
        for agent in self.agents_with_offers() {
            let agent = self.state.agents.get(&agent);
            for id in agent.map(|agent| agent.offers.clone()).unwrap_or_default() {
                if covered.contains(guarantees) {
                    return;
                }
                let others = self.state.offers.get(&id).filter(|offer| !is_below(offer, role));
                if let Some(offer) = others {
                    covered.add(&counted(&offer.resources));
                    self.rescind_offer(&id, Some(write), out);
                }
            }
        }
    }

    /// Takes back the offers of whole agents until they cover guarantees, on an agent for each active framework of the
    /// role at least.
    fn rescind_agents_for(
        &mut self,
        role: &str,
        guarantees: &Quantities,
        write: WriteId,
        out: &mut Vec<Output>,
    ) {
        let frameworks = self.state.frameworks.values();
        let wanted = frameworks
            .filter(|framework| framework.connected() && framework.active && framework.roles.contains(role))
            .count();
        let mut covered = Quantities::new();
        for (visited, agent) in self.agents_with_offers().into_iter().enumerate() {
            if visited >= wanted && covered.contains(guarantees) {
                return;
            }
            if let Some(agent) = self.state.agents.get(&agent) {
                covered.add(&Quantities::scalars(&agent.offered));
            }
            self.rescind_offers_of_agent(&agent, Some(write), out);
        }
    }

    fn agents_with_offers(&self) -> Vec<AgentId> {
        let agents = self.state.agents.values();
        agents
            .filter(|agent| agent.connected && agent.active && !agent.offers.is_empty())
            .map(|agent| agent.id.clone())
            .collect()
    }

    fn offers_where(&self, chosen: impl Fn(&Offer) -> bool) -> Vec<OfferId> {
        let offers = self.state.offers.values();
        offers
            .filter(|offer| chosen(offer))
            .map(|offer| offer.id.clone())
            .collect()
    }
}

/// Whether an offer is made to a role or one below it.
fn is_below(offer: &Offer, role: &str) -> bool {
    offer
        .role
        .strip_prefix(role)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What of an offer counts against quota beside reservations: unreserved, nonrevocable scalars.
fn counted(resources: &Resources) -> Quantities {
    Quantities::scalars(&resources.filter(|entry| entry.is_unreserved() && !entry.is_revocable()))
}

/// A guarantee of nothing is none; a limit of nothing is one.
fn without_zeros(mut config: QuotaConfig) -> QuotaConfig {
    let given = |amount: &value::Scalar| Quantities::from_scalars([(&String::from("x"), amount)]);
    config
        .guarantees
        .retain(|_, amount| given(amount).is_some_and(|amounts| !amounts.is_empty()));
    config
}
