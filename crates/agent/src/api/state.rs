//! GET_STATE and its parts. Compat: in JSON these show empty lists (golden/http/023, 025, 026, 028).

use ::process::http::Reply;
use proto::ContentType;
use proto::json::{Array, Json, Object};
use proto::v1::agent::response::{self, Type};

use super::call::{answer, written};
use super::sight::Sight;
use super::tasks;
use crate::core::Agent;

pub(super) fn get_state(core: &Agent, sight: &Sight, accepted: ContentType) -> Reply {
    let get_state = response::GetState {
        get_tasks: Some(tasks::tasks(core, sight)),
        get_executors: Some(tasks::executors(core, sight)),
        get_frameworks: Some(tasks::frameworks(core, sight)),
    };
    let answer = answer(Type::GetState, |answer| answer.get_state = Some(get_state));
    written(accepted, answer, |answer, writer| {
        writer.object(|object| {
            object.text("type", "GET_STATE");
            object.object("get_state", |object| {
                let state = answer.get_state.as_ref();
                write_tasks(object, state.and_then(|state| state.get_tasks.as_ref()));
                write_executors(object, state.and_then(|state| state.get_executors.as_ref()));
                write_frameworks(object, state.and_then(|state| state.get_frameworks.as_ref()));
            });
        });
    })
}

pub(super) fn get_frameworks(core: &Agent, sight: &Sight, accepted: ContentType) -> Reply {
    let get_frameworks = tasks::frameworks(core, sight);
    let answer = answer(Type::GetFrameworks, |answer| {
        answer.get_frameworks = Some(get_frameworks)
    });
    written(accepted, answer, |answer, writer| {
        writer.object(|object| {
            object.text("type", "GET_FRAMEWORKS");
            write_frameworks(object, answer.get_frameworks.as_ref());
        });
    })
}

pub(super) fn get_executors(core: &Agent, sight: &Sight, accepted: ContentType) -> Reply {
    let get_executors = tasks::executors(core, sight);
    let answer = answer(Type::GetExecutors, |answer| {
        answer.get_executors = Some(get_executors)
    });
    written(accepted, answer, |answer, writer| {
        writer.object(|object| {
            object.text("type", "GET_EXECUTORS");
            write_executors(object, answer.get_executors.as_ref());
        });
    })
}

pub(super) fn get_tasks(core: &Agent, sight: &Sight, accepted: ContentType) -> Reply {
    let get_tasks = tasks::tasks(core, sight);
    let answer = answer(Type::GetTasks, |answer| answer.get_tasks = Some(get_tasks));
    written(accepted, answer, |answer, writer| {
        writer.object(|object| {
            object.text("type", "GET_TASKS");
            write_tasks(object, answer.get_tasks.as_ref());
        });
    })
}

fn messages<M: Json>(array: &mut Array<'_>, messages: &[M]) {
    for message in messages {
        array.element().message(message);
    }
}

fn write_frameworks(object: &mut Object<'_>, part: Option<&response::GetFrameworks>) {
    let Some(part) = part else { return };
    object.object("get_frameworks", |object| {
        object.array("frameworks", |array| messages(array, &part.frameworks));
        object.array("completed_frameworks", |array| {
            messages(array, &part.completed_frameworks)
        });
    });
}

fn write_executors(object: &mut Object<'_>, part: Option<&response::GetExecutors>) {
    let Some(part) = part else { return };
    object.object("get_executors", |object| {
        object.array("executors", |array| messages(array, &part.executors));
        object.array("completed_executors", |array| {
            messages(array, &part.completed_executors)
        });
    });
}

fn write_tasks(object: &mut Object<'_>, part: Option<&response::GetTasks>) {
    let Some(part) = part else { return };
    object.object("get_tasks", |object| {
        object.array("pending_tasks", |array| messages(array, &part.pending_tasks));
        object.array("queued_tasks", |array| messages(array, &part.queued_tasks));
        object.array("launched_tasks", |array| messages(array, &part.launched_tasks));
        object.array("terminated_tasks", |array| {
            messages(array, &part.terminated_tasks)
        });
        object.array("completed_tasks", |array| messages(array, &part.completed_tasks));
    });
}
