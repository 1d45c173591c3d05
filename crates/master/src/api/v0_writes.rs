//! The endpoints of before v1 that change something (facts: master-http.md §5).

use http::Method;
use process::Context;
use process::http::{Query, Reply, Request, Response};
use proto::json::{self, Json, Writer};
use proto::v1;
use proto::v1::master::call::{StartMaintenance, UpdateWeights};
use proto::v1::offer::operation::Create;

use super::v0_routes::closed;
use super::writes::{self, Gap};
use crate::core::FrameworkId;
use crate::flags::security::{READONLY, READWRITE};
use crate::process::MasterProcess;

impl MasterProcess {
    /// Binds the paths of this file.
    pub(super) fn install_writes(context: &mut Context<Self>) {
        closed(context, READWRITE, "/teardown", |this, context, request| {
            this.on_teardown(context, &request)
        });
        closed(context, READWRITE, "/quota", |this, _, request| {
            this.on_quota(&request)
        });
        closed(context, READWRITE, "/weights", |this, _, request| {
            this.on_weights(&request)
        });
        closed(context, READWRITE, "/maintenance/schedule", |this, _, request| {
            this.on_schedule(&request)
        });
        closed(context, READONLY, "/maintenance/status", |this, _, request| {
            this.on_maintenance_status(&request)
        });
        closed(context, READWRITE, "/machine/down", |this, _, request| {
            this.on_machines(&request)
        });
        closed(context, READWRITE, "/machine/up", |this, _, request| {
            this.on_machines(&request)
        });
        for (path, list, optional) in [
            ("/reserve", "resources", Some("source")),
            ("/unreserve", "resources", None),
            ("/create-volumes", "volumes", None),
            ("/destroy-volumes", "volumes", None),
        ] {
            closed(context, READWRITE, path, move |this, _, request| {
                this.on_resources(&request, list, optional)
            });
        }
    }

    fn on_teardown(&mut self, context: &mut Context<Self>, request: &Request) -> Reply {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(response) => return (*response).into(),
        };
        match form.get("frameworkId") {
            None => missing_parameter("frameworkId").into(),
            Some(id) => self.tear_down(context, request.principal.as_ref(), FrameworkId::from(id)),
        }
    }

    /// `/reserve` and the like: `list` must be there, `optional` may be.
    fn on_resources(&self, request: &Request, list: &str, optional: Option<&str>) -> Response {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(response) => return *response,
        };
        let Some(agent) = form.get("slaveId") else {
            return missing_parameter("slaveId");
        };
        let Some(text) = form.get(list) else {
            return missing_parameter(list);
        };
        // Compat: this one endpoint words it without "in" (it alone has an optional list).
        let verb = if optional.is_some() {
            "Error parsing"
        } else {
            "Error in parsing"
        };
        let others = optional.and_then(|name| Some((name, form.get(name)?)));
        for (name, text) in std::iter::once((list, text)).chain(others) {
            if let Err(fault) = list_of::<Create>("volumes", text.as_bytes()) {
                return Response::bad_request(format!(
                    "{verb} '{name}' query parameter in the request body: {fault}"
                ));
            }
        }
        writes::unknown_agent(agent, self.core.state()).unwrap_or_else(|| Gap::Resources.response())
    }

    fn form(&self, request: &Request) -> Result<Query, Box<Response>> {
        self.allow(request, &["POST"])?;
        let text = std::str::from_utf8(&request.body).ok();
        text.and_then(Query::parse)
            .ok_or_else(|| Response::bad_request("Unable to decode query string").into())
    }

    fn on_quota(&self, request: &Request) -> Response {
        if let Err(refusal) = self.allow(request, &["GET", "POST", "DELETE"]) {
            return *refusal;
        }
        match request.method {
            Method::POST => self.on_set_quota(request),
            Method::DELETE => self.on_remove_quota(request),
            _ => {
                let quotas = self.quota_status(request.principal.as_ref());
                Response::json(json::to_vec(&quotas), request.jsonp())
            }
        }
    }

    fn on_set_quota(&self, request: &Request) -> Response {
        let shown = String::from_utf8_lossy(&request.body);
        match json::from_slice::<v1::quota::QuotaRequest>(&request.body) {
            Err(error) => {
                let failed = if error.is_syntax() { "parse" } else { "validate" };
                Response::bad_request(format!(
                    "Failed to {failed} set quota request JSON '{shown}': {error}"
                ))
            }
            Ok(quota) => writes::set(&quota, self.core.state(), self.core.config())
                .unwrap_or_else(|| Gap::Quota.response()),
        }
    }

    fn on_remove_quota(&self, request: &Request) -> Response {
        // Compat: the path is counted with the process's id in front.
        let tokens = request.path.split('/').filter(|token| !token.is_empty()).count();
        let (path, role) = (&request.path, request.tail());
        if tokens != 3 {
            return Response::bad_request(format!(
                "Failed to parse remove quota request for path '{path}': expected 3 tokens, found {tokens} tokens"
            ));
        }
        let listed = self.core.config().roles.as_ref();
        if listed.is_some_and(|roles| !roles.contains(role)) {
            return Response::bad_request(format!(
                "Failed to validate remove quota request for path '{path}': Unknown role '{role}'"
            ));
        }
        match writes::remove(role, self.core.state()) {
            Some(fault) => {
                Response::bad_request(format!("Failed to remove quota for path '{path}': {fault}"))
            }
            None => Gap::Quota.response(),
        }
    }

    fn on_weights(&self, request: &Request) -> Response {
        if let Err(refusal) = self.allow(request, &["GET", "PUT"]) {
            return *refusal;
        }
        if request.method == Method::PUT {
            return self.on_update_weights(request);
        }
        let sight = self.sight(request.principal.as_ref());
        let mut out = Vec::new();
        Writer::new(&mut out).array(|array| {
            let weights = self.core.state().weights.iter();
            for (role, weight) in weights.filter(|(role, _)| sight.role(role)) {
                array.object(|object| {
                    object.text("role", role);
                    object.value("weight", weight);
                });
            }
        });
        Response::json(out, request.jsonp())
    }

    fn on_update_weights(&self, request: &Request) -> Response {
        let shown = String::from_utf8_lossy(&request.body);
        match list_of::<UpdateWeights>("weight_infos", &request.body) {
            Err(fault) => Response::bad_request(match fault {
                Fault::NotAList(fault) => {
                    format!("Failed to parse update weights request JSON '{shown}': {fault}")
                }
                Fault::Element(fault) => {
                    format!("Failed to convert weights JSON array to protobuf '{shown}': {fault}")
                }
            }),
            Ok(call) => writes::weights(&call.weight_infos, self.core.config())
                .unwrap_or_else(|| Gap::Weights.response()),
        }
    }

    fn on_schedule(&self, request: &Request) -> Response {
        if let Err(refusal) = self.allow(request, &["GET", "POST"]) {
            return *refusal;
        }
        if request.method != Method::POST {
            return Response::json("{}", request.jsonp());
        }
        match json::from_slice::<v1::maintenance::Schedule>(&request.body) {
            Err(error) => Response::bad_request(error.to_string()),
            Ok(schedule) => writes::schedule(&schedule).unwrap_or_else(|| Gap::Maintenance.response()),
        }
    }

    /// No machine can be in maintenance in this version: there is nothing to show.
    fn on_maintenance_status(&self, request: &Request) -> Response {
        match self.allow(request, &["GET"]) {
            Err(refusal) => *refusal,
            Ok(()) => Response::json("{}", request.jsonp()),
        }
    }

    fn on_machines(&self, request: &Request) -> Response {
        if let Err(refusal) = self.allow(request, &["POST"]) {
            return *refusal;
        }
        match list_of::<StartMaintenance>("machines", &request.body) {
            Err(fault) => Response::bad_request(fault.to_string()),
            Ok(call) => writes::machines(&call.machines).unwrap_or_else(|| Gap::Maintenance.response()),
        }
    }

    /// Whether this master leads and the method is one of those.
    fn allow(&self, request: &Request, methods: &[&str]) -> Result<(), Box<Response>> {
        if let Some(refusal) = self.not_leading(request) {
            return Err(refusal.into());
        }
        let method = request.method.as_str();
        // Compat: HEAD is not taken for GET here.
        if methods.contains(&method) {
            return Ok(());
        }
        Err(Response::method_not_allowed(methods, Some(method)).into())
    }
}

fn missing_parameter(name: &str) -> Response {
    Response::bad_request(format!("Missing '{name}' query parameter in the request body"))
}

/// What is wrong with a text that is to be a list of messages.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// No JSON, or no list.
    #[error("{0}")]
    NotAList(String),
    /// An element is not the message it is to be.
    #[error("{0}")]
    Element(String),
}

/// Reads a bare list as the member `name` of a message that has one.
fn list_of<M: Json>(name: &str, text: &[u8]) -> Result<M, Fault> {
    // The text by itself first, so that faults are shown as they stand in it.
    if let Err(error) = json::from_slice::<v1::MachineId>(text)
        && error.is_syntax()
    {
        return Err(Fault::NotAList(error.to_string()));
    }
    if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return Err(Fault::NotAList("Unexpected JSON type parsed".to_owned()));
    }
    let wrapped = [format!("{{\"{name}\":").as_bytes(), text, b"}"].concat();
    json::from_slice(&wrapped).map_err(|error| Fault::Element(of_first_element(&error)))
}

/// An error about a list's elements as if the first that is faulty stood by itself, which is how Mesos reads them.
fn of_first_element(error: &json::Error) -> String {
    let Some((element, paths)) = error
        .missing()
        .and_then(|paths| Some((paths.split_once('.')?.0, paths)))
    else {
        return error.to_string();
    };
    let own = paths
        .split(", ")
        .filter_map(|path| path.strip_prefix(element)?.strip_prefix('.'));
    format!("Missing required fields: {}", own.collect::<Vec<_>>().join(", "))
}
