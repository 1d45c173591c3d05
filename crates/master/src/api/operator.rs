//! `POST /api/v1` (facts: master-http.md §7).

use std::time::Duration;

use auth::{Action, Object, Principal};
use http::StatusCode;
use process::Context;
use process::http::{Reply, Request, Response};
use proto::v1::master::{Call, Response as Answer, call, response};
use proto::{ContentType, Json, Message, v1};

use super::snapshot::Part;
use super::{Sight, files, negotiate, shape, v0, writes};
use crate::core::{AgentId, FrameworkId, OperatorAction};
use crate::process::MasterProcess;

impl MasterProcess {
    /// Answers a call of the operator API.
    pub(crate) fn on_operator_request(&mut self, context: &mut Context<Self>, request: &Request) -> Reply {
        if let Some(refusal) = self.not_serving(request) {
            return refusal.into();
        }
        let (call, accept) = match read(request) {
            Ok(read) => read,
            Err(response) => return (*response).into(),
        };
        self.on_operator_call(context, request.principal.as_ref(), call, accept)
    }

    fn on_operator_call(
        &mut self,
        context: &mut Context<Self>,
        caller: Option<&Principal>,
        call: Call,
        accept: ContentType,
    ) -> Reply {
        use call::Type;
        match call.r#type() {
            Type::GetState => self.part(context, caller, Part::State, accept),
            Type::GetAgents => self.part(context, caller, Part::Agents, accept),
            Type::GetFrameworks => self.part(context, caller, Part::Frameworks, accept),
            Type::GetExecutors => self.part(context, caller, Part::Executors, accept),
            Type::GetTasks => self.part(context, caller, Part::Tasks, accept),
            Type::Subscribe => self.on_operator_subscribe(context, caller, accept),
            Type::GetMetrics => self.get_metrics(context, &call, accept),
            Type::Teardown => match call.teardown {
                Some(call::Teardown { framework_id }) => {
                    self.tear_down(context, caller, FrameworkId::from(&framework_id))
                }
                None => Response::status(StatusCode::BAD_REQUEST).into(),
            },
            Type::SetLoggingLevel if !self.may(caller, Action::SetLogLevel) => denied().into(),
            Type::SetLoggingLevel => self.set_logging_level(context, &call),
            Type::ListFiles => match call.list_files {
                Some(call) => files::list(context, caller, call, accept),
                None => Response::status(StatusCode::BAD_REQUEST).into(),
            },
            Type::ReadFile => match call.read_file {
                Some(call) => files::read(context, caller, call, accept),
                None => Response::status(StatusCode::BAD_REQUEST).into(),
            },
            Type::MarkAgentGone if !self.may(caller, Action::MarkAgentGone) => denied().into(),
            Type::MarkAgentGone => match call.mark_agent_gone {
                Some(call::MarkAgentGone { agent_id }) => {
                    let action = OperatorAction::MarkGone(AgentId::from(&agent_id));
                    self.operate(context, action, StatusCode::OK)
                }
                None => Response::status(StatusCode::BAD_REQUEST).into(),
            },
            Type::GetFlags if !self.may(caller, Action::ViewFlags) => denied().into(),
            Type::UpdateQuota | Type::SetQuota | Type::RemoveQuota => {
                self.change_quota(context, caller, call)
            }
            Type::UpdateWeights => self.change_weights(context, caller, call),
            Type::UpdateMaintenanceSchedule | Type::StartMaintenance | Type::StopMaintenance => {
                self.change_maintenance(context, caller, call)
            }
            kind => match self.small_answer(kind, caller) {
                Some(answer) => encoded(&answer, accept).into(),
                None => self.act(context, call, caller),
            },
        }
    }

    /// Answers that are quickly made from what the process has at hand.
    fn small_answer(&self, kind: call::Type, caller: Option<&Principal>) -> Option<Answer> {
        use call::Type;
        let blank = |kind: response::Type| Answer {
            r#type: Some(kind.into()),
            ..Answer::default()
        };
        Some(match kind {
            Type::GetHealth => Answer {
                get_health: Some(response::GetHealth { healthy: true }),
                ..blank(response::Type::GetHealth)
            },
            Type::GetFlags => Answer {
                get_flags: Some(self.get_flags()),
                ..blank(response::Type::GetFlags)
            },
            Type::GetVersion => Answer {
                get_version: Some(response::GetVersion {
                    version_info: self.info.build.message().clone(),
                }),
                ..blank(response::Type::GetVersion)
            },
            Type::GetLoggingLevel => Answer {
                get_logging_level: Some(response::GetLoggingLevel {
                    level: process::logging::level(),
                }),
                ..blank(response::Type::GetLoggingLevel)
            },
            Type::GetMaster => Answer {
                get_master: Some(response::GetMaster {
                    master_info: Some(self.info.master.clone()),
                    start_time: Some(self.info.start_time),
                    elected_time: self.info.elected_time,
                }),
                ..blank(response::Type::GetMaster)
            },
            Type::GetRoles => Answer {
                get_roles: Some(self.get_roles(&self.sight(caller))),
                ..blank(response::Type::GetRoles)
            },
            Type::GetOperations => Answer {
                get_operations: Some(self.get_operations(caller)),
                ..blank(response::Type::GetOperations)
            },
            Type::GetWeights => Answer {
                get_weights: self.get_weights(&self.sight(caller)),
                ..blank(response::Type::GetWeights)
            },
            Type::GetMaintenanceStatus => Answer {
                get_maintenance_status: Some(response::GetMaintenanceStatus {
                    status: self.maintenance_status(caller),
                }),
                ..blank(response::Type::GetMaintenanceStatus)
            },
            Type::GetMaintenanceSchedule => Answer {
                get_maintenance_schedule: Some(response::GetMaintenanceSchedule {
                    schedule: self.maintenance_schedule(caller),
                }),
                ..blank(response::Type::GetMaintenanceSchedule)
            },
            Type::GetQuota => Answer {
                get_quota: Some(response::GetQuota {
                    status: self.quota_status(caller),
                }),
                ..blank(response::Type::GetQuota)
            },
            _ => return None,
        })
    }

    fn get_flags(&self) -> response::GetFlags {
        let flags = self.info.flags.iter();
        response::GetFlags {
            flags: flags
                .map(|(name, value)| v1::Flag {
                    name: (*name).to_owned(),
                    value: Some(value.clone()),
                })
                .collect(),
        }
    }

    fn get_roles(&self, sight: &Sight) -> response::GetRoles {
        let roles = v0::roles(self.core.state(), self.info.roles.as_ref())
            .into_iter()
            .filter(|(name, _)| sight.role(name))
            .map(|(name, role)| v1::Role {
                name,
                weight: role.weight(),
                frameworks: role
                    .frameworks
                    .iter()
                    .map(|id| v1::FrameworkId { value: id.clone() })
                    .collect(),
                resources: scalars(&role.resources()),
            });
        response::GetRoles {
            roles: roles.collect(),
        }
    }

    /// Weights that are not 1. Compat: without any there is not even an empty member (golden/http/013).
    fn get_weights(&self, sight: &Sight) -> Option<response::GetWeights> {
        let weights = self.core.state().weights.iter();
        let weight_infos: Vec<v1::WeightInfo> = weights
            .filter(|(role, _)| sight.role(role))
            .map(|(role, weight)| v1::WeightInfo {
                role: Some(role.clone()),
                weight: *weight,
            })
            .collect();
        (!weight_infos.is_empty()).then_some(response::GetWeights { weight_infos })
    }

    /// Whether a caller may do something that has no particular object.
    fn may(&self, caller: Option<&Principal>, action: Action) -> bool {
        self.settings.authorizer.allows(caller, action, &Object::ANY)
    }

    /// Has the core do what a call about an agent or its resources asks for, if nothing speaks against it.
    pub(super) fn act(
        &mut self,
        context: &mut Context<Self>,
        call: Call,
        caller: Option<&Principal>,
    ) -> Reply {
        let authorizer = &self.settings.authorizer;
        let principal = caller.and_then(|caller| caller.value.as_deref());
        let order = writes::order(call, &self.core, principal, &|action, object| {
            authorizer.allows(caller, action, object)
        });
        match order {
            Ok((action, success)) => self.operate(context, action, success),
            Err(response) => (*response).into(),
        }
    }

    /// Operations whose resources a caller may see.
    fn get_operations(&self, caller: Option<&Principal>) -> response::GetOperations {
        let sight = self.sight(caller);
        let operations = self.core.state().operations.values();
        let shown = operations.filter(|operation| {
            let consumed = resources::operation::of(&operation.message.info, &resources::Resources::new());
            consumed.is_ok_and(|conversion| {
                let consumed = conversion.consumed.to_proto();
                consumed.iter().all(|resource| sight.resource(resource))
            })
        });
        response::GetOperations {
            operations: shown.map(|operation| (*operation.message).clone()).collect(),
        }
    }

    /// Ends a framework, if the caller may.
    pub(super) fn tear_down(
        &mut self,
        context: &mut Context<Self>,
        caller: Option<&Principal>,
        id: FrameworkId,
    ) -> Reply {
        // One that is not known is the core's to refuse.
        let framework = self.core.state().frameworks.get(&id);
        let allowed = framework.is_none_or(|framework| {
            let object = Object::framework_principal(&framework.info);
            let authorizer = &self.settings.authorizer;
            authorizer.allows(caller, Action::TeardownFramework, &object)
        });
        if !allowed {
            return denied().into();
        }
        self.operate(context, OperatorAction::Teardown(id), StatusCode::OK)
    }

    /// Quotas of all roles that have one and are shown, in the old and the new form.
    pub(super) fn quota_status(&self, caller: Option<&Principal>) -> v1::quota::QuotaStatus {
        let approver = self.settings.authorizer.approver(caller, Action::GetQuota);
        let shown = |config: &&v1::quota::QuotaConfig| approver.allows(&Object::value(&config.role));
        let quotas = self.core.state().quotas.values();
        let configs: Vec<v1::quota::QuotaConfig> = quotas.filter(shown).cloned().collect();
        let info = |config: &v1::quota::QuotaConfig| v1::quota::QuotaInfo {
            role: config.role.clone().into(),
            guarantee: config
                .guarantees
                .iter()
                .map(|(name, amount)| scalar(name, amount.value))
                .collect(),
            ..v1::quota::QuotaInfo::default()
        };
        v1::quota::QuotaStatus {
            infos: configs.iter().map(info).collect(),
            configs,
        }
    }

    /// GET_METRICS: waits for slow metrics no longer than the call says.
    fn get_metrics(&self, context: &Context<Self>, call: &Call, accept: ContentType) -> Reply {
        let timeout = call.get_metrics.as_ref().and_then(|call| call.timeout.as_ref());
        let timeout = match timeout.map(|timeout| u64::try_from(timeout.nanoseconds)) {
            None => None,
            Some(Ok(nanos)) => Some(Duration::from_nanos(nanos)),
            Some(Err(_)) => return Response::bad_request("Expecting 'timeout' not to be negative").into(),
        };
        let (metrics, clock) = (
            context.runtime().metrics().clone(),
            context.runtime().clock().clone(),
        );
        Reply::later(async move {
            let values = metrics.snapshot(&clock, timeout).await;
            let metrics = values
                .into_iter()
                .map(|(name, value)| v1::Metric {
                    name,
                    value: Some(value),
                })
                .collect();
            let answer = Answer {
                r#type: Some(response::Type::GetMetrics.into()),
                get_metrics: Some(response::GetMetrics { metrics }),
                ..Answer::default()
            };
            encoded(&answer, accept)
        })
    }

    /// SET_LOGGING_LEVEL: for so long, then back to where it was.
    fn set_logging_level(&self, context: &Context<Self>, call: &Call) -> Reply {
        let Some(call) = &call.set_logging_level else {
            return Response::status(StatusCode::BAD_REQUEST).into();
        };
        let Ok(nanos) = u64::try_from(call.duration.nanoseconds) else {
            return Response::bad_request("Expecting 'duration' not to be negative").into();
        };
        let clock = context.runtime().clock();
        match process::logging::set_level(call.level, Duration::from_nanos(nanos), clock) {
            Ok(()) => Response::ok().into(),
            Err(error) => Response::bad_request(error.to_string()).into(),
        }
    }
}

/// Everything about a call that can be checked without knowing the state: the call, and how to encode the answer.
fn read(request: &Request) -> Result<(Call, ContentType), Box<Response>> {
    let (_, call) = negotiate::call::<Call>(request)?;
    shape::validate(&call).map_err(|fault| {
        Box::new(Response::bad_request(format!(
            "Failed to validate master::Call: {fault}"
        )))
    })?;
    let accept = negotiate::accept(request)?;
    if call.r#type == Some(call::Type::Unknown.into()) {
        return Err(Response::status(StatusCode::NOT_IMPLEMENTED).into());
    }
    Ok((call, accept))
}

/// The answer to a caller who may not.
fn denied() -> Response {
    Response::status(StatusCode::FORBIDDEN)
}

/// A message as the body of a 200.
pub(super) fn encoded<M: Message + Json>(message: &M, content_type: ContentType) -> Response {
    Response::with_body(StatusCode::OK, content_type.encode(message))
        .header("content-type", content_type.as_str())
}

/// The quantities that GET_ROLES shows.
fn scalars(quantities: &resources::Quantities) -> Vec<v1::Resource> {
    let shown = quantities
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "cpus" | "mem" | "disk" | "gpus"));
    shown
        .map(|(name, amount)| scalar(name.as_str(), amount.as_f64()))
        .collect()
}

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        ..v1::Resource::default()
    }
}
