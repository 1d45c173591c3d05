//! Messages between two runtimes over loopback: how many a second, and how long one takes there and back, beside the
//! floor: the same bytes through a bare socket. `cargo bench -p process --bench remote`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use process::{Clock, Context, LinkMode, Process, Runtime, Settings, Upid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

const NAME: &str = "bench.Message";

/// Counts what arrives, or sends it back.
struct Echo {
    count: Arc<AtomicU64>,
    progress: Arc<Notify>,
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
            if (this.count.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(10) {
                this.progress.notify_one();
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

/// Time that this program's threads have had of the cores.
fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let time = |task: std::fs::DirEntry| -> u64 {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().unwrap_or_default().parse().unwrap_or(0)
    };
    Duration::from_nanos(tasks.flatten().map(time).sum())
}

/// What a measurement took.
struct Took {
    wall: Duration,
    cpu: Duration,
}

/// Measures a future.
async fn measure(clock: &Clock, future: impl Future<Output = ()>) -> Took {
    let (wall, used) = (clock.now(), cpu());
    future.await;
    Took {
        wall: clock.now() - wall,
        cpu: cpu() - used,
    }
}

async fn throughput(clock: &Clock, size: usize, count: u64) -> Took {
    let (here, there) = (
        Runtime::start(Settings::loopback(0)).await.unwrap(),
        Runtime::start(Settings::loopback(0)).await.unwrap(),
    );
    let (arrivals, progress) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let echo = there
        .spawn(
            "echo",
            Echo {
                count: Arc::clone(&arrivals),
                progress: Arc::clone(&progress),
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
    let sending = async {
        let (mut sent, window) = (0, (32 << 20) / (size as u64 + 100));
        let arrived = || arrivals.load(Ordering::Relaxed);
        while arrived() < count {
            // So much may be under way: the sender is not to drown the receiver.
            let burst = (count - sent).min(1_000).min(window - (sent - arrived()));
            if burst == 0 || (burst < 100 && burst < count - sent && window > 400) {
                progress.notified().await;
                continue;
            }
            let body = body.clone();
            let burst_sent = pinger.call(move |pinger, ctx| {
                for _ in 0..burst {
                    ctx.send_bytes(&pinger.to, NAME, body.clone());
                }
            });
            burst_sent.await.unwrap();
            sent += burst;
        }
    };
    let took = measure(clock, sending).await;
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
                count: Arc::default(),
                progress: Arc::default(),
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
async fn floor_throughput(clock: &Clock, size: usize, count: u64) -> Took {
    let (mut client, mut server) = pair().await;
    let one = message(size);
    let per_write = (65_536 / one.len()).max(1);
    let total = one.len() * usize::try_from(count).unwrap();
    let joined = one.repeat(per_write);
    let sending = async {
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
    };
    measure(clock, sending).await
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
fn show(name: &str, size: usize, count: u64, took: &Took) {
    let rate = count as f64 / took.wall.as_secs_f64();
    let each = took.cpu.as_secs_f64() * 1e6 / count as f64;
    let bytes = rate * size as f64 / 1e6;
    println!(
        "{name:<10} {size:>8} B  {:7.0} k messages/s {bytes:7.0} MB/s  {each:7.2} us of a core each",
        rate / 1e3
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
            show("floor", size, count, &floor_throughput(&clock, size, count).await);
            show("messages", size, count, &throughput(&clock, size, count).await);
        }
        show_latency("floor", &floor_latency(&clock, 20_000).await);
        show_latency("messages", &latency(&clock, 20_000).await);
    });
}
