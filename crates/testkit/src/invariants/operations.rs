//! An operation has one end, and what a scheduler may acknowledge is on the agent's disk.

use super::{Broken, Fact};
use crate::sim::World;

pub(super) fn check(world: &World, fact: &Fact) -> Result<(), Broken> {
    let Fact::Operated {
        operation,
        state,
        first,
        uuid,
    } = fact
    else {
        return Ok(());
    };
    if let Some(first) = first.filter(|first| first != state) {
        let what = format!("operation {operation} was {first:?}, and then {state:?}");
        return Err(("operations have one end", what));
    }
    let written = uuid.as_ref().is_none_or(|uuid| {
        let mut disks = world.agents.iter().map(|agent| &agent.disk);
        disks.any(|disk| disk.statuses.get(uuid) == Some(state))
    });
    if written {
        return Ok(());
    }
    let what = format!("a scheduler is told {state:?} of operation {operation}, but it is not written");
    Err(("operations are on disk first", what))
}
