//! `/registrar(1)/registry`: what a new leader would read (facts: master-http.md §6).

use process::http::{Reply, Request, Response};
use process::{Context, Process};

use crate::flags::security::READONLY;
use crate::registrar::Reader;

/// The process `registrar(1)`.
#[derive(Debug)]
pub(crate) struct Registry(pub(crate) Reader);

/// The id of the process. Compat: processes that may be several are numbered.
pub(crate) const REGISTRAR: &str = "registrar(1)";

impl Process for Registry {
    fn initialize(&mut self, context: &mut Context<Self>) {
        context.route_in(Some(READONLY), "/registry", |this, _, request| {
            this.show(&request)
        });
        context.describe(
            "/registry",
            "Shows the registry: agents admitted, unreachable and gone, machines, quotas, weights. Query: `jsonp`.",
        );
    }
}

impl Registry {
    fn show(&self, request: &Request) -> Reply {
        let (reader, jsonp) = (self.0.clone(), request.jsonp().map(str::to_owned));
        Reply::later(async move {
            match reader.json().await {
                Some(json) => Response::json(json, jsonp.as_deref()),
                None => Response::unavailable("The registry is closed or has too much to do"),
            }
        })
    }
}
