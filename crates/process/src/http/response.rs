//! Responses, and answers that come later.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{Body, Closer};

/// A response. `Date`, `Content-Length` or `Transfer-Encoding`, and compression are the server's.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// What cuts the client off, if something may.
    pub closer: Option<Closer>,
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript");

impl Response {
    /// A response with no header and no body.
    pub fn new(status: StatusCode) -> Self {
        Self::with_body(status, Body::Empty)
    }

    /// A response with a body and no header.
    pub fn with_body(status: StatusCode, body: impl Into<Body>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            closer: None,
        }
    }

    /// 200 with no body.
    pub fn ok() -> Self {
        Self::new(StatusCode::OK)
    }

    /// 202 with no body.
    pub fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED)
    }

    /// A plain text with a status.
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        let mut response = Self::with_body(status, text.into());
        response.headers.insert(header::CONTENT_TYPE, TEXT);
        response
    }

    /// A status whose body is its own text, as `404 Not Found.`.
    pub fn status(status: StatusCode) -> Self {
        Self::text(status, format!("{} {}.", status.as_str(), reason(status)))
    }

    /// 404 with its own text.
    pub fn not_found() -> Self {
        Self::status(StatusCode::NOT_FOUND)
    }

    /// 400 with a text.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::text(StatusCode::BAD_REQUEST, text)
    }

    /// 403 with a text.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::text(StatusCode::FORBIDDEN, text)
    }

    /// 500 with a text.
    pub fn internal_error(text: impl Into<String>) -> Self {
        Self::text(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// 503 with a text.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::text(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// 405 with `Allow`, naming the methods that are served and, if given, the one that came.
    pub fn method_not_allowed(allowed: &[&str], received: Option<&str>) -> Self {
        let quoted: Vec<String> = allowed.iter().map(|method| format!("'{method}'")).collect();
        let mut text = format!(
            "405 Method Not Allowed. Expecting one of {{ {} }}",
            quoted.join(", ")
        );
        if let Some(received) = received {
            text.push_str(&format!(", but received '{received}'"));
        }
        text.push('.');
        Self::text(StatusCode::METHOD_NOT_ALLOWED, text).header("allow", &allowed.join(", "))
    }

    /// 200 with JSON that is already encoded, wrapped in a call of `jsonp` if that is given.
    pub fn json(json: impl Into<Bytes>, jsonp: Option<&str>) -> Self {
        let json = json.into();
        let (body, kind) = match jsonp {
            None => (Body::from(json), JSON),
            Some(function) => {
                let open = Bytes::from(format!("{function}("));
                (Body::from(vec![open, json, Bytes::from_static(b")")]), JAVASCRIPT)
            }
        };
        let mut response = Self::with_body(StatusCode::OK, body);
        response.headers.insert(header::CONTENT_TYPE, kind);
        response
    }

    /// 200 with a value as JSON (as serde writes it, not in the dialect of protobuf messages).
    pub fn json_value(value: &impl Serialize, jsonp: Option<&str>) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => Self::json(json, jsonp),
            Err(error) => Self::internal_error(format!("Failed to write JSON: {error}")),
        }
    }

    /// Lets `closer` close the connection that this response is sent on.
    #[must_use]
    pub fn closer(mut self, closer: &Closer) -> Self {
        self.closer = Some(closer.clone());
        self
    }

    /// Adds a header, replacing one of that name. A name or value that no header can have is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// The reason phrase. Compat: four texts are those of older HTTP documents.
pub(crate) fn reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        408 => "Request Time-out",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        504 => "Gateway Time-out",
        _ => status.canonical_reason().unwrap_or("Unknown"),
    }
}

/// A handler's answer: a response now, or one that is awaited on the connection's task.
pub enum Reply {
    /// Now.
    Ready(Response),
    /// When the future is done; dropped if the client goes first.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl Reply {
    /// An answer that comes later. The future runs beside the process: it comes back by a [`crate::Handle`].
    pub fn later(future: impl Future<Output = Response> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }

    /// The response, when it is there.
    pub async fn response(self) -> Response {
        match self {
            Self::Ready(response) => response,
            Self::Later(future) => future.await,
        }
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self::Ready(response)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(response) => response.fmt(f),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response) -> String {
        String::from_utf8(response.body.to_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn texts_of_errors() {
        assert_eq!(text(&Response::not_found()), "404 Not Found.");
        assert_eq!(
            text(&Response::status(StatusCode::PAYLOAD_TOO_LARGE)),
            "413 Request Entity Too Large."
        );
        let response = Response::method_not_allowed(&["GET", "POST"], Some("PUT"));
        assert_eq!(
            text(&response),
            "405 Method Not Allowed. Expecting one of { 'GET', 'POST' }, but received 'PUT'."
        );
        assert_eq!(response.headers["allow"], "GET, POST");
    }

    #[test]
    fn json_is_wrapped_on_request() {
        assert_eq!(text(&Response::json("{}", None)), "{}");
        let wrapped = Response::json("{}", Some("f"));
        assert_eq!(text(&wrapped), "f({})");
        assert_eq!(wrapped.headers["content-type"], "text/javascript");
    }
}
