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
    burst: u64,
    next: u64,
    end: u64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Post,
    Send,
    Dispatch,
}

/// Messages that wait at most: few, as in a process that keeps up, and many, as in one that was held up.
const BURSTS: [u64; 2] = [512, 65_536];

impl Sender {
    fn burst(&mut self, ctx: &mut Context<Self>) {
        for _ in 0..self.burst {
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
        // Round by the executor's queue, behind the receiver.
        ctx.then(async {}, |this, ctx, ()| this.burst(ctx));
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

async fn pass(kind: Kind, burst: u64) -> Duration {
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
                burst,
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
fn floor(burst: u64) -> Duration {
    type Job = Box<dyn FnOnce(&mut u64) + Send>;
    let queue: Mutex<VecDeque<Job>> = Mutex::default();
    let (began, mut sum, mut next) = (cpu(), 0u64, 0);
    while next < COUNT {
        for number in next..COUNT.min(next + burst) {
            queue
                .lock()
                .push_back(Box::new(move |sum| *sum = sum.wrapping_add(number)));
        }
        next += burst;
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

/// Whether a line was asked for by a word of its name; all are when none was.
fn chosen(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    words.next().is_none_or(|word| name.contains(&word))
}

fn main() {
    // One thread: what is sent and what is received share one core.
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for round in 1..=3 {
        for burst in BURSTS {
            println!("round {round}, {burst} messages wait at most");
            if chosen("floor") {
                show("floor (locked queue of boxes)", floor(burst));
            }
            for (name, kind) in [
                ("dispatch (closure)", Kind::Dispatch),
                ("post (value)", Kind::Post),
                ("send (copy)", Kind::Send),
            ] {
                if chosen(name) {
                    show(name, tokio.block_on(pass(kind, burst)));
                }
            }
        }
    }
}
