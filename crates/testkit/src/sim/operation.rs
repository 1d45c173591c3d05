//! Offer operations of frameworks, and what they hear of them: ids and acknowledgements over the v1 API, nothing through a
//! driver.

use super::driver::is_driven;
use super::event::Event;
use super::world::World;
use crate::invariants::Fact;
use proto::v1;
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{self, Type};
use proto::v1::resource::disk_info::Persistence;
use proto::v1::resource::{DiskInfo, ReservationInfo, reservation_info};
use proto::v1::scheduler::call;
use proto::v1::{OperationState, OperationStatus, Resource};
use rand::Rng;

/// What a reservation takes of the disk.
const DISK: f64 = 64.0;

/// What a scheduler has seen of one operation.
#[derive(Clone, Debug)]
pub struct SeenOperation {
    /// Where it was asked for.
    pub agent: v1::AgentId,
    /// How it ended, as far as the scheduler was told.
    pub end: Option<OperationState>,
    /// The master knows nothing of it (any more).
    pub unknown: bool,
}

/// Whether an operation in this state is over.
fn is_end(state: OperationState) -> bool {
    matches!(
        state,
        OperationState::OperationFinished
            | OperationState::OperationFailed
            | OperationState::OperationError
            | OperationState::OperationDropped
            | OperationState::OperationGoneByOperator
    )
}

impl World {
    /// Operations for an offer, by what it holds: reservations become volumes, volumes grow, shrink and go, reservations are
    /// given back; none: tasks come first.
    pub(crate) fn plan_operations(&mut self, index: usize, offer: &v1::Offer) -> Vec<Operation> {
        let role = offer.allocation_info.as_ref().and_then(|info| info.role.clone());
        if self.frameworks[index].to_operate == 0 || !self.rng.random_ratio(1, 3) {
            return Vec::new();
        }
        let disks = || offer.resources.iter().filter(|each| each.name == "disk");
        let reserved = disks().find(|each| !each.reservations.is_empty() && each.disk.is_none());
        let plain = disks().find(|each| each.reservations.is_empty());
        let volume = disks().find(|each| each.disk.is_some());
        let choice = self.rng.random_range(0..6);
        let mut operations = match (volume, reserved, plain) {
            (Some(volume), Some(reserved), _) if choice < 2 => vec![grow(volume, reserved)],
            (Some(volume), _, _) if choice < 3 => vec![shrink(volume)],
            (Some(volume), _, _) if choice < 5 => vec![destroy(volume)],
            (_, Some(reserved), _) if choice < 3 => vec![unreserve(reserved)],
            (_, Some(reserved), _) if choice < 5 => vec![create(reserved, &self.volume_id())],
            (_, _, Some(plain)) if amount(plain) >= DISK => {
                let reserved = of_role(plain, role.unwrap_or_default());
                let mut both = vec![reserve(&reserved)];
                if choice % 2 == 0 {
                    both.push(create(&reserved, &self.volume_id()));
                }
                both
            }
            _ => return Vec::new(),
        };
        let framework = &mut self.frameworks[index];
        framework.to_operate = framework.to_operate.saturating_sub(operations.len());
        for operation in &mut operations {
            let named = !is_driven(index) && self.rng.random_ratio(3, 4);
            let framework = &mut self.frameworks[index];
            if named {
                let id = format!("f{index}-o{}", framework.operations.len());
                operation.id = Some(v1::OperationId { value: id.clone() });
                let seen = SeenOperation {
                    agent: offer.agent_id.clone(),
                    end: None,
                    unknown: false,
                };
                framework.operations.insert(id, seen);
            }
        }
        operations
    }

    fn volume_id(&mut self) -> String {
        format!("v{:x}", self.rng.random::<u64>())
    }

    pub(crate) fn framework_hears_of_operation(&mut self, index: usize, status: OperationStatus) {
        let state = status.state();
        let id = status.operation_id.clone().unwrap_or_default();
        let Some(seen) = self.frameworks[index].operations.get_mut(&id.value) else {
            self.fact(Fact::Broken(format!(
                "framework {index} is told of an operation that it never asked for: {}",
                id.value
            )));
            return;
        };
        let first = seen.end;
        // An operation that is acknowledged is forgotten: that it is unknown then says nothing.
        seen.unknown |= state == OperationState::OperationUnknown;
        if is_end(state) {
            seen.end.get_or_insert(state);
            self.fact(Fact::Operated {
                operation: id.value.clone(),
                state,
                first,
                uuid: status.uuid.as_ref().map(|uuid| uuid.value.clone()),
            });
        }
        if status.uuid.is_some() {
            let at = self.soon(1, 3_000);
            let life = self.frameworks[index].lives();
            self.schedule(
                at,
                Event::AcknowledgeOperation {
                    framework: index,
                    life,
                    status: Box::new(status),
                },
            );
        }
    }

    pub(crate) fn framework_acknowledges_operation(&mut self, index: usize, status: OperationStatus) {
        let (Some(operation_id), Some(uuid)) = (status.operation_id, status.uuid) else {
            return;
        };
        let acknowledge = call::AcknowledgeOperationStatus {
            agent_id: status.agent_id,
            resource_provider_id: status.resource_provider_id,
            uuid: uuid.value,
            operation_id,
        };
        self.call(index, call::Type::AcknowledgeOperationStatus, |call| {
            call.acknowledge_operation_status = Some(acknowledge);
        });
    }

    /// Asks after operations whose end it has not heard of.
    pub(crate) fn reconcile_operations(&mut self, index: usize) {
        let open = self.frameworks[index]
            .operations
            .iter()
            .filter(|(_, seen)| seen.end.is_none());
        let operations: Vec<call::reconcile_operations::Operation> = open
            .map(|(id, seen)| call::reconcile_operations::Operation {
                operation_id: v1::OperationId { value: id.clone() },
                agent_id: Some(seen.agent.clone()),
                resource_provider_id: None,
            })
            .collect();
        if !operations.is_empty() {
            self.call(index, call::Type::ReconcileOperations, |call| {
                call.reconcile_operations = Some(call::ReconcileOperations { operations });
            });
        }
    }
}

fn amount(disk: &Resource) -> f64 {
    disk.scalar.map_or(0.0, |scalar| scalar.value)
}

fn of_amount(disk: &Resource, value: f64) -> Resource {
    Resource {
        scalar: Some(v1::value::Scalar { value }),
        ..disk.clone()
    }
}

/// Some of a disk, reserved for a role.
pub(crate) fn of_role(disk: &Resource, role: String) -> Resource {
    let mut reserved = of_amount(disk, DISK);
    reserved.reservations.push(ReservationInfo {
        r#type: Some(reservation_info::Type::Dynamic.into()),
        role: Some(role),
        ..ReservationInfo::default()
    });
    reserved
}

fn made(kind: Type) -> Operation {
    Operation {
        r#type: Some(kind.into()),
        ..Operation::default()
    }
}

pub(crate) fn reserve(reserved: &Resource) -> Operation {
    Operation {
        reserve: Some(operation::Reserve {
            source: Vec::new(),
            resources: vec![reserved.clone()],
        }),
        ..made(Type::Reserve)
    }
}

pub(crate) fn unreserve(reserved: &Resource) -> Operation {
    Operation {
        unreserve: Some(operation::Unreserve {
            resources: vec![reserved.clone()],
        }),
        ..made(Type::Unreserve)
    }
}

/// A volume of half of a reserved disk.
fn create(reserved: &Resource, id: &str) -> Operation {
    let mut volume = of_amount(reserved, amount(reserved) / 2.0);
    volume.disk = Some(Box::new(DiskInfo {
        persistence: Some(Persistence {
            id: id.to_owned(),
            principal: None,
        }),
        volume: Some(v1::Volume {
            container_path: "data".to_owned(),
            mode: v1::volume::Mode::Rw.into(),
            ..v1::Volume::default()
        }),
        ..DiskInfo::default()
    }));
    Operation {
        create: Some(operation::Create {
            volumes: vec![volume],
        }),
        ..made(Type::Create)
    }
}

fn destroy(volume: &Resource) -> Operation {
    Operation {
        destroy: Some(operation::Destroy {
            volumes: vec![volume.clone()],
        }),
        ..made(Type::Destroy)
    }
}

fn grow(volume: &Resource, reserved: &Resource) -> Operation {
    Operation {
        grow_volume: Some(operation::GrowVolume {
            volume: volume.clone(),
            addition: of_amount(reserved, amount(reserved) / 2.0),
        }),
        ..made(Type::GrowVolume)
    }
}

fn shrink(volume: &Resource) -> Operation {
    Operation {
        shrink_volume: Some(operation::ShrinkVolume {
            volume: volume.clone(),
            subtract: v1::value::Scalar {
                value: amount(volume) / 2.0,
            },
        }),
        ..made(Type::ShrinkVolume)
    }
}
