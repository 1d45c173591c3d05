//! What an agent has taken from an executor, or told a scheduler, is on its disk: an acknowledged update is
//! never lost.

use super::{Broken, Fact};
use crate::sim::World;
use agent::core::{FrameworkId, TaskId};

const NAME: &str = "updates are on disk first";

pub(super) fn check(world: &World, fact: &Fact) -> Result<(), Broken> {
    match fact {
        Fact::Taken {
            agent,
            framework,
            task,
            uuid,
        } => {
            let recorded = world.agents[*agent]
                .disk
                .recorded
                .get(&(framework.clone(), task.clone()));
            if recorded.is_some_and(|recorded| recorded.updates.iter().any(|(written, _)| written == uuid)) {
                return Ok(());
            }
            Err((
                NAME,
                format!("an executor is told that an update of task {task} was taken, but it is not written"),
            ))
        }
        Fact::Seen {
            framework: Some(framework),
            task,
            state,
            uuid: Some(uuid),
            by_executor: true,
            ..
        } => {
            let (framework, task) = (FrameworkId::from(framework.as_str()), TaskId::from(task.as_str()));
            let recorded = world.recorded(&framework, &task);
            if recorded.is_some_and(|recorded| recorded.updates.iter().any(|(written, _)| written == uuid)) {
                return Ok(());
            }
            Err((
                NAME,
                format!("a scheduler is told {state:?} of task {task}, but it is not written"),
            ))
        }
        _ => Ok(()),
    }
}
