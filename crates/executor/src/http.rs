//! HTTP/1.1 to the agent, on hyper: every wait has a limit, every body a bound.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use recordio::{Decoder, Limits};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::JoinHandle;

use crate::{Config, Error};

/// Longest event taken from the agent, in bytes.
pub const MAX_RECORD: usize = 64 << 20;

/// Most bytes kept of the text of a refusal.
const MAX_MESSAGE: usize = 4 * 1024;

/// One connection, closed when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// None: it ends by itself.
    driver: Option<JoinHandle<()>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

impl Connection {
    /// Connects; the caller limits the time.
    pub(crate) async fn open(config: &Config) -> Result<Self, Error> {
        match (&config.domain_socket, &config.tls) {
            (Some(path), _) => Self::over(UnixStream::connect(path).await.map_err(broken)?).await,
            (None, Some(tls)) => {
                let mut found = lookup_host(&config.agent).await.map_err(broken)?;
                let none = || Error::Connection(format!("{} has no address", config.agent));
                let address = found.next().ok_or_else(none)?;
                Self::over(tls.connect(address).await.map_err(broken)?).await
            }
            (None, None) => {
                let socket = TcpStream::connect(&config.agent).await.map_err(broken)?;
                socket.set_nodelay(true).map_err(broken)?;
                Self::over(socket).await
            }
        }
    }

    async fn over(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, Error> {
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("connection to the agent ended: {error}");
            }
        });
        Ok(Self {
            sender,
            driver: Some(driver),
        })
    }

    /// Sends a call of the executor API and waits for the head of the answer; the caller limits the time.
    pub(crate) async fn post(&mut self, config: &Config, body: Bytes) -> Result<Response<Incoming>, Error> {
        let request = request(config, &config.path, Headers::Plain, body)?;
        self.sender.ready().await.map_err(broken)?;
        self.sender.send_request(request).await.map_err(broken)
    }

    /// Sends the one call of this connection, which lives as long as the answer's body.
    pub(crate) async fn post_once(
        mut self,
        config: &Config,
        path: &str,
        headers: Headers,
        body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let request = request(config, path, headers, body)?;
        self.sender.ready().await.map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        // Hyper ends the connection when nobody holds the sender and the body any more.
        self.driver = None;
        Ok(response)
    }
}

/// What an answer may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    /// One message.
    Plain,
    /// A stream of them.
    Records,
}

fn request(
    config: &Config,
    path: &str,
    headers: Headers,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Error> {
    let kind = config.content_type.as_str();
    let mut request = Request::post(path)
        .header(header::HOST, &config.agent)
        .header(
            header::USER_AGENT,
            concat!("tiangong/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::CONTENT_TYPE, kind);
    request = match headers {
        Headers::Plain => request.header(header::ACCEPT, kind),
        Headers::Records => request
            .header(header::ACCEPT, "application/recordio")
            .header("Message-Accept", kind),
    };
    if let Some(token) = &config.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.as_str()));
    }
    request.body(Full::new(body)).map_err(broken)
}

/// The answer as an error, if it has another status than `expected`.
pub(crate) async fn expect(response: Response<Incoming>, expected: StatusCode) -> Result<Incoming, Error> {
    let status = response.status();
    if status == expected {
        return Ok(response.into_body());
    }
    let body = Limited::new(response.into_body(), MAX_MESSAGE).collect().await;
    let message = body
        .map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned())
        .unwrap_or_default();
    Err(Error::Refused {
        status: status.as_u16(),
        message,
    })
}

/// The events of one subscription. The connection closes when this is dropped.
#[derive(Debug)]
pub(crate) struct Records {
    body: Incoming,
    decoder: Decoder,
    chunk: Bytes,
    _connection: Connection,
}

impl Records {
    pub(crate) fn new(connection: Connection, body: Incoming) -> Self {
        let limits = Limits {
            record: MAX_RECORD,
            ..Limits::default()
        };
        Self {
            body,
            decoder: Decoder::new(limits),
            chunk: Bytes::new(),
            _connection: connection,
        }
    }

    /// The next record; none at the end. May be dropped at any time without loss.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(record) = self.decoder.decode(&mut self.chunk).map_err(broken)? {
                return Ok(Some(record));
            }
            match self.body.frame().await {
                Some(frame) => self.chunk = frame.map_err(broken)?.into_data().unwrap_or_default(),
                None => return self.decoder.finish().map(|()| None).map_err(broken),
            }
        }
    }
}

fn broken(error: impl std::error::Error) -> Error {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Error::Connection(text)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
