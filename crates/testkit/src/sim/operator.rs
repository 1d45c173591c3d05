//! Operators: orders in the time of the faults, some at bad moments, and afterwards the care that puts all of it right.

use super::event::Event;
use super::world::{START, World};
use crate::invariants::Fact;
use master::core::{AgentId, FrameworkId, Input, Maintenance, OperatorAction, Reply, RequestId, Rescinding};
use proto::v1;
use proto::v1::machine_info::Mode;
use proto::v1::maintenance::{Schedule, Window};
use proto::v1::quota::QuotaConfig;
use proto::v1::value::Scalar;
use rand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often an operator looks after what is to be put right.
const CARE: Duration = Duration::from_secs(5);

impl World {
    /// Spreads the orders over the time of the faults.
    pub(crate) fn plan_orders(&mut self) {
        let most = u64::try_from(self.options.fault_time.as_millis())
            .unwrap_or(u64::MAX)
            .max(5_001);
        for _ in 0..self.options.orders {
            let at = START + Duration::from_millis(self.rng.random_range(5_000..most));
            self.schedule(at, Event::Order);
        }
    }

    /// An operator gives an order, or looks after what earlier ones have left.
    pub(crate) fn operator_comes(&mut self) {
        if self.healed {
            for action in self.care() {
                self.order(action);
            }
            let at = self.now + CARE;
            self.schedule(at, Event::Order);
        } else if let Some(action) = self.any_order() {
            self.order(action);
        }
    }

    fn order(&mut self, action: OperatorAction) {
        let Some(core) = self.master.core().filter(|core| core.is_recovered()) else {
            return;
        };
        if core.check_order(&action).is_err() {
            return;
        }
        match &action {
            OperatorAction::MarkGone(id) => _ = self.removed.insert(id.clone()),
            OperatorAction::Drain { agent, config } if config.mark_gone() => {
                self.removed.insert(agent.clone());
            }
            OperatorAction::Maintain(Maintenance::Start(_)) => {
                // All that are on one of the machines may go.
                let agents = core.state().agents.values();
                let on = agents.filter(|agent| core.state().machine_of(agent).is_some());
                let on: Vec<AgentId> = on.map(|agent| agent.id.clone()).collect();
                self.removed.extend(on);
            }
            OperatorAction::Teardown(id) => {
                let ended = self
                    .frameworks
                    .iter_mut()
                    .find(|framework| framework.id().as_ref() == Some(id));
                if let Some(framework) = ended {
                    framework.torn_down = true;
                }
            }
            _ => {}
        }
        self.say(format_args!("operator: {action:?}"));
        let request = self.master.next_request();
        self.master.orders.insert(request, action.clone());
        let request = RequestId(request);
        self.step_master(Input::Operator { request, action });
    }

    fn any_order(&mut self) -> Option<OperatorAction> {
        let state = self.master.core()?.snapshot();
        let agents: Vec<AgentId> = state.agents.keys().cloned().collect();
        if agents.is_empty() {
            return None;
        }
        let agent = agents[self.rng.random_range(0..agents.len())].clone();
        Some(match self.rng.random_range(0..16) {
            0..=2 => OperatorAction::Drain {
                agent,
                config: v1::DrainConfig {
                    max_grace_period: None,
                    mark_gone: self.rng.random_ratio(1, 3).then_some(true),
                },
            },
            3 | 4 => OperatorAction::Deactivate(agent),
            5 => OperatorAction::Reactivate(state.deactivated.iter().next()?.clone()),
            6 => OperatorAction::MarkGone(agent),
            7 | 8 => self.any_quota(),
            9 => {
                let weights = vec![v1::WeightInfo {
                    role: Some(format!("role-{}", self.rng.random_range(0..2))),
                    weight: f64::from(self.rng.random_range(1..5)),
                }];
                OperatorAction::UpdateWeights(weights)
            }
            10 | 11 => {
                let hostname = state.agents.get(&agent)?.info.hostname.clone();
                self.any_maintenance(&state, hostname)
            }
            12 if self.rng.random_ratio(1, 3) => {
                let index = self.rng.random_range(0..self.frameworks.len());
                OperatorAction::Teardown(self.frameworks[index].id()?)
            }
            _ => {
                let kept = state.agents.get(&agent)?;
                self.any_operation(kept)?
            }
        })
    }

    fn any_quota(&mut self) -> OperatorAction {
        let amount = |value: u32| {
            let value = f64::from(value);
            BTreeMap::from([("cpus".to_owned(), Scalar { value })])
        };
        let guaranteed = self.rng.random_range(0..3);
        let config = QuotaConfig {
            role: format!("role-{}", self.rng.random_range(0..2)),
            guarantees: amount(guaranteed),
            limits: amount(guaranteed + self.rng.random_range(1..30)),
        };
        OperatorAction::UpdateQuota {
            configs: vec![config],
            rescinding: Rescinding::Exact,
        }
    }

    /// A machine more in the schedule, one of it down, or one up again.
    fn any_maintenance(&mut self, state: &master::core::State, hostname: String) -> OperatorAction {
        let of = |mode: Mode| {
            let machines = state.machines.values();
            machines
                .filter(move |machine| machine.mode() == mode)
                .map(|machine| machine.id.clone())
        };
        let (draining, down) = (of(Mode::Draining).next(), of(Mode::Down).next());
        match (draining, down) {
            (Some(id), _) if self.rng.random_bool(0.6) => {
                OperatorAction::Maintain(Maintenance::Start(vec![id]))
            }
            (_, Some(id)) if self.rng.random_bool(0.6) => {
                OperatorAction::Maintain(Maintenance::Stop(vec![id]))
            }
            _ => {
                let mut machine_ids: Vec<v1::MachineId> = state
                    .machines
                    .values()
                    .map(|machine| machine.id.clone())
                    .collect();
                if !machine_ids.iter().any(|id| id.hostname() == hostname) {
                    machine_ids.push(v1::MachineId {
                        hostname: Some(hostname),
                        ip: None,
                    });
                }
                let at = self.now + Duration::from_secs(60);
                let window = Window {
                    machine_ids,
                    unavailability: v1::Unavailability {
                        start: v1::TimeInfo {
                            nanoseconds: at.as_nanos(),
                        },
                        duration: None,
                    },
                };
                OperatorAction::Maintain(Maintenance::Schedule(Schedule {
                    windows: vec![window],
                }))
            }
        }
    }

    /// What an operator reserves, or gives back.
    fn any_operation(&mut self, agent: &master::core::Agent) -> Option<OperatorAction> {
        let total = agent.total.to_proto();
        let disk = |reserved: bool| {
            let disks = total
                .iter()
                .filter(|each| each.name == "disk" && each.disk.is_none());
            disks
                .clone()
                .find(|each| each.reservations.is_empty() != reserved)
                .cloned()
        };
        let operation = match (disk(true), disk(false)) {
            (Some(reserved), _) if self.rng.random_bool(0.5) => super::operation::unreserve(&reserved),
            (_, Some(plain)) => {
                let role = format!("role-{}", self.rng.random_range(0..2));
                super::operation::reserve(&super::operation::of_role(&plain, role))
            }
            _ => return None,
        };
        Some(OperatorAction::Operate {
            agent: agent.id.clone(),
            operation: Box::new(operation),
            principal: None,
        })
    }

    /// What puts the cluster right after the faults.
    fn care(&self) -> Vec<OperatorAction> {
        let Some(core) = self.master.core() else {
            return Vec::new();
        };
        let state = core.state();
        let mut orders: Vec<OperatorAction> = state
            .deactivated
            .iter()
            .map(
                |id| match state.unreachable_agents.contains(id) && self.removed.contains(id) {
                    // It drains for ever, since it will not be back.
                    true => OperatorAction::MarkGone(id.clone()),
                    false => OperatorAction::Reactivate(id.clone()),
                },
            )
            .collect();
        let down: Vec<v1::MachineId> = state
            .machines
            .values()
            .filter(|machine| machine.mode() == Mode::Down)
            .map(|machine| machine.id.clone())
            .collect();
        if !down.is_empty() {
            orders.push(OperatorAction::Maintain(Maintenance::Stop(down)));
        } else if !state.schedule.windows.is_empty() {
            orders.push(OperatorAction::Maintain(Maintenance::Schedule(
                Schedule::default(),
            )));
        }
        orders.extend(state.quotas.keys().map(|role| OperatorAction::UpdateQuota {
            configs: vec![QuotaConfig {
                role: role.clone(),
                ..QuotaConfig::default()
            }],
            rescinding: Rescinding::Exact,
        }));
        let torn_down = self.frameworks.iter().filter(|framework| framework.torn_down);
        let left: Vec<FrameworkId> = torn_down.filter_map(super::Scheduler::id).collect();
        orders.extend(
            left.into_iter()
                .filter(|id| state.frameworks.contains_key(id))
                .map(OperatorAction::Teardown),
        );
        orders
    }

    /// What is answered is stored.
    pub(crate) fn order_is_answered(&mut self, request: u64, reply: &Reply) {
        let Some(order) = self.master.orders.remove(&request) else {
            return;
        };
        if *reply == Reply::Done {
            self.fact(Fact::Ordered(Box::new(order)));
        }
    }
}
