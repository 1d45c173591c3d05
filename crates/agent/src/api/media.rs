//! What a request is made of and what its answer may be made of: plain messages, or streams of records
//! (facts: agent-http, section 3.1, rows 4 to 11).

use ::process::http::{Request, Response, StatusCode};
use proto::ContentType;

/// The media type of streams of records.
pub(super) const RECORDIO: &str = "application/recordio";
const MESSAGE_CONTENT_TYPE: &str = "Message-Content-Type";
const MESSAGE_ACCEPT: &str = "Message-Accept";

/// The answer to a request that is refused.
pub(super) type Refusal = Box<Response>;

/// One body: a message, or a stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// One message.
    Plain(ContentType),
    /// Records, each a message.
    Stream(ContentType),
}

impl Media {
    pub(super) const fn is_stream(self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// How a message is encoded.
    pub(super) const fn message(self) -> ContentType {
        match self {
            Self::Plain(kind) | Self::Stream(kind) => kind,
        }
    }

    /// What the request's body is made of.
    pub(super) fn of_body(request: &Request) -> Result<Self, Refusal> {
        let text = request.header("content-type");
        let text = text.ok_or_else(|| Response::bad_request("Expecting 'Content-Type' to be present"))?;
        let of_message = request.header(MESSAGE_CONTENT_TYPE);
        if text == RECORDIO {
            let Some(text) = of_message else {
                let text = format!("Expecting '{MESSAGE_CONTENT_TYPE}' to be set for streaming requests");
                return Err(Response::bad_request(text).into());
            };
            return ContentType::from_media_type(text)
                .map(Self::Stream)
                .ok_or_else(|| unsupported(format!("Expecting '{MESSAGE_CONTENT_TYPE}' of {}", plain())));
        }
        let kind = ContentType::from_media_type(text)
            .ok_or_else(|| unsupported(format!("Expecting 'Content-Type' of {} or {RECORDIO}", plain())))?;
        if of_message.is_some() {
            let text = format!("Expecting '{MESSAGE_CONTENT_TYPE}' to be not set for non-streaming requests");
            return Err(unsupported(text));
        }
        Ok(Self::Plain(kind))
    }

    /// What the answer's body is to be made of: JSON when the client takes it, records only when it takes nothing
    /// else.
    pub(super) fn of_answer(request: &Request) -> Result<Self, Refusal> {
        if let Some(kind) = taken(request) {
            if request.headers.contains_key(MESSAGE_ACCEPT) {
                let text = format!("Expecting '{MESSAGE_ACCEPT}' to be not set for non-streaming responses");
                return Err(not_acceptable(text));
            }
            return Ok(Self::Plain(kind));
        }
        if !request.accepts(RECORDIO) {
            return Err(not_acceptable(format!(
                "Expecting 'Accept' to allow {} or {RECORDIO}",
                plain()
            )));
        }
        let of_message = request.header(MESSAGE_ACCEPT).unwrap_or("*/*");
        let mut asked = Request::new(request.method.clone(), &request.path, "");
        if let Ok(value) = of_message.parse() {
            asked.headers.insert("accept", value);
        }
        taken(&asked)
            .map(Self::Stream)
            .ok_or_else(|| not_acceptable(format!("Expecting '{MESSAGE_ACCEPT}' to allow {}", plain())))
    }
}

/// The encoding of messages that a client takes, JSON first.
fn taken(request: &Request) -> Option<ContentType> {
    [ContentType::Json, ContentType::Protobuf]
        .into_iter()
        .find(|kind| request.accepts(kind.as_str()))
}

fn plain() -> String {
    format!("{} or {}", ContentType::Json, ContentType::Protobuf)
}

fn unsupported(text: String) -> Refusal {
    Response::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into()
}

/// What is said to a body that is no agent call.
// Compat: other words than those of the executor API and of the master.
pub(super) fn undecoded(error: &proto::Error) -> Response {
    Response::bad_request(match error {
        proto::Error::Json(error) if error.is_syntax() => format!("Failed to parse body into JSON: {error}"),
        proto::Error::Json(error) => error.to_string(),
        _ => "Failed to parse body into a protobuf object".to_owned(),
    })
}

pub(super) fn not_acceptable(text: String) -> Refusal {
    Response::text(StatusCode::NOT_ACCEPTABLE, text).into()
}

/// A response with a stream of records as its body.
pub(super) fn streamed(media: Media, body: ::process::http::Body) -> Response {
    let response = Response::with_body(StatusCode::OK, body);
    match media {
        Media::Plain(kind) => response.header("content-type", kind.as_str()),
        Media::Stream(kind) => response
            .header("content-type", RECORDIO)
            .header(MESSAGE_CONTENT_TYPE, kind.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use ::process::http::Method;

    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new(Method::POST, "/slave(1)/api/v1", "");
        for (name, value) in headers {
            request.headers.insert(*name, value.parse().unwrap());
        }
        request
    }

    #[track_caller]
    fn body(headers: &[(&'static str, &str)], expected: Result<Media, u16>) {
        let found = Media::of_body(&request(headers)).map_err(|refusal| refusal.status.as_u16());
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn answer(headers: &[(&'static str, &str)], expected: Result<Media, u16>) {
        let found = Media::of_answer(&request(headers)).map_err(|refusal| refusal.status.as_u16());
        assert_eq!(found, expected);
    }

    #[test]
    fn bodies_are_messages_or_streams_of_them() {
        let (json, protobuf) = ("application/json", "application/x-protobuf");
        body(&[], Err(400));
        body(&[("content-type", json)], Ok(Media::Plain(ContentType::Json)));
        body(
            &[("content-type", protobuf)],
            Ok(Media::Plain(ContentType::Protobuf)),
        );
        body(&[("content-type", "text/plain")], Err(415));
        body(
            &[("content-type", json), ("message-content-type", json)],
            Err(415),
        );
        body(&[("content-type", RECORDIO)], Err(400));
        body(
            &[("content-type", RECORDIO), ("message-content-type", protobuf)],
            Ok(Media::Stream(ContentType::Protobuf)),
        );
        body(
            &[("content-type", RECORDIO), ("message-content-type", RECORDIO)],
            Err(415),
        );
    }

    #[test]
    fn answers_are_streams_only_for_those_who_take_nothing_else() {
        answer(&[], Ok(Media::Plain(ContentType::Json)));
        answer(&[("accept", "*/*")], Ok(Media::Plain(ContentType::Json)));
        answer(
            &[("accept", "application/x-protobuf, application/recordio")],
            Ok(Media::Plain(ContentType::Protobuf)),
        );
        answer(&[("accept", RECORDIO)], Ok(Media::Stream(ContentType::Json)));
        answer(
            &[("accept", RECORDIO), ("message-accept", "application/x-protobuf")],
            Ok(Media::Stream(ContentType::Protobuf)),
        );
        answer(&[("accept", RECORDIO), ("message-accept", "text/html")], Err(406));
        answer(&[("accept", "text/html")], Err(406));
        answer(
            &[
                ("accept", "application/json"),
                ("message-accept", "application/json"),
            ],
            Err(406),
        );
    }
}
