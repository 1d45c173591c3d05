//! Once everything is quiet: what agents hold is what they wrote and what the master thinks, no resource is lost or doubled,
//! operations are over, nothing that an operator ordered is left, and nobody believes to be a scheduler who is not.

use super::Broken;
use crate::sim::World;
use master::core::{AgentId, Master};
use proto::v1;
use resources::{Quantities, Resources};

const NAME: &str = "quiet clusters agree";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let fail = |what: String| Err((NAME, what));
    let Some(core) = world.master.core() else {
        return fail("the master is down".to_owned());
    };
    let state = core.state();
    let left = (state.deactivated.len(), state.quotas.len(), state.machines.len());
    if left != (0, 0, 0) {
        return fail(format!(
            "{} agents are deactivated, {} quotas and {} machines are left",
            left.0, left.1, left.2
        ));
    }
    for index in 0..world.agents.len() {
        check_agent(world, core, index)?;
    }
    for (index, framework) in world.frameworks.iter().enumerate() {
        if framework.has_rival() {
            return fail(format!("two schedulers believe to be framework {index}"));
        }
        if framework.torn_down {
            continue;
        }
        for (id, seen) in &framework.operations {
            let lost = world.removed.contains(&AgentId::from(&seen.agent));
            if seen.end.is_none() && !seen.unknown && !lost {
                return fail(format!("operation {id} has no end"));
            }
        }
    }
    if let Some(operation) = state.operations.values().next() {
        return fail(format!("the master waits for {:?}", operation.message.info.id));
    }
    Ok(())
}

fn check_agent(world: &World, master: &Master, index: usize) -> Result<(), Broken> {
    let host = &world.agents[index];
    let fail = |what: String| Err((NAME, format!("agent {index}: {what}")));
    let Some(agent) = host.core() else {
        return fail("it is down".to_owned());
    };
    let id = agent.info().id.as_ref().map(AgentId::from);
    let Some(seen) = id.and_then(|id| master.state().agents.get(&id).cloned()) else {
        return fail("the master does not know it".to_owned());
    };
    let total = agent.total();
    if seen.total != total {
        return fail(format!("it has {total}, and the master believes {}", seen.total));
    }
    let kept = of(&host.disk.kept);
    let held = of(agent.checkpointed_resources());
    if kept != held {
        return fail(format!("it wrote {kept}, and holds {held}"));
    }
    let amounts = Quantities::scalars(&host.configured());
    if Quantities::scalars(&total) != amounts {
        return fail(format!(
            "it is configured with {}, and has {total}",
            host.configured()
        ));
    }
    if !agent.operations().is_empty() {
        return fail("it has operations".to_owned());
    }
    let idle = seen.offered.is_empty() || total.contains(&seen.offered.unallocate());
    if !seen.used.is_empty() || !idle {
        return fail("the master believes that something of it is used".to_owned());
    }
    Ok(())
}

fn of(resources: &[v1::Resource]) -> Resources {
    Resources::from_proto_lenient(resources)
}
