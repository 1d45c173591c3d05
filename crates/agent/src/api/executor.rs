//! The v1 executor API: checks, then the core (facts: executor-http, section 1).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use ::process::Context;
use ::process::http::{
    Body, BodyError, Data, Method, Pipe, PipeError, Principal, Reply, Request, Response, StatusCode,
};
use http_body::Frame;
use proto::v1::check_info::Type as CheckType;
use proto::v1::executor::call::Type;
use proto::v1::executor::{Call, Event};
use proto::v1::task_status::Source;
use proto::v1::{CheckStatusInfo, ContainerStatus, TaskState};
use proto::{ContentType, Json, Message, Required};
use tokio::sync::oneshot;

use super::media::Refusal;
use crate::core::{Input, Reply as Answer, RequestId, StreamId};
use crate::process::{AgentProcess, ExecutorStream};

/// Bytes of events that an executor may leave unread; one that falls further behind loses its stream, and subscribes
/// again.
const STREAM_BUFFER: usize = 8 * 1024 * 1024;

/// A body that tells when it is dropped: the reader is gone then.
struct Watched {
    body: Body,
    _reads: oneshot::Sender<()>,
}

impl http_body::Body for Watched {
    type Data = Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

impl AgentProcess {
    /// Answers `/api/v1/executor`.
    pub(crate) fn executor_call(&mut self, ctx: &Context<Self>, request: &Request) -> Reply {
        self.try_executor_call(ctx, request)
            .unwrap_or_else(|refusal| (*refusal).into())
    }

    fn try_executor_call(&mut self, ctx: &Context<Self>, request: &Request) -> Result<Reply, Refusal> {
        if !self.core.accepts_executors() {
            return Err(Response::unavailable("Agent has not finished recovery").into());
        }
        let call: Call = decode(request)?;
        validate(&call).map_err(|flaw| {
            Box::new(Response::bad_request(format!(
                "Failed to validate Executor::Call: {flaw}"
            )))
        })?;
        let kind = call.r#type();
        if kind == Type::Unknown {
            return Err(Response::status(StatusCode::NOT_IMPLEMENTED).into());
        }
        let accepted = if kind == Type::Subscribe {
            Some(accept(request)?)
        } else {
            None
        };
        let caller = request.principal.clone();
        if nested(&call).is_some() {
            return Ok(self.ask_about_nested(ctx, call, caller));
        }
        Ok(self.ask(ctx, call, caller, accepted).into())
    }

    /// Adds what is known of the nested container that a status is about, then has the core answer.
    fn ask_about_nested(&self, ctx: &Context<Self>, mut call: Call, caller: Option<Principal>) -> Reply {
        let containerizer = Arc::clone(&self.containerizer);
        let handle = ctx.handle();
        Reply::later(async move {
            if let Some(status) = nested(&call)
                && let Some(id) = &status.container_id
                && let Ok(found) = containerizer.status(id).await
                && let Some(shown) = call
                    .update
                    .as_mut()
                    .and_then(|update| update.status.container_status.as_mut())
            {
                shown.executor_pid = shown.executor_pid.or(found.executor_pid);
            }
            handle
                .call(move |this, ctx| this.ask(ctx, call, caller, None))
                .await
                .unwrap_or_else(|_| Response::unavailable("The agent is ending"))
        })
    }

    fn ask(
        &mut self,
        ctx: &Context<Self>,
        call: Call,
        caller: Option<Principal>,
        accepted: Option<ContentType>,
    ) -> Response {
        self.last_request += 1;
        self.last_stream += 1;
        let (request, stream) = (RequestId(self.last_request), StreamId(self.last_stream));
        let mut body = None;
        if let Some(content_type) = accepted {
            let (pipe, reader) = Pipe::new(STREAM_BUFFER);
            self.streams.insert(stream, ExecutorStream { pipe, content_type });
            let (reads, gone) = oneshot::channel::<()>();
            body = Some((
                content_type,
                Watched {
                    body: reader,
                    _reads: reads,
                },
                gone,
            ));
        }
        self.step(
            ctx,
            Input::Call {
                request,
                stream,
                caller,
                call: Box::new(call),
            },
        );
        let reply = self
            .reply
            .take()
            .filter(|(answered, _)| *answered == request)
            .map(|(_, reply)| reply);
        if reply != Some(Answer::Subscribed) {
            self.streams.remove(&stream);
        }
        match (reply, body) {
            (Some(Answer::Subscribed), Some((content_type, reader, gone))) => {
                ctx.then(gone, move |this, ctx, _| {
                    if this.streams.remove(&stream).is_some() {
                        this.step(ctx, Input::StreamClosed(stream));
                    }
                });
                let body = Body::from_http_body(reader);
                Response::with_body(StatusCode::OK, body).header("content-type", content_type.as_str())
            }
            (Some(Answer::Accepted), _) => Response::accepted(),
            (Some(Answer::BadRequest(text)), _) => Response::bad_request(text),
            (Some(Answer::Forbidden(text)), _) => Response::forbidden(text),
            (Some(Answer::Unavailable(text)), _) => Response::unavailable(text),
            (Some(Answer::Subscribed) | None, _) => Response::internal_error("The call was not answered"),
        }
    }

    /// Writes an event to an executor's stream: one record, one chunk.
    pub(crate) fn send_event(&mut self, ctx: &Context<Self>, stream: StreamId, event: &Event) {
        let Some(entry) = self.streams.get(&stream) else {
            return;
        };
        let record = recordio::encode(&entry.content_type.encode(event));
        if entry.pipe.try_send(record) == Err(PipeError::Full) {
            tracing::warn!("an executor does not read its events; closing its stream");
            self.streams.remove(&stream);
            ctx.defer(move |this, ctx| this.step(ctx, Input::StreamClosed(stream)));
        }
    }
}

/// Checks method and content type, and decodes the body.
fn decode<M: Message + Json + Required + Default>(request: &Request) -> Result<M, Refusal> {
    if request.method != Method::POST {
        return Err(Response::method_not_allowed(&["POST"], Some(request.method.as_str())).into());
    }
    let Some(text) = request.header("content-type") else {
        return Err(Response::bad_request("Expecting 'Content-Type' to be present").into());
    };
    let content_type = ContentType::from_media_type(text).ok_or_else(|| {
        let text = format!(
            "Expecting 'Content-Type' of {} or {}",
            ContentType::Json,
            ContentType::Protobuf
        );
        Box::new(Response::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
    })?;
    let body = request.body.clone();
    content_type
        .decode(body)
        .map_err(|error| Box::new(Response::bad_request(error.refusal("Call"))))
}

/// How the answer is to be encoded: JSON when the client takes it.
fn accept(request: &Request) -> Result<ContentType, Refusal> {
    let kinds = [ContentType::Json, ContentType::Protobuf];
    kinds
        .into_iter()
        .find(|kind| request.accepts(kind.as_str()))
        .ok_or_else(|| {
            let text = format!(
                "Expecting 'Accept' to allow '{}' or '{}'",
                ContentType::Protobuf,
                ContentType::Json
            );
            Box::new(Response::text(StatusCode::NOT_ACCEPTABLE, text))
        })
}

/// The container of an update's task, if it is nested in the executor's.
fn nested(call: &Call) -> Option<&ContainerStatus> {
    let status = call.update.as_ref()?.status.container_status.as_ref()?;
    let id = status.container_id.as_ref()?;
    id.parent.is_some().then_some(status)
}

fn validate(call: &Call) -> Result<(), String> {
    if call.r#type.is_none() {
        return Err("Expecting 'type' to be present".to_owned());
    }
    match call.r#type() {
        Type::Subscribe if call.subscribe.is_none() => Err("Expecting 'subscribe' to be present".to_owned()),
        Type::Message if call.message.is_none() => Err("Expecting 'message' to be present".to_owned()),
        Type::Update => validate_update(call),
        Type::Unknown | Type::Subscribe | Type::Message | Type::Heartbeat => Ok(()),
    }
}

fn validate_update(call: &Call) -> Result<(), String> {
    let Some(update) = &call.update else {
        return Err("Expecting 'update' to be present".to_owned());
    };
    let status = &update.status;
    match &status.uuid {
        None => return Err("Expecting 'uuid' to be present".to_owned()),
        Some(uuid) if uuid.len() != 16 => return Err("Not a valid UUID".to_owned()),
        Some(_) => {}
    }
    let (executor, framework) = (&call.executor_id.value, &call.framework_id.value);
    if let Some(id) = &status.executor_id
        && id.value != *executor
    {
        return Err(format!(
            "ExecutorID in Call: {executor} does not match ExecutorID in TaskStatus: {}",
            id.value
        ));
    }
    let from = format!("from executor {executor} of framework {framework}");
    if status.source() != Source::Executor || status.source.is_none() {
        return Err(format!(
            "Received Call {from} with invalid source, expecting 'SOURCE_EXECUTOR'"
        ));
    }
    if status.state() == TaskState::TaskStaging {
        return Err(format!("Received TASK_STAGING {from} which is not allowed"));
    }
    match &status.check_status {
        Some(check) => validate_check(check),
        None => Ok(()),
    }
}

fn validate_check(check: &CheckStatusInfo) -> Result<(), String> {
    let (present, field) = match check.r#type.map(|_| check.r#type()) {
        None => return Err("CheckStatusInfo must specify 'type'".to_owned()),
        Some(CheckType::Unknown) => {
            return Err("'UNKNOWN' is not a valid check's status type".to_owned());
        }
        Some(CheckType::Command) => (check.command.is_some(), "command"),
        Some(CheckType::Http) => (check.http.is_some(), "http"),
        Some(CheckType::Tcp) => (check.tcp.is_some(), "tcp"),
    };
    if present {
        return Ok(());
    }
    let kind = field.to_uppercase();
    Err(format!("Expecting '{field}' to be set for {kind} check's status"))
}
