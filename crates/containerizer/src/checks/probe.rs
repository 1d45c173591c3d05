//! Asking. Dropping a question's future gives it up; the caller limits the time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Method;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{Answer, HttpProbe};
use crate::http::{Trust, ask};
use crate::proc::{Table, kill_members};
use crate::program::Program;

/// Asks over HTTP, from this process: what counts is the answer's status.
pub async fn http(probe: &HttpProbe) -> Answer {
    let scheme = if probe.https { "https" } else { "http" };
    let host = if probe.v6 { "[::1]" } else { "127.0.0.1" };
    let url = format!("{scheme}://{host}:{}{}", probe.port, probe.path);
    match ask(Method::GET, &url, Trust::Anyone).await {
        Ok(response) => Answer::Status(response.status().as_u16()),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// Connects, and closes the connection.
pub async fn tcp(port: u16, v6: bool) -> Answer {
    let host = if v6 {
        IpAddr::from(Ipv6Addr::LOCALHOST)
    } else {
        IpAddr::from(Ipv4Addr::LOCALHOST)
    };
    match TcpStream::connect((host, port)).await {
        Ok(_) => Answer::Connected(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::Connected(false),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// Runs a program to its end. If the future is dropped first, everything the program started is killed. To be
/// polled on the thread that lives as long as the program may (see
/// [`die_with_parent`](Program::die_with_parent)).
pub async fn command(program: &Program) -> Answer {
    let mut running = match program.spawn() {
        Ok(running) => running,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let (wanted, unwanted) = oneshot::channel::<()>();
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let status = tokio::select! {
            status = running.wait() => status,
            _ = unwanted => {
                let root = running.pid();
                kill_members(|| Table::read().tree(root));
                // Reaped, so that no zombie stays for as long as this process lives.
                running.wait().await
            }
        };
        let _given_up = tell.send(status);
    });
    let status = told.await;
    drop(wanted);
    match status {
        Ok(Ok(status)) => Answer::Exited(status),
        Ok(Err(error)) => Answer::Failed(error.to_string()),
        Err(_) => Answer::Failed("given up".to_owned()),
    }
}
