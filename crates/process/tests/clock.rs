//! Test tools at work: a clock that stands still, and filters.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Did, serve_with, settings, soon};
use process::filter::Match;
use process::{Clock, Context, Process, Runtime, Settings, Time};

/// Counts ticks: one a second.
struct Ticker {
    ticks: Vec<Time>,
}

impl Process for Ticker {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.delay(Duration::from_secs(1), Self::tick);
    }
}

impl Ticker {
    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.ticks.push(ctx.now());
        ctx.delay(Duration::from_secs(1), Self::tick);
    }
}

fn paused() -> Settings {
    Settings {
        clock: Clock::paused(Time::from_secs(1_000)),
        ..settings()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn time_moves_only_when_it_is_told_to() {
    let runtime = Runtime::start(paused()).await.unwrap();
    let clock = runtime.clock().clone();
    let ticker = runtime.spawn("ticker", Ticker { ticks: Vec::new() }).unwrap();
    clock.settle().await;
    for _ in 0..5 {
        clock.advance(Duration::from_secs(1));
        clock.settle().await;
    }
    let ticks = ticker.call(|ticker, _| ticker.ticks.clone()).await.unwrap();
    assert_eq!(ticks, [1_001, 1_002, 1_003, 1_004, 1_005].map(Time::from_secs));
}

#[tokio::test]
async fn a_cancelled_delay_is_not_called() {
    let runtime = Runtime::start(paused()).await.unwrap();
    let ticker = runtime.spawn("ticker", Ticker { ticks: Vec::new() }).unwrap();
    let timer =
        ticker.call(|_, ctx| ctx.delay(Duration::from_secs(2), |this: &mut Ticker, _| this.ticks.clear()));
    let timer = timer.await.unwrap();
    assert_eq!(timer.due(), Time::from_secs(1_002));
    assert!(timer.cancel());
    runtime.clock().advance(Duration::from_secs(1));
    runtime.clock().settle().await;
    runtime.clock().advance(Duration::from_secs(1));
    runtime.clock().settle().await;
    assert_eq!(ticker.call(|ticker, _| ticker.ticks.len()).await.unwrap(), 2);
}

#[tokio::test]
async fn filters_drop_delay_duplicate_and_capture() {
    let mut served = serve_with(paused()).await;
    let (runtime, from, to) = (
        served.runtime.clone(),
        served.runtime.upid("x"),
        served.web.upid().clone(),
    );
    let send = |body: &'static str| runtime.send_from(&from, &to, "p.M".into(), Bytes::from(body));
    let clock = runtime.clock();

    let mut captured = runtime
        .filters()
        .capture(Match::name("p.M").from(from.clone()).to("web"));
    send("seen");
    let seen = soon(captured.next()).await.unwrap();
    assert_eq!(
        (seen.name.as_str(), &seen.body[..], &seen.to),
        ("p.M", &b"seen"[..], &to)
    );
    assert_eq!(body(served.did().await), "seen");
    drop(captured);

    let dropped = runtime.filters().drop_first(2, Match::name("p.M"));
    for text in ["one", "two", "three"] {
        send(text);
    }
    assert_eq!(body(served.did().await), "three");
    drop(dropped);

    let doubled = runtime.filters().duplicate(Match::any().to("web"));
    send("twice");
    assert_eq!(
        (body(served.did().await), body(served.did().await)),
        ("twice".to_owned(), "twice".to_owned())
    );
    drop(doubled);

    let delayed = runtime
        .filters()
        .delay(Duration::from_secs(5), Match::name("p.M"));
    send("late");
    clock.settle().await;
    drop(delayed);
    send("early");
    assert_eq!(body(served.did().await), "early");
    clock.advance(Duration::from_secs(5));
    assert_eq!(body(served.did().await), "late");

    let all = runtime.filters().drop(Match::name("p.M").from(from.clone()));
    send("never");
    clock.settle().await;
    drop(all);
    send("again");
    assert_eq!(body(served.did().await), "again");
}

fn body(did: Did) -> String {
    let Did::Message(_, body) = did else {
        panic!("no message")
    };
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn metrics_requests_beyond_the_limit_wait_their_turn() {
    let served = serve_with(paused()).await;
    let clock = served.runtime.clock().clone();
    let mut raw = served.connect().await;
    raw.write("GET /metrics/snapshot HTTP/1.1\r\n\r\nGET /metrics/snapshot HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(raw.answer().await.status, 200);
    let second = async {
        // The first timer is the connection's own; the next one is the waiting request's.
        while clock.next_due().is_none_or(|due| due > Time::from_secs(1_001)) {
            tokio::task::yield_now().await;
        }
    };
    soon(second).await;
    assert!(raw.read.is_empty());
    clock.advance(Duration::from_millis(500));
    assert_eq!(raw.answer().await.status, 200);
}
