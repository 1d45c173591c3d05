//! Methods, content types and bodies of v1 requests (facts: master-http.md §7.1, scheduler-http.md §1).

use http::{Method, StatusCode};
use process::http::{Request, Response};
use proto::{ContentType, Json, Message, Required};

/// Reads a call out of a request: the method, the content type and the body, in this order.
///
/// # Errors
/// The answer to a request that fails one of them.
pub(super) fn call<M: Message + Json + Required + Default>(
    request: &Request,
) -> Result<(ContentType, M), Box<Response>> {
    if request.method != Method::POST {
        return Err(Response::method_not_allowed(&["POST"], Some(request.method.as_str())).into());
    }
    let content_type = content_type(request)?;
    let call = content_type
        .decode(request.body.clone())
        .map_err(|error| Box::new(Response::bad_request(error.refusal("Call"))))?;
    Ok((content_type, call))
}

/// How the body is encoded.
fn content_type(request: &Request) -> Result<ContentType, Box<Response>> {
    let Some(text) = request.header("content-type") else {
        return Err(Response::bad_request("Expecting 'Content-Type' to be present").into());
    };
    // Compat: no parameters, and case matters (golden/http/166, 179).
    ContentType::from_media_type(text).ok_or_else(|| {
        Response::text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "Expecting 'Content-Type' of {} or {}",
                ContentType::Json,
                ContentType::Protobuf
            ),
        )
        .into()
    })
}

/// How the answer is to be encoded: JSON when the client takes it, whatever it likes best.
///
/// # Errors
/// 406 when it takes neither.
pub(super) fn accept(request: &Request) -> Result<ContentType, Box<Response>> {
    [ContentType::Json, ContentType::Protobuf]
        .into_iter()
        .find(|kind| request.accepts(kind.as_str()))
        .ok_or_else(|| {
            Response::text(
                StatusCode::NOT_ACCEPTABLE,
                format!(
                    "Expecting 'Accept' to allow '{}' or '{}'",
                    ContentType::Protobuf,
                    ContentType::Json
                ),
            )
            .into()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::master::Call;

    fn request(method: Method, headers: &[(&'static str, &str)], body: &'static [u8]) -> Request {
        let mut request = Request::new(method, "/master/api/v1", body);
        for (name, value) in headers {
            request.headers.insert(*name, value.parse().unwrap());
        }
        request
    }

    fn refusal(request: &Request) -> (u16, String) {
        match call::<Call>(request) {
            Ok((_, call)) => panic!("accepted: {call:?}"),
            Err(response) => {
                let body = response.body.to_bytes().unwrap();
                (
                    response.status.as_u16(),
                    String::from_utf8(body.to_vec()).unwrap(),
                )
            }
        }
    }

    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

    #[test]
    fn a_request_is_refused_for_the_first_thing_that_is_wrong() {
        assert_eq!(
            refusal(&request(Method::PUT, &[], b"")),
            (
                405,
                "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'PUT'.".to_owned()
            )
        );
        assert_eq!(
            refusal(&request(Method::POST, &[], b"")),
            (400, "Expecting 'Content-Type' to be present".to_owned())
        );
        for kind in ["text/html", "application/json; charset=utf-8", "Application/JSON"] {
            assert_eq!(
                refusal(&request(Method::POST, &[("content-type", kind)], b"{}")),
                (
                    415,
                    "Expecting 'Content-Type' of application/json or application/x-protobuf".to_owned()
                )
            );
        }
        assert_eq!(
            refusal(&request(Method::POST, JSON, b"this is not json")),
            (
                400,
                "Failed to parse body into JSON: syntax error at line 1 near: his is not json".to_owned()
            )
        );
        assert_eq!(
            refusal(&request(
                Method::POST,
                &[("content-type", "application/x-protobuf")],
                b"\xff\xff\xff"
            )),
            (400, "Failed to parse body into Call protobuf".to_owned())
        );
    }

    #[test]
    fn json_wins_when_both_are_taken() {
        let accepted = |accept: Option<&str>| {
            let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
            super::accept(&request(Method::POST, &headers, b"")).map_err(|response| response.status.as_u16())
        };
        assert_eq!(accepted(None), Ok(ContentType::Json));
        assert_eq!(accepted(Some("*/*")), Ok(ContentType::Json));
        assert_eq!(
            accepted(Some("application/x-protobuf, application/json;q=0.1")),
            Ok(ContentType::Json)
        );
        assert_eq!(accepted(Some("application/*")), Ok(ContentType::Json));
        assert_eq!(
            accepted(Some("application/x-protobuf")),
            Ok(ContentType::Protobuf)
        );
        assert_eq!(
            accepted(Some("application/json;q=0, */*")),
            Ok(ContentType::Protobuf)
        );
        assert_eq!(accepted(Some("text/html")), Err(406));
    }
}
