//! Bytes that no good client sends: the process lives, and says so.

mod common;

use std::time::Duration;

use common::{Did, Served, serve, serve_with, small_limits, soon};

const MESSAGE: &str = "POST /web/p.M HTTP/1.1\r\nLibprocess-From: x@1.2.3.4:5\r\n";

async fn all(served: &Served, bytes: impl AsRef<[u8]>) -> String {
    let mut raw = served.connect().await;
    raw.write(bytes).await;
    raw.rest().await
}

async fn lives(served: &Served) {
    assert_eq!(served.get("/web/a/b").await.status, 200);
}

fn status(answer: &str) -> &str {
    answer.get(..12).unwrap_or(answer)
}

#[tokio::test]
async fn requests_whose_end_is_ambiguous_are_refused_and_the_connection_closed() {
    let served = serve().await;
    let smuggled = "GET /web/a/b HTTP/1.1\r\n\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5,5\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: y\r\n folded: chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
    ] {
        for start in [MESSAGE, "POST /echo HTTP/1.1\r\n"] {
            let answer = all(&served, format!("{start}{headers}\r\n0\r\n\r\n{smuggled}")).await;
            assert_eq!(status(&answer), "HTTP/1.1 400", "{headers}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers}: {answer}");
        }
    }
    lives(&served).await;
}

#[tokio::test]
async fn an_ambiguous_request_on_a_used_connection_ends_it() {
    let served = serve().await;
    let mut raw = served.connect().await;
    raw.write("GET /web/a/b HTTP/1.1\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);
    let smuggled = "GET /web/a/b HTTP/1.1\r\n\r\n";
    raw.write(format!(
        "POST /echo HTTP/1.1\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    ))
    .await;
    let rest = raw.rest().await;
    // Whatever the first was taken for, what hides behind it is not served.
    assert!(rest.matches("HTTP/1.1 ").count() <= 1, "{rest}");
    lives(&served).await;
}

#[tokio::test]
async fn bad_chunks_are_refused() {
    let served = serve().await;
    for chunks in [
        "zz\r\n",
        "-1\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
        "0\r\nTrailer: x\r\n\r\n",
        "1\nx",
    ] {
        let answer = all(
            &served,
            format!("{MESSAGE}Transfer-Encoding: chunked\r\n\r\n{chunks}"),
        )
        .await;
        assert!(
            ["HTTP/1.1 400", "HTTP/1.1 413"].contains(&status(&answer)),
            "{chunks:?}: {answer}"
        );
    }
    for chunks in [
        "zz\r\n",
        "-1\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
    ] {
        let answer = all(
            &served,
            format!("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
        )
        .await;
        assert!(!answer.contains("HTTP/1.1 200"), "{chunks:?}: {answer}");
    }
    lives(&served).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let served = serve_with(small_limits()).await;
    let answer = all(&served, format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(10_000))).await;
    assert_eq!(status(&answer), "HTTP/1.1 431");
    let answer = all(
        &served,
        format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200)),
    )
    .await;
    assert_eq!(status(&answer), "HTTP/1.1 431");
    for start in [MESSAGE, "POST /echo HTTP/1.1\r\n"] {
        let answer = all(&served, format!("{start}Content-Length: 70000\r\n\r\n")).await;
        assert!(
            answer.starts_with("HTTP/1.1 413 Request Entity Too Large\r\n"),
            "{answer}"
        );
        let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
        let answer = all(
            &served,
            format!("{start}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}"),
        )
        .await;
        assert_eq!(status(&answer), "HTTP/1.1 413");
    }
    lives(&served).await;
}

#[tokio::test]
async fn a_body_that_inflates_without_end_is_refused() {
    use std::io::Read as _;
    let served = serve_with(small_limits()).await;
    let mut bomb = Vec::new();
    let zeros = std::io::repeat(0).take(50_000_000);
    flate2::read::GzEncoder::new(zeros, flate2::Compression::best())
        .read_to_end(&mut bomb)
        .unwrap();
    assert!(bomb.len() < 60_000);
    let mut raw = served.connect().await;
    raw.write(format!(
        "{MESSAGE}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    ))
    .await;
    raw.write(&bomb).await;
    assert_eq!(raw.answer().await.status, 413);
    let mut raw = served.connect().await;
    raw.write(format!(
        "POST /echo HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    ))
    .await;
    raw.write(&bomb).await;
    assert_eq!(raw.answer().await.status, 413);
    lives(&served).await;
}

#[tokio::test]
async fn odd_targets_are_answered() {
    let served = serve().await;
    for (request, expected) in [
        ("POST  HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
        (
            "POST * HTTP/1.1\r\nLibprocess-From: x@1.1.1.1:1\r\n\r\n",
            "HTTP/1.1 400",
        ),
        (
            "POST x/y HTTP/1.1\r\nLibprocess-From: x@1.1.1.1:1\r\n\r\n",
            "HTTP/1.1 400",
        ),
        (
            "POST http://h/web/x HTTP/1.1\r\nLibprocess-From: x@1.1.1.1:1\r\n\r\n",
            "HTTP/1.1 400",
        ),
        (
            "POST /%zz/x HTTP/1.1\r\nLibprocess-From: x@1.1.1.1:1\r\n\r\n",
            "HTTP/1.1 500",
        ),
        (
            "POST ? HTTP/1.1\r\nLibprocess-From: x@1.1.1.1:1\r\n\r\n",
            "HTTP/1.1 400",
        ),
        ("GET * HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
        ("GET http://h/web/a/b HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
        ("GET web HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
        ("CONNECT h:80 HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
        ("GET /%c0%80 HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let mut raw = served.connect().await;
        raw.write(request).await;
        let answer = raw.answer().await;
        assert_eq!(status(&answer.line), expected, "{request}");
    }
    lives(&served).await;
}

#[tokio::test]
async fn noise_is_refused() {
    let served = serve().await;
    let mut state = 1u64;
    for length in 1..100 {
        let noise: Vec<u8> = (0..length * 10)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect();
        let mut raw = served.connect().await;
        raw.write([&noise[..], b"\r\n\r\n"].concat()).await;
        tokio::io::AsyncWriteExt::shutdown(&mut raw.stream).await.unwrap();
        assert!(!raw.rest().await.contains("HTTP/1.1 2"));
    }
    lives(&served).await;
}

#[tokio::test]
async fn idle_clients_are_closed_and_idle_peers_never() {
    let mut served = serve_with(small_limits()).await;
    let clock = served.runtime.clock().clone();
    let mut linked = served.connect().await;
    let mut slow = served.connect().await;
    slow.write("GET /web").await;
    let mut used = served.connect().await;
    used.write("GET /web/a/b HTTP/1.1\r\n\r\n").await;
    used.answer().await;
    let mut halfway = served.connect().await;
    halfway
        .write("POST /web/echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    let mut busy = served.connect().await;
    busy.write("GET /web/stream HTTP/1.1\r\n\r\n").await;
    let Did::Streams(pipe) = served.did().await else {
        panic!("no stream")
    };
    served.did().await;
    let mut peer = served.connect().await;
    peer.write(format!("{MESSAGE}\r\n")).await;
    peer.answer().await;
    let mut mixed = served.connect().await;
    mixed.write("GET /web/a/b HTTP/1.1\r\n\r\n").await;
    mixed.answer().await;
    mixed.write(format!("{MESSAGE}\r\n")).await;
    assert_eq!(mixed.answer().await.status, 202);
    // Time goes on in steps until all three are closed; a step may come before a connection sets its timer.
    let closed = async {
        let all = async {
            assert_eq!(slow.rest().await, "");
            assert_eq!(used.rest().await, "");
            assert!(
                halfway
                    .rest()
                    .await
                    .starts_with("HTTP/1.1 408 Request Time-out\r\n")
            );
        };
        tokio::pin!(all);
        loop {
            tokio::select! {
                () = &mut all => return,
                () = tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(5)) => clock.advance(Duration::from_secs(1)),
            }
        }
    };
    soon(closed).await;
    for _ in 0..100 {
        clock.advance(Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
    // A response under way is no idleness, and a peer may be silent for ever.
    pipe.try_send(bytes::Bytes::from("still here")).unwrap();
    busy.until(b"still here").await;
    for raw in [&mut peer, &mut mixed, &mut linked] {
        raw.write(format!("{MESSAGE}\r\n")).await;
        assert_eq!(raw.answer().await.status, 202);
    }
}

#[tokio::test]
async fn who_goes_before_the_answer_comes_makes_room() {
    let mut settings = small_limits();
    settings.limits.connections = 1;
    let served = serve_with(settings).await;
    let clock = served.runtime.clock().clone();
    for request in [
        "GET /web/never HTTP/1.1\r\n\r\n",
        "POST /web/never HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut gone = served.connect().await;
        gone.write(request).await;
        drop(gone);
    }
    let mut next = served.connect().await;
    next.write("GET /web/a/b HTTP/1.1\r\n\r\n").await;
    let answered = async {
        let answer = next.answer();
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                () = tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(5)) => clock.advance(Duration::from_millis(100)),
            }
        }
    };
    assert_eq!(soon(answered).await.status, 200);
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let mut settings = small_limits();
    settings.limits.connections = 2;
    let served = serve_with(settings).await;
    let (mut first, mut second) = (served.connect().await, served.connect().await);
    for raw in [&mut first, &mut second] {
        raw.write("GET /web/a/b HTTP/1.1\r\n\r\n").await;
        raw.answer().await;
    }
    let mut third = served.connect().await;
    third.write("GET /web/a/b HTTP/1.1\r\n\r\n").await;
    drop(first);
    assert_eq!(third.answer().await.status, 200);
}
