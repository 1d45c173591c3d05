//! `/logging/toggle`.

use super::{denied, readwrite};
use crate::http::{Request, Response, StatusCode};
use crate::runtime::Runtime;
use crate::{Context, Error, Process, logging, parse_duration};

struct LoggingProcess;

impl Process for LoggingProcess {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        readwrite(ctx, "/toggle", |_, ctx, request| {
            denied(ctx, &request).unwrap_or_else(|| toggle(ctx, &request))
        });
        ctx.describe(
            "/toggle",
            "Sets how verbose the log is, for a time. Query: `level=<number>` and `duration=<duration>`; without both, \
             shows the level.",
        );
    }
}

fn toggle(ctx: &Context<LoggingProcess>, request: &Request) -> Response {
    let (level, duration) = match (request.query.get("level"), request.query.get("duration")) {
        (None, None) => return Response::text(StatusCode::OK, format!("{}\n", logging::level())),
        (None, Some(_)) => return Response::bad_request("Expecting 'level=value' in query.\n"),
        (Some(_), None) => return Response::bad_request("Expecting 'duration=value' in query.\n"),
        (Some(level), Some(duration)) => (level, duration),
    };
    let Ok(level) = level.parse::<u32>() else {
        return Response::bad_request(format!("Invalid level '{level}'.\n"));
    };
    let Some(duration) = parse_duration(duration) else {
        return Response::bad_request(format!("Invalid duration '{duration}'.\n"));
    };
    match logging::set_level(level, duration, ctx.runtime().clock()) {
        Ok(()) => Response::ok(),
        Err(error) => Response::bad_request(format!("{error}\n")),
    }
}

pub(super) fn start(runtime: &Runtime) -> Result<(), Error> {
    runtime.spawn("logging", LoggingProcess).map(drop)
}
