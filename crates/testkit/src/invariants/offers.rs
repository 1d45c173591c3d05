//! Offers never overlap: what stands offered on an agent, and what its tasks hold, fit its total together.
//! Counted anew from what readers of the master see, not from its books.

use super::Broken;
use crate::sim::is_terminal;
use master::core::{AgentId, State};
use resources::Resources;
use std::collections::BTreeMap;

pub(super) fn check(state: &State) -> Result<(), Broken> {
    let mut held: BTreeMap<AgentId, Resources> = BTreeMap::new();
    for offer in state.offers.values() {
        let offered = Resources::from_proto_lenient(&offer.message.resources).unallocate();
        *held.entry(offer.agent.clone()).or_default() += &offered;
    }
    let tasks = state
        .frameworks
        .values()
        .flat_map(|framework| framework.tasks.values());
    for task in tasks.filter(|task| !is_terminal(task.state())) {
        *held.entry(task.agent.clone()).or_default() += &task.resources.unallocate();
    }
    for (id, held) in held {
        let total = state
            .agents
            .get(&id)
            .map(|agent| agent.total.unallocate())
            .unwrap_or_default();
        if !total.contains(&held) {
            return Err((
                "offers never overlap",
                format!("agent {id} has {total}, given away: {held}"),
            ));
        }
    }
    // Equal ports in two offers would merge into one above: they are counted.
    let mut ports: BTreeMap<AgentId, u64> = BTreeMap::new();
    for offer in state.offers.values() {
        let offered = Resources::from_proto_lenient(&offer.message.resources);
        *ports.entry(offer.agent.clone()).or_default() += offered.ports().count();
    }
    for (id, count) in ports {
        let most = state
            .agents
            .get(&id)
            .map_or(0, |agent| agent.total.ports().count());
        if count > most {
            return Err((
                "offers never overlap",
                format!("agent {id} has {most} ports, offered: {count}"),
            ));
        }
    }
    Ok(())
}
