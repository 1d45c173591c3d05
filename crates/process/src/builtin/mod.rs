//! What every runtime answers by itself (facts: master-http, section 6; libprocess-wire, section 5).

pub mod files;
mod help;
mod logging;
mod metrics;
mod processes;
mod profiler;
mod system;
mod version;

pub use files::Files;
pub(crate) use help::Help;
pub use version::Version;

use crate::http::{Reply, Request, Response, StatusCode};
use crate::runtime::Runtime;
use crate::{Context, Error, Process};

/// Starts the built-in processes.
pub(crate) fn start(runtime: &Runtime) -> Result<(), Error> {
    help::start(runtime)?;
    metrics::start(runtime)?;
    system::start(runtime)?;
    logging::start(runtime)?;
    profiler::start(runtime)?;
    processes::start(runtime)?;
    files::start(runtime)?;
    version::start(runtime)
}

/// Binds an endpoint that shows something.
fn readonly<P: Process, R: Into<Reply>>(
    ctx: &mut Context<P>,
    path: &str,
    handler: impl FnMut(&mut P, &mut Context<P>, Request) -> R + Send + 'static,
) {
    let realm = ctx.runtime().settings().access.readonly.clone();
    ctx.route_in(realm.as_deref(), path, handler);
}

/// Binds an endpoint that changes something.
fn readwrite<P: Process, R: Into<Reply>>(
    ctx: &mut Context<P>,
    path: &str,
    handler: impl FnMut(&mut P, &mut Context<P>, Request) -> R + Send + 'static,
) {
    let realm = ctx.runtime().settings().access.readwrite.clone();
    ctx.route_in(realm.as_deref(), path, handler);
}

/// The refusal of a caller who may not read this endpoint.
fn denied<P: Process>(ctx: &Context<P>, request: &Request) -> Option<Response> {
    let access = &ctx.runtime().settings().access;
    let allowed = access.allows(&request.path, request.principal.as_ref());
    (!allowed).then(|| Response::status(StatusCode::FORBIDDEN))
}
