//! `/state` (facts: master-http.md §4.1).

use proto::json::{Object, Writer};

use super::{agent, framework};
use crate::api::{Info, Sight};
use crate::core::State;

/// The whole state. With 200,000 tasks this is 130 MB; it grows in place and is sent as it is.
pub(crate) fn state(state: &State, sight: &Sight, info: &Info) -> Vec<u8> {
    let (all, state) = (state, &*sight.state(state));
    let mut out = Vec::with_capacity(estimate(state));
    Writer::new(&mut out).object(|object| {
        server(object, state, sight, info);
        object.array("slaves", |array| {
            state
                .agents
                .values()
                .for_each(|entry| agent::write(array.element(), entry, sight));
        });
        object.array("recovered_slaves", |array| {
            state
                .recovered_agents
                .values()
                .for_each(|info| agent::recovered(array.element(), info));
        });
        object.array("frameworks", |array| {
            state
                .frameworks
                .values()
                .for_each(|entry| framework::full(array.element(), entry, all));
        });
        object.array("completed_frameworks", |array| {
            let completed = state.completed_frameworks.iter();
            completed.for_each(|(_, entry)| framework::full(array.element(), entry, all));
        });
        object.array("orphan_tasks", |_| {});
        object.array("unregistered_frameworks", |_| {});
    });
    out
}

/// About how long it will be, so that it is not moved while it grows: tasks are most of it.
fn estimate(state: &State) -> usize {
    let tasks: usize = state
        .frameworks
        .values()
        .flat_map(|entry| super::lists::all_tasks(entry))
        .map(|record| super::task::fragment(record).len() + 1)
        .sum();
    8192 + state.agents.len() * 1200 + tasks
}

fn server(object: &mut Object<'_>, state: &State, sight: &Sight, info: &Info) {
    info.build.write(object);
    object.value("start_time", &info.start_time);
    object.optional("elected_time", info.elected_time.as_ref());
    object.text("id", &info.master.id);
    object.text("pid", info.master.pid());
    object.text("hostname", info.master.hostname());
    object.array("capabilities", |array| {
        info.capabilities().for_each(|name| array.text(name))
    });
    let active = state.agents.values().filter(|agent| agent.active).count();
    // Compat: doubles, as the counts of agents always were here.
    object.value("activated_slaves", &count(active));
    object.value("deactivated_slaves", &count(state.agents.len() - active));
    object.value("unreachable_slaves", &count(state.unreachable_agents.len()));
    object.optional("domain", info.master.domain.as_ref());
    if info.elected_time.is_some() {
        object.text("leader", info.master.pid());
        object.object("leader_info", |object| {
            object.text("id", &info.master.id);
            object.text("pid", info.master.pid());
            object.value("port", &info.master.port);
            object.text("hostname", info.master.hostname());
            object.optional("domain", info.master.domain.as_ref());
        });
    }
    if !sight.flags {
        return;
    }
    for name in ["cluster", "log_dir", "external_log_file"] {
        if let Some((_, value)) = info.flags.iter().find(|(flag, _)| *flag == name) {
            object.text(name, value);
        }
    }
    object.object("flags", |object| {
        info.flags
            .iter()
            .for_each(|(name, value)| object.text(name, value))
    });
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 agents")]
fn count(number: usize) -> f64 {
    number as f64
}
