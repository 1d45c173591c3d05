//! Inverse offers: frameworks are asked to leave agents that will be unavailable (scheduler-http.md §13).
//!
//! One stands for each framework and agent at most. It stands until it is answered, rescinded, or its framework is away.

use std::collections::{BTreeMap, BTreeSet};

use proto::v1;
use proto::v1::allocator::InverseOfferStatus;
use proto::v1::allocator::inverse_offer_status::Status;

use super::Master;
use super::events::{self, warning};
use super::ids::{AgentId, FrameworkId, OfferId, ToWire, WriteId};
use super::offers::{agent_url, refusal};
use super::output::Output;
use super::timers::{Timer, TimerKey};

/// The inverse offers that stand.
#[derive(Debug, Default)]
pub(super) struct InverseOffers {
    by_id: BTreeMap<OfferId, Standing>,
    by_agent: BTreeMap<AgentId, BTreeSet<OfferId>>,
}

#[derive(Debug)]
struct Standing {
    framework: FrameworkId,
    agent: AgentId,
    timer: Option<TimerKey>,
}

impl InverseOffers {
    /// All of them: the id, who is asked, and to leave which agent.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&OfferId, &FrameworkId, &AgentId)> {
        let standing = self.by_id.iter();
        standing.map(|(id, standing)| (id, &standing.framework, &standing.agent))
    }
}

impl Master {
    /// Sends what the allocator asks frameworks: one INVERSE_OFFERS event for each.
    pub(super) fn make_inverse_offers(&mut self, out: &mut Vec<Output>) {
        let mut by_framework: BTreeMap<FrameworkId, Vec<v1::InverseOffer>> = BTreeMap::new();
        for asked in self.allocator.inverse_offers(self.now) {
            let framework = asked.framework.clone();
            if let Some(offer) = self.make_inverse_offer(&asked) {
                by_framework.entry(framework).or_default().push(offer);
            } else {
                self.allocator
                    .answer_inverse_offer(&framework, &asked.agent, None, None, self.now);
            }
        }
        for (framework, offers) in by_framework {
            self.tell(&framework, events::inverse_offers(offers), out);
        }
    }

    fn make_inverse_offer(&mut self, asked: &allocator::InverseOffered) -> Option<v1::InverseOffer> {
        let agent = self.state.agents.get(&asked.agent)?;
        let known = self.state.frameworks.get(&asked.framework)?;
        if !agent.connected || !agent.active || !known.connected() || !known.active {
            return None;
        }
        let url = agent_url(agent);
        let id = self.new_offer_id();
        let offer = v1::InverseOffer {
            id: id.to_wire(),
            url: Some(url),
            framework_id: asked.framework.to_wire(),
            agent_id: Some(asked.agent.to_wire()),
            unavailability: asked.unavailability,
            resources: Vec::new(),
        };
        let timeout = self.config.offer_timeout;
        let timer = timeout.map(|timeout| {
            self.timers
                .set(self.now + timeout, Timer::InverseOfferExpiry(id.clone()))
        });
        let standing = Standing {
            framework: asked.framework.clone(),
            agent: asked.agent.clone(),
            timer,
        };
        self.inverse_offers.by_id.insert(id.clone(), standing);
        let of_agent = self.inverse_offers.by_agent.entry(asked.agent.clone());
        of_agent.or_default().insert(id.clone());
        let framework = self.state.framework_mut(&asked.framework)?;
        framework.inverse_offers.insert(id, offer.clone().into());
        Some(offer)
    }

    /// Strikes an inverse offer out; whose it was, and where.
    fn strike_inverse_offer(&mut self, id: &OfferId) -> Option<(FrameworkId, AgentId)> {
        let standing = self.inverse_offers.by_id.remove(id)?;
        if let Some(of_agent) = self.inverse_offers.by_agent.get_mut(&standing.agent) {
            of_agent.remove(id);
            if of_agent.is_empty() {
                self.inverse_offers.by_agent.remove(&standing.agent);
            }
        }
        if let Some(timer) = standing.timer {
            self.timers.cancel(timer);
        }
        if let Some(framework) = self.state.framework_mut(&standing.framework) {
            framework.inverse_offers.remove(id);
        }
        Some((standing.framework, standing.agent))
    }

    /// Takes an inverse offer back and tells its scheduler.
    pub(super) fn rescind_inverse_offer(
        &mut self,
        id: &OfferId,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) {
        let Some((framework, agent)) = self.strike_inverse_offer(id) else {
            return;
        };
        self.allocator
            .answer_inverse_offer(&framework, &agent, None, None, self.now);
        self.tell_after(&framework, events::rescind_inverse_offer(id), after, out);
    }

    pub(super) fn rescind_inverse_offers_of_agent(
        &mut self,
        agent: &AgentId,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) {
        let standing = self.inverse_offers.by_agent.get(agent);
        for id in standing.cloned().unwrap_or_default() {
            self.rescind_inverse_offer(&id, after, out);
        }
    }

    /// Takes back all inverse offers of a framework, which is not told.
    pub(super) fn drop_inverse_offers_of_framework(&mut self, framework: &FrameworkId) {
        let Some(known) = self.state.frameworks.get(framework) else {
            return;
        };
        let standing: Vec<OfferId> = known.inverse_offers.keys().cloned().collect();
        for id in standing {
            if let Some((framework, agent)) = self.strike_inverse_offer(&id) {
                self.allocator
                    .answer_inverse_offer(&framework, &agent, None, None, self.now);
            }
        }
    }

    pub(super) fn on_inverse_offer_expired(&mut self, id: &OfferId, out: &mut Vec<Output>) {
        if let Some(standing) = self.inverse_offers.by_id.get_mut(id) {
            standing.timer = None;
        }
        self.rescind_inverse_offer(id, None, out);
    }

    /// ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS: what the framework says is noted; nothing else comes of it.
    pub(super) fn answer_inverse_offers(
        &mut self,
        framework: &FrameworkId,
        ids: &[v1::OfferId],
        filters: Option<&v1::Filters>,
        accepted: bool,
        out: &mut Vec<Output>,
    ) {
        let status = if accepted { Status::Accept } else { Status::Decline };
        let refused = refusal(filters);
        for id in ids.iter().map(OfferId::from) {
            let standing = self.inverse_offers.by_id.get(&id);
            let agent = standing.filter(|standing| standing.framework == *framework);
            let Some(agent) = agent.map(|standing| standing.agent.clone()) else {
                let text = format!(
                    "Ignoring the answer of framework {framework} to inverse offer {id}: it does not stand"
                );
                warning(out, text);
                continue;
            };
            self.strike_inverse_offer(&id);
            let status = InverseOfferStatus {
                status: status.into(),
                framework_id: framework.to_wire(),
                timestamp: self.time_info(),
            };
            self.allocator
                .answer_inverse_offer(framework, &agent, Some(status), Some(refused), self.now);
        }
    }
}
