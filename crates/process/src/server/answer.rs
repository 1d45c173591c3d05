//! Responses, on their way out.

use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::AsyncReadExt;

use crate::Time;
use crate::http::{Body, BodyError, Response};

/// How long a refused client may take to read the refusal.
pub(super) const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The smallest body that is compressed: 1 KiB.
const GZIP_FROM: usize = 1_024;
/// Bodies from this on are compressed beside the threads that run processes.
const GZIP_ASIDE: usize = 256 << 10;

/// The `Date` header's value, made once a second.
#[derive(Debug, Default)]
pub(super) struct DateCache {
    second: i64,
    text: String,
}

impl DateCache {
    pub(super) fn at(&mut self, now: Time) -> &str {
        if now.as_secs() != self.second || self.text.is_empty() {
            self.second = now.as_secs();
            let since = Duration::from_secs(u64::try_from(self.second).unwrap_or(0));
            self.text = httpdate::fmt_http_date(UNIX_EPOCH + since);
        }
        &self.text
    }
}

/// Appends the answer to a delivered message. Compat: exactly these headers in this order.
pub(super) fn write_accepted(date: &str, close: bool, out: &mut BytesMut) {
    let close = if close { "Connection: close\r\n" } else { "" };
    put!(
        out,
        "HTTP/1.1 202 Accepted\r\nDate: {date}\r\nContent-Length: 0\r\n{close}\r\n"
    );
}

/// Appends a response whose body is in memory.
pub(super) fn write(response: &Response, date: &str, close: bool, out: &mut BytesMut) {
    let body = response.body.to_bytes().unwrap_or_default();
    let status = response.status;
    put!(
        out,
        "HTTP/1.1 {} {}\r\nDate: {date}\r\n",
        status.as_str(),
        crate::http::reason(status)
    );
    for (name, value) in &response.headers {
        put!(out, "{name}: ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let close = if close { "Connection: close\r\n" } else { "" };
    put!(out, "Content-Length: {}\r\n{close}\r\n", body.len());
    out.extend_from_slice(&body);
}

/// Makes a handler's response ready for hyper: opens files, compresses, says the length.
pub(super) async fn prepare(
    response: Response,
    accept_encoding: Option<&HeaderValue>,
) -> http::Response<Body> {
    let mut response = open_file(response).await;
    if wants_gzip(accept_encoding) && may_gzip(&response.headers, &response.body) {
        response = gzip(response).await;
    }
    let Response {
        status,
        mut headers,
        body,
        closer: _,
    } = response;
    if let Some(length) = body.len() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let mut out = http::Response::new(body);
    *out.status_mut() = status;
    *out.headers_mut() = headers;
    let reason = crate::http::reason(status);
    if status.canonical_reason() != Some(reason) {
        out.extensions_mut()
            .insert(hyper::ext::ReasonPhrase::from_static(reason.as_bytes()));
    }
    out
}

/// Whether `Accept-Encoding` names gzip (or anything) with a quality above zero. Without the header: no.
fn wants_gzip(accept: Option<&HeaderValue>) -> bool {
    let Some(accept) = accept.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let quality = |name| crate::http::quality(accept, name);
    quality("gzip").or_else(|| quality("*")).is_some_and(|q| q > 0.0)
}

fn may_gzip(headers: &HeaderMap, body: &Body) -> bool {
    !headers.contains_key(CONTENT_ENCODING) && body.len().is_some_and(|length| length >= GZIP_FROM)
}

async fn gzip(mut response: Response) -> Response {
    let body = std::mem::take(&mut response.body);
    let compressed = if body.len().is_some_and(|length| length >= GZIP_ASIDE) {
        tokio::task::spawn_blocking(move || compress(&body))
            .await
            .unwrap_or_else(|_| Err(Body::Empty))
    } else {
        compress(&body)
    };
    match compressed {
        Ok(bytes) => {
            response.body = bytes.into();
            response
                .headers
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.headers.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
            response
        }
        Err(_) => Response::internal_error("Failed to compress the response"),
    }
}

fn compress(body: &Body) -> Result<Bytes, Body> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut feed = |bytes: &[u8]| encoder.write_all(bytes).map_err(|_| Body::Empty);
    match body {
        Body::Full(bytes) => feed(bytes)?,
        Body::Slices(slices) => slices.iter().try_for_each(|slice| feed(slice))?,
        Body::Empty | Body::File(_) | Body::Open(_) | Body::Stream(_) => {}
    }
    encoder.finish().map(Bytes::from).map_err(|_| Body::Empty)
}

/// Bytes of a file per frame.
const FILE_FRAME: usize = 64 << 10;

async fn open_file(response: Response) -> Response {
    let Response {
        status,
        mut headers,
        body,
        closer,
    } = response;
    let (file, kind) = match body {
        Body::File(path) => (
            tokio::fs::File::open(&path).await,
            crate::http::by_extension(&path),
        ),
        Body::Open(file) => (Ok(tokio::fs::File::from_std(file)), None),
        body => {
            return Response {
                status,
                headers,
                body,
                closer,
            };
        }
    };
    let Ok(file) = file else {
        return Response::not_found();
    };
    let length = match file.metadata().await {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => return Response::not_found(),
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if !headers.contains_key(CONTENT_TYPE)
        && let Some(kind) = kind
    {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    // No more than was said, even if the file grows meanwhile.
    let reader = file.take(length);
    let frames = futures_util::stream::unfold(reader, |mut reader| async move {
        let mut frame = BytesMut::with_capacity(FILE_FRAME);
        match reader.read_buf(&mut frame).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(http_body::Frame::data(frame.freeze())), reader)),
            Err(error) => Some((Err(BodyError(error.to_string())), reader)),
        }
    });
    let body = Body::from_http_body(http_body_util::StreamBody::new(frames));
    Response {
        status,
        headers,
        body,
        closer,
    }
}

/// The response when a process ended without answering.
pub(super) fn unanswered() -> Response {
    Response::status(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_clients_take_gzip() {
        let check = |text: &'static str| wants_gzip(Some(&HeaderValue::from_static(text)));
        assert!(check("gzip") && check("deflate, gzip;q=0.5") && check("*"));
        assert!(!check("gzip;q=0") && !check("deflate") && !check("") && !check("gzip;q=0, *"));
        assert!(!wants_gzip(None));
    }

    #[test]
    fn the_answer_to_a_message_is_mesos_own() {
        let mut out = BytesMut::new();
        write_accepted(
            DateCache::default().at(Time::from_secs(1_795_221_945)),
            false,
            &mut out,
        );
        let expected =
            "HTTP/1.1 202 Accepted\r\nDate: Sat, 21 Nov 2026 00:45:45 GMT\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(out, expected);
    }
}
