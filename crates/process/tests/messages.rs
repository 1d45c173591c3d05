//! Messages between processes, in one runtime and between two, over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use process::{Context, LinkMode, Process, Runtime, Settings, Upid};
use tokio::sync::mpsc;

/// A message of our own, so that this crate's tests need no schema.
#[derive(Clone, PartialEq, prost::Message)]
struct Ping {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(bytes = "bytes", tag = "2")]
    padding: bytes::Bytes,
}

impl prost::Name for Ping {
    const PACKAGE: &'static str = "test";
    const NAME: &'static str = "Ping";
}

#[derive(Debug, PartialEq)]
enum Seen {
    Ping(String, u64),
    Exited(String),
}

struct Listener {
    seen: mpsc::UnboundedSender<Seen>,
}

impl Process for Listener {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.install::<Ping>(|this, _ctx, from, ping| {
            this.seen
                .send(Seen::Ping(from.id().to_owned(), ping.number))
                .unwrap();
        });
    }

    fn exited(&mut self, _ctx: &mut Context<Self>, upid: &Upid) {
        self.seen.send(Seen::Exited(upid.id().to_owned())).unwrap();
    }
}

struct Silent;
impl Process for Silent {}

async fn runtime() -> Runtime {
    Runtime::start(Settings::loopback(0)).await.unwrap()
}

async fn next(seen: &mut mpsc::UnboundedReceiver<Seen>) -> Seen {
    tokio::time::timeout(Duration::from_secs(20), seen.recv())
        .await
        .expect("in time")
        .expect("a sender")
}

fn ping(number: u64) -> Ping {
    Ping {
        number,
        padding: bytes::Bytes::new(),
    }
}

#[tokio::test]
async fn messages_arrive_in_order_within_one_runtime() {
    let runtime = runtime().await;
    let (seen, mut events) = mpsc::unbounded_channel();
    let listener = runtime.spawn("listener", Listener { seen }).unwrap();
    let sender = runtime.spawn("sender", Silent).unwrap();
    let to = listener.upid().clone();
    sender.dispatch(move |_, ctx| {
        for number in 0..1_000 {
            if number % 2 == 0 {
                ctx.send(&to, &ping(number))
            } else {
                ctx.post(&to, ping(number))
            }
        }
    });
    for number in 0..1_000 {
        assert_eq!(next(&mut events).await, Seen::Ping("sender".to_owned(), number));
    }
}

/// A mailbox names a sender once for a run of messages, and hands them out in batches of 256: neither may show.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_message_has_its_own_sender_however_they_mix_and_however_many_wait() {
    const ROUNDS: u64 = 700;
    let runtime = runtime().await;
    let (seen, mut events) = mpsc::unbounded_channel();
    let listener = runtime.spawn("listener", Listener { seen }).unwrap();
    let senders = ["a", "b", "c"].map(|id| runtime.spawn(id, Silent).unwrap());
    let nobody: Upid = "nobody@127.0.0.1:1".parse().unwrap();
    // The listener stands still until everything waits.
    let (go, stand) = std::sync::mpsc::channel::<()>();
    listener.dispatch(move |_, _| {
        stand.recv().unwrap_err();
    });
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let sender = &senders[usize::try_from(round * round / 97 % 3).unwrap()];
        let to = listener.upid().clone();
        let sent = sender.call(move |_, ctx| ctx.post(&to, ping(round)));
        sent.await.unwrap();
        expected.push(Seen::Ping(sender.upid().id().to_owned(), round));
        if round % 5 == 0 {
            let body = prost::Message::encode_to_vec(&ping(round)).into();
            runtime.send_from(&nobody, listener.upid(), "test.Ping".into(), body);
            expected.push(Seen::Ping("nobody".to_owned(), round));
        }
        if round % 7 == 0 {
            listener.dispatch(|_, _| ());
        }
    }
    drop(go);
    for expected in expected {
        assert_eq!(next(&mut events).await, expected);
    }
}

#[tokio::test]
async fn messages_arrive_in_order_between_runtimes() {
    let (here, there) = (runtime().await, runtime().await);
    let (seen, mut events) = mpsc::unbounded_channel();
    let listener = there.spawn("listener(1)", Listener { seen }).unwrap();
    let sender = here.spawn("sender", Silent).unwrap();
    let to = listener.upid().clone();
    sender.dispatch(move |_, ctx| {
        ctx.link(&to, LinkMode::Reuse);
        for number in 0..1_000 {
            let padding = vec![7; if number % 100 == 0 { 300_000 } else { 10 }].into();
            ctx.send(&to, &Ping { number, padding });
        }
    });
    for number in 0..1_000 {
        assert_eq!(next(&mut events).await, Seen::Ping("sender".to_owned(), number));
    }
}

#[tokio::test]
async fn a_temporary_connection_delivers_everything() {
    let (here, there) = (runtime().await, runtime().await);
    let (seen, mut events) = mpsc::unbounded_channel();
    let listener = there.spawn("listener", Listener { seen }).unwrap();
    let from = here.upid("nobody");
    for number in 0..50 {
        here.send_from(
            &from,
            listener.upid(),
            "test.Ping".into(),
            prost::Message::encode_to_vec(&ping(number)).into(),
        );
        assert_eq!(next(&mut events).await, Seen::Ping("nobody".to_owned(), number));
    }
}

#[tokio::test]
async fn the_loss_of_a_runtime_is_told_once_per_linked_process() {
    let (here, there) = (runtime().await, runtime().await);
    let (seen, mut events) = mpsc::unbounded_channel();
    let listener = here.spawn("listener", Listener { seen }).unwrap();
    let (a, b) = (there.upid("a"), there.upid("b"));
    listener.dispatch(move |_, ctx| {
        ctx.link(&b, LinkMode::Reuse);
        ctx.link(&a, LinkMode::Reuse);
    });
    // A message that comes through shows that the connection is open.
    let (seen, mut others) = mpsc::unbounded_channel();
    let other = there.spawn("a", Listener { seen }).unwrap();
    let to = other.upid().clone();
    listener.dispatch(move |_, ctx| ctx.send(&to, &ping(1)));
    assert_eq!(next(&mut others).await, Seen::Ping("listener".to_owned(), 1));
    there.shutdown().await;
    assert_eq!(next(&mut events).await, Seen::Exited("a".to_owned()));
    assert_eq!(next(&mut events).await, Seen::Exited("b".to_owned()));
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn linking_to_nobody_is_told_at_once() {
    let here = runtime().await;
    let (seen, mut events) = mpsc::unbounded_channel();
    let listener = here.spawn("listener", Listener { seen }).unwrap();
    let local = here.upid("gone");
    listener.dispatch(move |_, ctx| ctx.link(&local, LinkMode::Reuse));
    assert_eq!(next(&mut events).await, Seen::Exited("gone".to_owned()));
    // Nobody listens on a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let remote: Upid = format!("gone@{free}").parse().unwrap();
    listener.dispatch(move |_, ctx| ctx.link(&remote, LinkMode::Reconnect));
    assert_eq!(next(&mut events).await, Seen::Exited("gone".to_owned()));
}

#[tokio::test]
async fn a_local_link_ends_with_the_process() {
    let here = runtime().await;
    let (seen, mut events) = mpsc::unbounded_channel();
    let listener = here.spawn("listener", Listener { seen }).unwrap();
    let other = here.spawn("other", Silent).unwrap();
    let to = other.upid().clone();
    listener
        .call(move |_, ctx| ctx.link(&to, LinkMode::Reuse))
        .await
        .unwrap();
    other.terminate();
    other.wait().await;
    assert_eq!(next(&mut events).await, Seen::Exited("other".to_owned()));
    assert!(!here.is_running("other"));
    assert!(matches!(
        other.call(|_, _| ()).await,
        Err(process::Error::Terminated(_))
    ));
}

#[tokio::test]
async fn an_id_is_taken_until_its_process_ends() {
    let here = runtime().await;
    let first = here.spawn("x", Silent).unwrap();
    assert!(matches!(
        here.spawn("x", Silent),
        Err(process::Error::DuplicateId(_))
    ));
    first.terminate_last();
    first.wait().await;
    here.spawn("x", Silent).unwrap();
    assert_eq!(
        (here.unique_id("p"), here.unique_id("p"), here.unique_id("q")),
        ("p(1)".into(), "p(2)".into(), "q(1)".into())
    );
}

/// Answers every ping with the next number.
struct Echo;

impl Process for Echo {
    fn initialize(&mut self, ctx: &mut Context<Self>) {
        ctx.install::<Ping>(|_, ctx, from, request| {
            if request.number > 0 {
                ctx.send(from, &ping(request.number + 1));
            }
        });
    }
}

#[tokio::test]
async fn a_request_gets_its_own_answer_and_leaves_nothing_behind() {
    let (here, there) = (runtime().await, runtime().await);
    let (near, far) = (
        here.spawn("echo", Echo).unwrap(),
        there.spawn("echo", Echo).unwrap(),
    );
    let asked = [
        (near.upid(), 1),
        (far.upid(), 2),
        (near.upid(), 3),
        (far.upid(), 4),
    ];
    let answers = asked.map(|(to, number)| here.request::<Ping, Ping>(to, ping(number)));
    for (answer, (_, number)) in answers.into_iter().zip(asked) {
        let answer = tokio::time::timeout(Duration::from_secs(20), answer)
            .await
            .expect("in time")
            .unwrap();
        assert_eq!(answer.number, number + 1);
    }
    // One that is never answered ends with who waits for it.
    let waiting = here.request::<Ping, Ping>(far.upid(), ping(0));
    assert!(futures_util::FutureExt::now_or_never(waiting).is_none());
    let gone = async {
        while (1..=5).any(|number| here.is_running(&format!("__req_res__({number})"))) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .expect("in time");
}
