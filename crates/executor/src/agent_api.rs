//! The part of the agent's operator API that the default executor needs: nested containers
//! (facts: agent-http.md, sections 3 and 5). Every call has a connection of its own.

use bytes::Bytes;
use containerizer::Termination;
use containerizer::checks::Answer;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use proto::v1::agent::call::{
    KillNestedContainer, LaunchContainer, LaunchNestedContainerSession, RemoveNestedContainer, Type,
    WaitNestedContainer,
};
use proto::v1::agent::{Call, Response as Reply};
use proto::v1::{CommandInfo, ContainerId, TaskState};
use uuid::Uuid;

use crate::core::default::{Ended, Launch, Launched, Waited};
use crate::http::{Connection, Headers};
use crate::{Config, Error};

/// Most bytes taken of an answer.
const MAX_REPLY: usize = 1 << 20;

const SIGKILL: i32 = 9;

/// Speaks to the agent; cloning is cheap enough for every call.
#[derive(Clone, Debug)]
pub(crate) struct AgentApi {
    config: Config,
    path: String,
}

impl AgentApi {
    pub(crate) fn new(config: Config) -> Self {
        let path = config.path.strip_suffix("/executor").unwrap_or(&config.path);
        Self {
            path: path.to_owned(),
            config,
        }
    }

    /// Launches a task's container.
    pub(crate) async fn launch(&self, launch: Box<Launch>) -> Launched {
        let Launch { container, task } = *launch;
        let body = self.encode(&Call {
            launch_container: Some(LaunchContainer {
                container_id: container,
                command: task.command,
                resources: task.resources,
                container: task.container,
                limits: task.limits,
            }),
            ..call(Type::LaunchContainer)
        });
        match self.ask(body).await {
            Ok((StatusCode::OK | StatusCode::ACCEPTED, _)) => Launched::Done,
            Ok((StatusCode::SERVICE_UNAVAILABLE, _)) | Err(_) => Launched::Unreachable,
            Ok((_, body)) => Launched::Refused(String::from_utf8_lossy(&body).into_owned()),
        }
    }

    /// Waits for the end of a container, however long that takes.
    pub(crate) async fn wait(&self, container: ContainerId) -> Waited {
        let body = self.encode(&Call {
            wait_nested_container: Some(WaitNestedContainer {
                container_id: container,
            }),
            ..call(Type::WaitNestedContainer)
        });
        // Only connecting has a limit here.
        let (status, body) = match self.post(body, Headers::Plain).await {
            Ok(response) => {
                let status = response.status();
                match Limited::new(response.into_body(), MAX_REPLY).collect().await {
                    Ok(body) => (status, body.to_bytes()),
                    Err(_) => return Waited::Unreachable,
                }
            }
            Err(_) => return Waited::Unreachable,
        };
        match status {
            StatusCode::OK => match self.config.content_type.decode(body) {
                Ok(reply) => Waited::Ended(Box::new(ended(reply))),
                Err(error) => Waited::Refused(error.to_string()),
            },
            StatusCode::NOT_FOUND => Waited::Unknown,
            StatusCode::SERVICE_UNAVAILABLE => Waited::Unreachable,
            _ => Waited::Refused(String::from_utf8_lossy(&body).into_owned()),
        }
    }

    /// Sends a signal to a container; false if the agent did not take it. A container that is gone needs none.
    pub(crate) async fn kill(&self, container: ContainerId, signal: i32) -> bool {
        let body = self.encode(&Call {
            kill_nested_container: Some(KillNestedContainer {
                container_id: container,
                signal: Some(signal),
            }),
            ..call(Type::KillNestedContainer)
        });
        matches!(
            self.ask(body).await,
            Ok((StatusCode::OK | StatusCode::NOT_FOUND, _))
        )
    }

    async fn remove(&self, container: ContainerId) -> Result<(), Error> {
        let body = self.encode(&Call {
            remove_nested_container: Some(RemoveNestedContainer {
                container_id: container,
            }),
            ..call(Type::RemoveNestedContainer)
        });
        self.ask(body).await.map(drop)
    }

    /// Runs a command in a session below a container, for a check: what it prints is not kept. A future that is
    /// dropped ends the session.
    pub(crate) async fn run(&self, parent: ContainerId, command: CommandInfo) -> Answer {
        let container = ContainerId {
            value: format!("check-{}", Uuid::new_v4()),
            parent: Some(Box::new(parent)),
        };
        let body = self.encode(&Call {
            launch_nested_container_session: Some(LaunchNestedContainerSession {
                container_id: container.clone(),
                command: Some(command),
                ..LaunchNestedContainerSession::default()
            }),
            ..call(Type::LaunchNestedContainerSession)
        });
        let _cleanup = Cleanup {
            api: self.clone(),
            container: container.clone(),
        };
        let Ok(mut response) = self.post(body, Headers::Records).await else {
            return Answer::Discarded;
        };
        if response.status() != StatusCode::OK {
            return Answer::Discarded;
        }
        while let Some(frame) = response.frame().await {
            if frame.is_err() {
                return Answer::Discarded;
            }
        }
        match self.wait(container).await {
            Waited::Ended(ended) => match ended.termination.status {
                Some(status) => Answer::Exited(status),
                None => Answer::Failed("the check left no status".to_owned()),
            },
            _ => Answer::Discarded,
        }
    }

    fn encode(&self, call: &Call) -> Bytes {
        self.config.content_type.encode(call)
    }

    /// A call with a short answer, within the time of a request.
    async fn ask(&self, body: Bytes) -> Result<(StatusCode, Bytes), Error> {
        let asking = async {
            let response = self.post(body, Headers::Plain).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_REPLY).collect().await;
            let body = body.map_err(|error| Error::Connection(error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        let limit = LAUNCH_TIME.max(self.config.request_timeout);
        self.config
            .clock
            .timeout(limit, asking)
            .await
            .unwrap_or_else(|_| Err(Error::Connection(format!("no answer within {limit:?}"))))
    }

    async fn post(&self, body: Bytes, headers: Headers) -> Result<Response<Incoming>, Error> {
        let config = &self.config;
        let limit = config.request_timeout;
        let late = |_| Err(Error::Connection(format!("not connected within {limit:?}")));
        let opening = config.clock.timeout(limit, Connection::open(config));
        let connection = opening.await.unwrap_or_else(late)?;
        connection.post_once(config, &self.path, headers, body).await
    }
}

/// How long an answer may take: a launch fetches, which takes its time.
const LAUNCH_TIME: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// Ends and forgets a check's container, whatever became of the check.
struct Cleanup {
    api: AgentApi,
    container: ContainerId,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let (api, container) = (self.api.clone(), self.container.clone());
        tokio::spawn(async move {
            // One that has ended is not there to be killed; one that cannot be removed goes with its parent.
            let _ended = api.kill(container.clone(), SIGKILL).await;
            let _gone = api.wait(container.clone()).await;
            let _goes_with_its_parent = api.remove(container).await;
        });
    }
}

fn call(kind: Type) -> Call {
    Call {
        r#type: Some(kind as i32),
        ..Call::default()
    }
}

fn ended(reply: Reply) -> Ended {
    let Some(wait) = reply.wait_nested_container else {
        return Ended::default();
    };
    let known = |state: i32| TaskState::try_from(state).ok();
    Ended {
        termination: Termination {
            status: wait.exit_status,
            state: wait.state.and_then(known),
            reason: wait.reason.and_then(|reason| reason.try_into().ok()),
            message: wait.message,
            ..Termination::default()
        },
        limitation: wait.limitation,
    }
}
