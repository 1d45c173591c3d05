//! B08: one event to many subscribers, over real loopback sockets.
//!
//! `cargo bench -p master --bench fanout [-- SUBSCRIBERS...]`. The hub is served by the HTTP server that the master
//! uses; the clients count bytes. Server and clients share this machine, on a runtime each. Beside each figure stands
//! the floor: the same bytes written to as many sockets by a bare loop, 64 events at a time.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a report, of a run that must not go on when something fails"
)]

use std::cell::RefCell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use master::hub::{Event, Hub, Limits};
use process::http::{Body, Closer, Reply, Request, Response};
use process::{Clock, Context, Process, Runtime, Settings};
use proto::ContentType;
use proto::v1::master::Event as Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A recorded TASK_UPDATED event.
const RECORDED: &[u8] = include_bytes!("../tests/golden/captured/task_updated.json");

#[derive(Clone)]
struct Update(Arc<Message>);

impl Event for Update {
    fn weight(&self) -> usize {
        2048
    }

    fn record(&self, content_type: ContentType) -> Bytes {
        // Encoded anew for each event, as the master does.
        let body = content_type.encode(&*self.0);
        Bytes::from([format!("{}\n", body.len()).as_bytes(), &body].concat())
    }
}

struct Events {
    hub: Arc<Hub<Update>>,
}

impl Process for Events {
    fn initialize(&mut self, context: &mut Context<Self>) {
        context.route("/", |this, _, _: Request| -> Reply {
            let closer = Closer::new();
            let cut = closer.clone();
            let subscription = this.hub.subscribe(ContentType::Json, move || cut.close());
            Response::with_body(http::StatusCode::OK, Body::from_http_body(subscription))
                .closer(&closer)
                .into()
        });
    }
}

/// What the clients share with the publisher.
struct Progress {
    /// Length of one event on the wire, with its chunk's frame.
    length: usize,
    /// When each event was published, in nanoseconds.
    published: Vec<AtomicI64>,
    /// Clients that have all events.
    done: AtomicUsize,
    ready: AtomicUsize,
}

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if sizes.is_empty() {
        vec![1, 100, 1000]
    } else {
        sizes
    };
    println!("subscribers | events | mode | delivered/s | p50 ms | p99 ms | max ms | CPU us/event | floor/s");
    for subscribers in sizes {
        let burst = (3_000_000 / subscribers).min(60_000);
        let floor = floor(subscribers, burst);
        run(subscribers, burst, None, floor);
        run(subscribers, 600, Some(Duration::from_millis(5)), floor);
    }
}

/// User and system time of this process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Publishes `events`, one each `pause` or as fast as can be, to so many subscribers.
fn run(subscribers: usize, events: usize, pause: Option<Duration>, floor: f64) {
    let event = Update(Arc::new(proto::json::from_slice(RECORDED).unwrap()));
    let record = event.record(ContentType::Json);
    let length = format!("{:X}\r\n", record.len()).len() + record.len() + 2;
    let progress = Arc::new(Progress {
        length,
        published: (0..events).map(|_| AtomicI64::new(0)).collect(),
        done: AtomicUsize::new(0),
        ready: AtomicUsize::new(0),
    });
    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let clock = Clock::real();
    let (hub, runtime) = server.block_on(async {
        let beats = clock.clone();
        let limits = Limits {
            subscribers: 20_000,
            events: 1 << 17,
            weight: 1 << 30,
        };
        let hub = Arc::new(Hub::new(limits, move || {
            Box::pin(beats.sleep(Duration::from_secs(15)))
        }));
        let runtime = Runtime::start(Settings::loopback(0)).await.unwrap();
        runtime
            .spawn(
                "events",
                Events {
                    hub: Arc::clone(&hub),
                },
            )
            .unwrap();
        (hub, runtime)
    });
    let address = runtime.bound_address();
    let clients = {
        let (progress, clock) = (Arc::clone(&progress), clock.clone());
        std::thread::spawn(move || clients(address, subscribers, events, &progress, &clock))
    };
    wait(|| progress.ready.load(Ordering::Acquire) == subscribers);
    let (started, used) = (clock.now(), cpu());
    for number in 0..events {
        if let Some(pause) = pause {
            let due = started + pause * u32::try_from(number).unwrap();
            wait(|| clock.now() >= due);
        }
        progress.published[number].store(clock.now().as_nanos(), Ordering::Release);
        hub.publish(event.clone());
    }
    let latencies = clients.join().unwrap();
    let (took, used) = (clock.now().since(started).as_secs_f64(), cpu() - used);
    let delivered = (subscribers * events) as f64;
    let ms = |nanos: u64| nanos as f64 / 1e6;
    println!(
        "{subscribers} | {events} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {floor:.0}",
        pause.map_or_else(
            || "burst".to_owned(),
            |pause| format!("{} /s", 1.0 / pause.as_secs_f64())
        ),
        delivered / took,
        ms(latencies.value_at_quantile(0.5)),
        ms(latencies.value_at_quantile(0.99)),
        ms(latencies.max()),
        used * 1e6 / delivered,
    );
    assert_eq!(hub.counters().lagging, 0, "nobody was cut off");
    server.block_on(runtime.shutdown());
}

fn wait(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

/// Reads all events on all connections, on one thread; gives the time from publishing to receiving of each.
fn clients(
    address: SocketAddr,
    subscribers: usize,
    events: usize,
    progress: &Arc<Progress>,
    clock: &Clock,
) -> Histogram<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let all = Rc::new(RefCell::new(
        Histogram::new_with_bounds(1000, 600_000_000_000, 3).unwrap(),
    ));
    let local = tokio::task::LocalSet::new();
    let tasks: Vec<_> = (0..subscribers)
        .map(|_| {
            let (progress, clock, all) = (Arc::clone(progress), clock.clone(), Rc::clone(&all));
            local.spawn_local(async move { client(address, events, &progress, &clock, &all).await })
        })
        .collect();
    local.block_on(&runtime, async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    all.borrow().clone()
}

async fn client(
    address: SocketAddr,
    events: usize,
    progress: &Progress,
    clock: &Clock,
    all: &RefCell<Histogram<u64>>,
) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /events HTTP/1.1\r\nhost: b\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = vec![0; 256 << 10];
    // Head and first heartbeat, which end alike.
    let mut filled = 0;
    while !buffer[..filled].ends_with(b"HEARTBEAT\"}\r\n") {
        filled += stream.read(&mut buffer[filled..]).await.unwrap();
    }
    progress.ready.fetch_add(1, Ordering::AcqRel);
    let (mut bytes, mut seen) = (0, 0);
    while seen < events {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "cut off after {seen} events");
        bytes += read;
        let now = clock.now().as_nanos();
        let complete = (bytes / progress.length).min(events);
        let mut all = all.borrow_mut();
        for number in seen..complete {
            let took = now - progress.published[number].load(Ordering::Acquire);
            all.saturating_record(u64::try_from(took).unwrap_or(0).max(1000));
        }
        seen = complete;
    }
    progress.done.fetch_add(1, Ordering::AcqRel);
}

/// The same bytes to as many sockets by a bare loop: deliveries a second.
fn floor(subscribers: usize, events: usize) -> f64 {
    const BATCH: usize = 64;
    let record = Update(Arc::new(proto::json::from_slice(RECORDED).unwrap())).record(ContentType::Json);
    let chunk = [format!("{:X}\r\n", record.len()).as_bytes(), &record, b"\r\n"].concat();
    let batch = chunk.repeat(BATCH);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let expected = batch.len() * (events / BATCH).max(1);
    let reader = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let local = tokio::task::LocalSet::new();
        let tasks: Vec<_> = (0..subscribers)
            .map(|_| {
                local.spawn_local(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let mut buffer = vec![0; 256 << 10];
                    let mut bytes = 0;
                    while bytes < expected {
                        bytes += stream.read(&mut buffer).await.unwrap();
                    }
                })
            })
            .collect();
        local.block_on(&runtime, async {
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
    let mut sockets: Vec<_> = (0..subscribers).map(|_| listener.accept().unwrap().0).collect();
    let clock = Clock::real();
    let started = clock.now();
    for _ in 0..(events / BATCH).max(1) {
        for socket in &mut sockets {
            socket.write_all(&batch).unwrap();
        }
    }
    reader.join().unwrap();
    (subscribers * (events / BATCH).max(1) * BATCH) as f64 / clock.now().since(started).as_secs_f64()
}
