//! Inverse offers: frameworks are asked to leave machines that will be unavailable (facts: allocator.md §11).

use super::allocator::Allocator;
use crate::{AgentId, FrameworkId};
use process::Time;
use proto::v1;
use proto::v1::allocator::InverseOfferStatus;
use proto::v1::allocator::inverse_offer_status::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An agent that a framework is asked to leave. One is outstanding for each framework and agent at most.
#[derive(Clone, Debug, PartialEq)]
pub struct InverseOffered {
    /// Who holds something there.
    pub framework: FrameworkId,
    /// Where.
    pub agent: AgentId,
    /// From when, and for how long.
    pub unavailability: v1::Unavailability,
}

/// What is known of an agent's maintenance. Frameworks are named by number.
#[derive(Clone, Debug)]
pub(crate) struct Maintenance {
    pub(crate) unavailability: v1::Unavailability,
    outstanding: BTreeSet<u32>,
    statuses: BTreeMap<u32, InverseOfferStatus>,
}

/// Which agents the next runs visit for inverse offers, and which answers hold them back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inverse {
    /// All agents in maintenance.
    agents: BTreeSet<u32>,
    /// Agents in maintenance about which something changed.
    due: BTreeSet<u32>,
    due_at: Option<Time>,
    /// By agent and framework: no inverse offer before. One for each pair.
    filters: BTreeMap<(u32, u32), Time>,
    expiries: BTreeSet<(Time, u32, u32)>,
}

impl Inverse {
    /// Something about the agent changed. It waits for whatever run comes next when no time was set.
    pub(crate) fn visit(&mut self, agent: u32) {
        self.due.insert(agent);
        self.due_at.get_or_insert(Time::EPOCH);
    }

    fn visit_at(&mut self, agent: u32, at: Time) {
        self.due.insert(agent);
        self.due_at = Some(self.due_at.map_or(at, |due| due.min(at)));
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let expiry = self.expiries.first().map(|(at, ..)| *at);
        [self.due_at, expiry].into_iter().flatten().min()
    }

    fn add_filter(&mut self, agent: u32, framework: u32, until: Time) {
        let kept = self.filters.entry((agent, framework)).or_insert(until);
        if *kept < until {
            self.expiries.remove(&(*kept, agent, framework));
            *kept = until;
        }
        let until = *kept;
        self.expiries.insert((until, agent, framework));
    }

    fn expire(&mut self, now: Time) {
        while let Some(&(at, agent, framework)) = self.expiries.first() {
            if at > now {
                return;
            }
            self.expiries.pop_first();
            self.filters.remove(&(agent, framework));
            self.visit(agent);
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(u32, u32) -> bool) {
        let expiries = &mut self.expiries;
        self.filters.retain(|&(agent, framework), until| {
            let kept = keep(agent, framework);
            if !kept {
                expiries.remove(&(*until, agent, framework));
            }
            kept
        });
    }

    /// Drops what holds inverse offers to a framework back.
    pub(crate) fn drop_filters(&mut self, framework: u32) {
        self.retain(|_, other| other != framework);
    }

    fn drop_agent_filters(&mut self, agent: u32) {
        self.retain(|other, _| other != agent);
    }

    pub(crate) fn forget_agent(&mut self, agent: u32) {
        self.drop_agent_filters(agent);
        self.agents.remove(&agent);
        self.due.remove(&agent);
        if self.due.is_empty() {
            self.due_at = None;
        }
    }
}

impl Allocator {
    /// The agent's machine will be unavailable; `None` = no longer. Either way what was asked and answered before is
    /// forgotten: the caller rescinds inverse offers that are outstanding. An agent that is added starts without.
    pub fn set_unavailability(
        &mut self,
        agent: &AgentId,
        unavailability: Option<v1::Unavailability>,
        now: Time,
    ) {
        let Some(&ax) = self.agent_ids.get(agent) else {
            return;
        };
        self.inverse.forget_agent(ax);
        self.agents[ax].maintenance = unavailability.map(|unavailability| {
            Box::new(Maintenance {
                unavailability,
                outstanding: BTreeSet::new(),
                statuses: BTreeMap::new(),
            })
        });
        if self.agents[ax].maintenance.is_some() {
            self.inverse.agents.insert(ax);
            self.inverse.visit_at(ax, now + self.config.coalesce);
        }
        self.marks.prompt(ax, now, self.config.coalesce);
    }

    /// When the agent's machine will be unavailable, if that is known.
    pub fn unavailability(&self, agent: &AgentId) -> Option<&v1::Unavailability> {
        let ax = self.agent_ids.get(agent)?;
        let maintenance = self.agents[*ax].maintenance.as_ref()?;
        Some(&maintenance.unavailability)
    }

    /// Who is asked to leave which agents now: every active framework that holds something on an agent in maintenance,
    /// unless it is asked already or its last answer holds the question back. To be called after each
    /// [`Allocator::allocate`]; costs nothing when nothing about such agents changed.
    pub fn inverse_offers(&mut self, now: Time) -> Vec<InverseOffered> {
        self.inverse.expire(now);
        if self.hold.is_some_and(|(_, until)| now < until) || self.inverse.due_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.inverse.due_at = None;
        let mut offers = Vec::new();
        for ax in std::mem::take(&mut self.inverse.due) {
            let agent = &mut self.agents[ax];
            let Some(maintenance) = &mut agent.maintenance else {
                continue;
            };
            for fx in agent.held.keys() {
                let framework = &self.frameworks[fx];
                if !framework.active
                    || self.inverse.filters.contains_key(&(ax, fx))
                    || !maintenance.outstanding.insert(fx)
                {
                    continue;
                }
                offers.push(InverseOffered {
                    framework: framework.id.clone(),
                    agent: agent.id.clone(),
                    unavailability: maintenance.unavailability,
                });
            }
        }
        offers
    }

    /// An inverse offer was answered (with `status`), or rescinded (without). It may be made again at the next batch, or
    /// once `refused` has passed (`None` and zero: no filter).
    pub fn answer_inverse_offer(
        &mut self,
        framework: &FrameworkId,
        agent: &AgentId,
        status: Option<InverseOfferStatus>,
        refused: Option<Duration>,
        now: Time,
    ) {
        let (Some(&fx), Some(&ax)) = (self.framework_ids.get(framework), self.agent_ids.get(agent)) else {
            return;
        };
        let Some(maintenance) = &mut self.agents[ax].maintenance else {
            return;
        };
        if maintenance.outstanding.remove(&fx)
            && let Some(status) = status
        {
            if status.status() == Status::Unknown {
                maintenance.statuses.remove(&fx);
            } else {
                maintenance.statuses.insert(fx, status);
            }
        }
        if let Some(time) = refused.filter(|time| !time.is_zero()) {
            self.inverse.add_filter(ax, fx, now + time);
        }
        self.inverse.visit_at(ax, now + self.config.allocation_interval);
    }

    /// What frameworks last answered to inverse offers, by agent, for agents in maintenance.
    pub fn inverse_offer_statuses(&self) -> BTreeMap<AgentId, BTreeMap<FrameworkId, InverseOfferStatus>> {
        let in_maintenance = self.inverse.agents.iter().filter_map(|ax| {
            let agent = &self.agents[*ax];
            let maintenance = agent.maintenance.as_ref()?;
            let statuses = maintenance.statuses.iter();
            let named = statuses.map(|(fx, status)| (self.frameworks[*fx].id.clone(), status.clone()));
            Some((agent.id.clone(), named.collect()))
        });
        in_maintenance.collect()
    }

    /// The framework can be asked to leave (again).
    pub(crate) fn seek_inverse_offers(&mut self, id: &FrameworkId, now: Time) {
        let Some(&fx) = self.framework_ids.get(id) else {
            return;
        };
        let at = now + self.config.coalesce;
        for &ax in &self.frameworks[fx].holds_on {
            if self.agents[ax].maintenance.is_some() {
                self.inverse.visit_at(ax, at);
            }
        }
    }

    /// The framework is away, or `gone`: nothing is asked of it; what it answered counts until it is gone.
    pub(crate) fn drop_inverse_offers(&mut self, fx: u32, gone: bool) {
        self.inverse.drop_filters(fx);
        for &ax in &self.inverse.agents {
            if let Some(maintenance) = &mut self.agents[ax].maintenance {
                maintenance.outstanding.remove(&fx);
                if gone {
                    maintenance.statuses.remove(&fx);
                }
            }
        }
    }
}
