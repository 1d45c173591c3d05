//! Whatever happens, the books add up: random sequences of inputs, checked after every step by [`Bench::step`].

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proto::internal::{self, UnregisterSlaveMessage};
use proto::v1::quota::QuotaConfig;
use proto::v1::scheduler::call;
use proto::v1::value::Scalar;
use proto::v1::{self, TaskState, WeightInfo};

use super::drivers::subscribe_call;
use super::maintenance::{machine, schedule};
use super::operations;
use super::support::*;
use crate::core::{
    AgentId, AgentMessage, Authentication, DriverMessage, FrameworkId, Input, Maintenance, OperatorAction,
    Output, RequestId, Rescinding, StreamId, TaskId,
};

/// Something that may happen; numbers pick among what there is.
#[derive(Debug, Clone)]
enum Happening {
    Register(u8),
    Exit(u8),
    Reregister {
        agent: u8,
        forgets: bool,
    },
    Unregister(u8),
    Subscribe {
        framework: u8,
        old: bool,
    },
    CloseStream(u8),
    Drive {
        driver: u8,
        framework: u8,
        force: bool,
    },
    DriverExits(u8),
    Deactivate(u8),
    Authenticate {
        driver: u8,
        step: u8,
    },
    MarkGone(u8),
    Launch {
        framework: u8,
        tasks: u8,
        executor: bool,
    },
    Decline(u8),
    Update {
        agent: u8,
        state: u8,
        uuid: u8,
    },
    Acknowledge {
        framework: u8,
        uuid: u8,
    },
    Kill(u8),
    ExecutorExits(u8),
    Reconcile(u8),
    Teardown(u8),
    Convert {
        framework: u8,
        kind: u8,
        named: bool,
    },
    OperationStatus {
        operation: u8,
        state: u8,
    },
    AcknowledgeOperation(u8),
    ListOperations(u8),
    OrderAbout {
        order: u8,
        agent: u8,
    },
    Order {
        order: u8,
        amount: u8,
    },
    AnswerInverseOffers {
        framework: u8,
        accepted: bool,
    },
    Wait(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => any::<u8>().prop_map(Happening::Register),
        2 => any::<u8>().prop_map(Happening::Exit),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(agent, forgets)| Happening::Reregister { agent, forgets }),
        1 => any::<u8>().prop_map(Happening::Unregister),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(framework, old)| Happening::Subscribe { framework, old }),
        1 => any::<u8>().prop_map(Happening::CloseStream),
        3 => (any::<u8>(), any::<u8>(), any::<bool>())
            .prop_map(|(driver, framework, force)| Happening::Drive { driver, framework, force }),
        1 => any::<u8>().prop_map(Happening::DriverExits),
        1 => any::<u8>().prop_map(Happening::Deactivate),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(driver, step)| Happening::Authenticate { driver, step }),
        1 => any::<u8>().prop_map(Happening::MarkGone),
        8 => (any::<u8>(), 1..4u8, any::<bool>())
            .prop_map(|(framework, tasks, executor)| Happening::Launch { framework, tasks, executor }),
        1 => any::<u8>().prop_map(Happening::Decline),
        8 => (any::<u8>(), any::<u8>(), 1..3u8).prop_map(|(agent, state, uuid)| Happening::Update { agent, state, uuid }),
        4 => (any::<u8>(), 1..3u8).prop_map(|(framework, uuid)| Happening::Acknowledge { framework, uuid }),
        1 => any::<u8>().prop_map(Happening::Kill),
        1 => any::<u8>().prop_map(Happening::ExecutorExits),
        1 => any::<u8>().prop_map(Happening::Reconcile),
        1 => any::<u8>().prop_map(Happening::Teardown),
        6 => (any::<u8>(), any::<u8>(), any::<bool>())
            .prop_map(|(framework, kind, named)| Happening::Convert { framework, kind, named }),
        4 => (any::<u8>(), any::<u8>())
            .prop_map(|(operation, state)| Happening::OperationStatus { operation, state }),
        2 => any::<u8>().prop_map(Happening::AcknowledgeOperation),
        1 => any::<u8>().prop_map(Happening::ListOperations),
        5 => (any::<u8>(), any::<u8>()).prop_map(|(order, agent)| Happening::OrderAbout { order, agent }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(order, amount)| Happening::Order { order, amount }),
        1 => (any::<u8>(), any::<bool>())
            .prop_map(|(framework, accepted)| Happening::AnswerInverseOffers { framework, accepted }),
        6 => any::<u16>().prop_map(Happening::Wait),
    ]
}

/// One of three drivers.
fn driver_pid(number: u8) -> String {
    format!("scheduler-{0}@127.0.0.1:400{0}", number % 3)
}

/// What an operator orders. Orders about machines that are not scheduled, which the API refuses, are here as well: the
/// schedule may have changed while one was stored.
fn ordered(order: u8, amount: u8) -> OperatorAction {
    let amounts = |cpus: u8| match cpus {
        0 => BTreeMap::new(),
        cpus => BTreeMap::from([(
            "cpus".to_owned(),
            Scalar {
                value: f64::from(cpus),
            },
        )]),
    };
    let role = if amount.is_multiple_of(2) { "web" } else { "db" };
    let quota = |rescinding| OperatorAction::UpdateQuota {
        configs: vec![QuotaConfig {
            role: role.to_owned(),
            guarantees: amounts(amount % 4),
            limits: amounts(amount % 4 + amount % 5),
        }],
        rescinding,
    };
    match order % 7 {
        0 => quota(Rescinding::Exact),
        1 => quota(Rescinding::Agents),
        2 => OperatorAction::UpdateWeights(vec![WeightInfo {
            role: Some(role.to_owned()),
            weight: f64::from(amount) + 1.0,
        }]),
        3 => OperatorAction::Maintain(Maintenance::Schedule(schedule(&["localhost"], i64::from(amount)))),
        4 => OperatorAction::Maintain(Maintenance::Schedule(schedule(&[], 0))),
        5 => OperatorAction::Maintain(Maintenance::Start(vec![machine("localhost")])),
        _ => OperatorAction::Maintain(Maintenance::Stop(vec![machine("localhost")])),
    }
}

/// The world around the master.
struct World {
    bench: Bench,
    streams: u64,
    tasks: u64,
}

fn pick<T: Clone>(list: &[T], number: u8) -> Option<T> {
    if list.is_empty() {
        None
    } else {
        list.get(usize::from(number) % list.len()).cloned()
    }
}

impl World {
    fn agent(&self, number: u8) -> Option<AgentId> {
        pick(
            &self
                .bench
                .master
                .state()
                .agents
                .keys()
                .cloned()
                .collect::<Vec<_>>(),
            number,
        )
    }

    fn framework(&self, number: u8) -> Option<FrameworkId> {
        pick(
            &self
                .bench
                .master
                .state()
                .frameworks
                .keys()
                .cloned()
                .collect::<Vec<_>>(),
            number,
        )
    }

    fn pid(&self, agent: &AgentId) -> String {
        self.bench.master.state().agents[agent].pid.to_string()
    }

    fn task(&self, framework: &FrameworkId, number: u8) -> Option<TaskId> {
        pick(
            &self.bench.master.state().frameworks[framework]
                .tasks
                .keys()
                .cloned()
                .collect::<Vec<_>>(),
            number,
        )
    }

    fn happen(&mut self, happening: Happening) -> Option<Vec<Output>> {
        match happening {
            Happening::Register(number) => {
                let pid = format!("slave(1)@127.0.0.1:{}", 5051 + u16::from(number % 3));
                Some(
                    self.bench
                        .agent(&pid, AgentMessage::Register(Box::new(registration()))),
                )
            }
            Happening::Exit(number) => {
                let agent = self.agent(number)?;
                let pid = self.pid(&agent);
                Some(self.bench.step(Input::Exited(upid(&pid))))
            }
            Happening::Reregister { agent, forgets } => self.reregister(agent, forgets),
            Happening::Unregister(number) => {
                let agent = self.agent(number)?;
                let message = UnregisterSlaveMessage {
                    slave_id: (&agent).into(),
                };
                let pid = self.pid(&agent);
                Some(self.bench.agent(&pid, AgentMessage::Unregister(message)))
            }
            Happening::Subscribe { framework, old } => {
                self.streams += 1;
                let info = if old {
                    old_framework_info()
                } else {
                    framework_info()
                };
                let id = if framework % 2 == 0 {
                    self.framework(framework / 2)
                } else {
                    None
                };
                let checkpoint = Some(framework % 3 != 0);
                let info = v1::FrameworkInfo {
                    id: id.as_ref().map(Into::into),
                    checkpoint,
                    ..info
                };
                Some(self.bench.subscribe(self.streams, info))
            }
            Happening::CloseStream(number) => {
                let stream = 1 + u64::from(number) % self.streams.max(1);
                Some(self.bench.step(Input::StreamClosed(StreamId(stream))))
            }
            Happening::Drive {
                driver,
                framework,
                force,
            } => {
                let id = if framework % 2 == 0 {
                    self.framework(framework / 2)
                } else {
                    None
                };
                let info = v1::FrameworkInfo {
                    id: id.as_ref().map(Into::into),
                    checkpoint: Some(framework % 3 != 0),
                    failover_timeout: Some(f64::from(framework % 4)),
                    ..framework_info()
                };
                Some(
                    self.bench
                        .driver(&driver_pid(driver), subscribe_call(info, force)),
                )
            }
            Happening::DriverExits(driver) => Some(self.bench.step(Input::Exited(upid(&driver_pid(driver))))),
            Happening::Deactivate(number) => {
                let framework = self.framework(number)?;
                let pid = self.bench.master.state().frameworks[&framework]
                    .driver()?
                    .to_string();
                let message = internal::DeactivateFrameworkMessage {
                    framework_id: (&framework).into(),
                };
                Some(self.bench.driver(&pid, DriverMessage::Deactivate(message)))
            }
            Happening::Authenticate { driver, step } => {
                let steps = [
                    Authentication::Began,
                    Authentication::Succeeded("p".to_owned()),
                    Authentication::Refused,
                    Authentication::Failed,
                ];
                let pid = upid(&driver_pid(driver));
                let step = pick(&steps, step)?;
                Some(self.bench.step(Input::Authentication { pid, step }))
            }
            Happening::MarkGone(number) => {
                let action = OperatorAction::MarkGone(self.agent(number)?);
                Some(self.bench.step(Input::Operator {
                    request: RequestId(2),
                    action,
                }))
            }
            Happening::Launch {
                framework,
                tasks,
                executor,
            } => self.launch(framework, tasks, executor),
            Happening::Decline(number) => {
                let framework = self.framework(number)?;
                let offer_ids = self.bench.offers(&framework).iter().map(Into::into).collect();
                let decline = call::Decline {
                    offer_ids,
                    filters: None,
                };
                Some(self.bench.call(&framework, call::Type::Decline, |call| {
                    call.decline = Some(decline)
                }))
            }
            Happening::Update { agent, state, uuid } => {
                let agent = self.agent(agent)?;
                let tasks: Vec<(FrameworkId, TaskId)> = self.bench.master.state().agents[&agent]
                    .tasks
                    .iter()
                    .cloned()
                    .collect();
                let (framework, task) = pick(&tasks, state)?;
                let states = [
                    TaskState::TaskRunning,
                    TaskState::TaskFinished,
                    TaskState::TaskFailed,
                    TaskState::TaskKilling,
                ];
                let state = pick(&states, state)?;
                let message = status_update(&framework, &agent, task.as_str(), state, uuid);
                let pid = self.pid(&agent);
                Some(
                    self.bench
                        .agent(&pid, AgentMessage::StatusUpdate(Box::new(message))),
                )
            }
            Happening::Acknowledge { framework, uuid } => {
                let framework = self.framework(framework)?;
                let task = self.task(&framework, uuid)?;
                let agent = self.bench.master.state().frameworks[&framework].tasks[&task]
                    .agent
                    .clone();
                Some(self.bench.acknowledge(&framework, &agent, task.as_str(), uuid))
            }
            Happening::Kill(number) => {
                let framework = self.framework(number)?;
                let task = self.task(&framework, number)?;
                let kill = call::Kill {
                    task_id: task_id(task.as_str()),
                    ..Default::default()
                };
                Some(
                    self.bench
                        .call(&framework, call::Type::Kill, |call| call.kill = Some(kill)),
                )
            }
            Happening::ExecutorExits(number) => {
                let agent = self.agent(number)?;
                let executors: Vec<_> = self.bench.master.state().agents[&agent]
                    .executors
                    .keys()
                    .cloned()
                    .collect();
                let (framework, executor) = pick(&executors, number)?;
                let message = internal::ExitedExecutorMessage {
                    slave_id: (&agent).into(),
                    framework_id: (&framework).into(),
                    executor_id: (&executor).into(),
                    status: 0,
                };
                let pid = self.pid(&agent);
                Some(self.bench.agent(&pid, AgentMessage::ExitedExecutor(message)))
            }
            Happening::Convert {
                framework,
                kind,
                named,
            } => self.convert(framework, kind, named),
            Happening::OperationStatus { operation, state } => self.operation_status(operation, state),
            Happening::AcknowledgeOperation(number) => self.acknowledge_operation(number),
            Happening::ListOperations(number) => {
                let agent = self.agent(number)?;
                let from = self.pid(&agent);
                let message = operations::update(&agent, Vec::new());
                Some(self.bench.agent(&from, message))
            }
            Happening::OrderAbout { order, agent } => self.order_about(order, agent),
            Happening::Order { order, amount } => Some(self.bench.step(Input::Operator {
                request: RequestId(3),
                action: ordered(order, amount),
            })),
            Happening::AnswerInverseOffers { framework, accepted } => {
                let framework = self.framework(framework)?;
                Some(self.bench.answer(&framework, accepted, None))
            }
            Happening::Reconcile(number) => {
                let framework = self.framework(number)?;
                let reconcile = call::Reconcile::default();
                Some(self.bench.call(&framework, call::Type::Reconcile, |call| {
                    call.reconcile = Some(reconcile)
                }))
            }
            Happening::Teardown(number) => {
                let action = OperatorAction::Teardown(self.framework(number)?);
                Some(self.bench.step(Input::Operator {
                    request: RequestId(1),
                    action,
                }))
            }
            Happening::Wait(millis) => Some(self.bench.advance(Duration::from_millis(u64::from(millis)))),
        }
    }

    fn convert(&mut self, framework: u8, kind: u8, named: bool) -> Option<Vec<Output>> {
        let framework = self.framework(framework)?;
        let offer = self.bench.offers(&framework).first().cloned()?;
        let mut operation = operations::any(kind);
        if named {
            operation = operations::with_id(operation, &format!("o{}", kind % 4));
        }
        let second = operations::any(kind.rotate_left(3));
        Some(self.bench.accept(&framework, &[offer], vec![operation, second]))
    }

    fn operation_status(&mut self, number: u8, state: u8) -> Option<Vec<Output>> {
        use v1::OperationState as State;
        let known = &self.bench.master.state().operations;
        let all: Vec<_> = known
            .iter()
            .map(|(uuid, each)| (uuid.clone(), each.clone()))
            .collect();
        let (uuid, operation) = pick(&all, number)?;
        let state = match state % 4 {
            0 | 1 => State::OperationFinished,
            2 => State::OperationFailed,
            _ => State::OperationDropped,
        };
        let id = operation.message.info.id.as_ref().map(|id| id.value.clone());
        let acknowledged = (state != State::OperationDropped).then_some(1);
        let from = self.pid(&operation.agent);
        let message = operations::status(
            operation.framework.as_ref(),
            &operation.agent,
            &v1::Uuid { value: uuid },
            (id.as_deref(), state, acknowledged),
        );
        Some(self.bench.agent(&from, message))
    }

    fn acknowledge_operation(&mut self, number: u8) -> Option<Vec<Output>> {
        let known = self.bench.master.state().operations.values();
        let named: Vec<_> = known
            .filter(|operation| operation.framework.is_some() && operation.message.info.id.is_some())
            .cloned()
            .collect();
        let operation = pick(&named, number)?;
        let framework = operation.framework.clone()?;
        if !self.bench.master.state().frameworks.contains_key(&framework) {
            return None;
        }
        let ack = call::AcknowledgeOperationStatus {
            agent_id: Some((&operation.agent).into()),
            uuid: uuid_bytes(1),
            operation_id: operation.message.info.id.clone()?,
            resource_provider_id: None,
        };
        let kind = call::Type::AcknowledgeOperationStatus;
        Some(self.bench.call(&framework, kind, |call| {
            call.acknowledge_operation_status = Some(ack);
        }))
    }

    fn order_about(&mut self, order: u8, agent: u8) -> Option<Vec<Output>> {
        let agent = self.agent(agent)?;
        let action = match order % 6 {
            0 => OperatorAction::Deactivate(agent),
            1 | 2 => OperatorAction::Reactivate(agent),
            3 => OperatorAction::Drain {
                agent,
                config: v1::DrainConfig {
                    max_grace_period: None,
                    mark_gone: Some(order > 200),
                },
            },
            _ => OperatorAction::Operate {
                agent,
                operation: Box::new(operations::any(order)),
                principal: None,
            },
        };
        Some(self.bench.step(Input::Operator {
            request: RequestId(1),
            action,
        }))
    }

    /// An agent comes back with what the master thinks it runs, or having forgotten all of it.
    fn reregister(&mut self, number: u8, forgets: bool) -> Option<Vec<Output>> {
        let state = self.bench.master.state();
        let lost = state.unreachable_agents.iter().map(|(id, _)| id);
        let known: Vec<AgentId> = state.agents.keys().chain(lost).cloned().collect();
        let agent = pick(&known, number)?;
        let of = |framework: &FrameworkId, task: &TaskId| {
            let framework = state.frameworks.get(framework)?;
            framework
                .tasks
                .get(task)
                .or_else(|| framework.unreachable_tasks.get(task))
                .cloned()
        };
        let mut listed = Vec::new();
        for framework in state.frameworks.values() {
            for task in framework
                .tasks
                .keys()
                .chain(framework.unreachable_tasks.iter().map(|(id, _)| id))
            {
                let task = of(&framework.id, task)?;
                if task.agent == agent {
                    let state = if task.state() == TaskState::TaskUnreachable {
                        TaskState::TaskRunning
                    } else {
                        task.state()
                    };
                    listed.push(v1::Task {
                        state: state as i32,
                        ..task.record.read()
                    });
                }
            }
        }
        let frameworks: Vec<FrameworkId> = state.frameworks.keys().cloned().collect();
        let pid = state
            .agents
            .get(&agent)
            .map_or_else(|| PID.to_owned(), |agent| agent.pid.to_string());
        if forgets {
            listed.clear();
        }
        let message = reregistration(&agent, listed, &frameworks.iter().collect::<Vec<_>>());
        Some(
            self.bench
                .agent(&pid, AgentMessage::Reregister(Box::new(message))),
        )
    }

    fn launch(&mut self, framework: u8, tasks: u8, executor: bool) -> Option<Vec<Output>> {
        let framework = self.framework(framework)?;
        let offer = self.bench.offers(&framework).first().cloned()?;
        let agent = self.bench.master.state().offers[&offer].agent.clone();
        let mut infos = Vec::new();
        for _ in 0..tasks {
            self.tasks += 1;
            let mut info = command_task(&format!("t{}", self.tasks), &agent);
            if executor {
                info.command = None;
                info.executor = Some(v1::ExecutorInfo {
                    executor_id: v1::ExecutorId {
                        value: "e".to_owned(),
                    },
                    command: Some(v1::CommandInfo::default()),
                    resources: parse("cpus:0.1;mem:32"),
                    ..Default::default()
                });
            }
            infos.push(info);
        }
        Some(self.bench.accept(&framework, &[offer], vec![launch(infos)]))
    }
}

/// Runs a history, and holds what schedulers are told of each task against the rule that a terminal state stays.
fn run(history: Vec<Happening>) -> Vec<String> {
    let mut world = World {
        bench: Bench::new(),
        streams: 0,
        tasks: 0,
    };
    let mut trace = Vec::new();
    for happening in history {
        if let Some(out) = world.happen(happening) {
            trace.push(format!("{out:?}"));
        }
    }
    trace
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_books_add_up_whatever_happens(history in prop::collection::vec(happening(), 1..120)) {
        run(history);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(history in prop::collection::vec(happening(), 1..60)) {
        prop_assert_eq!(run(history.clone()), run(history));
    }
}
