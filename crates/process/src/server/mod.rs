//! The listener, and what happens on an accepted connection.
//!
//! Every connection starts as a libprocess peer's would: [`peer`] reads messages, each a small HTTP request, without
//! further machinery. From the first request that is no message on, [`calls`] answers short calls; the first that is more
//! than that hands the connection to hyper ([`client`]), which keeps it.
//!
//! **Bounds** are in [`HttpLimits`]. Connections of libprocess peers are never closed for being idle: a peer takes the
//! end of a connection for the end of the process behind it. Such are those that have carried a message, and those that
//! have carried nothing, for a peer that only links is silent. What tells that a silent one's machine is gone is TCP's
//! keep-alive, after [`SILENT`].

mod answer;
mod calls;
mod client;
mod deliver;
mod limits;
mod paced;
mod peer;
mod rewind;
mod route;

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

pub(crate) use limits::Connections;
pub use limits::HttpLimits;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Error;
use crate::runtime::{Runtime, WeakRuntime};
use crate::tls::Stream;

/// Connections that may wait to be accepted; the kernel caps it.
const BACKLOG: i32 = 65_535;

/// How long nothing may come from the other side before its machine is asked whether it is there; how often, and at
/// what distance, is the system's choice.
const SILENT: Duration = Duration::from_secs(15 * 60);

/// Opens a listening socket.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    try_listen(address).map_err(|error| Error::Listen(address, error))
}

fn try_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if let SocketAddr::V6(SocketAddrV6 { .. }) = address {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Compat: small answers must not wait for acknowledgements.
fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT))
}

/// Accepts connections until the runtime shuts down.
pub(crate) async fn accept(runtime: Runtime, listener: TcpListener) {
    let mut shutdown = runtime.shutting_down();
    loop {
        let permit = tokio::select! {
            permit = runtime.connections().admit() => permit,
            _ = shutdown.wait_for(|down| *down) => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|down| *down) => return,
        };
        match accepted {
            Ok((stream, client)) => {
                if set_up(&stream).is_err() {
                    continue;
                }
                let weak = runtime.downgrade();
                let shutdown = runtime.shutting_down();
                runtime.spawn_task(async move {
                    serve(weak, stream, client, shutdown).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: let some be closed.
                tracing::warn!("Failed to accept a connection: {error}");
                runtime.clock().sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves a connection until it ends or the runtime shuts down.
async fn serve(
    runtime: WeakRuntime,
    stream: TcpStream,
    client: SocketAddr,
    mut shutdown: watch::Receiver<bool>,
) {
    let Some(tls) = runtime.upgrade().map(|up| up.tls().cloned()) else {
        return;
    };
    let stream = match tls {
        None => Stream::Plain(stream),
        Some(tls) => tokio::select! {
            accepted = tls.accept(stream, client) => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!("Refused the connection from {client}: {error}");
                    return;
                }
            },
            _ = shutdown.wait_for(|down| *down) => return,
        },
    };
    peer::serve(runtime, stream, client, shutdown).await;
}
