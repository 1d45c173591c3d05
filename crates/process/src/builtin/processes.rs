//! `/__processes__`: what runs here and what waits for it.

use serde::Serialize;

use crate::actor::EventSummary;
use crate::http::{Request, Response};
use crate::runtime::Runtime;
use crate::{Context, Error, Process};

#[derive(Serialize)]
struct Entry {
    events: Vec<EventSummary>,
    id: String,
}

struct ProcessesProcess;

impl Process for ProcessesProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.route("/", |_, ctx, request: Request| {
            let cells = ctx.runtime().processes();
            let entries: Vec<Entry> = cells
                .iter()
                .map(|cell| Entry {
                    events: cell.events(),
                    id: cell.upid().id().to_owned(),
                })
                .collect();
            Response::json_value(&entries, request.jsonp())
        });
        ctx.describe(
            "/",
            "Lists the running processes and the events that wait for them.",
        );
    }
}

pub(super) fn start(runtime: &Runtime) -> Result<(), Error> {
    runtime.spawn("__processes__", ProcessesProcess).map(drop)
}
