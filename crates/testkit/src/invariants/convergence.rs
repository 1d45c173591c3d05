//! What must be reached once the faults are over: every task has ended exactly once for its scheduler, every
//! update arrived in order, nothing is left running, nothing is held.

use super::Broken;
use crate::sim::{Scheduler, World};
use agent::core::{FrameworkId, TaskId};
use master::core::AgentId;

const NAME: &str = "convergence";

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let fail = |what: String| Err((NAME, what));
    let Some(core) = world.master.core() else {
        return fail("the master is down".to_owned());
    };
    for (index, framework) in world.frameworks.iter().enumerate() {
        check_framework(world, index, framework)?;
    }
    let connected = core
        .state()
        .agents
        .values()
        .filter(|agent| agent.connected)
        .count();
    if connected != world.agents.len() {
        return fail(format!(
            "{connected} of {} agents are registered",
            world.agents.len()
        ));
    }
    for framework in core.state().frameworks.values() {
        if !framework.tasks.is_empty() || !framework.used.is_empty() {
            let ids: Vec<&str> = framework.tasks.keys().map(master::core::TaskId::as_str).collect();
            return fail(format!(
                "the master believes in tasks of {}: {ids:?}",
                framework.id
            ));
        }
    }
    for agent in &world.agents {
        if agent.live_executors() > 0 {
            return fail(format!(
                "agent {}: {} executors are left",
                agent.index,
                agent.live_executors()
            ));
        }
        let Some(core) = agent.core() else {
            return fail(format!("agent {} is down", agent.index));
        };
        if let Some(framework) = core.frameworks().next() {
            return fail(format!(
                "agent {}: framework {} is not over",
                agent.index, framework.info.name
            ));
        }
    }
    Ok(())
}

fn check_framework(world: &World, index: usize, framework: &Scheduler) -> Result<(), Broken> {
    let fail = |what: String| Err((NAME, what));
    if framework.torn_down {
        return Ok(());
    }
    if !framework.is_subscribed() || framework.left() > 0 {
        return fail(format!(
            "framework {index} is not done: {} tasks to launch",
            framework.left()
        ));
    }
    let Some(id) = framework.id() else {
        return fail(format!("framework {index} has no id"));
    };
    for (task, seen) in &framework.tasks {
        // Nobody tells how tasks of an agent ended that is gone for good.
        if world.removed.contains(&AgentId::from(&seen.agent)) {
            continue;
        }
        if seen.terminal.is_none() {
            return fail(format!("task {task} is {:?}", seen.state));
        }
        let key = (FrameworkId::from(id.as_str()), TaskId::from(task.as_str()));
        let Some(recorded) = world.recorded(&key.0, &key.1) else {
            continue;
        };
        let written: Vec<_> = recorded.updates.iter().map(|(uuid, _)| uuid).collect();
        if seen.seen.iter().collect::<Vec<_>>() != written {
            let states: Vec<_> = recorded.updates.iter().map(|(_, state)| state).collect();
            let count = seen.seen.len();
            return fail(format!(
                "task {task} has the updates {states:?}, its scheduler saw {count} (or in another order)"
            ));
        }
    }
    Ok(())
}
