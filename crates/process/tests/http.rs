//! HTTP as a client sees it, on real sockets.

mod common;

use std::io::Read;

use bytes::Bytes;
use common::{Did, serve, serve_with, settings, soon};
use process::Settings;
use process::http::PipeError;

#[tokio::test]
async fn paths_reach_the_longest_route_of_their_process() {
    let served = serve().await;
    let text = async |target: &str| served.get(target).await.text().to_owned();
    assert_eq!(text("/web/a/b/c/d?x=1").await, "GET /web/a/b/c/d?x=1 tail=c/d");
    assert_eq!(text("/web/a").await, "root a");
    assert_eq!(text("/w%65b/a/b/").await, "GET /web/a/b tail=");
    // What names no process goes to the delegate.
    assert_eq!(text("/a/b").await, "GET /web/a/b tail=");
    assert_eq!(text("/").await, "root ");
    assert_eq!(text("/nope").await, "root nope");
    assert_eq!(served.get("/a/../b").await.status, 404);
    assert_eq!(served.get("/%zz").await.status, 400);
    assert_eq!(served.get("/echo?x=%zz").await.status, 400);
}

#[tokio::test]
async fn what_is_not_there_is_named_as_mesos_names_it() {
    let served = serve_with(Settings::loopback(0)).await;
    let answer = served.get("/nope").await;
    assert_eq!((answer.status, answer.text()), (404, "404 Not Found."));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.line, "HTTP/1.1 404 Not Found");
    assert!(answer.header("date").is_some());
    assert_eq!(answer.header("server"), None);
    // A process without a route for it.
    assert_eq!(served.get("/metrics/nope").await.text(), "404 Not Found.");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let served = serve().await;
    let mut raw = served.connect().await;
    raw.write("GET /later HTTP/1.1\r\n\r\nPOST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET /a/b HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(raw.answer().await.text(), "web");
    assert_eq!(raw.answer().await.text(), "hi");
    assert_eq!(raw.answer().await.text(), "GET /web/a/b tail=");
}

#[tokio::test]
async fn calls_that_come_together_are_answered_in_order_whatever_their_answers_are() {
    let served = serve().await;
    let mut raw = served.connect().await;
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let calls = [
        post("/echo", "one"),
        post("/later", ""),
        post("/echo", "two"),
        post("/nope", "x"),
        post("/big", ""),
        post("/echo", "three"),
        "GET /a/b HTTP/1.1\r\n\r\n".to_owned(),
        post("/echo", "four"),
    ];
    raw.write(calls.concat()).await;
    for expected in ["one", "web", "two", "root nope"] {
        assert_eq!(raw.answer().await.text(), expected);
    }
    assert_eq!(raw.answer().await.text().len(), 100_000);
    for expected in ["three", "GET /web/a/b tail=", "four"] {
        assert_eq!(raw.answer().await.text(), expected);
    }
}

#[tokio::test]
async fn more_calls_than_may_be_under_way_are_all_answered() {
    let served = serve().await;
    let mut raw = served.connect().await;
    let call = |number: usize| format!("POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\n{number:05}");
    raw.write((0..1_000).map(call).collect::<String>()).await;
    for number in 0..1_000 {
        assert_eq!(raw.answer().await.text(), format!("{number:05}"));
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_that_of_the_next_call() {
    let served = serve().await;
    let mut raw = served.connect().await;
    raw.write(
        "POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiPOST /never HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(raw.answer().await.text(), "hi");
}

#[tokio::test]
async fn the_connection_lasts_as_the_client_wants() {
    let served = serve().await;
    let mut raw = served.connect().await;
    raw.write("GET /a/b HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);
    assert!(!raw.more().await);
    let mut raw = served.connect().await;
    raw.write("GET /a/b HTTP/1.0\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);
    assert!(!raw.more().await);
}

#[tokio::test]
async fn chunked_and_compressed_bodies_arrive_whole() {
    let served = serve().await;
    let mut raw = served.connect().await;
    raw.write("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .await;
    assert_eq!(raw.answer().await.text(), "abcde");
    let mut gz = Vec::new();
    flate2::read::GzEncoder::new(&b"inflated"[..], flate2::Compression::fast())
        .read_to_end(&mut gz)
        .unwrap();
    raw.write(format!(
        "POST /echo HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        gz.len()
    ))
    .await;
    raw.write(&gz).await;
    assert_eq!(raw.answer().await.text(), "inflated");
}

#[tokio::test]
async fn large_bodies_are_compressed_for_those_who_ask() {
    let served = serve().await;
    let mut raw = served.connect().await;
    raw.write("GET /big HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n")
        .await;
    let answer = raw.answer().await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..])
        .read_to_end(&mut inflated)
        .unwrap();
    assert_eq!(inflated, vec![b'x'; 100_000]);
    raw.write("GET /big HTTP/1.1\r\n\r\n").await;
    let answer = raw.answer().await;
    assert_eq!(
        (answer.header("content-encoding"), answer.body.len()),
        (None, 100_000)
    );
    raw.write("GET /a/b HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n")
        .await;
    assert_eq!(raw.answer().await.header("content-encoding"), None);
}

#[tokio::test]
async fn every_method_reaches_the_handler() {
    let served = serve().await;
    let mut raw = served.connect().await;
    raw.write("HEAD /a/b HTTP/1.1\r\n\r\n").await;
    let head = raw.head().await;
    // The length of what GET would give, and nothing after it.
    assert_eq!((head.status, head.header("content-length")), (200, Some("19")));
    raw.write("OPTIONS /get HTTP/1.1\r\n\r\n").await;
    let answer = raw.answer().await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    assert_eq!(
        answer.text(),
        "405 Method Not Allowed. Expecting one of { 'GET' }, but received 'OPTIONS'."
    );
}

#[tokio::test]
async fn each_write_to_a_stream_is_one_chunk() {
    let mut served = serve().await;
    let mut raw = served.connect().await;
    raw.write("GET /stream HTTP/1.1\r\n\r\n").await;
    let Did::Streams(pipe) = served.did().await else {
        panic!("no stream")
    };
    pipe.try_send(Bytes::from("one")).unwrap();
    pipe.try_send(Bytes::from("and two")).unwrap();
    let head = raw.head().await;
    assert_eq!(
        (head.header("transfer-encoding"), head.header("content-length")),
        (Some("chunked"), None)
    );
    assert_eq!(raw.exactly(3 + 5 + 3 + 9).await, b"3\r\none\r\n7\r\nand two\r\n");
    drop(pipe);
    assert_eq!(raw.exactly(5).await, b"0\r\n\r\n");
    raw.write("GET /a/b HTTP/1.1\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test]
async fn a_silent_stream_notices_that_its_client_is_gone() {
    let mut served = serve().await;
    let mut raw = served.connect().await;
    raw.write("GET /stream HTTP/1.1\r\n\r\n").await;
    let Did::Streams(pipe) = served.did().await else {
        panic!("no stream")
    };
    raw.head().await;
    drop(raw);
    soon(pipe.closed()).await;
    assert_eq!(pipe.try_send(Bytes::from("x")), Err(PipeError::Closed));
}

#[tokio::test]
async fn a_failed_stream_ends_without_its_end() {
    let mut served = serve().await;
    let mut raw = served.connect().await;
    raw.write("GET /stream HTTP/1.1\r\n\r\n").await;
    let Did::Streams(pipe) = served.did().await else {
        panic!("no stream")
    };
    raw.head().await;
    pipe.fail("told to");
    assert!(!raw.rest().await.contains("0\r\n\r\n"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_costs_no_memory() {
    let mut served = serve().await;
    let mut raw = served.connect().await;
    raw.write("GET /stream HTTP/1.1\r\n\r\n").await;
    let Did::Streams(pipe) = served.did().await else {
        panic!("no stream")
    };
    let Did::Closer(closer) = served.did().await else {
        panic!("no closer")
    };
    // The pipe fills up once socket and connection hold what they may: far less than what we try to send.
    let chunk = Bytes::from(vec![b'x'; 64 << 10]);
    let mut sent = 0;
    let full = async {
        while sent < 64 << 20 {
            match pipe.try_send(chunk.clone()) {
                Ok(()) => sent += chunk.len(),
                Err(_) if pipe.pending() > 900_000 => {
                    // Still full after the connection had its turn: it takes no more.
                    tokio::task::yield_now().await;
                    if tokio::time::timeout(std::time::Duration::from_millis(200), pipe.send(chunk.clone()))
                        .await
                        .is_err()
                    {
                        return;
                    }
                    sent += chunk.len();
                }
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    soon(full).await;
    assert!(sent < 32 << 20, "{sent} bytes went somewhere");
    closer.close();
    soon(pipe.closed()).await;
    while raw.more().await {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_ends_leaves_no_request_unanswered() {
    let served = serve_with(Settings::loopback(0)).await;
    let mut first = served.connect().await;
    let mut second = served.connect().await;
    // The second waits behind a call that holds the process until both are queued.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let web = served.web.clone();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let blocked = tokio::spawn(async move {
        web.call(move |_, _| begin.send(()).is_ok() && held.recv().is_ok())
            .await
    });
    soon(begun).await.unwrap();
    first.write("GET /web/die HTTP/1.1\r\n\r\n").await;
    soon(async {
        while served.web.queue().http_requests < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    second.write("GET /web/a/b HTTP/1.1\r\n\r\n").await;
    soon(async {
        while served.web.queue().http_requests < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    hold.send(()).unwrap();
    assert!(blocked.await.unwrap().unwrap());
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(second.answer().await.text(), "500 Internal Server Error.");
    assert_eq!(served.get("/web/a/b").await.status, 404);
}

#[tokio::test]
async fn the_firewall_answers_403() {
    let rules = vec!["/a/b".to_owned(), "/metrics/snapshot".to_owned()];
    let served = serve_with(Settings {
        disabled_endpoints: rules,
        ..settings()
    })
    .await;
    for path in ["/a/b", "/web/a/b"] {
        let answer = served.get(path).await;
        assert_eq!(
            (answer.status, answer.text()),
            (403, "Endpoint '/web/a/b' is disabled")
        );
    }
    assert_eq!(served.get("/metrics/snapshot").await.status, 403);
    assert_eq!(served.get("/a").await.status, 200);
}

#[tokio::test]
async fn built_in_endpoints_answer() {
    let served = serve().await;
    let json = async |path: &str| {
        let answer = served.get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{path}"
        );
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()
    };
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let version = json("/version").await;
    assert!(version["version"].is_string() && version["build_time"].is_f64());
    let stats = json("/system/stats.json").await;
    let names = [
        "avg_load_15min",
        "avg_load_1min",
        "avg_load_5min",
        "cpus_total",
        "mem_free_bytes",
        "mem_total_bytes",
    ];
    assert_eq!(keys(&stats), names);
    assert!(stats["cpus_total"].as_u64().unwrap() > 0 && stats["mem_total_bytes"].as_u64().unwrap() > 0);
    let metrics = json("/metrics/snapshot").await;
    let names = [
        "cpus_total",
        "load_15min",
        "load_1min",
        "load_5min",
        "mem_free_bytes",
        "mem_total_bytes",
    ]
    .map(|n| format!("system/{n}"));
    assert_eq!(keys(&metrics), names);
    let processes = json("/__processes__").await;
    let ids: Vec<&str> = processes
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["id"].as_str().unwrap())
        .collect();
    for id in [
        "__processes__",
        "files",
        "help",
        "logging",
        "metrics",
        "profiler",
        "system",
        "version",
        "web",
    ] {
        assert!(ids.contains(&id), "{id}");
    }
    assert_eq!(json("/files/debug").await, serde_json::json!({}));
    assert!(keys(&json("/help?format=json").await).contains(&"processes".to_owned()));
    assert_eq!(
        served.get("/help").await.header("content-type"),
        Some("text/html")
    );
    assert_eq!(
        served.get("/version?jsonp=f").await.header("content-type"),
        Some("text/javascript")
    );
    // A call of nothing, as Mesos has it.
    let unnamed = served.get("/version?jsonp=").await;
    assert_eq!(unnamed.header("content-type"), Some("text/javascript"));
    assert!(unnamed.text().starts_with("({") && unnamed.text().ends_with("})"));
    assert_eq!(served.get("/logging/toggle").await.text(), "0\n");
    assert_eq!(served.get("/logging/toggle?level=1").await.status, 400);
    assert_eq!(
        served.get("/logging/toggle?level=x&duration=1secs").await.status,
        400
    );
    assert_eq!(served.get("/metrics/snapshot?timeout=x").await.status, 400);
    assert_eq!(served.get("/profiler/start").await.status, 400);
}

#[tokio::test]
async fn files_are_shown_below_their_virtual_paths() {
    let served = serve().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("stdout"), "hello\n").unwrap();
    std::fs::write(dir.path().join("binary"), [0xff, 0xfe, b'a']).unwrap();
    served.runtime.files().attach("/run", dir.path());
    let json =
        async |path: &str| serde_json::from_slice::<serde_json::Value>(&served.get(path).await.body).unwrap();
    let listed = json("/files/browse?path=/run").await;
    assert_eq!(listed[1]["path"], "/run/stdout");
    assert_eq!((&listed[1]["size"], &listed[1]["nlink"]), (&6.into(), &1.into()));
    assert_eq!(
        json("/files/read?path=/run/stdout").await,
        serde_json::json!({"offset": 6, "data": ""})
    );
    assert_eq!(
        json("/files/read?path=/run/stdout&offset=1&length=3").await,
        serde_json::json!({"offset": 1, "data": "ell"})
    );
    let raw = served.get("/files/read?path=/run/binary&offset=0").await;
    assert_eq!(raw.body, b"{\"data\":\"\xff\xfea\",\"offset\":0}");
    let missing = served.get("/files/browse?path=/none").await;
    assert_eq!((missing.status, missing.text()), (404, ""));
    assert_eq!(missing.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(
        served.get("/files/browse").await.text(),
        "Expecting 'path=value' in query.\n"
    );
    assert_eq!(
        served.get("/files/read?path=/run/stdout&offset=-2").await.status,
        400
    );
    assert_eq!(served.get("/files/read?path=/run&offset=0").await.status, 400);
    assert_eq!(served.get("/files/download?path=/run").await.status, 400);
    let file = served.get("/files/download?path=/run/stdout").await;
    assert_eq!(
        (file.text(), file.header("content-disposition")),
        ("hello\n", Some("attachment; filename=\"stdout\""))
    );
}

#[tokio::test]
async fn metrics_are_served_to_scrapers_as_well() {
    let served = serve().await;
    served.runtime.metrics().counter("slave/recovery_errors").add(2);
    let answer = served.get("/metrics").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (
            200,
            Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
        )
    );
    assert!(answer.text().contains("\nmesos_agent_recovery_errors_total 2\n"));
    assert!(answer.text().ends_with("\n# EOF\n"));
    assert_eq!(served.get("/metrics/nothing").await.status, 404);
    assert_eq!(served.get("/metrics?timeout=soon").await.status, 400);
}
