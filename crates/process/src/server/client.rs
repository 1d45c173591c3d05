//! A connection of an HTTP client, served by hyper.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::paced::Paced;
use super::rewind::{Activity, Busy, Rewind};
use super::route::Asked;
use super::{HttpLimits, answer, deliver, route};
use crate::Clock;
use crate::http::{BodyError, Closer, Data, Query, Request, RequestStream, Response};
use crate::runtime::WeakRuntime;
use crate::tls::Stream;

/// Bytes that wait in a connection for the socket, beyond one chunk: 256 KiB.
const WRITE_BUFFER: usize = 256 << 10;

/// What every request of a connection needs.
struct Client {
    runtime: WeakRuntime,
    address: SocketAddr,
    clock: Clock,
    limits: HttpLimits,
    activity: Arc<Activity>,
    /// The closer of the response that is being sent.
    closer: watch::Sender<Option<Closer>>,
    /// The first requests, if they have been handed to their processes already.
    asked: Mutex<VecDeque<Asked>>,
}

/// What was read of a connection before it is served here.
#[derive(Debug)]
pub(super) struct Begun {
    /// The bytes of requests that are not answered yet.
    pub(super) first: Bytes,
    /// Those of these requests that were handed to their processes: the first ones, none of them a message.
    pub(super) asked: VecDeque<Asked>,
    /// Whether the connection has carried messages.
    pub(super) peer: bool,
}

/// Serves requests until the connection ends, is idle for too long, or the runtime shuts down.
pub(super) async fn serve(
    runtime: WeakRuntime,
    stream: Stream,
    begun: Begun,
    address: SocketAddr,
    mut shutdown: watch::Receiver<bool>,
) {
    let Some((clock, limits)) = runtime
        .upgrade()
        .map(|up| (up.clock().clone(), up.settings().limits))
    else {
        return;
    };
    let activity = Activity::new(clock.clone(), begun.peer);
    let io = TokioIo::new(Rewind::new(stream, begun.first, Arc::clone(&activity)));
    let closer = watch::Sender::new(None);
    let mut closers = closer.subscribe();
    let client = Arc::new(Client {
        runtime,
        address,
        clock: clock.clone(),
        limits,
        activity: Arc::clone(&activity),
        closer,
        asked: Mutex::new(begun.asked),
    });
    let service = service_fn(move |request| {
        let client = Arc::clone(&client);
        async move { Ok::<_, Infallible>(client.serve(request).await) }
    });
    let connection = http1::Builder::new()
        // With `pipeline_flush`, bodies would be buffered without bound for a client that does not read.
        .pipeline_flush(false)
        .header_read_timeout(None)
        // Large slices are never copied; small chunks share a write.
        .writev(true)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(WRITE_BUFFER))
        .serve_connection(io, service);
    tokio::select! {
        ended = pin!(connection) => if let Err(error) = ended {
            tracing::debug!("Lost the connection from {address}: {error}");
        },
        () = idle(&clock, &activity, limits.idle) => tracing::debug!("Closing the idle connection from {address}"),
        () = cut_off(&mut closers) => tracing::debug!("Cutting off {address}"),
        _ = shutdown.wait_for(|down| *down) => {}
    }
}

/// Waits until the closer of the response that is being sent closes.
async fn cut_off(closers: &mut watch::Receiver<Option<Closer>>) {
    loop {
        let current = closers.borrow_and_update().clone();
        let closed = async {
            match current {
                Some(closer) => closer.closed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = closed => return,
            changed = closers.changed() => if changed.is_err() { return },
        }
    }
}

/// Waits until a connection has been idle for `limit`.
async fn idle(clock: &Clock, activity: &Activity, limit: Duration) {
    let pause = (limit / 4).max(Duration::from_millis(1));
    loop {
        clock.sleep(pause).await;
        if activity
            .idle_since()
            .is_some_and(|since| clock.now() - since >= limit)
        {
            return;
        }
    }
}

impl Client {
    async fn serve(&self, request: http::Request<Incoming>) -> http::Response<Answer> {
        let busy = self.activity.begin();
        let (parts, incoming) = request.into_parts();
        let encoding = parts.headers.get(header::ACCEPT_ENCODING).cloned();
        let mut close = false;
        let response = match self.answer(parts, incoming).await {
            Ok(response) => response,
            Err(refusal) => {
                // What is left of the request is not read: the connection has to go.
                close = true;
                refusal
            }
        };
        if response.closer.is_some() || self.closer.borrow().is_some() {
            self.closer.send_replace(response.closer.clone());
        }
        let mut prepared = answer::prepare(response, encoding.as_ref()).await;
        if close {
            prepared
                .headers_mut()
                .insert(header::CONNECTION, http::HeaderValue::from_static("close"));
        }
        prepared.map(|body| Answer {
            body: Paced::new(body),
            busy,
        })
    }

    /// The response to a request; an error is one after which the connection is closed.
    async fn answer(&self, parts: http::request::Parts, incoming: Incoming) -> Result<Response, Response> {
        let sender = sender(&parts.method, &parts.headers);
        if sender.is_none() && is_stream(&parts.headers) {
            let stream = RequestStream::new(incoming);
            // What was not read when the answer came is not read at all.
            let answer = self.route(parts, Bytes::new(), Some(stream)).await;
            return Err(answer.unwrap_or_else(|refusal| refusal));
        }
        let body = self.body(incoming).await?;
        let gzip = parts
            .headers
            .get(header::CONTENT_ENCODING)
            .is_some_and(|value| value.as_bytes() == b"gzip");
        let body = if gzip {
            deliver::inflate(&body, self.limits.body)?
        } else {
            body
        };
        let Some(sender) = sender else {
            return self.route(parts, body, None).await;
        };
        let Some(runtime) = self.runtime.upgrade() else {
            return Err(Response::status(StatusCode::SERVICE_UNAVAILABLE));
        };
        self.activity.is_peer();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let delivered = deliver::deliver(&runtime, target, &sender, body, self.address).await;
        Ok(match delivered {
            Ok(()) => Response::accepted(),
            Err(response) => response,
        })
    }

    /// Hands a request that is no message to the process it is for.
    async fn route(
        &self,
        parts: http::request::Parts,
        body: Bytes,
        stream: Option<RequestStream>,
    ) -> Result<Response, Response> {
        let asked = self.asked.lock().pop_front();
        if let Some(mut asked) = asked {
            return Ok(asked.response().await);
        }
        let Some(runtime) = self.runtime.upgrade() else {
            return Err(Response::status(StatusCode::SERVICE_UNAVAILABLE));
        };
        // Only a path is a path: neither `http://host/path` nor `*`.
        if parts.uri.authority().is_some() || parts.method == Method::CONNECT {
            return Err(Response::status(StatusCode::BAD_REQUEST));
        }
        let raw_query = parts.uri.query().unwrap_or_default();
        let Some(query) = Query::parse(raw_query) else {
            return Err(Response::bad_request("Failed to decode the query"));
        };
        let mut request = Request::new(parts.method, parts.uri.path(), body);
        request.raw_query = raw_query.to_owned();
        request.query = query;
        request.headers = parts.headers;
        request.client = Some(self.address);
        if let Some(stream) = stream {
            request.set_stream(stream);
        }
        Ok(route::dispatch(&runtime, request).await)
    }

    /// Reads the whole body, within limits of size and time.
    async fn body(&self, mut incoming: Incoming) -> Result<Bytes, Response> {
        let too_large = || Response::status(StatusCode::PAYLOAD_TOO_LARGE);
        if incoming.size_hint().lower() > self.limits.body as u64 {
            return Err(too_large());
        }
        let mut whole = Bytes::new();
        let mut joined: Option<BytesMut> = None;
        loop {
            let frame = match self.clock.timeout(self.limits.idle, incoming.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    return Err(Response::bad_request(format!("Failed to read the body: {error}")));
                }
                Ok(None) => return Ok(joined.map_or(whole, BytesMut::freeze)),
                Err(_) => return Err(Response::status(StatusCode::REQUEST_TIMEOUT)),
            };
            // Trailers are not supported and nothing depends on them.
            let Ok(data) = frame.into_data() else { continue };
            let length = joined.as_ref().map_or(whole.len(), BytesMut::len) + data.len();
            if length > self.limits.body {
                return Err(too_large());
            }
            match &mut joined {
                Some(joined) => joined.extend_from_slice(&data),
                None if whole.is_empty() => whole = data,
                None => {
                    let mut all = BytesMut::from(&whole[..]);
                    all.extend_from_slice(&data);
                    joined = Some(all);
                }
            }
        }
    }
}

/// Whether the body is one that goes on.
fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes() == b"application/recordio")
}

/// Who sent this, if it is a libprocess message.
fn sender(method: &Method, headers: &HeaderMap) -> Option<String> {
    if method != Method::POST {
        return None;
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    if let Some(from) = headers.get("libprocess-from") {
        return Some(text(from));
    }
    let agent = text(headers.get(header::USER_AGENT)?);
    agent.strip_prefix("libprocess/").map(str::to_owned)
}

/// A body that keeps its connection from counting as idle.
struct Answer {
    body: Paced,
    #[expect(dead_code, reason = "held for its drop")]
    busy: Busy,
}

impl http_body::Body for Answer {
    type Data = Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
