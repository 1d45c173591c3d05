//! An agent or a driver reduced to what it says and hears.

use bytes::Bytes;
use master::Server;
use process::{Context, Handle, Message, Process, Runtime, Settings, Upid};
use proto::Name;
use tokio::sync::mpsc;

use super::PATIENCE;

/// What peers live in.
pub(crate) async fn runtime() -> Runtime {
    Runtime::start(Settings::loopback(0)).await.unwrap()
}

/// A process that keeps what it is sent.
pub(crate) struct Mailbox(mpsc::UnboundedSender<(Upid, Message)>);

impl Process for Mailbox {
    fn unhandled(&mut self, _context: &mut Context<Self>, message: Message) {
        drop(self.0.send((message.from().clone(), message)));
    }
}

/// One end of conversations with the master.
pub(crate) struct Peer {
    pub(crate) process: Handle<Mailbox>,
    inbox: mpsc::UnboundedReceiver<(Upid, Message)>,
    master: Upid,
}

impl Peer {
    pub(crate) fn new(runtime: &Runtime, id: &str, server: &Server) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        let process = runtime.spawn(id, Mailbox(sender)).unwrap();
        let master = format!("master@{}", server.address()).parse().unwrap();
        Self {
            process,
            inbox,
            master,
        }
    }

    pub(crate) fn send<M: proto::Message + Name>(&self, to: &Upid, message: &M) {
        let (to, name) = (to.clone(), M::full_name());
        let body = Bytes::from(message.encode_to_vec());
        self.process
            .dispatch(move |_, context| context.send_bytes(&to, name, body));
    }

    pub(crate) fn tell<M: proto::Message + Name>(&self, message: &M) {
        self.send(&self.master, message);
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> (Upid, String, Bytes) {
        let next = tokio::time::timeout(PATIENCE, self.inbox.recv()).await;
        let (from, message) = next.expect("no message in time").unwrap();
        (from, message.name(), message.body())
    }

    /// The next message of that type; others are passed over.
    pub(crate) async fn receive<M: proto::Message + Name + proto::Required + Default>(&mut self) -> M {
        loop {
            let (_, name, body) = self.next().await;
            if name == M::full_name() {
                return proto::decode(body).unwrap();
            }
        }
    }
}
