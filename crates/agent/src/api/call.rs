//! The v1 agent API: the checks in Mesos's order, then one function per call (facts: agent-http, section 3).

use ::process::Context;
use ::process::http::{Method, Reply, Request, Response, StatusCode};
use proto::json::Writer;
use proto::v1::agent::call::Type;
use proto::v1::agent::{Call, Response as Answer, response};
use proto::{ContentType, v1};

use super::executor::Refusal;
use super::{containers, files, metrics, state};
use crate::core::Phase;
use crate::process::AgentProcess;

const RECORDIO: &str = "application/recordio";

impl AgentProcess {
    /// Answers `/api/v1`.
    pub(crate) fn agent_call(&mut self, ctx: &Context<Self>, request: &Request) -> Reply {
        match self.checked(request) {
            Ok((call, accepted)) => self.serve(ctx, call, accepted),
            Err(refusal) => (*refusal).into(),
        }
    }

    fn checked(&self, request: &Request) -> Result<(Call, ContentType), Refusal> {
        if self.core.phase() == Phase::Recovering {
            return Err(Response::unavailable("Agent has not finished recovery").into());
        }
        if request.method != Method::POST {
            return Err(Response::method_not_allowed(&["POST"], Some(request.method.as_str())).into());
        }
        let streamed = request.header("content-type") == Some(RECORDIO);
        if streamed {
            // Input streams need containers with an I/O switchboard, which this agent does not make.
            return Err(Response::status(StatusCode::NOT_IMPLEMENTED).into());
        }
        if request.header("content-type").is_some() && request.header("message-content-type").is_some() {
            let text = "Expecting 'Message-Content-Type' to be not set for non-streaming requests";
            return Err(Response::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into());
        }
        let call: Call = super::executor::decode(request)?;
        let accepted = super::executor::accept(request)?;
        validate(&call).map_err(|flaw| {
            Box::new(Response::bad_request(format!(
                "Failed to validate agent::Call: {flaw}"
            )))
        })?;
        Ok((call, accepted))
    }

    fn serve(&mut self, ctx: &Context<Self>, call: Call, accepted: ContentType) -> Reply {
        use response::Type as Kind;
        let answer = |kind: Kind| Answer {
            r#type: Some(kind as i32),
            ..Answer::default()
        };
        match call.r#type() {
            Type::GetHealth => {
                let get_health = Some(response::GetHealth { healthy: true });
                encoded(
                    accepted,
                    Answer {
                        get_health,
                        ..answer(Kind::GetHealth)
                    },
                )
            }
            Type::GetFlags => {
                let flags = self.info.flags.display();
                let flags = flags.map(|(name, value)| v1::Flag {
                    name: name.to_owned(),
                    value: Some(value),
                });
                let get_flags = Some(response::GetFlags {
                    flags: flags.collect(),
                });
                encoded(
                    accepted,
                    Answer {
                        get_flags,
                        ..answer(Kind::GetFlags)
                    },
                )
            }
            Type::GetVersion => {
                let get_version = Some(response::GetVersion {
                    version_info: version(),
                });
                encoded(
                    accepted,
                    Answer {
                        get_version,
                        ..answer(Kind::GetVersion)
                    },
                )
            }
            Type::GetMetrics => metrics::get_metrics(ctx, &call, accepted),
            Type::GetLoggingLevel => {
                let get_logging_level = Some(response::GetLoggingLevel {
                    level: ::process::logging::level(),
                });
                encoded(
                    accepted,
                    Answer {
                        get_logging_level,
                        ..answer(Kind::GetLoggingLevel)
                    },
                )
            }
            Type::SetLoggingLevel => set_logging_level(ctx, call.set_logging_level.unwrap_or_default()),
            Type::ListFiles => files::list(ctx, call.list_files.unwrap_or_default(), accepted),
            Type::ReadFile => files::read(ctx, call.read_file.unwrap_or_default(), accepted),
            Type::GetState => state::get_state(&self.core, accepted),
            Type::GetFrameworks => state::get_frameworks(&self.core, accepted),
            Type::GetExecutors => state::get_executors(&self.core, accepted),
            Type::GetTasks => state::get_tasks(&self.core, accepted),
            Type::GetContainers => containers::get_containers(self, accepted),
            Type::GetAgent => {
                // Compat: the v1 type has no such field.
                let agent_info = v1::AgentInfo {
                    checkpoint: None,
                    ..self.core.info().clone()
                };
                let get_agent = Some(response::GetAgent {
                    agent_info: Some(agent_info),
                    ..Default::default()
                });
                encoded(
                    accepted,
                    Answer {
                        get_agent,
                        ..answer(Kind::GetAgent)
                    },
                )
            }
            Type::GetOperations => {
                let get_operations = Some(response::GetOperations::default());
                encoded(
                    accepted,
                    Answer {
                        get_operations,
                        ..answer(Kind::GetOperations)
                    },
                )
            }
            Type::GetResourceProviders => {
                let get_resource_providers = Some(response::GetResourceProviders::default());
                encoded(
                    accepted,
                    Answer {
                        get_resource_providers,
                        ..answer(Kind::GetResourceProviders)
                    },
                )
            }
            Type::WaitNestedContainer
            | Type::WaitContainer
            | Type::KillNestedContainer
            | Type::KillContainer => containers::unknown(&call),
            Type::Unknown
            | Type::LaunchNestedContainer
            | Type::LaunchNestedContainerSession
            | Type::AttachContainerInput
            | Type::AttachContainerOutput
            | Type::RemoveNestedContainer
            | Type::LaunchContainer
            | Type::RemoveContainer
            | Type::AddResourceProviderConfig
            | Type::UpdateResourceProviderConfig
            | Type::RemoveResourceProviderConfig
            | Type::MarkResourceProviderGone
            | Type::PruneImages => Response::status(StatusCode::NOT_IMPLEMENTED).into(),
        }
    }
}

fn validate(call: &Call) -> Result<(), &'static str> {
    if call.r#type.is_none() {
        return Err("Expecting 'type' to be present");
    }
    let needed = match call.r#type() {
        Type::GetMetrics if call.get_metrics.is_none() => "Expecting 'get_metrics' to be present",
        Type::SetLoggingLevel if call.set_logging_level.is_none() => {
            "Expecting 'set_logging_level' to be present"
        }
        Type::ListFiles if call.list_files.is_none() => "Expecting 'list_files' to be present",
        Type::ReadFile if call.read_file.is_none() => "Expecting 'read_file' to be present",
        Type::WaitNestedContainer if call.wait_nested_container.is_none() => {
            "Expecting 'wait_nested_container' to be present"
        }
        Type::KillNestedContainer if call.kill_nested_container.is_none() => {
            "Expecting 'kill_nested_container' to be present"
        }
        Type::WaitContainer if call.wait_container.is_none() => "Expecting 'wait_container' to be present",
        Type::KillContainer if call.kill_container.is_none() => "Expecting 'kill_container' to be present",
        _ => return Ok(()),
    };
    Err(needed)
}

fn set_logging_level(ctx: &Context<AgentProcess>, call: v1::agent::call::SetLoggingLevel) -> Reply {
    let duration = std::time::Duration::from_nanos(u64::try_from(call.duration.nanoseconds).unwrap_or(0));
    match ::process::logging::set_level(call.level, duration, ctx.runtime().clock()) {
        Ok(()) => Response::ok().into(),
        Err(error) => Response::bad_request(error.to_string()).into(),
    }
}

fn version() -> v1::VersionInfo {
    use ::process::build;
    v1::VersionInfo {
        version: build::VERSION.to_owned(),
        build_date: Some(build::date()),
        build_time: Some(build::time()),
        build_user: Some(build::USER.to_owned()),
        git_sha: build::GIT_SHA.map(str::to_owned),
        git_branch: build::GIT_BRANCH.map(str::to_owned),
        git_tag: None,
    }
}

/// 200 with an answer, encoded off the agent's thread.
pub(super) fn encoded(accepted: ContentType, answer: Answer) -> Reply {
    Reply::later(async move { ok(accepted, accepted.encode(&answer)) })
}

/// 200 with an answer whose JSON is written by hand: there empty lists are shown.
pub(super) fn written(
    accepted: ContentType,
    answer: Answer,
    json: impl FnOnce(&Answer, Writer<'_>) + Send + 'static,
) -> Reply {
    Reply::later(async move {
        if accepted == ContentType::Protobuf {
            return ok(accepted, accepted.encode(&answer));
        }
        let mut out = Vec::new();
        json(&answer, Writer::new(&mut out));
        ok(accepted, out.into())
    })
}

pub(super) fn ok(accepted: ContentType, body: bytes::Bytes) -> Response {
    Response::with_body(StatusCode::OK, body).header("content-type", accepted.as_str())
}
