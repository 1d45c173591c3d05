//! Offers: made from what the allocator decides, taken back when they are no longer true (scheduler-http.md §4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use allocator::Offered;
use proto::v1;
use proto::v1::framework_info::capability::Type as Capability;
use proto::v1::scheduler::call;

use super::Master;
use super::events;
use super::ids::{AgentId, FrameworkId, OfferId, ToWire, WriteId};
use super::output::Output;
use super::state::{Agent, Framework, Offer};
use super::timers::Timer;

/// Resources that are never shown in offers.
const HIDDEN: &str = "ephemeral_ports";
/// `Filters.refuse_seconds` when it is unset or makes no sense.
const DEFAULT_REFUSAL: Duration = Duration::from_secs(5);
/// The longest refusal.
const LONGEST_REFUSAL: Duration = Duration::from_secs(365 * 24 * 3600);

impl Master {
    /// Runs an allocation cycle and sends what came of it: one OFFERS event for each framework.
    pub(super) fn allocate(&mut self, out: &mut Vec<Output>) {
        let mut by_framework: BTreeMap<FrameworkId, Vec<v1::Offer>> = BTreeMap::new();
        for offered in self.allocator.allocate(self.now) {
            let framework = offered.framework.clone();
            if let Some(offer) = self.make_offer(offered) {
                by_framework.entry(framework).or_default().push(offer);
            }
        }
        for (framework, offers) in by_framework {
            self.tell(&framework, events::offers(offers), out);
        }
        self.make_inverse_offers(out);
    }

    /// The next id of an offer or inverse offer: they are numbered together.
    pub(super) fn new_offer_id(&mut self) -> OfferId {
        let id = OfferId::from(format!("{}-O{}", self.config.info.id, self.next_offer));
        self.next_offer += 1;
        id
    }

    /// Enters an offer; gives it as its framework sees it, or nothing when it is no longer wanted.
    fn make_offer(&mut self, offered: Offered) -> Option<v1::Offer> {
        let agent = self
            .state
            .agents
            .get(&offered.agent)
            .filter(|agent| agent.connected && agent.active)
            .cloned();
        let framework = self
            .state
            .frameworks
            .get(&offered.framework)
            .filter(|known| known.connected() && known.active)
            .cloned();
        let (Some(agent), Some(framework)) = (agent, framework) else {
            self.allocator.recover(
                &offered.framework,
                &offered.agent,
                &offered.resources,
                None,
                self.now,
            );
            return None;
        };
        let id = self.new_offer_id();
        let mut message = offer_message(&id, &agent, &framework, &offered);
        message.unavailability = self.allocator.unavailability(&agent.id).copied();
        let shown = for_framework(&message, &framework);
        let offer = Offer {
            id: id.clone(),
            framework: offered.framework,
            agent: offered.agent,
            role: offered.role,
            resources: offered.resources,
            message: message.into(),
        };
        // The books change them in place, if nobody else holds them.
        drop((agent, framework));
        self.book_offer(Arc::new(offer));
        if let Some(timeout) = self.config.offer_timeout {
            let timer = self
                .timers
                .set(self.now + timeout, Timer::OfferExpiry(id.clone()));
            self.offer_timers.insert(id, timer);
        }
        Some(shown)
    }

    /// Takes an offer back and tells its scheduler.
    pub(super) fn rescind_offer(&mut self, id: &OfferId, after: Option<WriteId>, out: &mut Vec<Output>) {
        let Some(offer) = self.strike_offer(id) else {
            return;
        };
        self.allocator
            .recover(&offer.framework, &offer.agent, &offer.resources, None, self.now);
        self.tell_after(&offer.framework, events::rescind(id), after, out);
    }

    pub(super) fn rescind_offers_of_agent(
        &mut self,
        agent: &AgentId,
        after: Option<WriteId>,
        out: &mut Vec<Output>,
    ) {
        let Some(agent) = self.state.agents.get(agent) else {
            return;
        };
        let offers: Vec<OfferId> = agent.offers.iter().cloned().collect();
        for offer in offers {
            self.rescind_offer(&offer, after, out);
        }
    }

    /// Takes all offers of a framework back and tells its scheduler.
    pub(super) fn rescind_offers_of_framework(&mut self, framework: &FrameworkId, out: &mut Vec<Output>) {
        self.drop_inverse_offers_of_framework(framework);
        let Some(framework) = self.state.frameworks.get(framework) else {
            return;
        };
        let offers: Vec<OfferId> = framework.offers.keys().cloned().collect();
        for offer in offers {
            self.rescind_offer(&offer, None, out);
        }
    }

    /// Takes back all offers of a framework whose scheduler is not there to be told.
    pub(super) fn take_back_offers_of_framework(&mut self, framework: &FrameworkId) {
        self.drop_inverse_offers_of_framework(framework);
        let Some(framework) = self.state.frameworks.get(framework) else {
            return;
        };
        let offers: Vec<OfferId> = framework.offers.keys().cloned().collect();
        for offer in offers {
            if let Some(offer) = self.strike_offer(&offer) {
                self.allocator
                    .recover(&offer.framework, &offer.agent, &offer.resources, None, self.now);
            }
        }
    }

    pub(super) fn on_offer_expired(&mut self, id: &OfferId, out: &mut Vec<Output>) {
        self.offer_timers.remove(id);
        self.rescind_offer(id, None, out);
    }

    pub(super) fn on_decline(&mut self, framework: &FrameworkId, decline: &call::Decline) {
        self.counters.messages_decline_offers += 1;
        let refused = refusal(decline.filters.as_ref());
        for id in decline.offer_ids.iter().map(OfferId::from) {
            if self
                .state
                .offers
                .get(&id)
                .is_some_and(|offer| offer.framework == *framework)
                && let Some(offer) = self.strike_offer(&id)
            {
                self.allocator
                    .recover(framework, &offer.agent, &offer.resources, Some(refused), self.now);
            }
        }
    }
}

/// How long refused resources are not to be offered again; zero: no filter (scheduler-http.md §8.2).
pub(super) fn refusal(filters: Option<&v1::Filters>) -> Duration {
    let Some(seconds) = filters.and_then(|filters| filters.refuse_seconds) else {
        return DEFAULT_REFUSAL;
    };
    if seconds.is_nan() || seconds < 0.0 || seconds * 1e9 > 9.2e18 {
        return DEFAULT_REFUSAL;
    }
    Duration::try_from_secs_f64(seconds)
        .unwrap_or(DEFAULT_REFUSAL)
        .min(LONGEST_REFUSAL)
}

/// Where an agent answers HTTP.
pub(super) fn agent_url(agent: &Agent) -> v1::Url {
    let address = agent.pid.address();
    v1::Url {
        scheme: "http".to_owned(),
        address: v1::Address {
            hostname: Some(agent.info.hostname.clone()),
            ip: Some(address.ip().to_string()),
            port: i32::from(address.port()),
        },
        path: Some(format!("/{}", agent.pid.id())),
        query: Vec::new(),
        fragment: None,
    }
}

/// The offer in full form, as the operator API shows it.
fn offer_message(id: &OfferId, agent: &Agent, framework: &Framework, offered: &Offered) -> v1::Offer {
    let mut resources = offered.resources.to_proto();
    resources.retain(|resource| resource.name != HIDDEN);
    v1::Offer {
        id: id.to_wire(),
        framework_id: framework.id.to_wire(),
        agent_id: agent.id.to_wire(),
        hostname: agent.info.hostname.clone(),
        url: Some(agent_url(agent)),
        domain: agent.info.domain.clone(),
        resources,
        attributes: agent.info.attributes.clone(),
        executor_ids: agent
            .executors_of(&framework.id)
            .map(|executor| executor.id.to_wire())
            .collect(),
        unavailability: None,
        allocation_info: Some(v1::resource::AllocationInfo {
            role: Some(offered.role.as_ref().to_owned()),
        }),
    }
}

/// The offer in the form that its framework understands.
fn for_framework(offer: &v1::Offer, framework: &Framework) -> v1::Offer {
    let mut offer = offer.clone();
    if !framework.capabilities.has(Capability::MultiRole) {
        offer.allocation_info = None;
        for resource in &mut offer.resources {
            resource.allocation_info = None;
        }
    }
    if !framework.capabilities.has(Capability::ReservationRefinement) {
        // The allocator strips what has no older form before it offers to such a framework.
        offer
            .resources
            .retain_mut(|resource| resources::format::downgrade_one(resource).is_ok());
    }
    offer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        let check = |seconds: Option<f64>, expected: Duration| {
            assert_eq!(
                refusal(Some(&v1::Filters {
                    refuse_seconds: seconds
                })),
                expected,
                "{seconds:?}"
            );
        };
        assert_eq!(refusal(None), Duration::from_secs(5));
        check(None, Duration::from_secs(5));
        check(Some(0.0), Duration::ZERO);
        check(Some(1.5), Duration::from_millis(1500));
        check(Some(-1.0), Duration::from_secs(5));
        check(Some(f64::NAN), Duration::from_secs(5));
        check(Some(f64::INFINITY), Duration::from_secs(5));
        check(Some(1e9), Duration::from_secs(31_536_000));
        check(Some(1e18), Duration::from_secs(5));
    }
}
