//! What flags do to a running master.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use process::{Runtime, Settings};
use serde_json::json;
use support::{Agent, Framework, http, master, until, v1};
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_a_file_that_can_be_listed_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("master.log");
    std::fs::write(&log, "one line\n").unwrap();
    let flag = format!("--external_log_file={}", log.display());
    let server = master(&[flag.as_str()]).await;
    let to = server.address();
    let read = |path: &str, offset: u64, length: Option<u64>| json!({"type": "READ_FILE", "read_file": {"path": path, "offset": offset, "length": length}});
    let answer = v1(to, &read("/master/log", 4, Some(3))).await;
    assert_eq!(
        answer.json(),
        json!({"type": "READ_FILE", "read_file": {"size": 9, "data": "bGlu"}})
    );
    // Behind the end there is nothing, which is no error.
    let answer = v1(to, &read("/master/log", 100, None)).await.json();
    assert_eq!(answer["read_file"], json!({"size": 9, "data": ""}));
    let list = |path: &str| json!({"type": "LIST_FILES", "list_files": {"path": path}});
    // A file has no entries.
    assert_eq!(
        v1(to, &list("/master/log")).await.json(),
        json!({"type": "LIST_FILES", "list_files": {}})
    );
    for call in [list(""), list("/no/such"), read("/no/such", 0, None)] {
        let answer = v1(to, &call).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, ""), "{call}");
    }
    let state = http(to, "GET", "/state", &[], b"").await.json();
    assert_eq!(state["external_log_file"], log.display().to_string());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_page_is_served_from_its_directory_and_nothing_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("webui");
    std::fs::create_dir_all(page.join("app")).unwrap();
    std::fs::create_dir_all(page.join("assets/img")).unwrap();
    std::fs::write(page.join("index.html"), "<html>").unwrap();
    std::fs::write(page.join("app/app.js"), "x()").unwrap();
    std::fs::write(page.join("assets/img/a.png"), "png").unwrap();
    std::fs::write(dir.path().join("secret"), "s").unwrap();
    let flag = format!("--webui_dir={}", page.display());
    let server = master(&[flag.as_str()]).await;
    for (path, status, kind, text) in [
        ("/", 200, "text/html", "<html>"),
        ("/master/app/app.js", 200, "text/javascript", "x()"),
        ("/assets/img/a.png", 200, "image/png", "png"),
        (
            "/assets/img/none.png",
            404,
            "text/plain; charset=utf-8",
            "404 Not Found.",
        ),
        ("/assets", 404, "text/plain; charset=utf-8", "404 Not Found."),
        (
            "/app/../../secret",
            404,
            "text/plain; charset=utf-8",
            "404 Not Found.",
        ),
        (
            "/app/%2e%2e/%2e%2e/secret",
            404,
            "text/plain; charset=utf-8",
            "404 Not Found.",
        ),
        ("/nope", 404, "text/plain; charset=utf-8", "404 Not Found."),
    ] {
        let answer = http(server.address(), "GET", path, &[], b"").await;
        assert_eq!(
            (
                answer.status,
                answer.header("content-type"),
                answer.text().as_str()
            ),
            (status, Some(kind), text),
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_of_the_flag_are_shown() {
    let server = master(&["--weights=web=2.5"]).await;
    let to = server.address();
    assert_eq!(
        http(to, "GET", "/weights", &[], b"").await.json(),
        json!([{"role": "web", "weight": 2.5}])
    );
    assert_eq!(
        v1(to, &json!({"type": "GET_WEIGHTS"})).await.json()["get_weights"],
        json!({"weight_infos": [{"weight": 2.5, "role": "web"}]})
    );
    let roles = http(to, "GET", "/roles", &[], b"").await.json();
    assert_eq!(
        (&roles["roles"][0]["name"], &roles["roles"][0]["weight"]),
        (&json!("web"), &json!(2.5))
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_offered_when_the_whitelist_comes_to_name_their_host() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list");
    std::fs::write(&list, "elsewhere\n").unwrap();
    let flag = format!("--whitelist={}", list.display());
    let server = master(&[flag.as_str(), "--allocation_interval=20ms"]).await;
    let to = server.address();
    let mut framework = Framework::subscribe(to, "f").await;
    let runtime = Runtime::start(Settings::loopback(0)).await.unwrap();
    let (registered, mut ids) = mpsc::unbounded_channel();
    let agent = Agent {
        master: server.runtime().upid("master"),
        registered,
    };
    let metric = async |name: &str| {
        let metrics = http(to, "GET", "/metrics/snapshot", &[], b"").await.json();
        metrics[name].as_f64().unwrap()
    };
    let runs = metric("allocator/mesos/allocation_runs").await;
    runtime.spawn("slave(1)", agent).unwrap();
    tokio::time::timeout(support::PATIENCE, ids.recv())
        .await
        .unwrap()
        .unwrap();
    // A run for the agent has been.
    until(async || metric("allocator/mesos/allocation_runs").await > runs).await;
    assert!(
        metric("master/outstanding_offers").await < 0.5,
        "its host is not listed"
    );
    std::fs::write(&list, "elsewhere\nhere\n").unwrap();
    let offers = framework.events.event_of("OFFERS").await;
    assert_eq!(offers["offers"]["offers"][0]["hostname"], "here");
    runtime.shutdown().await;
    server.stop().await;
}
