//! Output streams of containers, and sessions: a container that lives as long as the connection that shows it
//! (facts: agent-http, section 4).

use std::sync::Arc;
use std::time::Duration;

use ::process::http::{Pipe, Reply, Response};
use ::process::{Clock, Context};
use containerizer::{ContainerOutput, Containerizer, Error};
use proto::v1;
use proto::v1::agent::ProcessIo;
use proto::v1::agent::process_io::{self, Type, control};

use super::media::{Media, streamed};
use super::nested::{Launch, launched, unknown};
use crate::process::{AgentProcess, chain};

/// Bytes of output that a client may leave unread before its container has to wait.
const BUFFER: usize = 1024 * 1024;

/// How output is shown.
#[derive(Clone)]
struct Show {
    media: Media,
    interval: Duration,
    clock: Clock,
}

/// Destroys a container when it is dropped.
struct Ends {
    containerizer: Arc<dyn Containerizer>,
    id: v1::ContainerId,
}

impl Drop for Ends {
    fn drop(&mut self) {
        let (containerizer, id) = (Arc::clone(&self.containerizer), self.id.clone());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if let Err(error) = containerizer.destroy(&id).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "failed to destroy the container of a session"
                );
            }
        });
    }
}

impl AgentProcess {
    fn show(&self, ctx: &Context<Self>, media: Media) -> Show {
        Show {
            media,
            interval: self
                .info
                .flags
                .duration("http_heartbeat_interval")
                .filter(|interval| !interval.is_zero())
                .unwrap_or(Duration::from_secs(30)),
            clock: ctx.runtime().clock().clone(),
        }
    }

    /// Streams what a container of an executor writes.
    pub(super) fn attach_output(&self, ctx: &Context<Self>, id: v1::ContainerId, media: Media) -> Reply {
        if !self.is_executors(&id) {
            return unknown(&id).into();
        }
        let containerizer = Arc::clone(&self.containerizer);
        let show = self.show(ctx, media);
        Reply::later(async move {
            match containerizer.attach_output(&id).await {
                Ok(output) => stream(show, output, None),
                Err(error) => not_attached(&id, &error),
            }
        })
    }

    /// Launches a container and streams what it writes; it ends with the stream.
    pub(super) fn launch_session(&self, ctx: &Context<Self>, launch: Launch, media: Media) -> Reply {
        let id = launch.id.clone();
        let config = self.config_of(launch);
        let containerizer = Arc::clone(&self.containerizer);
        let show = self.show(ctx, media);
        let is_executors = self.is_executors(&id);
        Reply::later(async move {
            let answer = launched(containerizer.launch(&id, config).await);
            if answer.status != ::process::http::StatusCode::OK {
                return answer;
            }
            let ends = Ends {
                containerizer: Arc::clone(&containerizer),
                id: id.clone(),
            };
            if !is_executors {
                return unknown(&id);
            }
            match containerizer.attach_output(&id).await {
                Ok(output) => stream(show, output, Some(ends)),
                Err(error) => not_attached(&id, &error),
            }
        })
    }
}

/// Why nobody can attach to a container.
pub(super) fn not_attached(id: &v1::ContainerId, error: &Error) -> Response {
    match error {
        Error::UnknownContainer(_) => unknown(id),
        Error::InputTaken => Response::text(::process::http::StatusCode::CONFLICT, error.to_string()),
        error => Response::internal_error(chain(error)),
    }
}

/// A response that goes on for as long as there is output and somebody who reads it.
fn stream(show: Show, output: ContainerOutput, ends: Option<Ends>) -> Response {
    let (pipe, body) = Pipe::new(BUFFER);
    let media = show.media;
    tokio::spawn(async move {
        tokio::select! {
            () = pump(&show, output, &pipe) => {}
            () = pipe.closed() => {}
        }
        drop(ends);
    });
    streamed(media, body)
}

async fn pump(show: &Show, mut output: ContainerOutput, pipe: &Pipe) {
    let kind = show.media.message();
    loop {
        let record = tokio::select! {
            record = output.next() => match record {
                Some(record) => record,
                None => return,
            },
            () = show.clock.sleep(show.interval) => heartbeat(show.interval),
        };
        if pipe.send(recordio::encode(&kind.encode(&record))).await.is_err() {
            return;
        }
    }
}

fn heartbeat(interval: Duration) -> ProcessIo {
    let nanoseconds = i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX);
    ProcessIo {
        r#type: Some(Type::Control as i32),
        control: Some(process_io::Control {
            r#type: Some(control::Type::Heartbeat as i32),
            heartbeat: Some(control::Heartbeat {
                interval: Some(v1::DurationInfo { nanoseconds }),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}
