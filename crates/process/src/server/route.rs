//! Which process answers a path.

use std::future::Future;
use std::pin::Pin;

use crate::http::{Reply, Request, Response, decode_component};
use crate::runtime::Runtime;
use tokio::sync::oneshot;

use super::answer;

/// A path with its process: `/<id>/<rest>`.
#[derive(Debug, PartialEq, Eq)]
struct Routed {
    id: String,
    path: String,
}

/// Finds the process for a path: the first segment names it, or the delegate takes the whole.
#[expect(clippy::result_large_err, reason = "the error is the response, and rare")]
fn route(path: &str, delegate: Option<&str>, is_running: impl Fn(&str) -> bool) -> Result<Routed, Response> {
    if !path.starts_with('/') {
        return Err(Response::status(http::StatusCode::BAD_REQUEST));
    }
    if path.contains("/..") {
        return Err(Response::not_found());
    }
    let trimmed = path.trim_start_matches('/');
    let (first, rest) = trimmed.split_once('/').unwrap_or((trimmed, ""));
    let id = decode_component(first).ok_or_else(|| Response::bad_request("Failed to decode the path"))?;
    if !id.is_empty() && is_running(&id) {
        let path = format!("/{id}/{rest}");
        let path = path.strip_suffix('/').unwrap_or(&path).to_owned();
        return Ok(Routed {
            id: id.into_owned(),
            path,
        });
    }
    let Some(delegate) = delegate else {
        return Err(Response::not_found());
    };
    Ok(Routed {
        id: delegate.to_owned(),
        path: format!("/{delegate}{path}").trim_end_matches('/').to_owned(),
    })
}

/// Whether the firewall has a rule for the path; rules without the delegate's id count with it.
fn is_disabled(path: &str, rules: &[String], delegate: Option<&str>) -> bool {
    rules.iter().any(|rule| {
        rule == path
            || delegate
                .is_some_and(|id| path.strip_prefix('/').and_then(|path| path.strip_prefix(id)) == Some(rule))
    })
}

/// A request that was handed to its process, or refused at once.
pub(super) enum Asked {
    /// The answer is there.
    Answered(Response),
    /// The process has not said anything yet.
    Waiting(oneshot::Receiver<Reply>),
    /// The process has said how the answer is made.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl Asked {
    /// Waits until the answer is there. Loses nothing when it is dropped.
    pub(super) async fn settle(&mut self) {
        loop {
            *self = match self {
                Self::Answered(_) => return,
                Self::Waiting(reply) => match reply.await {
                    Ok(Reply::Ready(response)) => Self::Answered(response),
                    Ok(Reply::Later(future)) => Self::Later(future),
                    Err(_) => Self::Answered(answer::unanswered()),
                },
                Self::Later(future) => Self::Answered(future.await),
            };
        }
    }

    /// Waits for the answer, which can be had once. Loses nothing when it is dropped.
    pub(super) async fn response(&mut self) -> Response {
        self.settle().await;
        match std::mem::replace(self, Self::Answered(answer::unanswered())) {
            Self::Answered(response) => response,
            Self::Waiting(_) | Self::Later(_) => answer::unanswered(),
        }
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answered(_) => "Answered",
            Self::Waiting(_) => "Waiting",
            Self::Later(_) => "Later",
        })
    }
}

/// Hands a request to its process, as soon as there is room for it.
pub(super) async fn ask(runtime: &Runtime, mut request: Request) -> Asked {
    let settings = runtime.settings();
    let delegate = settings.delegate.as_deref();
    let routed = match route(&request.path, delegate, |id| runtime.is_running(id)) {
        Ok(routed) => routed,
        Err(response) => return Asked::Answered(response),
    };
    if is_disabled(&routed.path, &settings.disabled_endpoints, delegate) {
        let text = format!("Endpoint '{}' is disabled", routed.path);
        return Asked::Answered(Response::forbidden(text));
    }
    let Some(cell) = runtime.find(&routed.id) else {
        return Asked::Answered(Response::not_found());
    };
    request.path = routed.path;
    crate::actor::wait_for_room(&cell).await;
    let (sender, receiver) = oneshot::channel::<Reply>();
    if cell.http(request, sender) {
        Asked::Waiting(receiver)
    } else {
        Asked::Answered(Response::not_found())
    }
}

/// Hands a request to its process and waits for the answer.
pub(super) async fn dispatch(runtime: &Runtime, request: Request) -> Response {
    ask(runtime, request).await.response().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(path: &str) -> Result<String, u16> {
        let running = |id: &str| ["master", "slave(1)", "metrics"].contains(&id);
        match route(path, Some("master"), running) {
            Ok(routed) => Ok(format!("{} {}", routed.id, routed.path)),
            Err(response) => Err(response.status.as_u16()),
        }
    }

    #[test]
    fn paths() {
        assert_eq!(routed("/master/state").unwrap(), "master /master/state");
        assert_eq!(routed("/state").unwrap(), "master /master/state");
        assert_eq!(routed("/").unwrap(), "master /master");
        assert_eq!(routed("/metrics/snapshot").unwrap(), "metrics /metrics/snapshot");
        assert_eq!(routed("/slave%281%29/state").unwrap(), "slave(1) /slave(1)/state");
        assert_eq!(routed("//master//state").unwrap(), "master /master//state");
        assert_eq!(routed("/nope/x").unwrap(), "master /master/nope/x");
        assert_eq!(routed("/a/../b"), Err(404));
        assert_eq!(routed("/..x"), Err(404));
        assert_eq!(routed("state"), Err(400));
        assert_eq!(routed("*"), Err(400));
        assert_eq!(routed(""), Err(400));
        assert_eq!(routed("/%zz/x"), Err(400));
        assert_eq!(route("/x", None, |_| false).unwrap_err().status.as_u16(), 404);
    }

    /// CVE-2017-7687: a path that does not decode.
    #[test]
    fn every_form_of_an_escape_is_routed_or_refused() {
        for first in 0..=0x7fu8 {
            for second in 0..=0x7fu8 {
                let (first, second) = (char::from(first), char::from(second));
                for path in [
                    format!("/%{first}{second}"),
                    format!("/m%{first}{second}/x"),
                    format!("/%{first}"),
                    format!("/a%c3%{first}{second}"),
                    format!("/%e0%80%{first}{second}"),
                ] {
                    let status = route(&path, None, |_| false).unwrap_err().status.as_u16();
                    let decodes = decode_component(path.split('/').nth(1).unwrap()).is_some();
                    assert_eq!(status, if decodes { 404 } else { 400 }, "{path:?}");
                    assert_eq!(
                        crate::http::Query::parse(&path).is_some(),
                        decode_component(&path).is_some()
                    );
                }
            }
        }
    }

    #[test]
    fn disabled_endpoints() {
        let rules = ["/metrics/snapshot".to_owned(), "/state".to_owned()];
        let check = |path| is_disabled(path, &rules, Some("master"));
        assert!(check("/metrics/snapshot") && check("/master/state"));
        assert!(!check("/master/state/x") && !check("/master/slaves") && !check("/files/browse"));
    }
}
