//! What calls ask the core to do.

use proto::v1;
use proto::v1::master::{Call, call};
use proto::v1::offer::Operation;
use proto::v1::offer::operation::{
    Create, Destroy, GrowVolume, Reserve, ShrinkVolume, Type as OperationType, Unreserve,
};

use crate::core::{AgentId, OperatorAction};

/// The action of a call; none for one that changes nothing here, or lacks its own part.
pub(super) fn of(call: Call, principal: Option<&str>) -> Option<OperatorAction> {
    use call::Type;
    Some(match call.r#type() {
        Type::DrainAgent => {
            let call = call.drain_agent?;
            OperatorAction::Drain {
                agent: AgentId::from(&call.agent_id),
                config: v1::DrainConfig {
                    max_grace_period: call.max_grace_period.map(|period| v1::DurationInfo {
                        nanoseconds: period
                            .seconds
                            .saturating_mul(1_000_000_000)
                            .saturating_add(i64::from(period.nanos)),
                    }),
                    mark_gone: Some(call.mark_gone.unwrap_or(false)),
                },
            }
        }
        Type::DeactivateAgent => OperatorAction::Deactivate(AgentId::from(&call.deactivate_agent?.agent_id)),
        Type::ReactivateAgent => OperatorAction::Reactivate(AgentId::from(&call.reactivate_agent?.agent_id)),
        _ => {
            let (agent, operation) = operation(call)?;
            OperatorAction::Operate {
                agent: AgentId::from(&agent),
                operation: Box::new(operation),
                principal: principal.map(ToOwned::to_owned),
            }
        }
    })
}

fn operation(call: Call) -> Option<(v1::AgentId, Operation)> {
    use call::Type;
    let blank = |kind: OperationType| Operation {
        r#type: Some(kind as i32),
        ..Operation::default()
    };
    Some(match call.r#type() {
        Type::ReserveResources => {
            let call = call.reserve_resources?;
            let reserve = Reserve {
                source: call.source,
                resources: call.resources,
            };
            let operation = Operation {
                reserve: Some(reserve),
                ..blank(OperationType::Reserve)
            };
            (call.agent_id, operation)
        }
        Type::UnreserveResources => {
            let call = call.unreserve_resources?;
            let operation = Operation {
                unreserve: Some(Unreserve {
                    resources: call.resources,
                }),
                ..blank(OperationType::Unreserve)
            };
            (call.agent_id, operation)
        }
        Type::CreateVolumes => {
            let call = call.create_volumes?;
            let operation = Operation {
                create: Some(Create {
                    volumes: call.volumes,
                }),
                ..blank(OperationType::Create)
            };
            (call.agent_id, operation)
        }
        Type::DestroyVolumes => {
            let call = call.destroy_volumes?;
            let operation = Operation {
                destroy: Some(Destroy {
                    volumes: call.volumes,
                }),
                ..blank(OperationType::Destroy)
            };
            (call.agent_id, operation)
        }
        Type::GrowVolume => {
            let call = call.grow_volume?;
            let grow_volume = GrowVolume {
                volume: call.volume,
                addition: call.addition,
            };
            let operation = Operation {
                grow_volume: Some(grow_volume),
                ..blank(OperationType::GrowVolume)
            };
            (call.agent_id?, operation)
        }
        Type::ShrinkVolume => {
            let call = call.shrink_volume?;
            let shrink_volume = ShrinkVolume {
                volume: call.volume,
                subtract: call.subtract,
            };
            let operation = Operation {
                shrink_volume: Some(shrink_volume),
                ..blank(OperationType::ShrinkVolume)
            };
            (call.agent_id?, operation)
        }
        _ => return None,
    })
}
