//! Messages between two runtimes over loopback: how many a second, and how long one takes there and back, beside the
//! floor: the same bytes through a bare socket. `cargo bench -p process --bench remote`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures"
)]

use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use process::{Clock, Context, LinkMode, Process, Runtime, Settings, Upid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

const NAME: &str = "bench.Message";

/// Counts what arrives, or sends it back.
struct Echo {
    left: u64,
    done: Option<oneshot::Sender<()>>,
    back: bool,
}

impl Process for Echo {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.install_raw(NAME, |this, ctx, from, body| {
            if this.back {
                ctx.link(from, LinkMode::Reuse);
                ctx.send_bytes(from, NAME, body);
                return;
            }
            this.left -= 1;
            if this.left == 0
                && let Some(done) = this.done.take()
            {
                done.send(()).unwrap();
            }
        });
    }
}

struct Pinger {
    to: Upid,
    arrived: mpsc::UnboundedSender<()>,
}

impl Process for Pinger {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.link(&self.to, LinkMode::Reuse);
        ctx.install_raw(NAME, |this, _, _, _| this.arrived.send(()).unwrap());
    }
}

async fn throughput(clock: &Clock, size: usize, count: u64) -> Duration {
    let (here, there) = (
        Runtime::start(Settings::loopback(0)).await.unwrap(),
        Runtime::start(Settings::loopback(0)).await.unwrap(),
    );
    let (done, finished) = oneshot::channel();
    let echo = there
        .spawn(
            "echo",
            Echo {
                left: count,
                done: Some(done),
                back: false,
            },
        )
        .unwrap();
    let (arrived, _keep) = mpsc::unbounded_channel();
    let pinger = here
        .spawn(
            "pinger",
            Pinger {
                to: echo.upid().clone(),
                arrived,
            },
        )
        .unwrap();
    let body = Bytes::from(vec![7; size]);
    pinger.call(|_, _| ()).await.unwrap();
    let began = clock.now();
    let mut sent = 0;
    while sent < count {
        let (burst, body) = ((count - sent).min(1_000), body.clone());
        let burst_sent = pinger.call(move |pinger, ctx| {
            for _ in 0..burst {
                ctx.send_bytes(&pinger.to, NAME, body.clone());
            }
        });
        burst_sent.await.unwrap();
        sent += burst;
        tokio::task::yield_now().await;
    }
    finished.await.unwrap();
    let took = clock.now() - began;
    here.shutdown().await;
    there.shutdown().await;
    took
}

async fn latency(clock: &Clock, count: u64) -> Histogram<u64> {
    let (here, there) = (
        Runtime::start(Settings::loopback(0)).await.unwrap(),
        Runtime::start(Settings::loopback(0)).await.unwrap(),
    );
    let echo = there
        .spawn(
            "echo",
            Echo {
                left: 0,
                done: None,
                back: true,
            },
        )
        .unwrap();
    let (arrived, mut replies) = mpsc::unbounded_channel();
    let pinger = here
        .spawn(
            "pinger",
            Pinger {
                to: echo.upid().clone(),
                arrived,
            },
        )
        .unwrap();
    let mut histogram = Histogram::new(3).unwrap();
    for round in 0..count + 1_000 {
        let began = clock.now();
        pinger.dispatch(|pinger, ctx| ctx.send_bytes(&pinger.to, NAME, Bytes::from_static(&[7; 100])));
        replies.recv().await.unwrap();
        if round >= 1_000 {
            histogram
                .record(u64::try_from((clock.now() - began).as_nanos()).unwrap())
                .unwrap();
        }
    }
    here.shutdown().await;
    there.shutdown().await;
    histogram
}

fn message(size: usize) -> Bytes {
    let (from, to): (Upid, Upid) = (
        "pinger@127.0.0.1:40000".parse().unwrap(),
        "echo@127.0.0.1:40001".parse().unwrap(),
    );
    process::wire::encode(&from, &to, NAME, &vec![7; size])
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, server) = tokio::join!(client, listener.accept());
    let (client, server) = (client.unwrap(), server.unwrap().0);
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    (client, server)
}

/// The same bytes, joined in writes of 64 KiB, read into one buffer.
async fn floor_throughput(clock: &Clock, size: usize, count: u64) -> Duration {
    let (mut client, mut server) = pair().await;
    let one = message(size);
    let per_write = (65_536 / one.len()).max(1);
    let total = one.len() * usize::try_from(count).unwrap();
    let joined = one.repeat(per_write);
    let began = clock.now();
    let reading = tokio::spawn(async move {
        let (mut buffer, mut left) = (vec![0; 65_536], total);
        while left > 0 {
            left -= server.read(&mut buffer).await.unwrap();
        }
    });
    let mut left = total;
    while left > 0 {
        let length = left.min(joined.len());
        client.write_all(&joined[..length]).await.unwrap();
        left -= length;
    }
    reading.await.unwrap();
    clock.now() - began
}

async fn floor_latency(clock: &Clock, count: u64) -> Histogram<u64> {
    let (mut client, mut server) = pair().await;
    let one = message(100);
    let length = one.len();
    tokio::spawn(async move {
        let mut buffer = vec![0; length];
        while server.read_exact(&mut buffer).await.is_ok() && server.write_all(&buffer).await.is_ok() {}
    });
    let (mut buffer, mut histogram) = (vec![0; length], Histogram::new(3).unwrap());
    for _ in 0..count {
        let began = clock.now();
        client.write_all(&one).await.unwrap();
        client.read_exact(&mut buffer).await.unwrap();
        histogram
            .record(u64::try_from((clock.now() - began).as_nanos()).unwrap())
            .unwrap();
    }
    histogram
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn show(name: &str, size: usize, count: u64, took: Duration) {
    let rate = count as f64 / took.as_secs_f64();
    println!(
        "{name:<10} {size:>6} B  {:8.0} k messages/s  {:8.1} MB/s",
        rate / 1e3,
        rate * size as f64 / 1e6
    );
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn show_latency(name: &str, histogram: &Histogram<u64>) {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{name:<10} there and back  p50 {:7.1} us  p99 {:7.1} us  p99.9 {:7.1} us",
        at(0.5),
        at(0.99),
        at(0.999)
    );
}

fn main() {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap();
    let clock = Clock::real();
    tokio.block_on(async {
        for (size, count) in [(100, 1_000_000), (4_096, 300_000), (1 << 20, 2_000)] {
            show("floor", size, count, floor_throughput(&clock, size, count).await);
            show("messages", size, count, throughput(&clock, size, count).await);
        }
        show_latency("floor", &floor_latency(&clock, 20_000).await);
        show_latency("messages", &latency(&clock, 20_000).await);
    });
}
