//! A request with its whole body.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Principal, Query, RequestStream};

/// A request with its whole body, as a handler gets it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method, as sent: HEAD and OPTIONS reach the handlers too.
    pub method: Method,
    /// The path, encoded as sent but with the id of the process that serves it in front.
    pub path: String,
    /// What followed the `?`, undecoded.
    pub raw_query: String,
    /// The query's pairs.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, inflated if it came with `Content-Encoding: gzip`.
    pub body: Bytes,
    /// Who sent it; `None` for requests made in memory.
    pub client: Option<SocketAddr>,
    /// Who has proven to be its sender; `None` where nothing has to be proven.
    pub principal: Option<Principal>,
    tail: String,
    stream: Option<RequestStream>,
}

impl Request {
    /// A request made in memory; `target` is a path with or without a query. A query that does not parse is empty.
    pub fn new(method: Method, target: &str, body: impl Into<Bytes>) -> Self {
        let (path, raw_query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method,
            path: path.to_owned(),
            raw_query: raw_query.to_owned(),
            query: Query::parse(raw_query).unwrap_or_default(),
            headers: HeaderMap::new(),
            body: body.into(),
            client: None,
            principal: None,
            tail: String::new(),
            stream: None,
        }
    }

    /// A header's value, if it is visible ASCII. Of several, the last counts.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get_all(name)
            .iter()
            .next_back()
            .and_then(|value| value.to_str().ok())
    }

    /// The media type of the body, without parameters and in lower case.
    pub fn content_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase(),
        )
    }

    /// Whether the client takes `media` (as `application/json`): by exact name, `application/*` or `*/*`, with a
    /// quality above zero. Without an `Accept` header, everything is taken.
    pub fn accepts(&self, media: &str) -> bool {
        let Some(accept) = self.header("accept") else {
            return true;
        };
        if accept.trim().is_empty() {
            return true;
        }
        let kind = media.split('/').next().unwrap_or_default();
        let quality = |wanted: &str| quality(accept, wanted);
        let exact = quality(media);
        let by_kind = quality(&format!("{kind}/*"));
        exact
            .or(by_kind)
            .or_else(|| quality("*/*"))
            .is_some_and(|q| q > 0.0)
    }

    /// Path and query as sent (with the process's id in front).
    pub fn target(&self) -> String {
        if self.raw_query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.raw_query)
        }
    }

    /// The path below the process's id, without slashes at its ends.
    pub fn inner_path(&self) -> &str {
        let path = self.path.trim_matches('/');
        path.split_once('/')
            .map_or("", |(_, inner)| inner)
            .trim_matches('/')
    }

    /// What of the path lies below the route that matched, without slashes at its ends.
    pub fn tail(&self) -> &str {
        &self.tail
    }

    pub(crate) fn set_tail(&mut self, tail: &str) {
        tail.trim_matches('/').clone_into(&mut self.tail);
    }

    /// The body of a request that goes on: only one whose media type is `application/recordio` is given to its handler
    /// before its end, with an empty [`body`](Self::body). None for others, and once it was taken.
    pub fn take_stream(&mut self) -> Option<RequestStream> {
        self.stream.take()
    }

    pub(crate) fn set_stream(&mut self, stream: RequestStream) {
        self.stream = Some(stream);
    }

    /// The function that the client wants its JSON wrapped in.
    ///
    /// Compat: `jsonp=` is a call of nothing, `({...})` without a name, as Mesos has it.
    pub fn jsonp(&self) -> Option<&str> {
        self.query.get("jsonp")
    }
}

/// The quality that a list such as `gzip;q=0.5, *` gives to `wanted`.
pub(crate) fn quality(list: &str, wanted: &str) -> Option<f32> {
    for item in list.split(',') {
        let mut parts = item.split(';').map(str::trim);
        if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted)) {
            continue;
        }
        let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        return Some(q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> Request {
        let mut request = Request::new(Method::GET, "/master/state", "");
        request.headers.insert("accept", accept.parse().unwrap());
        request
    }

    #[test]
    fn accept_lists() {
        assert!(Request::new(Method::GET, "/", "").accepts("application/json"));
        assert!(accepting("application/json").accepts("application/json"));
        assert!(accepting("application/*").accepts("application/json"));
        assert!(accepting("text/html, */*;q=0.1").accepts("application/json"));
        assert!(!accepting("application/x-protobuf").accepts("application/json"));
        assert!(!accepting("application/json;q=0, */*").accepts("application/json"));
    }

    #[test]
    fn the_path_below_the_process() {
        assert_eq!(
            Request::new(Method::GET, "/master/api/v1/?x=1", "").inner_path(),
            "api/v1"
        );
        assert_eq!(Request::new(Method::GET, "/master", "").inner_path(), "");
        assert_eq!(
            Request::new(Method::GET, "/master/state?a=b", "").target(),
            "/master/state?a=b"
        );
    }
}
