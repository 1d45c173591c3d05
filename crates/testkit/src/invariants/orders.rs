//! Durable before visible, for operators: an order that is said to be carried out is in the registry that a new leader
//! would read.

use super::{Broken, Fact};
use crate::sim::World;
use master::core::{AgentId, OperatorAction};

const NAME: &str = "the registry is written first";

pub(super) fn check(world: &World, fact: &Fact) -> Result<(), Broken> {
    let Fact::Ordered(order) = fact else { return Ok(()) };
    let registry = world
        .master
        .durable()
        .map_err(|error| (NAME, error.to_string()))?
        .to_proto();
    let kept = match &**order {
        OperatorAction::Drain { agent, .. } => is_deactivated(&registry, agent),
        OperatorAction::Deactivate(agent) => is_deactivated(&registry, agent),
        OperatorAction::MarkGone(agent) => {
            let gone = registry.gone.as_ref().map(|gone| &gone.slaves);
            gone.is_some_and(|gone| gone.iter().any(|gone| gone.id.value == agent.as_str()))
        }
        OperatorAction::UpdateQuota { configs, .. } => configs.iter().all(|config| {
            let kept = registry
                .quota_configs
                .iter()
                .find(|kept| kept.role == config.role);
            let limits = kept.map(|kept| kept.limits.clone()).unwrap_or_default();
            limits.len() == config.limits.len()
        }),
        _ => true,
    };
    if kept {
        return Ok(());
    }
    Err((
        NAME,
        format!("an operator is told of an order that is not stored: {order:?}"),
    ))
}

/// An agent that has gone meanwhile is neither.
fn is_deactivated(registry: &proto::internal::Registry, id: &AgentId) -> bool {
    let admitted = registry.slaves.iter().flat_map(|slaves| &slaves.slaves);
    let admitted = admitted
        .filter(|agent| agent.info.id.as_ref().is_some_and(|own| own.value == id.as_str()))
        .map(|agent| agent.deactivated());
    let unreachable = registry.unreachable.iter().flat_map(|agents| &agents.slaves);
    let unreachable = unreachable
        .filter(|agent| agent.id.value == id.as_str())
        .map(|agent| agent.deactivated());
    admitted.chain(unreachable).all(|deactivated| deactivated)
}
