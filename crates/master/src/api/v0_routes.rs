//! The endpoints of before v1: which there are, and what they take (facts: master-http.md §3).

use std::path::Path;

use auth::Principal;
use bytes::Bytes;
use http::{Method, StatusCode};
use process::Context;
use process::http::{Asset, Reply, Request, Response};
use proto::ContentType;
use proto::json::Writer;

use super::snapshot::{self, Part};
use super::{Sight, v0};
use crate::core::State;
use crate::flags::security::{READONLY, READWRITE, SCHEDULER};
use crate::process::MasterProcess;

/// An answer that is the same for all who ask at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    /// `/state`.
    State,
    /// `/state-summary`.
    StateSummary,
    /// `/slaves` without a query.
    Slaves,
    /// `/frameworks` without a query.
    Frameworks,
    /// `/roles`.
    Roles,
    /// A large answer of the operator API, in one of its encodings.
    Part(Part, ContentType),
}

impl View {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Part(_, content_type) => content_type.as_str(),
            Self::State | Self::StateSummary | Self::Slaves | Self::Frameworks | Self::Roles => {
                "application/json"
            }
        }
    }

    fn write(self, state: &State, sight: &Sight, info: &super::Info) -> Vec<u8> {
        match self {
            Self::State => v0::state(state, sight, info),
            Self::StateSummary => v0::state_summary(state, sight, info),
            Self::Slaves => v0::slaves(state, sight, None),
            Self::Frameworks => v0::frameworks(state, sight, None),
            Self::Roles => v0::roles_json(state, sight, info.roles.as_ref()),
            Self::Part(part, content_type) => snapshot::response(part, state, sight, content_type),
        }
    }
}

impl MasterProcess {
    /// Binds all paths of the master.
    pub(crate) fn install_routes(context: &mut Context<Self>) {
        closed(context, READWRITE, "/api/v1", |this, context, request| {
            this.on_operator_request(context, &request)
        });
        closed(
            context,
            SCHEDULER,
            "/api/v1/scheduler",
            |this, context, request| this.on_scheduler_request(context, &request),
        );
        for (path, view) in [
            ("/state", View::State),
            ("/state-summary", View::StateSummary),
            ("/slaves", View::Slaves),
            ("/frameworks", View::Frameworks),
            ("/roles", View::Roles),
        ] {
            closed(context, READONLY, path, move |this, context, request| {
                this.on_view(context, &request, view)
            });
        }
        closed(context, READONLY, "/tasks", |this, context, request| {
            this.on_tasks(context, &request)
        });
        context.route("/health", |_, _, _| Response::ok());
        closed(context, READONLY, "/flags", |this, _, request| {
            this.on_flags(&request)
        });
        context.route("/redirect", |this, _, request| this.on_redirect(&request));
        Self::install_writes(context);
    }

    /// Serves the web page's files, if there are any.
    pub(crate) fn provide_web_page(context: &mut Context<Self>, dir: &Path) {
        context.provide("", Asset::new(dir.join("index.html")));
        for name in ["app", "assets"] {
            context.provide(name, Asset::new(dir.join(name)));
        }
    }

    /// A large answer of the operator API.
    pub(crate) fn part(
        &self,
        context: &Context<Self>,
        caller: Option<&Principal>,
        part: Part,
        accept: ContentType,
    ) -> Reply {
        self.view(context, caller, View::Part(part, accept), None)
    }

    fn on_view(&self, context: &Context<Self>, request: &Request, view: View) -> Reply {
        if let Some(refusal) = self.not_leading(request) {
            return refusal.into();
        }
        let (key, write) = match view {
            View::Slaves => (
                "slave_id",
                v0::slaves as fn(&State, &Sight, Option<&str>) -> Vec<u8>,
            ),
            View::Frameworks => ("framework_id", v0::frameworks as _),
            _ => return self.view(context, request.principal.as_ref(), view, request.jsonp()),
        };
        match request.query.get(key) {
            None => self.view(context, request.principal.as_ref(), view, request.jsonp()),
            Some(id) => {
                let id = id.to_owned();
                self.read(request, move |state, sight| write(state, sight, Some(&id)))
            }
        }
    }

    fn on_tasks(&self, _context: &Context<Self>, request: &Request) -> Reply {
        if let Some(refusal) = self.not_leading(request) {
            return refusal.into();
        }
        let query = v0::TaskQuery::new(&request.query);
        self.read(request, move |state, sight| v0::tasks(state, sight, &query))
    }

    /// An answer made from the state of this moment, elsewhere.
    fn read(
        &self,
        request: &Request,
        write: impl FnOnce(&State, &Sight) -> Vec<u8> + Send + 'static,
    ) -> Reply {
        let (state, jsonp) = (self.core.snapshot(), request.jsonp().map(str::to_owned));
        let sight = self.sight(request.principal.as_ref());
        Reply::later(async move {
            let written = tokio::task::spawn_blocking(move || write(&state, &sight)).await;
            written.map_or_else(|_| failed(), |json| Response::json(json, jsonp.as_deref()))
        })
    }

    /// An answer shared with all who ask for it, and may see the same, while the last one is being made.
    fn view(
        &self,
        context: &Context<Self>,
        caller: Option<&Principal>,
        view: View,
        jsonp: Option<&str>,
    ) -> Reply {
        let (process, info) = (context.handle(), std::sync::Arc::clone(&self.info));
        let sight = self.sight(caller);
        // Principals are as many as there are credentials, so the keys are bounded.
        let eyes = caller.filter(|_| !sight.is_everything()).cloned();
        let answer = self.batcher.answer((view, eyes), move || async move {
            let state = process.call(|this, _| this.core.snapshot()).await.ok()?;
            tokio::task::spawn_blocking(move || Bytes::from(view.write(&state, &sight, &info)))
                .await
                .ok()
        });
        let jsonp = jsonp.map(str::to_owned);
        Reply::later(async move {
            match answer.await {
                None => failed(),
                Some(bytes) if jsonp.is_some() => Response::json(bytes, jsonp.as_deref()),
                Some(bytes) => {
                    Response::with_body(StatusCode::OK, bytes).header("content-type", view.content_type())
                }
            }
        })
    }

    fn on_flags(&self, request: &Request) -> Response {
        if !self.settings.authorizer.is_open() && !matches!(request.method, Method::GET | Method::HEAD) {
            return Response::method_not_allowed(&["GET"], Some(request.method.as_str()));
        }
        if !self.sight(request.principal.as_ref()).flags {
            return Response::status(StatusCode::FORBIDDEN);
        }
        let mut out = Vec::new();
        Writer::new(&mut out).object(|object| {
            object.object("flags", |object| {
                self.info
                    .flags
                    .iter()
                    .for_each(|(name, value)| object.text(name, value))
            });
        });
        Response::json(out, request.jsonp())
    }

    fn on_redirect(&self, request: &Request) -> Response {
        if !request.tail().is_empty() {
            return Response::not_found();
        }
        self.redirection("")
    }
}

/// Binds a path in a realm. A caller that has proven claims but no name is refused: rules speak of names.
pub(super) fn closed<R: Into<Reply>>(
    context: &mut Context<MasterProcess>,
    realm: &str,
    path: &str,
    mut handler: impl FnMut(&mut MasterProcess, &mut Context<MasterProcess>, Request) -> R + Send + 'static,
) {
    context.route_in(Some(realm), path, move |this, context, request| -> Reply {
        if request.principal.as_ref().is_some_and(Principal::is_nameless) {
            return Response::forbidden("The authenticated principal has claims but no name").into();
        }
        handler(this, context, request).into()
    });
}

fn failed() -> Response {
    Response::internal_error("Failed to make the answer")
}
