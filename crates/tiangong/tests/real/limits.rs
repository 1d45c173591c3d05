//! What HTTP clients may use up is set by flags, and peers do not feel it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::http;

const FLAGS: [&str; 4] = [
    "--http_max_head_size=8KB",
    "--http_max_body_size=64KB",
    "--http_max_connections=100",
    "--http_idle_timeout=500ms",
];
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the daemon listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a time-out can be set");
    stream
}

/// What comes until the daemon closes the connection, which it has to do by itself.
fn all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .expect("the daemon closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// What comes back until the daemon closes, after these bytes.
fn answer(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(bytes).expect("the daemon reads");
    all(stream)
}

#[test]
fn flags_bound_what_http_clients_use_up_and_links_stay() {
    let mut cluster = Cluster::new();
    cluster.master_flags = FLAGS.map(str::to_owned).into();
    cluster.agent_flags = FLAGS.map(str::to_owned).into();
    cluster.start_master();
    cluster.start_agent();
    cluster.wait_for_agent();
    for address in [cluster.master_address, cluster.agent_address] {
        let mut linked = connect(address);

        let head = format!(
            "GET /health HTTP/1.1\r\nHost: x\r\nX-Filler: {}\r\n\r\n",
            "a".repeat(9 << 10)
        );
        assert!(answer(address, head.as_bytes()).starts_with("HTTP/1.1 431 "));
        let body = "POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 70000\r\n\r\n";
        assert!(answer(address, body.as_bytes()).starts_with("HTTP/1.1 413 "));
        // Served, and closed for being idle afterwards; so is one who stops in the middle of a line.
        assert!(answer(address, HEALTH).starts_with("HTTP/1.1 200 OK\r\n"));
        assert_eq!(answer(address, b"GET /hea"), "");

        // One who has sent nothing may be a peer that only links.
        linked.write_all(HEALTH).expect("the connection is open");
        assert!(all(linked).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let state = http::get(cluster.master_address, "/state")
        .expect("the master answers")
        .json();
    assert_eq!(state["activated_slaves"].as_f64(), Some(1.0));
    assert!(state["slaves"][0].get("reregistered_time").is_none(), "{state}");
    let flags = &state["flags"];
    assert_eq!(flags["http_idle_timeout"], "500ms");
}
