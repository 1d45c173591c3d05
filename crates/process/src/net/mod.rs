//! Outgoing connections and links.
//!
//! Per remote `ip:port` there is at most one persistent connection, opened by a link, and one temporary one, opened by
//! a message when there is none, and closed when all is sent. Connections carry our messages out; answers to the
//! requests are read and thrown away. Nothing is sent twice: what a broken connection held is lost, as the protocols
//! above expect (facts: libprocess-wire, section 3).

mod connection;
mod links;

use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;

use bytes::Bytes;
pub use connection::SEND_QUEUE_LIMIT;
use connection::{Connection, Kind};
use links::Links;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::net::TcpStream;

use crate::actor::LinkMode;
use crate::runtime::{Runtime, WeakRuntime};
use crate::tls::{Stream, Tls};
use crate::{Clock, Upid};

/// Connections to one address.
#[derive(Default)]
struct Peer {
    persistent: Option<Arc<Connection>>,
    temporary: Option<Arc<Connection>>,
}

#[derive(Default)]
struct State {
    peers: FxHashMap<SocketAddrV4, Peer>,
    links: Links,
    shut: bool,
}

/// The outgoing side of a runtime.
pub(crate) struct Net {
    state: Mutex<State>,
    clock: Clock,
    tls: Option<Arc<Tls>>,
    tokio: tokio::runtime::Handle,
    runtime: WeakRuntime,
}

/// Tells a local process that something it is linked to is gone.
struct Exit {
    linker: Arc<str>,
    linkee: Upid,
}

impl Net {
    pub(crate) fn new(
        clock: Clock,
        tls: Option<Arc<Tls>>,
        tokio: tokio::runtime::Handle,
        runtime: WeakRuntime,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            clock,
            tls,
            tokio,
            runtime,
        })
    }

    /// Queues a message for a remote process.
    pub(crate) fn send(self: &Arc<Self>, from: &Upid, to: &Upid, name: &str, body: &Bytes) {
        let mut refused: Option<Arc<Connection>> = None;
        while let Some(connection) = self.connection_for(to.address()) {
            // One that refuses has been retired or replaced, and then there is another; or it is broken, and its
            // end is about to be told: what is sent meanwhile is lost as what it held.
            if refused.is_some_and(|before| Arc::ptr_eq(&before, &connection))
                || connection.push(from, to, name, body)
            {
                return;
            }
            refused = Some(connection);
        }
    }

    /// The persistent connection, or else the temporary one, or else a new temporary one.
    fn connection_for(self: &Arc<Self>, address: SocketAddrV4) -> Option<Arc<Connection>> {
        let mut state = self.state.lock();
        if state.shut {
            return None;
        }
        let peer = state.peers.entry(address).or_default();
        if let Some(connection) = peer.persistent.as_ref().or(peer.temporary.as_ref()) {
            return Some(Arc::clone(connection));
        }
        let connection = Connection::new(address, Kind::Temporary);
        peer.temporary = Some(Arc::clone(&connection));
        drop(state);
        self.start(&connection);
        Some(connection)
    }

    fn start(self: &Arc<Self>, connection: &Arc<Connection>) {
        let (net, connection) = (Arc::clone(self), Arc::clone(connection));
        self.tokio.spawn(async move {
            connection.run(&net).await;
            net.ended(&connection);
        });
    }

    /// Links a local process to a remote address.
    pub(crate) fn link_remote(self: &Arc<Self>, linker: &Upid, to: &Upid, mode: LinkMode) {
        let mut state = self.state.lock();
        if state.shut {
            return;
        }
        state.links.add(linker.shared_id(), to);
        let peer = state.peers.entry(to.address()).or_default();
        if peer.persistent.is_some() && mode == LinkMode::Reuse {
            return;
        }
        let connection = Connection::new(to.address(), Kind::Persistent);
        let old = peer.persistent.replace(Arc::clone(&connection));
        if let Some(old) = old {
            // The old one is no longer listed, so its end tells nobody.
            connection.take_over(&old);
        }
        drop(state);
        self.start(&connection);
    }

    /// Links a local process to another one of this runtime. The caller checks whether it lives.
    pub(crate) fn link_local(&self, linker: &Upid, to: &Upid) {
        self.state.lock().links.add(linker.shared_id(), to);
    }

    /// Takes a temporary connection off the list if nothing has been queued meanwhile.
    fn retire(&self, connection: &Arc<Connection>) -> bool {
        let mut state = self.state.lock();
        if !connection.close_if_empty() {
            return false;
        }
        if let Some(peer) = state.peers.get_mut(&connection.address())
            && peer
                .temporary
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, connection))
        {
            peer.temporary = None;
        }
        state.forget_empty(connection.address());
        true
    }

    /// A connection's task is over: forget it, and tell those who were linked through it.
    fn ended(&self, connection: &Arc<Connection>) {
        let lost = connection.close();
        let exits = {
            let mut state = self.state.lock();
            let address = connection.address();
            let mut exits = Vec::new();
            if let Some(peer) = state.peers.get_mut(&address) {
                if peer
                    .persistent
                    .as_ref()
                    .is_some_and(|current| Arc::ptr_eq(current, connection))
                {
                    peer.persistent = None;
                    exits = state.links.take_address(address);
                } else if peer
                    .temporary
                    .as_ref()
                    .is_some_and(|current| Arc::ptr_eq(current, connection))
                {
                    peer.temporary = None;
                }
            }
            state.forget_empty(address);
            exits
        };
        if lost > 0 {
            tracing::warn!(
                "Dropped {lost} bytes of unsent messages to {}",
                connection.address()
            );
        }
        self.tell(exits);
    }

    /// A local process has ended: tell those who were linked to it, and forget its own links.
    pub(crate) fn process_ended(&self, upid: &Upid) {
        let exits = {
            let mut state = self.state.lock();
            state.links.remove_linker(upid.shared_id());
            state.links.take_process(upid)
        };
        self.tell(exits);
    }

    fn tell(&self, exits: Vec<Exit>) {
        if exits.is_empty() {
            return;
        }
        let Some(runtime) = self.runtime.upgrade() else {
            return;
        };
        for exit in exits {
            runtime.exited(&exit.linker, exit.linkee);
        }
    }

    /// Closes everything and takes nothing new.
    pub(crate) fn shutdown(&self) {
        let peers = {
            let mut state = self.state.lock();
            state.shut = true;
            state.links = Links::default();
            std::mem::take(&mut state.peers)
        };
        for peer in peers.into_values() {
            for connection in [peer.persistent, peer.temporary].into_iter().flatten() {
                connection.close();
            }
        }
    }

    /// Connects to an address, as the settings of the runtime want it.
    async fn connect(&self, address: SocketAddrV4) -> io::Result<Stream> {
        if let Some(tls) = &self.tls {
            return tls.connect(address.into()).await;
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Stream::Plain(stream))
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl State {
    fn forget_empty(&mut self, address: SocketAddrV4) {
        if self
            .peers
            .get(&address)
            .is_some_and(|peer| peer.persistent.is_none() && peer.temporary.is_none())
        {
            self.peers.remove(&address);
        }
    }
}

impl Runtime {
    /// Delivers an exit to a local process, if it lives.
    fn exited(&self, linker: &str, linkee: Upid) {
        if let Some(cell) = self.find(linker) {
            cell.exited(linkee);
        }
    }
}
