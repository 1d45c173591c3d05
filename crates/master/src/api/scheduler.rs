//! `POST /api/v1/scheduler` (facts: scheduler-http.md §1).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use http::StatusCode;
use http_body::Frame;
use process::http::{Body, BodyError, Closer, Data, Pipe, PipeError, Reply, Request, Response};
use process::{Context, Handle};
use proto::v1::scheduler::{Call, Event, call};
use proto::{ContentType, Message, json};

use super::negotiate;
use crate::core::{FrameworkId, Input, StreamId, validation};
use crate::hub;
use crate::process::MasterProcess;

/// The header that ties a call to the stream of its scheduler.
const STREAM_ID: &str = "mesos-stream-id";

/// An open stream of events to a scheduler.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Its name in the `Mesos-Stream-Id` header.
    pub(crate) id: Arc<str>,
    content_type: ContentType,
    pipe: Pipe,
    closer: Closer,
    /// Who subscribed, once that is settled.
    pub(crate) framework: Option<FrameworkId>,
}

/// A stream's body, which tells the master when the connection has let go of it.
struct Watched {
    body: Body,
    _gone: Gone,
}

/// Tells the master, when dropped, that a stream's connection is gone.
struct Gone {
    master: Handle<MasterProcess>,
    stream: StreamId,
}

impl Drop for Gone {
    fn drop(&mut self) {
        let stream = self.stream;
        self.master
            .dispatch(move |master, context| master.on_stream_gone(context, stream));
    }
}

impl http_body::Body for Watched {
    type Data = Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Data>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }
}

impl Stream {
    /// Writes an event; an error when the scheduler does not keep up or is gone.
    pub(crate) fn send(&self, event: &Event) -> Result<(), PipeError> {
        self.pipe.try_send(hub::record(|out| match self.content_type {
            ContentType::Json => json::write(event, out),
            ContentType::Protobuf => event.encode_raw(out),
        }))
    }

    /// Drops the connection, whatever is still to be written.
    pub(crate) fn abort(&self) {
        self.closer.close();
    }
}

impl MasterProcess {
    /// Answers a call of the scheduler API.
    pub(crate) fn on_scheduler_request(&mut self, context: &mut Context<Self>, request: &Request) -> Reply {
        if let Some(refusal) = self.not_serving(request) {
            return refusal.into();
        }
        match negotiate::call::<Call>(request).and_then(|(_, call)| valid(call, name_of(request))) {
            Ok(call) if call.r#type() == call::Type::Subscribe => self.on_subscribe(context, request, call),
            Ok(call) => self.on_call(context, request, call),
            Err(response) => (*response).into(),
        }
    }

    fn on_subscribe(&mut self, context: &mut Context<Self>, request: &Request, call: Call) -> Reply {
        let accept = match negotiate::accept(request) {
            Ok(accept) => accept,
            Err(response) => return (*response).into(),
        };
        if request.header(STREAM_ID).is_some() {
            return Response::bad_request("Subscribe calls should not include the 'Mesos-Stream-Id' header")
                .into();
        }
        let Some(subscribe) = call.subscribe else {
            return Response::status(StatusCode::BAD_REQUEST).into();
        };
        let (pipe, body) = Pipe::new(self.settings.scheduler_buffer);
        let id: Arc<str> = uuid::Uuid::new_v4().to_string().into();
        let stream = self.next_stream();
        let closer = Closer::new();
        let entry = Stream {
            id: Arc::clone(&id),
            content_type: accept,
            pipe,
            closer: closer.clone(),
            framework: None,
        };
        self.streams.insert(stream, entry);
        let body = Body::from_http_body(Watched {
            body,
            _gone: Gone {
                master: context.handle(),
                stream,
            },
        });
        self.step(
            context,
            Input::Subscribe {
                stream,
                principal: name_of(request).map(str::to_owned),
                subscribe: Box::new(subscribe),
            },
        );
        Response::with_body(StatusCode::OK, body)
            .header("content-type", accept.as_str())
            .header(STREAM_ID, &id)
            .closer(&closer)
            .into()
    }

    fn on_call(&mut self, context: &mut Context<Self>, request: &Request, call: Call) -> Reply {
        // Compat: this call answers with events, yet its Accept counts.
        if call.r#type() == call::Type::ReconcileOperations
            && let Err(response) = negotiate::accept(request)
        {
            return (*response).into();
        }
        let framework = match self.admit(request, &call) {
            Ok(framework) => framework,
            Err(response) => return (*response).into(),
        };
        self.frameworks.called(&framework, &call);
        // Compat: only now, after everything that is wrong with other calls.
        if call.r#type == Some(call::Type::Unknown.into()) {
            return Response::status(StatusCode::NOT_IMPLEMENTED).into();
        }
        match call.update_framework {
            Some(update) if call.r#type == Some(call::Type::UpdateFramework.into()) => {
                self.ask(context, StatusCode::OK, |request| Input::UpdateFramework {
                    request,
                    framework,
                    update: Box::new(update),
                })
            }
            _ => {
                self.step(
                    context,
                    Input::Call {
                        framework,
                        call: Box::new(call),
                    },
                );
                Response::accepted().into()
            }
        }
    }

    /// Whether a call comes from the scheduler that holds the framework's stream.
    fn admit(&self, request: &Request, call: &Call) -> Result<FrameworkId, Box<Response>> {
        let id = call
            .framework_id
            .as_ref()
            .map(FrameworkId::from)
            .unwrap_or_else(|| FrameworkId::from(""));
        let stream = self.core.admit(&id, name_of(request)).map_err(|refusal| {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            Box::new(Response::text(status, refusal.to_string()))
        })?;
        let Some(given) = request.header(STREAM_ID) else {
            return Err(Response::bad_request(
                "All non-subscribe calls should include the 'Mesos-Stream-Id' header",
            )
            .into());
        };
        if self
            .streams
            .get(&stream)
            .is_none_or(|stream| *stream.id != *given)
        {
            return Err(Response::bad_request(format!(
                "The stream ID '{given}' included in this request didn't match the stream ID currently associated with \
                 framework ID {id}"
            ))
            .into());
        }
        Ok(id)
    }

    fn next_stream(&mut self) -> StreamId {
        self.last_stream += 1;
        StreamId(self.last_stream)
    }

    /// A scheduler's connection is gone, by its own doing or because it did not read.
    pub(crate) fn on_stream_gone(&mut self, context: &mut Context<Self>, stream: StreamId) {
        if self.streams.remove(&stream).is_some() {
            self.step(context, Input::StreamClosed(stream));
        }
    }
}

/// The name that the sender has proven.
fn name_of(request: &Request) -> Option<&str> {
    request.principal.as_ref()?.value.as_deref()
}

/// A call with all its members.
fn valid(call: Call, principal: Option<&str>) -> Result<Call, Box<Response>> {
    let checked = if call
        .r#type
        .is_some_and(|number| call::Type::try_from(number).is_err())
    {
        Err("Expecting 'type' to be present".to_owned())
    } else {
        validation::call::validate(&call, principal)
    };
    match checked {
        Ok(()) => Ok(call),
        Err(flaw) => Err(Response::bad_request(format!("Failed to validate scheduler::Call: {flaw}")).into()),
    }
}
