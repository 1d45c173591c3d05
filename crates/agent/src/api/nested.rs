//! Launching, awaiting, killing and removing containers that are no executor's own: nested ones and standalone ones
//! (facts: agent-http, sections 3.2, 3.3 and 5).

use std::path::PathBuf;
use std::sync::Arc;

use ::process::Context;
use ::process::http::{Reply, Response, StatusCode};
use containerizer::{ContainerClass, ContainerConfig, Error, Launched, Termination};
use proto::v1::agent::call::{LaunchContainer, LaunchNestedContainer, LaunchNestedContainerSession};
use proto::v1::agent::response::{self, Type as Kind};
use proto::{ContentType, v1};

use super::call::respond;
use crate::core::paths;
use crate::process::{AgentProcess, chain};

/// The signal of a kill that names none: SIGKILL.
const SIGKILL: i32 = 9;
/// The highest number that a signal can have.
const MAX_SIGNAL: i32 = 64;

/// What all three calls that launch a container ask for.
pub(super) struct Launch {
    pub(super) id: v1::ContainerId,
    command: v1::CommandInfo,
    container: Option<v1::ContainerInfo>,
    resources: Vec<v1::Resource>,
    class: ContainerClass,
}

impl From<LaunchNestedContainer> for Launch {
    fn from(call: LaunchNestedContainer) -> Self {
        Self {
            id: call.container_id,
            command: call.command.unwrap_or_default(),
            container: call.container,
            resources: Vec::new(),
            class: ContainerClass::Default,
        }
    }
}

impl From<LaunchContainer> for Launch {
    fn from(call: LaunchContainer) -> Self {
        Self {
            id: call.container_id,
            command: call.command.unwrap_or_default(),
            container: call.container,
            resources: call.resources,
            class: ContainerClass::Default,
        }
    }
}

impl From<LaunchNestedContainerSession> for Launch {
    fn from(call: LaunchNestedContainerSession) -> Self {
        Self {
            id: call.container_id,
            command: call.command.unwrap_or_default(),
            container: call.container,
            resources: Vec::new(),
            class: ContainerClass::Debug,
        }
    }
}

impl AgentProcess {
    /// What the containerizer is given for a launch.
    pub(super) fn config_of(&self, launch: Launch) -> ContainerConfig {
        let config = self.core.config();
        let standalone = launch.id.parent.is_none();
        let directory = if standalone {
            paths::standalone(&config.work_dir, &launch.id.value)
        } else {
            PathBuf::new()
        };
        ContainerConfig {
            user: launch.command.user.clone().filter(|_| config.switch_user),
            command: launch.command,
            directory,
            class: launch.class,
            standalone,
            resources: launch.resources,
            container: launch.container,
            ..ContainerConfig::default()
        }
    }

    /// Launches a container; answered when it runs.
    pub(super) fn launch_container(&self, ctx: &Context<Self>, launch: Launch) -> Reply {
        let id = launch.id.clone();
        if id.parent.is_none() && self.is_executors(&id) {
            return Response::accepted().into();
        }
        let config = self.config_of(launch);
        let containerizer = Arc::clone(&self.containerizer);
        let handle = ctx.handle();
        Reply::later(async move {
            let outcome = containerizer.launch(&id, config).await;
            if matches!(outcome, Ok(Launched::Success { .. })) {
                handle.dispatch(move |this, ctx| this.collect_when_ended(ctx, id));
            }
            launched(outcome)
        })
    }

    /// Answered when a container has ended. `deprecated`: the call has its old name, and so has the answer.
    pub(super) fn wait_container(
        &self,
        id: v1::ContainerId,
        deprecated: bool,
        accepted: ContentType,
    ) -> Reply {
        let containerizer = Arc::clone(&self.containerizer);
        Reply::later(async move {
            let Some(termination) = containerizer.wait(&id).await else {
                return unknown(&id);
            };
            if deprecated {
                respond(accepted, Kind::WaitNestedContainer, |answer| {
                    answer.wait_nested_container = Some(waited_nested(termination));
                })
            } else {
                respond(accepted, Kind::WaitContainer, |answer| {
                    answer.wait_container = Some(waited(termination));
                })
            }
            .response()
            .await
        })
    }

    /// Sends a signal to a container.
    pub(super) fn kill_container(&self, id: v1::ContainerId, signal: Option<i32>) -> Reply {
        let containerizer = Arc::clone(&self.containerizer);
        let signal = signal.unwrap_or(SIGKILL);
        Reply::later(async move {
            let outcome = if (1..=MAX_SIGNAL).contains(&signal) {
                containerizer.kill(&id, signal).await
            } else {
                containerizer.status(&id).await.map(drop)
            };
            match outcome {
                // Compat: as with kill(2), 0 only asks whether it is there.
                Ok(()) if !(0..=MAX_SIGNAL).contains(&signal) => {
                    Response::internal_error("Unable to send signal to container: Invalid argument")
                }
                Ok(()) => Response::ok(),
                Err(Error::UnknownContainer(_)) => {
                    let text = format!(
                        "Container '{}' cannot be found (or is already killed)",
                        dotted(&id)
                    );
                    Response::text(StatusCode::NOT_FOUND, text)
                }
                Err(error) => Response::internal_error(chain(&error)),
            }
        })
    }

    /// Deletes what a container that has ended left.
    pub(super) fn remove_container(&self, id: v1::ContainerId) -> Reply {
        let containerizer = Arc::clone(&self.containerizer);
        Reply::later(async move {
            match containerizer.remove(&id).await {
                Ok(()) => Response::ok(),
                Err(error) => Response::internal_error(chain(&error)),
            }
        })
    }

    /// Whether the outermost container of an id is that of an executor.
    pub(super) fn is_executors(&self, id: &v1::ContainerId) -> bool {
        self.owner(id).is_some()
    }
}

/// What became of a launch.
pub(super) fn launched(outcome: Result<Launched, Error>) -> Response {
    match outcome {
        Ok(Launched::Success { .. }) => Response::ok(),
        Ok(Launched::AlreadyLaunched) => Response::accepted(),
        Ok(Launched::NotSupported) => Response::bad_request("The provided ContainerInfo is not supported"),
        Err(error) => Response::bad_request(chain(&error)),
    }
}

/// The answer to a call about a container that is not there.
pub(super) fn unknown(id: &v1::ContainerId) -> Response {
    Response::text(
        StatusCode::NOT_FOUND,
        format!("Container {} cannot be found", dotted(id)),
    )
}

fn limitation(resources: Vec<v1::Resource>) -> Option<v1::TaskResourceLimitation> {
    (!resources.is_empty()).then_some(v1::TaskResourceLimitation { resources })
}

fn waited(end: Termination) -> response::WaitContainer {
    response::WaitContainer {
        exit_status: end.status,
        state: end.state.map(|state| state as i32),
        reason: end.reason.map(|reason| reason as i32),
        limitation: limitation(end.limited_resources),
        message: end.message,
    }
}

fn waited_nested(end: Termination) -> response::WaitNestedContainer {
    let waited = waited(end);
    response::WaitNestedContainer {
        exit_status: waited.exit_status,
        state: waited.state,
        reason: waited.reason,
        limitation: waited.limitation,
        message: waited.message,
    }
}

/// The chain of a container's ids, outermost first.
pub(super) fn dotted(id: &v1::ContainerId) -> String {
    let mut chain = vec![id.value.as_str()];
    let mut parent = id.parent.as_deref();
    while let Some(id) = parent {
        chain.push(&id.value);
        parent = id.parent.as_deref();
    }
    chain.reverse();
    chain.join(".")
}
