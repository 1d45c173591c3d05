//! Messages a second that one core passes from one process to another, beside the floor: the same number of boxed
//! values through a locked queue. Time is the thread's own, so that other work on the machine does not count.
//! `cargo bench -p process --bench mailbox`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures"
)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use parking_lot::Mutex;
use process::{Context, Handle, Process, Runtime, Settings, Upid};

#[derive(Clone, PartialEq, prost::Message)]
struct Tick {
    #[prost(uint64, tag = "1")]
    number: u64,
}

impl prost::Name for Tick {
    const PACKAGE: &'static str = "bench";
    const NAME: &'static str = "Tick";
}

struct Counter {
    sum: u64,
    left: u64,
    done: Option<tokio::sync::oneshot::Sender<u64>>,
}

impl Counter {
    fn count(&mut self, number: u64) {
        self.sum = self.sum.wrapping_add(number);
        self.left -= 1;
        if self.left == 0
            && let Some(done) = self.done.take()
        {
            done.send(self.sum).unwrap();
        }
    }
}

impl Process for Counter {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.install::<Tick>(|this, _, _, tick| this.count(tick.number));
    }
}

/// Sends bursts, letting the receiver have its turn between them.
struct Sender {
    to: Upid,
    counter: Handle<Counter>,
    kind: Kind,
    next: u64,
    end: u64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Post,
    Send,
    Dispatch,
}

const BURST: u64 = 512;

impl Sender {
    fn burst(&mut self, ctx: &mut Context<Self>) {
        for _ in 0..BURST {
            if self.next == self.end {
                return;
            }
            let number = self.next;
            match self.kind {
                Kind::Post => ctx.post(&self.to, Tick { number }),
                Kind::Send => ctx.send(&self.to, &Tick { number }),
                Kind::Dispatch => self.counter.dispatch(move |counter, _| counter.count(number)),
            }
            self.next += 1;
        }
        ctx.defer(Self::burst);
    }
}

impl Process for Sender {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.defer(Self::burst);
    }
}

const COUNT: u64 = 5_000_000;

/// Time that this thread has had of a core.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

async fn pass(kind: Kind) -> Duration {
    let runtime = Runtime::start(Settings::loopback(0)).await.unwrap();
    let (done, finished) = tokio::sync::oneshot::channel();
    let counter = runtime
        .spawn(
            "counter",
            Counter {
                sum: 0,
                left: COUNT,
                done: Some(done),
            },
        )
        .unwrap();
    counter.call(|_, _| ()).await.unwrap();
    let began = cpu();
    let to = counter.upid().clone();
    runtime
        .spawn(
            "sender",
            Sender {
                to,
                counter,
                kind,
                next: 0,
                end: COUNT,
            },
        )
        .unwrap();
    assert_eq!(finished.await.unwrap(), COUNT * (COUNT - 1) / 2);
    let took = cpu() - began;
    runtime.shutdown().await;
    took
}

/// Boxed closures through one locked queue, in the same bursts.
fn floor() -> Duration {
    type Job = Box<dyn FnOnce(&mut u64) + Send>;
    let queue: Mutex<VecDeque<Job>> = Mutex::default();
    let (began, mut sum, mut next) = (cpu(), 0u64, 0);
    while next < COUNT {
        for number in next..COUNT.min(next + BURST) {
            queue
                .lock()
                .push_back(Box::new(move |sum| *sum = sum.wrapping_add(number)));
        }
        next += BURST;
        while let Some(job) = { queue.lock().pop_front() } {
            job(&mut sum);
        }
    }
    black_box(sum);
    cpu() - began
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn show(name: &str, took: Duration) {
    let rate = COUNT as f64 / took.as_secs_f64() / 1e6;
    println!(
        "{name:<28} {rate:6.2} M messages/s/core  ({:.0} ns each)",
        took.as_nanos() as f64 / COUNT as f64
    );
}

fn main() {
    // One thread: what is sent and what is received share one core.
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for round in 1..=3 {
        println!("round {round}");
        show("floor (locked queue of boxes)", floor());
        for (name, kind) in [
            ("dispatch (closure)", Kind::Dispatch),
            ("post (value)", Kind::Post),
            ("send (encoded)", Kind::Send),
        ] {
            show(name, tokio.block_on(pass(kind)));
        }
    }
}
