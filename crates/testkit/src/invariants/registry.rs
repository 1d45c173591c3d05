//! Durable before visible: whoever is told of an admission finds it in the registry that a new leader would
//! read.

use super::{Broken, Fact};
use crate::sim::World;

pub(super) fn check(world: &World, fact: &Fact) -> Result<(), Broken> {
    let Fact::Admitted(id) = fact else { return Ok(()) };
    let name = "the registry is written first";
    let registry = world
        .master
        .durable()
        .map_err(|error| (name, error.to_string()))?
        .to_proto();
    let admitted = registry.slaves.iter().flat_map(|slaves| &slaves.slaves);
    let known = admitted
        .filter_map(|agent| agent.info.id.as_ref())
        .any(|known| known.value == id.as_str());
    if known {
        Ok(())
    } else {
        Err((
            name,
            format!("agent {id} is told of an admission that is not stored"),
        ))
    }
}
