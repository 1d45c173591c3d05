//! Bad input on every port: each gets an answer or a closed connection, the process lives, its memory stays flat.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::http;

/// How far a daemon's resident memory may grow under all of it, in KiB.
const GROWTH_KIB: u64 = 64 * 1024;

/// Sends raw bytes, closes the sending side, and returns what came back.
fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the daemon listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time-out can be set");
    stream
        .set_write_timeout(Some(Duration::from_secs(10)))
        .expect("a time-out can be set");
    // The daemon may refuse half-way: a failed write is an answer too.
    let _refused = stream.write_all(bytes);
    let _closed = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    answer
}

/// The status codes of all responses in `answer`.
fn statuses(answer: &[u8]) -> Vec<u16> {
    String::from_utf8_lossy(answer)
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|response| response.get(..3)?.parse().ok())
        .collect()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("the kernel tells resident memory");
    line.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("a number of KiB")
}

/// Bytes from a small generator: the same on every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state.to_le_bytes()[3]);
    }
    bytes
}

fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Everything wrong that one connection can say; `apis` are the paths that take v1 calls.
fn attack(address: SocketAddr, apis: &[&str]) {
    for seed in 0..60 {
        raw(address, &noise(seed, 1 << (seed % 16)));
    }

    // Heads and lines without end.
    let mut endless = b"GET / HTTP/1.1\r\n".to_vec();
    while endless.len() < 10 << 20 {
        endless
            .extend_from_slice(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    }
    assert!(
        statuses(&raw(address, &endless))
            .iter()
            .all(|status| *status >= 400)
    );
    let line = [b"GET /".as_slice(), &vec![b'a'; 10 << 20], b" HTTP/1.1\r\n\r\n"].concat();
    assert!(statuses(&raw(address, &line)).iter().all(|status| *status >= 400));

    // A body that claims to be larger than any limit is refused before it is read.
    let huge = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n",
        apis[0]
    );
    assert!(
        statuses(&raw(address, huge.as_bytes()))
            .iter()
            .all(|status| *status >= 400)
    );

    smuggling(address);

    for path in apis {
        // Nesting past every limit, in every shape.
        for open in [
            "{\"a\":",
            "[",
            "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{\"labels\":",
        ] {
            let deep = open.repeat(200_000);
            assert_refused(
                &raw(address, &post(path, "application/json", deep.as_bytes())),
                path,
            );
        }
        for body in [
            "",
            "null",
            "[]",
            "7",
            "\"SUBSCRIBE\"",
            "{",
            "{\"type\":7}",
            "{\"type\":\"NO_SUCH\"}",
            "{\"type\":{}}",
            // Operators subscribe without a body: what the others need is an unknown field to them.
            if *path == "/api/v1" {
                "{\"type\":\"READ_FILE\",\"read_file\":7}"
            } else {
                "{\"type\":\"SUBSCRIBE\",\"subscribe\":7}"
            },
            if *path == "/api/v1" {
                "{\"type\":\"READ_FILE\",\"read_file\":{\"path\":{}}}"
            } else {
                "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":[]}}"
            },
            "{\"framework_id\":{\"value\":{}},\"type\":\"KILL\"}",
            "{\"type\":\"\\ud800\"}",
            "\u{0}",
        ] {
            assert_refused(
                &raw(address, &post(path, "application/json", body.as_bytes())),
                path,
            );
        }
        for seed in 0..30 {
            raw(address, &post(path, "application/x-protobuf", &noise(seed, 300)));
        }
        // A length-delimited field that claims more than there is.
        assert_refused(
            &raw(
                address,
                &post(
                    path,
                    "application/x-protobuf",
                    &[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
                ),
            ),
            path,
        );
        // A body cut short.
        let whole = post(path, "application/json", b"{\"type\":\"GET_HEALTH\"}");
        raw(address, &whole[..whole.len() - 5]);
        // Chunked bodies with bad sizes.
        for chunks in [
            "zz\r\n",
            "fffffffffffffffff\r\n",
            "5\r\nab",
            "-1\r\nx\r\n0\r\n\r\n",
        ] {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
            );
            assert!(!statuses(&raw(address, request.as_bytes())).contains(&200));
        }
    }

    libprocess(address);
}

fn assert_refused(answer: &[u8], path: &str) {
    let statuses = statuses(answer);
    assert!(
        statuses.iter().all(|status| (400..600).contains(status)) && statuses.len() <= 1,
        "{path} answered {statuses:?}: {}",
        String::from_utf8_lossy(&answer[..answer.len().min(300)])
    );
}

/// One request may never be read as two.
fn smuggling(address: SocketAddr) {
    let hidden = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 35\r\n",
        "Content-Length: 0, 35\r\n",
        "Content-Length: +0\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Content-Length: 0\r\n",
    ] {
        let request = format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\n{head}\r\n0\r\n\r\n{hidden}");
        let statuses = statuses(&raw(address, request.as_bytes()));
        assert!(
            !statuses.contains(&200),
            "{head:?} let a hidden request through: {statuses:?}"
        );
    }
}

/// Messages from peers that lie.
fn libprocess(address: SocketAddr) {
    for name in [
        "RegisterSlaveMessage",
        "ReregisterSlaveMessage",
        "StatusUpdateMessage",
        "RunTaskMessage",
        "PingSlaveMessage",
        "NoSuch",
    ] {
        for id in ["master", "slave(1)", "slave%281%29", "%zz", "nobody"] {
            for from in ["x@127.0.0.1:1", "", "@", "a@b@c:99999", "slave(1)@0.0.0.0:0"] {
                let mut request = format!(
                    "POST /{id}/mesos.internal.{name} HTTP/1.1\r\nHost: x\r\nLibprocess-From: {from}\r\nConnection: close\r\nContent-Length: 64\r\n\r\n"
                )
                .into_bytes();
                request.extend_from_slice(&noise(7, 64));
                assert!(!statuses(&raw(address, &request)).contains(&200));
            }
        }
    }
}

#[test]
fn nothing_a_stranger_sends_harms_a_daemon() {
    let mut cluster = Cluster::started();
    let (master, agent) = (cluster.master_address, cluster.agent_address);
    let pids =
        [cluster.master.as_ref(), cluster.agent.as_ref()].map(|daemon| daemon.expect("both run").pid());

    // Once to warm caches and thread stacks up, then measured.
    attack(master, &["/api/v1", "/api/v1/scheduler"]);
    attack(agent, &["/api/v1", "/api/v1/executor"]);
    let before = pids.map(resident_kib);
    for _ in 0..3 {
        attack(master, &["/api/v1", "/api/v1/scheduler"]);
        attack(agent, &["/api/v1", "/api/v1/executor"]);
    }
    let after = pids.map(resident_kib);

    for daemon in [cluster.master.as_mut(), cluster.agent.as_mut()] {
        let daemon = daemon.expect("both run");
        assert!(daemon.alive(), "{} ended", daemon.log.display());
        let health = http::get(daemon.address, "/health").expect("it answers");
        assert_eq!(health.status, 200);
    }
    for (before, after) in before.iter().zip(after) {
        assert!(
            after < before + GROWTH_KIB,
            "resident memory grew from {before} to {after} KiB"
        );
    }
    cluster.wait_for_agent();
    for name in ["master.log", "agent.log"] {
        assert!(
            !cluster.log(name).contains("panicked"),
            "{name}: {}",
            cluster.log(name)
        );
    }
}
