//! `/state-summary` (facts: master-http.md §4.7).

use std::collections::{BTreeMap, BTreeSet};

use proto::json::{Object, Writer};
use proto::v1::TaskState;

use super::lists::all_tasks;
use super::{agent, framework};
use crate::api::{Info, Sight};
use crate::core::State;

/// The states that are counted, in the order they are shown.
const COUNTED: [TaskState; 10] = [
    TaskState::TaskStaging,
    TaskState::TaskStarting,
    TaskState::TaskRunning,
    TaskState::TaskKilling,
    TaskState::TaskFinished,
    TaskState::TaskKilled,
    TaskState::TaskFailed,
    TaskState::TaskLost,
    TaskState::TaskError,
    TaskState::TaskUnreachable,
];

/// Tasks by state, and who they belong to.
#[derive(Default)]
struct Tally<'a> {
    counts: [u32; COUNTED.len()],
    peers: BTreeSet<&'a str>,
}

impl<'a> Tally<'a> {
    fn add(&mut self, state: TaskState, peer: &'a str) {
        if let Some(at) = COUNTED.iter().position(|counted| *counted == state) {
            self.counts[at] += 1;
        }
        self.peers.insert(peer);
    }

    fn write(&self, object: &mut Object<'_>, peers: &str) {
        for (state, count) in COUNTED.iter().zip(self.counts) {
            object.value(super::task::state(*state as i32), &count);
        }
        object.array(peers, |array| self.peers.iter().for_each(|peer| array.text(peer)));
    }
}

/// Agents and frameworks with the counts of their tasks, but not the tasks.
pub(crate) fn state_summary(state: &State, sight: &Sight, info: &Info) -> Vec<u8> {
    // Compat: tasks are counted, whether they may be seen by themselves or not.
    let sight = &sight.of_frameworks();
    let state = &*sight.state(state);
    let mut by_agent: BTreeMap<&str, Tally<'_>> = BTreeMap::new();
    let mut by_framework: BTreeMap<&str, Tally<'_>> = BTreeMap::new();
    // Compat: completed frameworks count nowhere.
    for entry in state.frameworks.values() {
        let own = by_framework.entry(entry.id.as_str()).or_default();
        for task in all_tasks(entry) {
            own.add(task.state(), task.agent_id());
            by_agent
                .entry(task.agent_id())
                .or_default()
                .add(task.state(), entry.id.as_str());
        }
    }
    let none = Tally::default();
    let mut out = Vec::new();
    Writer::new(&mut out).object(|object| {
        object.text("hostname", info.master.hostname());
        if let Some((_, cluster)) = info.flags.iter().find(|(name, _)| *name == "cluster") {
            object.text("cluster", cluster);
        }
        object.array("slaves", |array| {
            for entry in state.agents.values() {
                array.object(|object| {
                    agent::summary(object, entry, sight);
                    by_agent
                        .get(entry.id.as_str())
                        .unwrap_or(&none)
                        .write(object, "framework_ids");
                });
            }
        });
        object.array("frameworks", |array| {
            for entry in state.frameworks.values() {
                array.object(|object| {
                    framework::summary(object, entry);
                    by_framework
                        .get(entry.id.as_str())
                        .unwrap_or(&none)
                        .write(object, "slave_ids");
                });
            }
        });
    });
    out
}
