//! `/slaves`, `/frameworks`, `/tasks` (facts: master-http.md §3).

use process::http::Query;
use proto::json::Writer;

use super::{agent, framework, task};
use crate::api::Sight;
use crate::core::{Framework, Past, Record, State};

/// `/slaves`, of one agent or of all.
pub(crate) fn slaves(state: &State, sight: &Sight, id: Option<&str>) -> Vec<u8> {
    let wanted = |candidate: &str| id.is_none_or(|id| id == candidate);
    let mut out = Vec::new();
    Writer::new(&mut out).object(|object| {
        object.array("slaves", |array| {
            for entry in state.agents.values().filter(|entry| wanted(entry.id.as_str())) {
                array.object(|object| {
                    agent::summary(object, entry, sight);
                    agent::full(object, entry, sight);
                });
            }
        });
        object.array("recovered_slaves", |array| {
            for (id, info) in &state.recovered_agents {
                if wanted(id.as_str()) {
                    agent::recovered(array.element(), info);
                }
            }
        });
    });
    out
}

/// `/frameworks`, of one framework or of all.
pub(crate) fn frameworks(state: &State, sight: &Sight, id: Option<&str>) -> Vec<u8> {
    let (all, state) = (state, &*sight.state(state));
    let wanted = |candidate: &Framework| id.is_none_or(|id| id == candidate.id.as_str());
    let mut out = Vec::new();
    Writer::new(&mut out).object(|object| {
        object.array("frameworks", |array| {
            let shown = state.frameworks.values().filter(|entry| wanted(entry));
            shown.for_each(|entry| framework::full(array.element(), entry, all));
        });
        object.array("completed_frameworks", |array| {
            let shown = state
                .completed_frameworks
                .iter()
                .map(|(_, entry)| entry)
                .filter(|entry| wanted(entry));
            shown.for_each(|entry| framework::full(array.element(), entry, all));
        });
        object.array("unregistered_frameworks", |_| {});
    });
    out
}

/// Which tasks `/tasks` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskQuery {
    limit: usize,
    offset: usize,
    ascending: bool,
    framework: Option<String>,
    task: Option<String>,
}

impl TaskQuery {
    /// From a query string; numbers that do not parse are as if absent.
    pub(crate) fn new(query: &Query) -> Self {
        // Compat: a negative number counts as the largest there is.
        let number = |name: &str, default| {
            let given = query.get(name).and_then(|text| text.parse::<i32>().ok());
            given.map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX))
        };
        Self {
            limit: number("limit", 100),
            offset: number("offset", 0),
            ascending: query.get("order") == Some("asc"),
            framework: query.get("framework_id").map(str::to_owned),
            task: query.get("task_id").map(str::to_owned),
        }
    }
}

/// `/tasks`: those of active and completed frameworks, by the time of their first status.
pub(crate) fn tasks(state: &State, sight: &Sight, query: &TaskQuery) -> Vec<u8> {
    let state = &*sight.state(state);
    let frameworks = state
        .frameworks
        .values()
        .chain(state.completed_frameworks.iter().map(|(_, entry)| entry));
    let wanted = |value: &str, filter: &Option<String>| filter.as_ref().is_none_or(|filter| filter == value);
    let mut found: Vec<(f64, &Record)> = frameworks
        .filter(|entry| wanted(entry.id.as_str(), &query.framework))
        .flat_map(|entry| all_tasks(entry))
        .filter(|task| wanted(task.task_id(), &query.task))
        .map(|task| {
            (
                task.first_status()
                    .map_or(f64::NEG_INFINITY, |status| status.timestamp()),
                task,
            )
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| {
        if query.ascending {
            a.total_cmp(b)
        } else {
            b.total_cmp(a)
        }
    });
    let mut out = Vec::new();
    Writer::new(&mut out).object(|object| {
        object.array("tasks", |array| {
            for (_, entry) in found.into_iter().skip(query.offset).take(query.limit) {
                array.raw(task::fragment(entry));
            }
        });
    });
    out
}

/// Active, unreachable and completed tasks of a framework.
pub(super) fn all_tasks(framework: &Framework) -> impl Iterator<Item = &Record> {
    let active = framework.tasks.values().map(|task| &task.record);
    let unreachable = framework.unreachable_tasks.iter().map(|(_, task)| &task.record);
    let completed = framework.completed_tasks.iter().filter_map(Past::record);
    active.chain(completed).chain(unreachable)
}
