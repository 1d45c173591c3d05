//! What a master orders of an agent beside tasks: operations, what is to be on disk, acknowledgements, questions,
//! draining, kills of executors, in any sequence with tasks and containers. No resource is lost or doubled, an operation
//! has one end, and its status is told only once it is written.

use std::collections::BTreeMap;

use agent::core::{Input, Received};
use bytes::Bytes;
use proto::{internal, v1};
use resources::Quantities;

use super::agent_core::{World, agent_id, framework_id, master, upid};
use super::pieces::Pool;
use super::source::Source;

/// Steps of one run.
const STEPS: usize = 250;

struct Orders {
    world: World,
    /// All there is, however it is reserved.
    amounts: Quantities,
    uuids: u8,
    sent: Vec<internal::ApplyOperationMessage>,
    /// What was told of an operation that is not acknowledged.
    told: BTreeMap<Bytes, (i32, Bytes)>,
}

/// The bytes are a script.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let world = World::new(&mut source);
    let mut orders = Orders {
        amounts: Quantities::scalars(&world.agent.total()),
        world,
        uuids: 0,
        sent: Vec::new(),
        told: BTreeMap::new(),
    };
    let registered = internal::SlaveRegisteredMessage {
        slave_id: agent_id(),
        ..internal::SlaveRegisteredMessage::default()
    };
    orders.world.hear(master(), Received::SlaveRegistered(registered));
    for _ in 0..STEPS {
        if source.is_empty() || orders.world.over {
            break;
        }
        orders.act(&mut source);
        orders.check();
    }
}

impl Orders {
    fn check(&mut self) {
        let amounts = Quantities::scalars(&self.world.agent.total());
        assert_eq!(amounts, self.amounts, "no resource is lost or doubled");
        for message in std::mem::take(&mut self.world.operation_statuses) {
            let (Some(uuid), Some(status)) = (message.operation_uuid, message.status.uuid) else {
                continue;
            };
            let now = (message.status.state, status.value);
            let first = self.told.entry(uuid.value).or_insert_with(|| now.clone());
            assert_eq!(*first, now, "an operation has one end");
        }
    }

    fn act(&mut self, source: &mut Source<'_>) {
        match source.below(16) {
            0..=4 => self.apply(source),
            5 => self.keep(source),
            6 | 7 => self.acknowledge(source),
            8 => self.ask(source),
            9 => self.drain(source),
            10 => {
                let message = internal::ShutdownExecutorMessage {
                    framework_id: Some(framework_id(source.below(2))),
                    executor_id: Some(v1::ExecutorId {
                        value: ["e", "t0", "t1"][source.below(3)].to_owned(),
                    }),
                };
                self.world.hear(master(), Received::ShutdownExecutor(message));
            }
            11 => self.world.run_task(source),
            12 => self.world.pass(source),
            13 => self.world.container_fares(source),
            14 => self.lose_master(source),
            _ => self.world.act(source),
        }
    }

    fn apply(&mut self, source: &mut Source<'_>) {
        let again = self.sent.clone();
        if source.byte() < 30
            && let Some(message) = source.pick(&again)
        {
            return self
                .world
                .hear(master(), Received::ApplyOperation(Box::new(message)));
        }
        let Some(operation_info) = Pool::new(self.world.agent.total().to_proto()).operation(source) else {
            return;
        };
        self.uuids = self.uuids.wrapping_add(1);
        let length = if source.byte() < 250 { 16 } else { 3 };
        let version = if source.byte() < 230 {
            self.world.version.clone()
        } else {
            Bytes::from_static(&[9; 16])
        };
        let message = internal::ApplyOperationMessage {
            framework_id: source.bool().then(|| framework_id(source.below(2))),
            operation_info,
            operation_uuid: v1::Uuid {
                value: Bytes::from(vec![self.uuids; length]),
            },
            resource_version_uuid: internal::ResourceVersionUuid {
                resource_provider_id: None,
                uuid: v1::Uuid { value: version },
            },
        };
        self.sent.push(message.clone());
        self.world
            .hear(master(), Received::ApplyOperation(Box::new(message)));
    }

    /// CheckpointResourcesMessage, of what there is or of anything.
    fn keep(&mut self, source: &mut Source<'_>) {
        let mut message = if source.byte() < 200 {
            internal::CheckpointResourcesMessage {
                resources: self.world.agent.checkpointed_resources().to_vec(),
            }
        } else {
            source.message().unwrap_or_default()
        };
        if source.byte() < 80 && !message.resources.is_empty() {
            let at = source.below(message.resources.len());
            message.resources.remove(at);
        }
        self.world.hear(master(), Received::CheckpointResources(message));
    }

    fn acknowledge(&mut self, source: &mut Source<'_>) {
        let told: Vec<(Bytes, Bytes)> = self
            .told
            .iter()
            .map(|(uuid, (_, status))| (uuid.clone(), status.clone()))
            .collect();
        let Some((operation, status)) = source.pick(&told) else {
            return;
        };
        let right = source.byte() < 220;
        if right {
            // It may be sent anew under the same uuid, and is then another one.
            self.told.remove(&operation);
        }
        let message = internal::AcknowledgeOperationStatusMessage {
            status_uuid: v1::Uuid {
                value: if right {
                    status
                } else {
                    Bytes::from_static(&[1; 16])
                },
            },
            operation_uuid: v1::Uuid { value: operation },
            resource_provider_id: None,
        };
        self.world
            .hear(master(), Received::AcknowledgeOperationStatus(message));
    }

    fn ask(&mut self, source: &mut Source<'_>) {
        let mut operations = Vec::new();
        for _ in 0..source.below(4) {
            let uuid = self
                .sent
                .get(source.below(8))
                .map(|sent| sent.operation_uuid.clone());
            operations.push(internal::reconcile_operations_message::Operation {
                operation_uuid: uuid,
                operation_id: None,
                resource_provider_id: None,
            });
        }
        let message = internal::ReconcileOperationsMessage {
            operations,
            framework_id: source.bool().then(|| framework_id(0)),
        };
        self.world.hear(master(), Received::ReconcileOperations(message));
    }

    fn drain(&mut self, source: &mut Source<'_>) {
        let message = internal::DrainSlaveMessage {
            config: v1::DrainConfig {
                max_grace_period: source.bool().then(|| v1::DurationInfo {
                    nanoseconds: (i64::from(source.byte()) - 8) * 1_000_000_000,
                }),
                mark_gone: source.bool().then(|| source.bool()),
            },
        };
        self.world.hear(master(), Received::DrainSlave(message));
    }

    /// The master goes, and comes back or not; what the agent knows stays.
    fn lose_master(&mut self, source: &mut Source<'_>) {
        self.world.step(Input::Exited(master()));
        if source.bool() {
            self.world.step(Input::Detected(None));
        }
        self.world.detect();
        let registered = internal::SlaveReregisteredMessage {
            slave_id: agent_id(),
            ..internal::SlaveReregisteredMessage::default()
        };
        let from = if source.byte() < 240 {
            master()
        } else {
            upid("master", 5055)
        };
        self.world.pass(source);
        if !self.world.over {
            self.world.hear(from, Received::SlaveReregistered(registered));
        }
    }
}
