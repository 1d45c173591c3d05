//! The v1 agent API: the checks in Mesos's order, then one function per call (facts: agent-http, section 3).

use ::process::Context;
use ::process::http::{Method, Principal, Reply, Request, Response, StatusCode};
use proto::json::Writer;
use proto::v1::agent::call::Type;
use proto::v1::agent::response::{self, Type as Kind};
use proto::v1::agent::{Call, Response as Answer};
use proto::{ContentType, v1};

use super::media::{Media, RECORDIO, Refusal, not_acceptable, undecoded};
use super::sight::Sight;
use super::{containers, files, metrics, state, validation};
use crate::core::Phase;
use crate::process::AgentProcess;

impl AgentProcess {
    /// Answers `/api/v1`.
    pub(crate) fn agent_call(&mut self, ctx: &Context<Self>, mut request: Request) -> Reply {
        self.try_agent_call(ctx, &mut request)
            .unwrap_or_else(|refusal| (*refusal).into())
    }

    fn try_agent_call(&mut self, ctx: &Context<Self>, request: &mut Request) -> Result<Reply, Refusal> {
        if self.core.phase() == Phase::Recovering {
            return Err(Response::unavailable("Agent has not finished recovery").into());
        }
        if request.method != Method::POST {
            return Err(Response::method_not_allowed(&["POST"], Some(request.method.as_str())).into());
        }
        let content = Media::of_body(request)?;
        let accepted = Media::of_answer(request)?;
        if content.is_stream() {
            let eof = || Response::bad_request("Received EOF while reading request body");
            let stream = request.take_stream().ok_or_else(eof)?;
            let caller = request.principal.clone();
            return Ok(self.streamed_call(ctx, stream, content.message(), accepted, caller));
        }
        let call: Call = content
            .message()
            .decode(request.body.clone())
            .map_err(|error| undecoded(&error))?;
        validation::validate(&call)
            .map_err(|flaw| Response::bad_request(format!("Failed to validate agent::Call: {flaw}")))?;
        let kind = call.r#type();
        if kind == Type::AttachContainerInput {
            let text = format!(
                "Expecting 'Content-Type' to be {RECORDIO} for {} call",
                kind.as_str_name()
            );
            return Err(Response::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into());
        }
        let streams = matches!(
            kind,
            Type::AttachContainerOutput | Type::LaunchNestedContainerSession
        );
        if accepted.is_stream() && !streams {
            return Err(not_acceptable(format!(
                "Streaming response is not supported for {} call",
                kind.as_str_name()
            )));
        }
        Ok(self.serve(ctx, call, accepted, request.principal.as_ref()))
    }

    fn serve(&mut self, ctx: &Context<Self>, call: Call, media: Media, caller: Option<&Principal>) -> Reply {
        if let Some(refusal) = self.denied(&call, caller) {
            return refusal.into();
        }
        let sight = Sight::of(&self.info.authorizer, caller);
        let accepted = media.message();
        let kind = call.r#type();
        match kind {
            Type::GetHealth => respond(accepted, Kind::GetHealth, |answer| {
                answer.get_health = Some(response::GetHealth { healthy: true });
            }),
            Type::GetFlags => self.get_flags(accepted),
            Type::GetVersion => respond(accepted, Kind::GetVersion, |answer| {
                answer.get_version = Some(response::GetVersion {
                    version_info: version(),
                });
            }),
            Type::GetMetrics => metrics::get_metrics(ctx, &call, accepted),
            Type::GetLoggingLevel => respond(accepted, Kind::GetLoggingLevel, |answer| {
                let level = ::process::logging::level();
                answer.get_logging_level = Some(response::GetLoggingLevel { level });
            }),
            Type::SetLoggingLevel => set_logging_level(ctx, call.set_logging_level.unwrap_or_default()),
            Type::ListFiles => files::list(
                ctx,
                call.list_files.unwrap_or_default(),
                caller.cloned(),
                accepted,
            ),
            Type::ReadFile => files::read(ctx, call.read_file.unwrap_or_default(), caller.cloned(), accepted),
            Type::GetState => state::get_state(&self.core, &sight, accepted),
            Type::GetFrameworks => state::get_frameworks(&self.core, &sight, accepted),
            Type::GetExecutors => state::get_executors(&self.core, &sight, accepted),
            Type::GetTasks => state::get_tasks(&self.core, &sight, accepted),
            Type::GetContainers => {
                let call = call.get_containers.unwrap_or_default();
                containers::get_containers(self, call, sight, accepted)
            }
            Type::GetAgent => self.get_agent(accepted),
            Type::GetOperations => respond(accepted, Kind::GetOperations, |answer| {
                let shown = self.core.operations().iter().filter(|operation| {
                    let nothing = resources::Resources::new();
                    resources::operation::of(&operation.info, &nothing).is_ok_and(|conversion| {
                        let consumed = conversion.consumed;
                        consumed
                            .iter()
                            .all(|entry| entry.reserved_role().is_none_or(|role| sight.role(role)))
                    })
                });
                answer.get_operations = Some(response::GetOperations {
                    operations: shown.cloned().collect(),
                });
            }),
            Type::GetResourceProviders => respond(accepted, Kind::GetResourceProviders, |answer| {
                answer.get_resource_providers = Some(response::GetResourceProviders::default());
            }),
            Type::LaunchNestedContainer => {
                let launch = call.launch_nested_container.unwrap_or_default();
                self.launch_container(ctx, launch.into())
            }
            Type::LaunchContainer => {
                self.launch_container(ctx, call.launch_container.unwrap_or_default().into())
            }
            Type::LaunchNestedContainerSession => {
                let launch = call.launch_nested_container_session.unwrap_or_default();
                self.launch_session(ctx, launch.into(), media)
            }
            Type::AttachContainerOutput => {
                let attach = call.attach_container_output.unwrap_or_default();
                self.attach_output(ctx, attach.container_id, media)
            }
            Type::WaitNestedContainer => {
                let wait = call.wait_nested_container.unwrap_or_default();
                self.wait_container(wait.container_id, true, accepted)
            }
            Type::WaitContainer => {
                let wait = call.wait_container.unwrap_or_default();
                self.wait_container(wait.container_id, false, accepted)
            }
            Type::KillNestedContainer => {
                let kill = call.kill_nested_container.unwrap_or_default();
                self.kill_container(kill.container_id, kill.signal)
            }
            Type::KillContainer => {
                let kill = call.kill_container.unwrap_or_default();
                self.kill_container(kill.container_id, kill.signal)
            }
            Type::RemoveNestedContainer => {
                self.remove_container(call.remove_nested_container.unwrap_or_default().container_id)
            }
            Type::RemoveContainer => {
                self.remove_container(call.remove_container.unwrap_or_default().container_id)
            }
            // There is no store of images: all that is not in use is gone already.
            Type::PruneImages => Response::ok().into(),
            Type::AddResourceProviderConfig
            | Type::UpdateResourceProviderConfig
            | Type::RemoveResourceProviderConfig
            | Type::MarkResourceProviderGone => self.provider_call(&call).into(),
            Type::Unknown | Type::AttachContainerInput => {
                Response::status(StatusCode::NOT_IMPLEMENTED).into()
            }
        }
    }

    fn get_flags(&self, accepted: ContentType) -> Reply {
        let flags = self.info.flags.display();
        let flags = flags.map(|(name, value)| v1::Flag {
            name: name.to_owned(),
            value: Some(value),
        });
        let flags = flags.collect();
        respond(accepted, Kind::GetFlags, |answer| {
            answer.get_flags = Some(response::GetFlags { flags });
        })
    }

    fn get_agent(&self, accepted: ContentType) -> Reply {
        // Compat: the v1 type has no such field.
        let agent_info = v1::AgentInfo {
            checkpoint: None,
            ..self.core.info().clone()
        };
        let draining = self.core.draining();
        respond(accepted, Kind::GetAgent, |answer| {
            answer.get_agent = Some(response::GetAgent {
                agent_info: Some(agent_info),
                drain_config: draining.map(|(config, _)| *config),
                estimated_drain_start_time: draining.map(|(_, since)| v1::TimeInfo {
                    nanoseconds: since.as_nanos(),
                }),
            });
        })
    }
}

/// An answer of a kind, with its part filled in.
pub(super) fn answer(kind: Kind, fill: impl FnOnce(&mut Answer)) -> Answer {
    let mut answer = Answer {
        r#type: Some(kind as i32),
        ..Answer::default()
    };
    fill(&mut answer);
    answer
}

/// 200 with an answer of a kind, encoded off the agent's thread.
pub(super) fn respond(accepted: ContentType, kind: Kind, fill: impl FnOnce(&mut Answer)) -> Reply {
    encoded(accepted, answer(kind, fill))
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
fn encoded(accepted: ContentType, answer: Answer) -> Reply {
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
