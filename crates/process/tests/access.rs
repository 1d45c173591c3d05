//! Realms and permissions, on real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Answer, Served, serve_with, settings};
use process::http::{Access, Authenticator, Outcome, Principal, Request, Response, StatusCode};
use process::{Context, Process, Settings, Time};

/// Takes whoever says a name.
#[derive(Debug)]
struct ByName;

impl Authenticator for ByName {
    fn scheme(&self) -> &'static str {
        "Name"
    }

    fn authenticate(&self, request: &Request, _now: Time) -> Outcome {
        match request.header("authorization") {
            None => Outcome::unauthorized("Name realm=\"r\""),
            Some("villain") => Outcome::Forbidden("not you".to_owned()),
            Some(name) => Outcome::Authenticated(Principal::named(name)),
        }
    }
}

struct Who;

impl Process for Who {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        for (realm, path) in [(Some("r"), "/closed"), (Some("other"), "/open"), (None, "/free")] {
            ctx.route_in(realm, path, |_, _, request| {
                let who = request
                    .principal
                    .map_or_else(|| "nobody".to_owned(), |who| who.to_string());
                Response::text(StatusCode::OK, who)
            });
        }
    }
}

async fn serve(access: Access) -> Served {
    let served = serve_with(Settings { access, ..settings() }).await;
    served.runtime.spawn("who", Who).unwrap();
    served
}

async fn ask(served: &Served, target: &str, name: &str) -> Answer {
    let mut raw = served.connect().await;
    let header = if name.is_empty() {
        String::new()
    } else {
        format!("Authorization: {name}\r\n")
    };
    raw.write(format!("GET {target} HTTP/1.1\r\n{header}\r\n")).await;
    raw.answer().await
}

fn by_name(realm: &str) -> BTreeMap<String, Arc<dyn Authenticator>> {
    [(realm.to_owned(), Arc::new(ByName) as Arc<dyn Authenticator>)].into()
}

#[tokio::test]
async fn a_realm_with_an_authenticator_is_closed_and_others_are_open() {
    let served = serve(Access {
        authenticators: by_name("r"),
        ..Access::default()
    })
    .await;
    let answer = ask(&served, "/who/closed", "").await;
    assert_eq!((answer.status, answer.text()), (401, "401 Unauthorized."));
    assert_eq!(answer.header("www-authenticate"), Some("Name realm=\"r\""));
    let answer = ask(&served, "/who/closed", "villain").await;
    assert_eq!((answer.status, answer.text()), (403, "not you"));
    assert_eq!(ask(&served, "/who/closed", "a").await.text(), "a");
    // Paths below are no way around.
    assert_eq!(ask(&served, "/who/closed/below/", "").await.status, 401);
    assert_eq!(ask(&served, "/who/open", "a").await.text(), "nobody");
    assert_eq!(ask(&served, "/who/free", "").await.text(), "nobody");
}

#[tokio::test]
async fn built_in_endpoints_have_realms_and_a_rule() {
    let rule = |path: &str, caller: Option<&Principal>| {
        let name = caller
            .and_then(|caller| caller.value.as_deref())
            .unwrap_or_default();
        name == "root" || (name == "reader" && path == "/metrics/snapshot")
    };
    let served = serve(Access {
        readonly: Some("r".to_owned()),
        readwrite: Some("r".to_owned()),
        authenticators: by_name("r"),
        endpoints: Some(Arc::new(rule)),
    })
    .await;
    for path in [
        "/metrics/snapshot",
        "/logging/toggle",
        "/files/debug",
        "/profiler/start",
        "/files/browse?path=/x",
    ] {
        assert_eq!(ask(&served, path, "").await.status, 401, "{path}");
    }
    for path in ["/version", "/help", "/system/stats.json", "/__processes__"] {
        assert_eq!(ask(&served, path, "").await.status, 200, "{path}");
    }
    for path in ["/metrics/snapshot", "/logging/toggle", "/files/debug"] {
        let allowed = if path == "/metrics/snapshot" { 200 } else { 403 };
        assert_eq!(ask(&served, path, "root").await.status, 200, "{path}");
        assert_eq!(ask(&served, path, "reader").await.status, allowed, "{path}");
        let denied = ask(&served, path, "b").await;
        assert_eq!((denied.status, denied.text()), (403, "403 Forbidden."), "{path}");
    }
}

#[tokio::test]
async fn guarded_files_are_shown_to_whom_the_guard_lets_pass() {
    let served = serve(Access {
        readonly: Some("r".to_owned()),
        authenticators: by_name("r"),
        ..Access::default()
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("log"), "text").unwrap();
    let guard = |caller: Option<&Principal>| caller.is_some_and(|who| who.value.as_deref() == Some("a"));
    served
        .runtime
        .files()
        .attach_guarded("/box", dir.path(), Arc::new(guard));
    for target in [
        "/files/browse?path=/box",
        "/files/read?path=/box/log&offset=0",
        "/files/download?path=/box/log",
        "/files/read?path=/box/../box/log&offset=-1",
    ] {
        let denied = ask(&served, target, "b").await;
        assert_eq!((denied.status, denied.text()), (403, ""), "{target}");
    }
    assert_eq!(
        ask(&served, "/files/download?path=/box/log", "a").await.text(),
        "text"
    );
    assert_eq!(ask(&served, "/files/browse?path=/box", "a").await.status, 200);
}
