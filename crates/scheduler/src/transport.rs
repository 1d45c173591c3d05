//! HTTP/1.1 to one server, on hyper: every wait has a limit, every body a bound.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proto::ContentType;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::core::Answer;
use crate::error::Wait;
use crate::{Address, Error, Tls};

/// Most bytes of an answer's head, and of what is read from the socket at once.
const MAX_HEAD: usize = 128 * 1024;
/// Most bytes kept of an answer that is an error.
const MAX_MESSAGE: usize = 4 * 1024;
/// Most time spent on the text of an answer that is an error.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// The name of the stream that a scheduler's calls belong to.
pub(crate) const STREAM_ID: &str = "mesos-stream-id";

/// A name and a secret, sent by HTTP basic authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Who calls.
    pub principal: String,
    /// The shared secret.
    pub secret: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

/// What the requests of one client have in common.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) content_type: ContentType,
    pub(crate) credential: Option<Credential>,
    pub(crate) connect_timeout: Duration,
    /// For `https://`; the system's authorities are trusted when unset.
    pub(crate) tls: Option<Arc<Tls>>,
}

/// One connection, closed when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    to: Address,
    sender: http1::SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A request that never left, or an answer that never came.
#[derive(Debug)]
pub(crate) enum Undone {
    /// Nothing was sent: the request may go again.
    NotSent(Error),
    /// It may have been processed.
    Unknown(Error),
}

impl Undone {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::NotSent(error) | Self::Unknown(error) => error,
        }
    }
}

impl Connection {
    /// Connects, within the limit; by TLS to an address that wants it.
    pub(crate) async fn open(to: &Address, common: &Common) -> Result<Self, Error> {
        let limit = common.connect_timeout;
        let connecting = async {
            let socket = TcpStream::connect((to.host(), to.port()))
                .await
                .map_err(|error| refused(to, &error))?;
            socket.set_nodelay(true).map_err(|error| refused(to, &error))?;
            if !to.is_https() {
                return Self::over(to, socket).await;
            }
            let tls = match &common.tls {
                Some(tls) => Arc::clone(tls),
                None => Tls::system()?,
            };
            let secured = tls.secure(to.host(), socket).await;
            Self::over(to, secured.map_err(|error| refused(to, &error))?).await
        };
        timeout(limit, Box::pin(connecting))
            .await
            .map_err(|_| Error::TimedOut {
                what: Wait::Connection,
                limit,
            })?
    }

    async fn over(
        to: &Address,
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Error> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let (sender, connection) = builder
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|error| refused(to, &error))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("connection ended: {error}");
            }
        });
        Ok(Self {
            to: to.clone(),
            sender,
            driver,
        })
    }

    /// Whether the server has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a POST and waits for the head of the answer, without a limit.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        common: &Common,
        stream_id: Option<&HeaderValue>,
        body: Bytes,
    ) -> Result<Response<Incoming>, Undone> {
        let request = request(&self.to, path, common, stream_id, body).map_err(Undone::NotSent)?;
        self.send(request).await
    }

    /// Sends a GET for JSON and waits for the head of the answer, without a limit.
    pub(crate) async fn get(&mut self, path: &str, common: &Common) -> Result<Response<Incoming>, Undone> {
        let builder = head(&self.to, Method::GET, path, common);
        let builder = builder.header(header::ACCEPT, ContentType::Json.as_str());
        let request = finish(&self.to, path, builder, Bytes::new()).map_err(Undone::NotSent)?;
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Undone> {
        if let Err(error) = self.sender.ready().await {
            return Err(Undone::NotSent(self.broken(&error)));
        }
        self.sender.try_send_request(request).await.map_err(|mut failed| {
            let unsent = failed.take_message().is_some();
            let error = self.broken(failed.error());
            if unsent {
                Undone::NotSent(error)
            } else {
                Undone::Unknown(error)
            }
        })
    }

    fn broken(&self, error: &hyper::Error) -> Error {
        Error::Broken {
            to: self.to.clone(),
            reason: chain(error),
        }
    }
}

fn request(
    to: &Address,
    path: &str,
    common: &Common,
    stream_id: Option<&HeaderValue>,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Error> {
    let mut builder = head(to, Method::POST, path, common)
        .header(header::CONTENT_TYPE, common.content_type.as_str())
        .header(header::ACCEPT, common.content_type.as_str());
    if let Some(id) = stream_id {
        builder = builder.header(STREAM_ID, id);
    }
    finish(to, path, builder, body)
}

/// What every request begins with.
fn head(to: &Address, method: Method, path: &str, common: &Common) -> http::request::Builder {
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, to.authority())
        .header(
            header::USER_AGENT,
            concat!("tiangong/", env!("CARGO_PKG_VERSION")),
        );
    match &common.credential {
        None => builder,
        Some(Credential { principal, secret }) => {
            let token = base64::engine::general_purpose::STANDARD.encode(format!("{principal}:{secret}"));
            builder.header(header::AUTHORIZATION, format!("Basic {token}"))
        }
    }
}

fn finish(
    to: &Address,
    path: &str,
    builder: http::request::Builder,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Error> {
    builder.body(Full::new(body)).map_err(|error| Error::Address {
        text: format!("{to}{path}"),
        reason: error.to_string(),
    })
}

/// The head as the state machines want it; the text of an error is read too, bounded in size and time.
pub(crate) async fn answer(response: Response<Incoming>) -> (Answer, Option<Response<Incoming>>) {
    let status = response.status();
    let mut answer = Answer {
        status: status.as_u16(),
        content_type: content_type(response.headers()),
        location: text(response.headers(), &header::LOCATION),
        message: String::new(),
    };
    if status == StatusCode::OK {
        return (answer, Some(response));
    }
    answer.message = match timeout(MESSAGE_TIMEOUT, read_message(response.into_body())).await {
        Ok(text) if !text.is_empty() => text,
        _ => status.canonical_reason().unwrap_or_default().to_owned(),
    };
    (answer, None)
}

/// The whole body, unless it is larger than `limit` bytes.
pub(crate) async fn read_body(to: &Address, body: Incoming, limit: usize) -> Result<Bytes, Error> {
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge { limit }),
        Err(error) => Err(Error::Broken {
            to: to.clone(),
            reason: error.to_string(),
        }),
    }
}

async fn read_message(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_MESSAGE {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    bytes.extend(data.iter().take(MAX_MESSAGE - bytes.len()));
                }
            }
            Some(Err(_)) | None => break,
        }
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// The media type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let whole = text(headers, &header::CONTENT_TYPE);
    whole
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn refused(to: &Address, error: &(dyn std::error::Error + 'static)) -> Error {
    Error::Connect {
        to: to.clone(),
        reason: chain(error),
    }
}

/// An error and its sources, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = inner.source();
    }
    text
}
