//! The agent's frameworks, executors and tasks as lists, as far as a caller may see them.

use proto::v1;
use proto::v1::agent::response;

use super::sight::Sight;
use crate::core::{Agent, Executor, Framework};

/// All frameworks that may be seen, live ones first.
fn all<'a>(core: &'a Agent, sight: &'a Sight) -> impl Iterator<Item = &'a Framework> {
    core.frameworks()
        .chain(core.completed_frameworks())
        .filter(|framework| sight.framework(framework))
}

pub(super) fn frameworks(core: &Agent, sight: &Sight) -> response::GetFrameworks {
    let show = |framework: &Framework| {
        sight
            .framework(framework)
            .then(|| response::get_frameworks::Framework {
                framework_info: framework.info.clone(),
            })
    };
    response::GetFrameworks {
        frameworks: core.frameworks().filter_map(show).collect(),
        completed_frameworks: core.completed_frameworks().filter_map(show).collect(),
    }
}

pub(super) fn executors(core: &Agent, sight: &Sight) -> response::GetExecutors {
    let mut executors = response::GetExecutors::default();
    for framework in all(core, sight) {
        let show = |executor: &Executor| {
            sight
                .executor(framework, executor)
                .then(|| response::get_executors::Executor {
                    executor_info: executor.info.clone(),
                })
        };
        executors
            .executors
            .extend(framework.executors.values().filter_map(show));
        let completed = framework.completed.iter().filter_map(|executor| show(executor));
        executors.completed_executors.extend(completed);
    }
    executors
}

pub(super) fn tasks(core: &Agent, sight: &Sight) -> response::GetTasks {
    let mut tasks = response::GetTasks::default();
    for framework in all(core, sight) {
        let seen = |executor: &&Executor| sight.executor(framework, executor);
        let seen_task = |task: &&v1::Task| sight.task(framework, task);
        for executor in framework.executors.values().filter(seen) {
            let queued = executor
                .queued
                .values()
                .filter(|info| sight.queued(framework, info))
                .map(|info| executor.task_of(info));
            tasks.queued_tasks.extend(queued);
            let launched = executor.launched.values().filter(seen_task).cloned();
            tasks.launched_tasks.extend(launched);
            let terminated = executor.terminated.values().filter(seen_task).cloned();
            tasks.terminated_tasks.extend(terminated);
            let completed = executor.completed.iter().filter(seen_task).cloned();
            tasks.completed_tasks.extend(completed);
        }
        for executor in framework
            .completed
            .iter()
            .map(|executor| &**executor)
            .filter(seen)
        {
            tasks
                .completed_tasks
                .extend(ended(executor).filter(seen_task).cloned());
        }
    }
    tasks
}

/// The tasks of an executor that are over, acknowledged or not.
pub(super) fn ended(executor: &Executor) -> impl Iterator<Item = &v1::Task> {
    executor.terminated.values().chain(&executor.completed)
}
