//! What happens at the limits: nothing grows without end, nothing is lost that was accepted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::mpsc as blocking;
use std::time::Duration;

use bytes::Bytes;
use common::{Did, serve, soon};
use process::{Context, LinkMode, Process, SEND_QUEUE_LIMIT, Upid};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_is_behind_holds_its_remote_senders_back() {
    const SIZE: usize = 1 << 20;
    const COUNT: usize = 100;
    let mut served = serve().await;
    let (begin, begun) = tokio::sync::oneshot::channel();
    let (release, released) = blocking::channel::<()>();
    served
        .web
        .dispatch(move |_, _| assert!(begin.send(()).is_ok() && released.recv().is_ok()));
    soon(begun).await.unwrap();
    let mut stream = served.connect().await.stream;
    let sending = tokio::spawn(async move {
        let head = "POST /web/p.M HTTP/1.1\r\nLibprocess-From: x@127.0.0.1:1\r\n";
        let message = [
            format!("{head}Content-Length: {SIZE}\r\n\r\n").as_bytes(),
            &vec![b'x'; SIZE],
        ]
        .concat();
        for _ in 0..COUNT {
            stream.write_all(&message).await.unwrap();
        }
        stream
    });
    // It fills to the mark and stays there.
    soon(async {
        while served.web.queue().messages < 60 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let unfinished = tokio::time::timeout(Duration::from_millis(300), async {
        while served.web.queue().messages <= process::INBOUND_HIGH_WATER / SIZE + 1 {
            tokio::task::yield_now().await;
        }
    });
    assert!(
        unfinished.await.is_err(),
        "{} messages wait",
        served.web.queue().messages
    );
    assert!(!sending.is_finished());
    // What its own runtime sends is never held back.
    served.runtime.send_from(
        &served.runtime.upid("y"),
        served.web.upid(),
        "p.M".into(),
        Bytes::new(),
    );
    release.send(()).unwrap();
    for _ in 0..=COUNT {
        assert!(matches!(served.did().await, Did::Message(..)));
    }
    drop(soon(sending).await.unwrap());
}

struct Watcher {
    exits: mpsc::UnboundedSender<Upid>,
}

impl Process for Watcher {
    fn exited(&mut self, _ctx: &mut Context<Self>, upid: &Upid) {
        self.exits.send(upid.clone()).unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_given_up_at_the_limit() {
    let served = serve().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to: Upid = format!("stuck@{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let (exits, mut told) = mpsc::unbounded_channel();
    let watcher = served.runtime.spawn("watcher", Watcher { exits }).unwrap();
    // One body, shared by all messages.
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let target = to.clone();
    let (_stuck, _) = {
        let linked = watcher.call(move |_, ctx| ctx.link(&target, LinkMode::Reuse));
        linked.await.unwrap();
        soon(listener.accept()).await.unwrap()
    };
    let sent = to.clone();
    let overflowing = watcher.call(move |_, ctx| {
        for _ in 0..SEND_QUEUE_LIMIT / body.len() + 16 {
            ctx.send_bytes(&sent, "p.M", body.clone());
        }
    });
    overflowing.await.unwrap();
    assert_eq!(soon(told.recv()).await.unwrap(), to);
}
