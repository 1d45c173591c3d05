//! The endpoints of before v1 that change something (facts: master-http.md §5).

use http::Method;
use process::Context;
use process::http::{Query, Reply, Request, Response};
use proto::json::{self, Json, Writer};
use proto::v1;
use proto::v1::master::Call;
use proto::v1::master::call::{self, StartMaintenance, Type, UpdateWeights};
use proto::v1::offer::operation::Create;

use super::v0_routes::closed;
use super::writes;
use crate::core::FrameworkId;
use crate::flags::security::{READONLY, READWRITE};
use crate::process::MasterProcess;

impl MasterProcess {
    /// Binds the paths of this file.
    pub(super) fn install_writes(context: &mut Context<Self>) {
        closed(context, READWRITE, "/teardown", |this, context, request| {
            this.on_teardown(context, &request)
        });
        closed(context, READWRITE, "/quota", |this, context, request| {
            this.on_quota(context, &request)
        });
        closed(context, READWRITE, "/weights", |this, context, request| {
            this.on_weights(context, &request)
        });
        closed(
            context,
            READWRITE,
            "/maintenance/schedule",
            |this, context, request| this.on_schedule(context, &request),
        );
        closed(context, READONLY, "/maintenance/status", |this, _, request| {
            this.on_maintenance_status(&request)
        });
        closed(context, READWRITE, "/machine/down", |this, context, request| {
            this.on_machines(context, &request, Type::StartMaintenance)
        });
        closed(context, READWRITE, "/machine/up", |this, context, request| {
            this.on_machines(context, &request, Type::StopMaintenance)
        });
        for (path, kind) in [
            ("/reserve", Type::ReserveResources),
            ("/unreserve", Type::UnreserveResources),
            ("/create-volumes", Type::CreateVolumes),
            ("/destroy-volumes", Type::DestroyVolumes),
        ] {
            closed(context, READWRITE, path, move |this, context, request| {
                this.on_resources(context, &request, kind)
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

    /// `/reserve` and the like.
    fn on_resources(&mut self, context: &mut Context<Self>, request: &Request, kind: Type) -> Reply {
        let read = self.form(request).and_then(|form| {
            resources_call(&form, kind).map_err(|fault| Response::bad_request(fault).into())
        });
        match read {
            Ok(call) => self.act(context, call, request.principal.as_ref()),
            Err(response) => (*response).into(),
        }
    }

    fn form(&self, request: &Request) -> Result<Query, Box<Response>> {
        self.allow(request, &["POST"])?;
        let fault = || {
            let escape = bad_escape(&request.body).map_or_else(String::new, |fault| format!(": {fault}"));
            Response::bad_request(format!("Unable to decode query string{escape}")).into()
        };
        let text = std::str::from_utf8(&request.body).ok();
        text.and_then(Query::parse).ok_or_else(fault)
    }

    fn on_quota(&mut self, context: &mut Context<Self>, request: &Request) -> Reply {
        if let Err(refusal) = self.allow(request, &["GET", "POST", "DELETE"]) {
            return (*refusal).into();
        }
        let call = match request.method {
            Method::POST => quota_to_set(request),
            Method::DELETE => self.quota_to_remove(request),
            _ => {
                let quotas = self.quota_status(request.principal.as_ref());
                return Response::json(json::to_vec(&quotas), request.jsonp()).into();
            }
        };
        match call {
            Ok(call) => self.change_quota(context, request.principal.as_ref(), call),
            Err(fault) => Response::bad_request(fault).into(),
        }
    }

    fn quota_to_remove(&self, request: &Request) -> Result<Call, String> {
        // Compat: the path is counted with the process's id in front.
        let tokens = request.path.split('/').filter(|token| !token.is_empty()).count();
        let (path, role) = (&request.path, request.tail());
        // Compat: all that follows is the role, slashes and all.
        if tokens < 3 {
            return Err(format!(
                "Failed to parse remove quota request for path '{path}': expected 3 tokens, found {tokens} tokens"
            ));
        }
        let listed = self.core.config().roles.as_ref();
        if listed.is_some_and(|roles| !roles.contains(role)) {
            return Err(format!(
                "Failed to validate remove quota request for path '{path}': Unknown role '{role}'"
            ));
        }
        match writes::remove(role, self.core.state()) {
            Some(fault) => Err(format!("Failed to remove quota for path '{path}': {fault}")),
            None => Ok(Call {
                r#type: Some(Type::RemoveQuota.into()),
                remove_quota: Some(call::RemoveQuota {
                    role: role.to_owned(),
                }),
                ..Call::default()
            }),
        }
    }

    fn on_weights(&mut self, context: &mut Context<Self>, request: &Request) -> Reply {
        if let Err(refusal) = self.allow(request, &["GET", "PUT"]) {
            return (*refusal).into();
        }
        if request.method == Method::PUT {
            return match weights_to_set(request) {
                Ok(call) => self.change_weights(context, request.principal.as_ref(), call),
                Err(fault) => Response::bad_request(fault).into(),
            };
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
        Response::json(out, request.jsonp()).into()
    }

    fn on_schedule(&mut self, context: &mut Context<Self>, request: &Request) -> Reply {
        if let Err(refusal) = self.allow(request, &["GET", "POST"]) {
            return (*refusal).into();
        }
        if request.method != Method::POST {
            let schedule = self.maintenance_schedule(request.principal.as_ref());
            return Response::json(json::to_vec(&schedule), request.jsonp()).into();
        }
        match json::from_slice::<v1::maintenance::Schedule>(&request.body) {
            Err(error) => Response::bad_request(error.to_string()).into(),
            Ok(schedule) => {
                let call = Call {
                    r#type: Some(Type::UpdateMaintenanceSchedule.into()),
                    update_maintenance_schedule: Some(call::UpdateMaintenanceSchedule { schedule }),
                    ..Call::default()
                };
                self.change_maintenance(context, request.principal.as_ref(), call)
            }
        }
    }

    fn on_maintenance_status(&self, request: &Request) -> Response {
        match self.allow(request, &["GET"]) {
            Err(refusal) => *refusal,
            Ok(()) => {
                let status = self.maintenance_status(request.principal.as_ref());
                Response::json(json::to_vec(&status), request.jsonp())
            }
        }
    }

    fn on_machines(&mut self, context: &mut Context<Self>, request: &Request, kind: Type) -> Reply {
        if let Err(refusal) = self.allow(request, &["POST"]) {
            return (*refusal).into();
        }
        let machines = match list_of::<StartMaintenance>("machines", &request.body) {
            Err(fault) => return Response::bad_request(fault.to_string()).into(),
            Ok(list) => list.machines,
        };
        let mut call = Call {
            r#type: Some(kind.into()),
            ..Call::default()
        };
        if kind == Type::StartMaintenance {
            call.start_maintenance = Some(StartMaintenance { machines });
        } else {
            call.stop_maintenance = Some(call::StopMaintenance { machines });
        }
        self.change_maintenance(context, request.principal.as_ref(), call)
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

/// The first escape of a form that is none, in Mesos's words.
fn bad_escape(form: &[u8]) -> Option<String> {
    let form = String::from_utf8_lossy(form);
    let texts = form.split(['&', ';']).flat_map(|pair| pair.splitn(2, '='));
    for text in texts {
        let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
        let bytes = text.as_bytes();
        let bad = (0..bytes.len())
            .filter(|at| bytes.get(*at) == Some(&b'%'))
            .find(|at| !hex(bytes.get(at + 1)) || !hex(bytes.get(at + 2)));
        if let Some(at) = bad {
            let shown: String = text
                .chars()
                .skip_while({
                    let mut left = at;
                    move |letter| {
                        let skip = left > 0;
                        left = left.saturating_sub(letter.len_utf8());
                        skip
                    }
                })
                .take(3)
                .collect();
            return Some(format!("Malformed % escape in '{text}': '{shown}'"));
        }
    }
    None
}

/// What `POST /quota` asks for, or what is wrong with its body.
fn quota_to_set(request: &Request) -> Result<Call, String> {
    let read = json::from_slice::<v1::quota::QuotaRequest>(&request.body);
    let quota_request = read.map_err(|error| {
        let failed = if error.is_syntax() { "parse" } else { "validate" };
        let shown = String::from_utf8_lossy(&request.body);
        format!("Failed to {failed} set quota request JSON '{shown}': {error}")
    })?;
    Ok(Call {
        r#type: Some(Type::SetQuota.into()),
        set_quota: Some(call::SetQuota { quota_request }),
        ..Call::default()
    })
}

/// What `PUT /weights` asks for, or what is wrong with its body.
fn weights_to_set(request: &Request) -> Result<Call, String> {
    let update_weights = list_of::<UpdateWeights>("weight_infos", &request.body).map_err(|fault| {
        let shown = String::from_utf8_lossy(&request.body);
        match fault {
            Fault::NotAList(fault) => {
                format!("Failed to parse update weights request JSON '{shown}': {fault}")
            }
            Fault::Element(fault) => {
                format!("Failed to convert weights JSON array to protobuf '{shown}': {fault}")
            }
        }
    })?;
    Ok(Call {
        r#type: Some(Type::UpdateWeights.into()),
        update_weights: Some(update_weights),
        ..Call::default()
    })
}

fn missing_parameter(name: &str) -> Response {
    Response::bad_request(missing(name))
}

fn missing(name: &str) -> String {
    format!("Missing '{name}' query parameter in the request body")
}

/// The call that a form of `/reserve` and the like stands for; what is wrong with it, if it stands for none.
fn resources_call(form: &Query, kind: Type) -> Result<Call, String> {
    // Compat: one of the four words it without "in"; it alone has an optional list.
    let verb = if kind == Type::ReserveResources {
        "Error parsing"
    } else {
        "Error in parsing"
    };
    let list = |name: &str| {
        let text = form.get(name).ok_or_else(|| missing(name))?;
        let list = list_of::<Create>("volumes", text.as_bytes());
        list.map(|list| list.volumes)
            .map_err(|fault| format!("{verb} '{name}' query parameter in the request body: {fault}"))
    };
    let agent_id = v1::AgentId {
        value: form.get("slaveId").ok_or_else(|| missing("slaveId"))?.to_owned(),
    };
    let mut call = Call {
        r#type: Some(kind.into()),
        ..Call::default()
    };
    match kind {
        Type::ReserveResources => {
            call.reserve_resources = Some(call::ReserveResources {
                agent_id,
                resources: list("resources")?,
                source: form.get("source").map_or(Ok(Vec::new()), |_| list("source"))?,
            });
        }
        Type::UnreserveResources => {
            call.unreserve_resources = Some(call::UnreserveResources {
                agent_id,
                resources: list("resources")?,
            });
        }
        Type::CreateVolumes => {
            call.create_volumes = Some(call::CreateVolumes {
                agent_id,
                volumes: list("volumes")?,
            });
        }
        _ => {
            call.destroy_volumes = Some(call::DestroyVolumes {
                agent_id,
                volumes: list("volumes")?,
            });
        }
    }
    Ok(call)
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
