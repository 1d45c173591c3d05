//! The agent's frameworks, executors and tasks as lists.

use proto::v1;
use proto::v1::agent::response;

use crate::core::{Agent, Executor, Framework};

/// All frameworks, live ones first.
fn all(core: &Agent) -> impl Iterator<Item = &Framework> {
    core.frameworks().chain(core.completed_frameworks())
}

pub(super) fn frameworks(core: &Agent) -> response::GetFrameworks {
    let show = |framework: &Framework| response::get_frameworks::Framework {
        framework_info: framework.info.clone(),
    };
    response::GetFrameworks {
        frameworks: core.frameworks().map(show).collect(),
        completed_frameworks: core.completed_frameworks().map(show).collect(),
    }
}

pub(super) fn executors(core: &Agent) -> response::GetExecutors {
    let show = |executor: &Executor| response::get_executors::Executor {
        executor_info: executor.info.clone(),
    };
    response::GetExecutors {
        executors: all(core)
            .flat_map(|framework| framework.executors.values())
            .map(show)
            .collect(),
        completed_executors: all(core)
            .flat_map(|framework| &framework.completed)
            .map(|executor| show(executor))
            .collect(),
    }
}

pub(super) fn tasks(core: &Agent) -> response::GetTasks {
    let mut tasks = response::GetTasks::default();
    for framework in all(core) {
        for executor in framework.executors.values() {
            let queued = executor.queued.values().map(|info| executor.task_of(info));
            tasks.queued_tasks.extend(queued);
            tasks.launched_tasks.extend(executor.launched.values().cloned());
            tasks
                .terminated_tasks
                .extend(executor.terminated.values().cloned());
            tasks.completed_tasks.extend(executor.completed.iter().cloned());
        }
        for executor in &framework.completed {
            tasks.completed_tasks.extend(ended(executor).cloned());
        }
    }
    tasks
}

/// The tasks of an executor that are over, acknowledged or not.
pub(super) fn ended(executor: &Executor) -> impl Iterator<Item = &v1::Task> {
    executor.terminated.values().chain(&executor.completed)
}
