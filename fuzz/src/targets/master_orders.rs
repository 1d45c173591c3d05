//! Operations on resources, their feedback, and operators' orders, in any sequence with all else that happens to a
//! master, leaders that die included: the books are right after every step, and what a master holds once all is stored is
//! what the next one would read.

use std::collections::BTreeMap;

use master::core::{
    AgentId, AgentMessage, Input, MachineKey, Maintenance, Master, OperatorAction, Rescinding,
};
use process::Upid;
use proto::v1::machine_info::Mode;
use proto::v1::maintenance::{Schedule, Window};
use proto::v1::offer::Operation;
use proto::v1::quota::QuotaConfig;
use proto::v1::scheduler::{Call, call};
use proto::v1::{self, OperationState};
use proto::{internal, v1::value::Scalar};
use storage::Registry;

use super::master_core::{World, agent_upid, capabilities, uuid};
use super::pieces::Pool;
use super::source::Source;

/// Steps of one run.
const STEPS: usize = 200;

struct Orders {
    world: World,
    leaders: u32,
}

/// The bytes are a script; after every step everything is recounted.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut orders = Orders {
        world: World::new(),
        leaders: 0,
    };
    for _ in 0..1 + source.below(2) {
        orders.world.register_agent(&mut source);
        orders.world.stored();
        orders.world.subscribe(&mut source);
    }
    for _ in 0..STEPS {
        if source.is_empty() {
            break;
        }
        orders.act(&mut source);
        if let Err(violation) = orders.world.master.check() {
            panic!("{violation}");
        }
    }
    while !orders.world.writes.is_empty() {
        orders.world.stored();
    }
    if let Err(violation) = orders.world.master.check() {
        panic!("{violation}");
    }
    agree(&orders.world.master, &orders.world.registry);
}

/// What a master holds is what is stored, once nothing is being written.
fn agree(master: &Master, registry: &Registry) {
    let state = master.state();
    let stored = registry.to_proto();
    let mut held: Vec<&str> = state.agents.keys().map(AgentId::as_str).collect();
    held.extend(state.recovered_agents.keys().map(AgentId::as_str));
    held.sort_unstable();
    let agents = stored.slaves.unwrap_or_default().slaves;
    let mut admitted: Vec<&str> = agents
        .iter()
        .filter_map(|agent| agent.info.id.as_ref())
        .map(|id| id.value.as_str())
        .collect();
    admitted.sort_unstable();
    assert_eq!(held, admitted, "agents");
    let unreachable = stored.unreachable.unwrap_or_default().slaves;
    for agent in &unreachable {
        let id = AgentId::from(&agent.id);
        assert!(state.unreachable_agents.contains(&id), "{id} is unreachable");
    }
    assert_eq!(unreachable.len(), state.unreachable_agents.len(), "unreachable");
    assert_eq!(
        stored.gone.unwrap_or_default().slaves.len(),
        state.gone_agents.len(),
        "gone"
    );
    let modes: BTreeMap<String, (bool, Option<v1::DrainInfo>)> = agents
        .iter()
        .filter_map(|agent| Some((agent.info.id.clone()?, agent.deactivated(), agent.drain_info)))
        .chain(
            unreachable
                .iter()
                .map(|agent| (agent.id.clone(), agent.deactivated(), agent.drain_info)),
        )
        .filter(|(_, deactivated, drain)| *deactivated || drain.is_some())
        .map(|(id, deactivated, drain)| (id.value, (deactivated, drain)))
        .collect();
    let mut in_force: BTreeMap<String, (bool, Option<v1::DrainInfo>)> = BTreeMap::new();
    for id in state.deactivated.iter() {
        in_force.entry(id.as_str().to_owned()).or_default().0 = true;
    }
    for (id, drain) in &state.draining {
        in_force.entry(id.as_str().to_owned()).or_default().1 = Some(*drain);
    }
    assert_eq!(in_force, modes, "deactivated and draining agents");
    let machines: BTreeMap<MachineKey, v1::MachineInfo> = stored
        .machines
        .unwrap_or_default()
        .machines
        .into_iter()
        .map(|machine| (MachineKey::from(&machine.info.id), machine.info))
        .collect();
    let held: BTreeMap<MachineKey, v1::MachineInfo> = state
        .machines
        .iter()
        .map(|(key, machine)| (key.clone(), machine.clone()))
        .collect();
    assert_eq!(held, machines, "machines");
    let kept: BTreeMap<&str, &QuotaConfig> = stored
        .quota_configs
        .iter()
        .map(|config| (config.role.as_str(), config))
        .collect();
    let in_force: BTreeMap<&str, &QuotaConfig> = state
        .quotas
        .iter()
        .map(|(role, config)| (role.as_str(), config))
        .collect();
    assert_eq!(in_force, kept, "quotas");
    assert_eq!(stored.weights.len(), state.weights.len(), "weights");
    let schedule = stored.schedules.first().cloned().unwrap_or_default();
    assert_eq!(*state.schedule, schedule, "the schedule");
}

impl Orders {
    fn act(&mut self, source: &mut Source<'_>) {
        match source.below(24) {
            0 => self.world.act(source),
            1 => self.world.pass(source),
            2 => self.world.launch(source),
            3 => self.world.register_agent(source),
            4 => self.world.update(source),
            5..=8 => self.accept(source),
            9 | 10 => self.operate(source),
            11 | 12 => self.agent_answers(source),
            13 => self.framework_answers(source),
            14 => self.drain(source),
            15 => self.quota(source),
            16 => self.weights(source),
            17 => self.maintenance(source),
            18 => self.inverse_offer(source),
            19 => self.reregister(source),
            20 => self.report(source),
            21 if source.byte() < 60 => self.fail_over(source),
            _ => self.world.stored(),
        }
    }

    /// The leader dies, with some of what it was writing; another reads what is stored.
    fn fail_over(&mut self, source: &mut Source<'_>) {
        for _ in 0..source.below(3) {
            self.world.stored();
        }
        self.leaders += 1;
        self.world.lead(self.leaders);
        let registry = self.world.registry.to_proto();
        self.world.step(Input::Recovered(Box::new(registry)));
    }

    fn accept(&mut self, source: &mut Source<'_>) {
        let offers: Vec<v1::Offer> = {
            let standing = &self.world.master.state().offers;
            let offers = standing.values().map(|offer| v1::Offer::clone(&offer.message));
            offers.collect()
        };
        let Some(offer) = source.pick(&offers) else { return };
        let mut pool = Pool::new(offer.resources.clone());
        let mut operations: Vec<Operation> = Vec::new();
        for _ in 0..=source.below(4) {
            let Some(mut operation) = pool.operation(source) else {
                continue;
            };
            if source.byte() < 120 {
                operation.id = Some(v1::OperationId {
                    value: format!("o{}", source.below(8)),
                });
            }
            operations.push(operation);
        }
        let call = Call {
            r#type: Some(call::Type::Accept.into()),
            accept: Some(call::Accept {
                offer_ids: vec![offer.id],
                operations,
                filters: None,
            }),
            ..Call::default()
        };
        self.world.call(offer.framework_id, call);
    }

    /// A registered agent, or one that is not.
    fn agent(&self, source: &mut Source<'_>) -> AgentId {
        let registered: Vec<AgentId> = self.world.master.state().agents.keys().cloned().collect();
        let known: Vec<AgentId> = self
            .world
            .agents
            .iter()
            .map(|(_, id)| AgentId::from(id))
            .collect();
        let id = if source.byte() < 200 {
            source.pick(&registered)
        } else {
            source.pick(&known)
        };
        id.unwrap_or_else(|| AgentId::from("nobody"))
    }

    /// An operator's operation.
    fn operate(&mut self, source: &mut Source<'_>) {
        let agent = self.agent(source);
        let total = self.world.master.state().agents.get(&agent);
        let total = total.map(|agent| agent.total.to_proto()).unwrap_or_default();
        if let Some(operation) = Pool::new(total).operation(source) {
            let operation = Box::new(operation);
            self.world.operator(OperatorAction::Operate {
                agent,
                operation,
                principal: None,
            });
        }
    }

    /// An agent tells how an operation fares.
    fn agent_answers(&mut self, source: &mut Source<'_>) {
        let sent = self.world.operations.clone();
        let Some((from, agent, sent)) = source.pick(&sent) else {
            return;
        };
        let state = if source.byte() < 180 {
            OperationState::OperationFinished
        } else {
            OperationState::try_from(i32::from(source.byte() % 12)).unwrap_or_default()
        };
        let status = v1::OperationStatus {
            operation_id: sent.operation_info.id.clone(),
            state: state.into(),
            uuid: (source.byte() < 230).then(|| v1::Uuid {
                value: uuid(source.byte()),
            }),
            agent_id: source.bool().then(|| agent.clone()),
            ..v1::OperationStatus::default()
        };
        let message = internal::UpdateOperationStatusMessage {
            framework_id: sent.framework_id,
            slave_id: (source.byte() < 240).then_some(agent),
            latest_status: source.bool().then(|| status.clone()),
            status,
            operation_uuid: (source.byte() < 240).then_some(sent.operation_uuid),
        };
        let message = AgentMessage::UpdateOperationStatus(Box::new(message));
        self.world.step(Input::Agent { from, message });
    }

    /// A framework acknowledges or asks.
    fn framework_answers(&mut self, source: &mut Source<'_>) {
        let (frameworks, statuses) = (self.world.frameworks.clone(), self.world.statuses.clone());
        let Some(framework) = source.pick(&frameworks) else {
            return;
        };
        let status = source.pick(&statuses).unwrap_or_default();
        let operation_id = status.operation_id.unwrap_or_default();
        let mut call = Call::default();
        if source.byte() < 180 {
            call.r#type = Some(call::Type::AcknowledgeOperationStatus.into());
            call.acknowledge_operation_status = Some(call::AcknowledgeOperationStatus {
                agent_id: status.agent_id,
                operation_id,
                uuid: status.uuid.map(|uuid| uuid.value).unwrap_or_default(),
                resource_provider_id: None,
            });
        } else {
            call.r#type = Some(call::Type::ReconcileOperations.into());
            let asked = call::reconcile_operations::Operation {
                operation_id,
                agent_id: status.agent_id,
                resource_provider_id: None,
            };
            call.reconcile_operations = Some(call::ReconcileOperations {
                operations: if source.bool() { vec![asked] } else { Vec::new() },
            });
        }
        self.world.call(framework, call);
    }

    fn drain(&mut self, source: &mut Source<'_>) {
        let agent = self.agent(source);
        let action = match source.below(5) {
            0 | 1 => OperatorAction::Drain {
                agent,
                config: v1::DrainConfig {
                    max_grace_period: source.bool().then(|| v1::DurationInfo {
                        nanoseconds: i64::from(source.byte()) * 1_000_000_000,
                    }),
                    mark_gone: source.bool().then(|| source.bool()),
                },
            },
            2 => OperatorAction::Deactivate(agent),
            3 => OperatorAction::Reactivate(agent),
            _ => OperatorAction::MarkGone(agent),
        };
        self.world.operator(action);
    }

    fn quota(&mut self, source: &mut Source<'_>) {
        let mut amounts = || {
            let names = ["cpus", "mem", "disk"];
            let amounts = names.into_iter().filter_map(|name| {
                let value = f64::from(source.byte());
                source.bool().then(|| (name.to_owned(), Scalar { value }))
            });
            amounts.collect::<BTreeMap<String, Scalar>>()
        };
        let (guarantees, mut limits) = (amounts(), amounts());
        // Limits below guarantees are refused before.
        for (name, least) in &guarantees {
            if let Some(limit) = limits.get_mut(name) {
                limit.value = limit.value.max(least.value);
            }
        }
        let role = ["web", "*", "db", "web"][source.below(4)].to_owned();
        let rescinding = match source.below(3) {
            0 => Rescinding::Exact,
            1 => Rescinding::Agents,
            _ => Rescinding::Nothing,
        };
        let configs = vec![QuotaConfig {
            role,
            guarantees,
            limits,
        }];
        let _shown = (
            self.world.master.beyond_limits(&configs[0]),
            self.world.master.overcommit(&configs),
        );
        self.world
            .operator(OperatorAction::UpdateQuota { configs, rescinding });
    }

    fn weights(&mut self, source: &mut Source<'_>) {
        let weights = vec![v1::WeightInfo {
            role: Some(["web", "*", "web/a"][source.below(3)].to_owned()),
            weight: f64::from(source.byte()) / 8.0 + 0.125,
        }];
        self.world.operator(OperatorAction::UpdateWeights(weights));
    }

    /// Orders that fit the state at the moment at which they are given.
    fn maintenance(&mut self, source: &mut Source<'_>) {
        let machines: Vec<v1::MachineInfo> = self.world.master.state().machines.values().cloned().collect();
        let of = |mode: Mode| -> Vec<v1::MachineId> {
            let fitting = machines.iter().filter(|machine| machine.mode() == mode);
            fitting.map(|machine| machine.id.clone()).collect()
        };
        let order = match source.below(4) {
            0 => {
                let draining = of(Mode::Draining);
                Maintenance::Start(source.pick(&draining).into_iter().collect())
            }
            1 => {
                let down = of(Mode::Down);
                Maintenance::Stop(source.pick(&down).into_iter().collect())
            }
            _ => {
                let mut ids = of(Mode::Down);
                for host in 10..14 {
                    let id = v1::MachineId {
                        hostname: source.bool().then(|| format!("10.0.0.{host}")),
                        ip: Some(format!("10.0.0.{host}")),
                    };
                    let known = ids
                        .iter()
                        .any(|other| MachineKey::from(other) == MachineKey::from(&id));
                    if source.byte() < 100 && !known {
                        ids.push(id);
                    }
                }
                let windows = (!ids.is_empty()).then(|| Window {
                    machine_ids: ids,
                    unavailability: v1::Unavailability {
                        start: v1::TimeInfo {
                            nanoseconds: 1_700_000_000_000_000_000 + i64::from(source.byte()) * 1_000_000_000,
                        },
                        duration: None,
                    },
                });
                Maintenance::Schedule(Schedule {
                    windows: windows.into_iter().collect(),
                })
            }
        };
        if !matches!(&order, Maintenance::Start(ids) | Maintenance::Stop(ids) if ids.is_empty()) {
            self.world.operator(OperatorAction::Maintain(order));
        }
    }

    fn inverse_offer(&mut self, source: &mut Source<'_>) {
        let asked = self.world.inverse_offers.clone();
        let Some(offer) = source.pick(&asked) else { return };
        let ids = vec![offer.id];
        let filters = source.bool().then(|| v1::Filters {
            refuse_seconds: Some(f64::from(source.byte())),
        });
        let mut call = Call::default();
        if source.bool() {
            call.r#type = Some(call::Type::AcceptInverseOffers.into());
            call.accept_inverse_offers = Some(call::AcceptInverseOffers {
                inverse_offer_ids: ids,
                filters,
            });
        } else {
            call.r#type = Some(call::Type::DeclineInverseOffers.into());
            call.decline_inverse_offers = Some(call::DeclineInverseOffers {
                inverse_offer_ids: ids,
                filters,
            });
        }
        self.world.call(offer.framework_id, call);
    }

    /// What an agent says of the operations that it was sent: some it has never got.
    fn of_agent(&self, id: &v1::AgentId, source: &mut Source<'_>) -> Vec<v1::Operation> {
        let sent = self.world.operations.iter().filter(|(_, to, _)| to == id);
        sent.filter(|_| source.byte() < 160)
            .take(8)
            .map(|(_, _, sent)| {
                let status = v1::OperationStatus {
                    operation_id: sent.operation_info.id.clone(),
                    state: OperationState::OperationFinished.into(),
                    uuid: Some(v1::Uuid { value: uuid(3) }),
                    ..v1::OperationStatus::default()
                };
                v1::Operation {
                    framework_id: sent.framework_id.clone(),
                    agent_id: Some(id.clone()),
                    info: sent.operation_info.clone(),
                    latest_status: status.clone(),
                    statuses: vec![status],
                    uuid: sent.operation_uuid.clone(),
                }
            })
            .collect()
    }

    fn known(&self, source: &mut Source<'_>) -> Option<(Upid, v1::AgentId)> {
        let known = self.world.agents.clone();
        source.pick(&known)
    }

    /// An agent is back with its resources as the master sees them, or as they were.
    fn reregister(&mut self, source: &mut Source<'_>) {
        let Some((mut from, id)) = self.known(source) else {
            return;
        };
        if source.byte() < 30 {
            from = agent_upid(source);
        }
        let seen = self.world.master.state().agents.get(id.value.as_str());
        let kept = seen.filter(|_| source.byte() < 180);
        let checkpointed_resources = kept
            .map(|agent| agent.checkpointed.to_proto())
            .unwrap_or_default();
        let message = internal::ReregisterSlaveMessage {
            slave: v1::AgentInfo {
                id: Some(id),
                ..self.world.agent_info(&from)
            },
            version: Some("1.12.0".to_owned()),
            agent_capabilities: capabilities(source),
            checkpointed_resources,
            resource_version_uuid: Some(v1::Uuid {
                value: uuid(source.byte()),
            }),
            ..internal::ReregisterSlaveMessage::default()
        };
        let message = AgentMessage::Reregister(Box::new(message));
        self.world.step(Input::Agent { from, message });
    }

    /// UpdateSlaveMessage: operations, oversubscribed resources.
    fn report(&mut self, source: &mut Source<'_>) {
        let Some((from, id)) = self.known(source) else {
            return;
        };
        let operations = self.of_agent(&id, source);
        let oversubscribed =
            resources::Resources::parse("cpus:2;mem:64").map(|resources| resources.to_proto());
        let mut oversubscribed = oversubscribed.unwrap_or_default();
        for resource in &mut oversubscribed {
            resource.revocable = Some(v1::resource::RevocableInfo::default());
        }
        let message = internal::UpdateSlaveMessage {
            slave_id: id,
            update_oversubscribed_resources: Some(source.bool()),
            oversubscribed_resources: if source.bool() { oversubscribed } else { Vec::new() },
            operations: source
                .bool()
                .then_some(internal::update_slave_message::Operations { operations }),
            resource_version_uuid: source.bool().then(|| v1::Uuid {
                value: uuid(source.byte()),
            }),
            resource_providers: None,
        };
        let message = AgentMessage::UpdateAgent(Box::new(message));
        self.world.step(Input::Agent { from, message });
    }
}
