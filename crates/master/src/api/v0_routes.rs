//! The endpoints of before v1: which there are, and what they take (facts: master-http.md §3, §5).

use bytes::Bytes;
use http::{Method, StatusCode};
use process::Context;
use process::http::{Query, Reply, Request, Response};
use proto::json::Writer;
use proto::{json, v1};

use super::snapshot::{self, Part};
use super::{refusals, v0};
use crate::core::{FrameworkId, OperatorAction, State};
use crate::process::MasterProcess;
use proto::ContentType;

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

    fn write(self, state: &State, info: &super::Info) -> Vec<u8> {
        match self {
            Self::State => v0::state(state, info),
            Self::StateSummary => v0::state_summary(state, info),
            Self::Slaves => v0::slaves(state, None),
            Self::Frameworks => v0::frameworks(state, None),
            Self::Roles => v0::roles_json(state),
            Self::Part(part, content_type) => snapshot::response(part, state, content_type),
        }
    }
}

impl MasterProcess {
    /// Binds all paths of the master.
    pub(crate) fn install_routes(context: &mut Context<Self>) {
        context.route("/api/v1", |this, context, request| {
            this.on_operator_request(context, &request)
        });
        context.route("/api/v1/scheduler", |this, context, request| {
            this.on_scheduler_request(context, &request)
        });
        for (path, view) in [
            ("/state", View::State),
            ("/state-summary", View::StateSummary),
            ("/slaves", View::Slaves),
            ("/frameworks", View::Frameworks),
            ("/roles", View::Roles),
        ] {
            context.route(path, move |this, context, request| {
                this.on_view(context, &request, view)
            });
        }
        context.route("/tasks", |this, context, request| {
            this.on_tasks(context, &request)
        });
        context.route("/health", |_, _, _| Response::ok());
        context.route("/flags", |this, _, request| this.on_flags(&request));
        context.route("/redirect", |this, _, request| this.on_redirect(&request));
        context.route("/teardown", |this, context, request| {
            this.on_teardown(context, &request)
        });
        context.route("/quota", |this, _, request| this.on_quota(&request));
        context.route("/weights", |this, _, request| this.on_weights(&request));
        context.route("/maintenance/schedule", |this, _, request| {
            this.on_empty(&request, &["GET", "POST"])
        });
        context.route("/maintenance/status", |this, _, request| {
            this.on_empty(&request, &["GET"])
        });
        context.route("/machine/down", |this, _, request| this.on_machines(&request));
        context.route("/machine/up", |this, _, request| this.on_machines(&request));
        for path in ["/reserve", "/unreserve", "/create-volumes", "/destroy-volumes"] {
            context.route(path, |this, _, request| this.on_resources(&request));
        }
    }

    /// A large answer of the operator API.
    pub(crate) fn part(&self, context: &Context<Self>, part: Part, accept: ContentType) -> Reply {
        self.view(context, View::Part(part, accept), None)
    }

    fn on_view(&self, context: &Context<Self>, request: &Request, view: View) -> Reply {
        if let Some(refusal) = self.not_leading(request) {
            return refusal.into();
        }
        let (key, write) = match view {
            View::Slaves => ("slave_id", v0::slaves as fn(&State, Option<&str>) -> Vec<u8>),
            View::Frameworks => ("framework_id", v0::frameworks as _),
            _ => return self.view(context, view, request.jsonp()),
        };
        match request.query.get(key) {
            None => self.view(context, view, request.jsonp()),
            Some(id) => {
                let id = id.to_owned();
                self.read(request, move |state| write(state, Some(&id)))
            }
        }
    }

    fn on_tasks(&self, _context: &Context<Self>, request: &Request) -> Reply {
        if let Some(refusal) = self.not_leading(request) {
            return refusal.into();
        }
        let query = v0::TaskQuery::new(&request.query);
        self.read(request, move |state| v0::tasks(state, &query))
    }

    /// An answer made from the state of this moment, elsewhere.
    fn read(&self, request: &Request, write: impl FnOnce(&State) -> Vec<u8> + Send + 'static) -> Reply {
        let (state, jsonp) = (self.core.snapshot(), request.jsonp().map(str::to_owned));
        Reply::later(async move {
            let written = tokio::task::spawn_blocking(move || write(&state)).await;
            written.map_or_else(|_| failed(), |json| Response::json(json, jsonp.as_deref()))
        })
    }

    /// An answer shared with all who ask for it while the last one is being made.
    fn view(&self, context: &Context<Self>, view: View, jsonp: Option<&str>) -> Reply {
        let (process, info) = (context.handle(), std::sync::Arc::clone(&self.info));
        let answer = self.batcher.answer(view, move || async move {
            let state = process.call(|this, _| this.core.snapshot()).await.ok()?;
            tokio::task::spawn_blocking(move || Bytes::from(view.write(&state, &info)))
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
        match self.leader_address() {
            Some(address) => {
                Response::new(StatusCode::TEMPORARY_REDIRECT).header("location", &format!("//{address}"))
            }
            None => Response::unavailable("No leader elected"),
        }
    }

    fn on_teardown(&mut self, context: &mut Context<Self>, request: &Request) -> Reply {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(response) => return (*response).into(),
        };
        match form.get("frameworkId") {
            None => missing_parameter("frameworkId").into(),
            Some(id) => self.operate(
                context,
                OperatorAction::Teardown(FrameworkId::from(id)),
                StatusCode::OK,
            ),
        }
    }

    /// Reservations and volumes cannot be changed in this version.
    fn on_resources(&self, request: &Request) -> Response {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(response) => return *response,
        };
        match form.get("slaveId") {
            None => missing_parameter("slaveId"),
            Some(id) if !self.core.state().agents.contains_key(id) => {
                Response::bad_request("No agent found with specified ID")
            }
            Some(_) => Response::status(StatusCode::NOT_IMPLEMENTED),
        }
    }

    fn form(&self, request: &Request) -> Result<Query, Box<Response>> {
        if let Some(refusal) = self.not_leading(request) {
            return Err(refusal.into());
        }
        allow(request, &["POST"])?;
        let text = std::str::from_utf8(&request.body).ok();
        text.and_then(Query::parse)
            .ok_or_else(|| Response::bad_request("Unable to decode query string").into())
    }

    /// Quotas can be seen, not set, in this version.
    fn on_quota(&self, request: &Request) -> Response {
        if let Some(refusal) = self.not_leading(request) {
            return refusal;
        }
        if let Err(refusal) = allow(request, &["GET", "POST", "DELETE"]) {
            return *refusal;
        }
        match request.method.as_str() {
            "GET" | "HEAD" => Response::json(json::to_vec(&self.quota_status()), request.jsonp()),
            "POST" => Response::status(StatusCode::NOT_IMPLEMENTED),
            _ if request.tail().is_empty() => Response::bad_request(format!(
                "Failed to remove quota for path '{}': no role is named",
                request.path
            )),
            _ if self.core.state().quotas.contains_key(request.tail()) => {
                Response::status(StatusCode::NOT_IMPLEMENTED)
            }
            _ => Response::bad_request(format!(
                "Failed to remove quota for path '{}': Role '{}' has no quota set",
                request.path,
                request.tail()
            )),
        }
    }

    /// Weights can be seen, not set, in this version.
    fn on_weights(&self, request: &Request) -> Response {
        if let Some(refusal) = self.not_leading(request) {
            return refusal;
        }
        match allow(request, &["GET", "PUT"]) {
            Err(refusal) => *refusal,
            Ok(()) if request.method != Method::PUT => {
                let mut out = Vec::new();
                Writer::new(&mut out).array(|array| {
                    for (role, weight) in &self.core.state().weights {
                        array.object(|object| {
                            object.text("role", role);
                            object.value("weight", weight);
                        });
                    }
                });
                Response::json(out, request.jsonp())
            }
            Ok(()) => Response::status(StatusCode::NOT_IMPLEMENTED),
        }
    }

    /// Maintenance cannot be scheduled in this version: there is nothing to show.
    fn on_empty(&self, request: &Request, methods: &[&str]) -> Response {
        if let Some(refusal) = self.not_leading(request) {
            return refusal;
        }
        match allow(request, methods) {
            Err(refusal) => *refusal,
            Ok(()) if request.method != Method::POST => Response::json("{}", request.jsonp()),
            Ok(()) => Response::status(StatusCode::NOT_IMPLEMENTED),
        }
    }

    fn on_machines(&self, request: &Request) -> Response {
        if let Some(refusal) = self.not_leading(request) {
            return refusal;
        }
        if let Err(refusal) = allow(request, &["POST"]) {
            return *refusal;
        }
        // A bare list: read as the member of a call that holds one.
        let wrapped = [b"{\"machines\":", &request.body[..], b"}"].concat();
        match json::from_slice::<v1::master::call::StartMaintenance>(&wrapped) {
            Err(error) => Response::bad_request(error.to_string()),
            Ok(call) => refusals::machines(&call.machines)
                .unwrap_or_else(|| Response::status(StatusCode::NOT_IMPLEMENTED)),
        }
    }
}

fn allow(request: &Request, methods: &[&str]) -> Result<(), Box<Response>> {
    let method = request.method.as_str();
    // HEAD is GET without the body, which the server leaves out.
    if methods.contains(&method) || (method == "HEAD" && methods.contains(&"GET")) {
        return Ok(());
    }
    Err(Response::method_not_allowed(methods, Some(method)).into())
}

fn missing_parameter(name: &str) -> Response {
    Response::bad_request(format!("Missing '{name}' query parameter in the request body"))
}

fn failed() -> Response {
    Response::internal_error("Failed to make the answer")
}
