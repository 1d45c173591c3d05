//! The large answers, GET_STATE and its parts, put together from encodings made before.
//!
//! Tasks are most of any large state, and their encodings are kept with them: what is left here is to copy bytes. The
//! lists of agents, frameworks and executors are encoded as they come.

use proto::json::{Array, Object, Writer};
use proto::v1::master::{Event, Response, event, response};
use proto::{ContentType, Message};

use super::wire;
use super::{Sight, messages};
use crate::core::{Executor, HEARTBEAT_INTERVAL, Past, Record, State};

/// One of the large answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// GET_STATE: all that follows.
    State,
    /// GET_AGENTS.
    Agents,
    /// GET_FRAMEWORKS.
    Frameworks,
    /// GET_EXECUTORS.
    Executors,
    /// GET_TASKS.
    Tasks,
}

/// The parts of the state, in the order and under the numbers they have there.
const PARTS: [(u32, Part); 4] = [
    (1, Part::Tasks),
    (2, Part::Executors),
    (3, Part::Frameworks),
    (4, Part::Agents),
];

impl Part {
    /// The name of the call and of the member that answers it, and the member's number.
    const fn names(self) -> (&'static str, &'static str, u32, response::Type) {
        match self {
            Self::State => ("GET_STATE", "get_state", 9, response::Type::GetState),
            Self::Agents => ("GET_AGENTS", "get_agents", 10, response::Type::GetAgents),
            Self::Frameworks => (
                "GET_FRAMEWORKS",
                "get_frameworks",
                11,
                response::Type::GetFrameworks,
            ),
            Self::Executors => ("GET_EXECUTORS", "get_executors", 12, response::Type::GetExecutors),
            Self::Tasks => ("GET_TASKS", "get_tasks", 13, response::Type::GetTasks),
        }
    }
}

/// The answer to a call.
pub(crate) fn response(part: Part, state: &State, sight: &Sight, content_type: ContentType) -> Vec<u8> {
    let state = &*sight.state(state);
    let (call, member, number, kind) = part.names();
    let mut out = Vec::new();
    match content_type {
        ContentType::Json => {
            out.reserve(json_len(part, state));
            Writer::new(&mut out).object(|object| {
                object.text("type", call);
                write_json(object.key(member), part, state, sight);
            });
        }
        ContentType::Protobuf => {
            out = Response {
                r#type: Some(kind.into()),
                ..Response::default()
            }
            .encode_to_vec();
            let content = Content::of(part, state, sight);
            out.reserve(wire::nested_len(number, content.len()));
            wire::nested_from(&mut out, number, content.len(), |out| content.write(out));
        }
    }
    out
}

/// A SUBSCRIBED event.
pub(crate) fn subscribed(state: &State, sight: &Sight, content_type: ContentType, out: &mut Vec<u8>) {
    let state = &*sight.state(state);
    let interval = HEARTBEAT_INTERVAL.as_secs_f64();
    match content_type {
        ContentType::Json => {
            out.reserve(json_len(Part::State, state));
            Writer::new(out).object(|object| {
                object.text("type", "SUBSCRIBED");
                object.object("subscribed", |object| {
                    write_json(object.key("get_state"), Part::State, state, sight);
                    object.value("heartbeat_interval_seconds", &interval);
                });
            });
        }
        ContentType::Protobuf => {
            let head = Event {
                r#type: Some(event::Type::Subscribed.into()),
                ..Event::default()
            }
            .encode_to_vec();
            let tail = event::Subscribed {
                get_state: None,
                heartbeat_interval_seconds: Some(interval),
            }
            .encode_to_vec();
            let state = Content::of(Part::State, state, sight);
            let len = wire::nested_len(1, state.len()) + tail.len();
            out.reserve(head.len() + wire::nested_len(2, len));
            out.extend_from_slice(&head);
            wire::nested_from(out, 2, len, |out| {
                wire::nested_from(out, 1, state.len(), |out| state.write(out));
                out.extend_from_slice(&tail);
            });
        }
    }
}

/// About how long the JSON of a part will be, so that it is not moved while it grows.
fn json_len(part: Part, state: &State) -> usize {
    match part {
        Part::State | Part::Tasks => {
            let tasks: usize = all_tasks(state).map(|(_, task)| task.json().len() + 1).sum();
            tasks + state.agents.len() * 2048
        }
        Part::Agents | Part::Frameworks | Part::Executors => 0,
    }
}

/// Writes what is left of a part; `state` is only what `sight` leaves of it, but for resources.
fn write_json(out: Writer<'_>, part: Part, state: &State, sight: &Sight) {
    out.object(|object| match part {
        Part::State => {
            for (_, part) in PARTS {
                write_json(object.key(part.names().1), part, state, sight);
            }
        }
        Part::Tasks => {
            let list = |object: &mut Object<'_>, key, tasks: &mut dyn Iterator<Item = &Record>| {
                object.array(key, |array| tasks.for_each(|task| array.raw(task.json())));
            };
            list(object, "tasks", &mut active_tasks(state));
            list(object, "unreachable_tasks", &mut unreachable_tasks(state));
            list(object, "completed_tasks", &mut completed_tasks(state));
        }
        Part::Executors => object.array("executors", |array| {
            executors(state).for_each(|executor| array.raw(executor.message.json()));
        }),
        Part::Frameworks => {
            object.array("frameworks", |array: &mut Array<'_>| {
                state
                    .frameworks
                    .values()
                    .for_each(|entry| array.value(&messages::framework(entry)));
            });
            object.array("completed_frameworks", |array| {
                let all = state.completed_frameworks.iter();
                all.for_each(|(_, entry)| array.value(&messages::framework(entry)));
            });
        }
        Part::Agents => {
            object.array("agents", |array| {
                state.agents.values().for_each(|entry| {
                    if sight.all_roles() {
                        array.raw(entry.message().json());
                    } else {
                        array.value(&sight.agent(entry.message()));
                    }
                });
            });
            object.array("recovered_agents", |array| {
                state.recovered_agents.values().for_each(|info| {
                    if sight.all_roles() {
                        array.raw(info.json());
                    } else {
                        array.value(&sight.agent_info(info));
                    }
                });
            });
        }
    });
}

/// The content of a part's message, whose length is known before it is written: tasks, which are most of it, are copied
/// once.
enum Content<'a> {
    /// The content of GET_STATE: parts, by their numbers there.
    Parts(Vec<(u32, Self)>),
    /// Tasks, as they are kept.
    Tasks { state: &'a State, len: usize },
    /// All others.
    Encoded(Vec<u8>),
}

impl<'a> Content<'a> {
    fn of(part: Part, state: &'a State, sight: &Sight) -> Self {
        match part {
            Part::State => Self::Parts(
                PARTS
                    .map(|(number, part)| (number, Self::of(part, state, sight)))
                    .into(),
            ),
            Part::Tasks => {
                let lens =
                    all_tasks(state).map(|(number, task)| wire::nested_len(number, task.protobuf().len()));
                Self::Tasks {
                    state,
                    len: lens.sum(),
                }
            }
            Part::Executors => Self::Encoded(encoded_executors(state)),
            Part::Frameworks => Self::Encoded(encoded_frameworks(state)),
            Part::Agents => Self::Encoded(encoded_agents(state, sight)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Parts(parts) => parts
                .iter()
                .map(|(number, part)| wire::nested_len(*number, part.len()))
                .sum(),
            Self::Tasks { len, .. } => *len,
            Self::Encoded(bytes) => bytes.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Parts(parts) => {
                for (number, part) in parts {
                    wire::nested_from(out, *number, part.len(), |out| part.write(out));
                }
            }
            Self::Tasks { state, .. } => {
                all_tasks(state).for_each(|(number, task)| wire::nested(out, number, task.protobuf()));
            }
            Self::Encoded(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn encoded_executors(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    executors(state).for_each(|executor| wire::nested(&mut out, 1, executor.message.protobuf()));
    out
}

fn encoded_frameworks(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    let all = state.frameworks.values();
    all.for_each(|entry| wire::message(&mut out, 1, &messages::framework(entry)));
    let all = state.completed_frameworks.iter();
    all.for_each(|(_, entry)| wire::message(&mut out, 2, &messages::framework(entry)));
    out
}

fn encoded_agents(state: &State, sight: &Sight) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in state.agents.values() {
        if sight.all_roles() {
            wire::nested(&mut out, 1, entry.message().protobuf());
        } else {
            wire::message(&mut out, 1, &sight.agent(entry.message()));
        }
    }
    for info in state.recovered_agents.values() {
        if sight.all_roles() {
            wire::nested(&mut out, 2, info.protobuf());
        } else {
            wire::message(&mut out, 2, &sight.agent_info(info));
        }
    }
    out
}

/// All tasks with the number of the list they stand in, in the order of the lists.
fn all_tasks(state: &State) -> impl Iterator<Item = (u32, &Record)> {
    let active = active_tasks(state).map(|task| (2, task));
    let completed = completed_tasks(state).map(|task| (3, task));
    let unreachable = unreachable_tasks(state).map(|task| (5, task));
    active.chain(completed).chain(unreachable)
}

fn active_tasks(state: &State) -> impl Iterator<Item = &Record> {
    state
        .frameworks
        .values()
        .flat_map(|framework| framework.tasks.values())
        .map(|task| &task.record)
}

fn unreachable_tasks(state: &State) -> impl Iterator<Item = &Record> {
    let completed = state.completed_frameworks.iter().map(|(_, framework)| framework);
    let frameworks = state.frameworks.values().chain(completed);
    frameworks
        .flat_map(|framework| framework.unreachable_tasks.iter())
        .map(|(_, task)| &task.record)
}

fn completed_tasks(state: &State) -> impl Iterator<Item = &Record> {
    let completed = state.completed_frameworks.iter().map(|(_, framework)| framework);
    state
        .frameworks
        .values()
        .chain(completed)
        .flat_map(|framework| framework.completed_tasks.iter())
        .filter_map(Past::record)
}

fn executors(state: &State) -> impl Iterator<Item = &Executor> {
    state
        .frameworks
        .values()
        .flat_map(|framework| framework.executors.values())
        .map(|executor| &**executor)
}
