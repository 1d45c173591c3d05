//! Carrying out what the core says.

use std::sync::Arc;

use ::process::http::{PipeError, Response};
use ::process::{Context, LinkMode, Upid};
use bytes::Bytes;
use proto::v1::scheduler;

use super::MasterProcess;
use super::observer::Observer;
use crate::Error;
use crate::core::{
    AgentBound, DriverBound, FrameworkId, Input, Level, ObserverId, Output, Reply, Sender, StreamId,
};

impl MasterProcess {
    /// Carries out one output. What rests on a write comes from the core only once that write is stored.
    pub(super) fn carry_out(&mut self, context: &mut Context<Self>, output: Output) {
        match output {
            Output::Send {
                from, to, message, ..
            } => self.send(context, from, &to, &message),
            Output::ToDriver {
                framework,
                to,
                message,
                ..
            } => self.send_driver(context, framework.as_ref(), &to, &message),
            Output::LinkDriver(upid) => context.link(&upid, LinkMode::Reuse),
            Output::Link(upid) => context.link(&upid, LinkMode::Reconnect),
            Output::OpenObserver(id) => self.open_observer(context, id),
            Output::CloseObserver(id) => {
                if let Some(observer) = self.observers.remove(&id) {
                    observer.terminate();
                }
            }
            Output::Event { stream, event, .. } => self.send_event(stream, &event),
            // Dropping the writer ends the response after what was written.
            Output::CloseStream(stream) => drop(self.streams.remove(&stream)),
            Output::Publish(event) => {
                self.frameworks.published(&event);
                let notice = self.notice(event);
                self.hub.publish(notice);
            }
            Output::Store { write, operations } => {
                let master = context.handle();
                self.registrar.apply(operations, move |result| {
                    master.dispatch(move |this, context| match result {
                        Ok(()) => this.step(context, Input::Stored(write)),
                        Err(error) => this.fail(context, error),
                    });
                });
            }
            Output::Reply { request, reply, .. } => {
                if let Some((success, answer)) = self.waiting.remove(&request) {
                    // A client that is gone needs no answer.
                    drop(answer.send(response(success, reply)));
                }
            }
            Output::Log(level, text) => match level {
                Level::Info => tracing::info!("{text}"),
                Level::Warning => tracing::warn!("{text}"),
                Level::Error => tracing::error!("{text}"),
            },
            Output::Abort(reason) => self.fail(context, Error::Aborted(reason)),
        }
    }

    fn send(&self, context: &Context<Self>, from: Sender, to: &Upid, message: &AgentBound) {
        let (name, body) = message.encode();
        let body = Bytes::from(body);
        match from {
            Sender::Master => context.send_bytes(to, name, body),
            Sender::Observer(id) => {
                let from = context.runtime().upid(&id.to_string());
                context.runtime().send_from(&from, to, name.into(), body);
            }
        }
    }

    fn send_driver(
        &mut self,
        context: &Context<Self>,
        framework: Option<&FrameworkId>,
        to: &Upid,
        message: &DriverBound,
    ) {
        if let Some(framework) = framework {
            self.frameworks.told_driver(framework, message);
        }
        let (name, body) = message.encode();
        context.send_bytes(to, name, Bytes::from(body));
    }

    fn send_event(&mut self, id: StreamId, event: &scheduler::Event) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if let Some(subscribed) = &event.subscribed {
            let framework = FrameworkId::from(&subscribed.framework_id);
            self.frameworks.subscribed(&framework);
            stream.framework = Some(framework);
        }
        if let Some(framework) = &stream.framework {
            self.frameworks.told(framework, event);
        }
        match stream.send(event) {
            Ok(()) => {}
            // The watcher of the stream will say so.
            Err(PipeError::Closed) => {}
            Err(PipeError::Full) => {
                self.slow_schedulers += 1;
                tracing::warn!(
                    "Disconnecting the scheduler of stream {}: it does not read its events",
                    stream.id
                );
                stream.abort();
                self.streams.remove(&id);
                self.late.push_back(Input::StreamClosed(id));
            }
        }
    }

    fn open_observer(&mut self, context: &mut Context<Self>, id: ObserverId) {
        let observer = Observer {
            id,
            master: context.handle(),
        };
        match context.runtime().spawn(id.to_string(), observer) {
            Ok(handle) => drop(self.observers.insert(id, handle)),
            Err(error) => self.fail(context, Error::Process(Arc::new(error))),
        }
    }

    /// Reads the registry; the master serves nobody before that.
    pub(super) fn recover(&mut self, context: &mut Context<Self>) {
        let master = context.handle();
        self.registrar.recover(move |result| {
            master.dispatch(move |this, context| match result {
                Ok(registry) => this.step(context, Input::Recovered(Box::new(registry))),
                Err(error) => this.fail(context, error),
            });
        });
    }
}

fn response(success: http::StatusCode, reply: Reply) -> Response {
    match reply {
        Reply::Done => Response::new(success),
        Reply::BadRequest(text) => Response::bad_request(text),
        Reply::Forbidden(text) => Response::forbidden(text),
        Reply::Conflict(text) => Response::text(http::StatusCode::CONFLICT, text),
        Reply::NotFound(text) => Response::text(http::StatusCode::NOT_FOUND, text),
        Reply::Unavailable(text) => Response::unavailable(text),
    }
}
