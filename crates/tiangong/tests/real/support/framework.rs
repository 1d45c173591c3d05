//! A framework of the v1 API on plain sockets: one stream of events, calls beside it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::http;

/// How long an event may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A framework whose stream of events is open as long as this lives.
pub struct Framework {
    stream: TcpStream,
    unread: Vec<u8>,
    to: SocketAddr,
    pub id: String,
    stream_id: String,
}

impl Framework {
    /// Subscribes to a role, with more capabilities than MULTI_ROLE.
    pub fn subscribe(to: SocketAddr, role: &str, capabilities: &[&str]) -> Self {
        let names = ["MULTI_ROLE"].iter().chain(capabilities);
        let capabilities: Vec<Value> = names.map(|name| json!({"type": name})).collect();
        let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": {
            "user": "root", "name": "picky", "roles": [role], "failover_timeout": 1000.0,
            "capabilities": capabilities}}})
        .to_string();
        let mut stream = TcpStream::connect(to).expect("the master listens");
        stream.set_read_timeout(Some(LIMIT)).expect("it can be set");
        write!(
            stream,
            "POST /api/v1/scheduler HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{call}",
            call.len()
        )
        .expect("the master reads");
        let mut framework = Self {
            stream,
            unread: Vec::new(),
            to,
            id: String::new(),
            stream_id: String::new(),
        };
        let head = framework.head();
        let ids = head.lines().filter_map(|line| line.split_once(": "));
        let mut ids = ids.filter(|(name, _)| name.eq_ignore_ascii_case("mesos-stream-id"));
        let (_, stream_id) = ids.next().unwrap_or_else(|| panic!("no stream id in {head}"));
        stream_id.clone_into(&mut framework.stream_id);
        let subscribed = framework.event_of("SUBSCRIBED");
        let id = subscribed["subscribed"]["framework_id"]["value"].as_str();
        id.expect("it has an id").clone_into(&mut framework.id);
        framework
    }

    fn more(&mut self) {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).expect("the master answers in time");
        assert!(count > 0, "the stream ended");
        self.unread.extend_from_slice(&bytes[..count]);
    }

    fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = self.unread.split_off(end + 4);
                return String::from_utf8(std::mem::replace(&mut self.unread, rest)).expect("a head is text");
            }
            self.more();
        }
    }

    /// One record, which is one chunk.
    fn event(&mut self) -> Value {
        loop {
            if let Some((event, end)) = record(&self.unread) {
                self.unread.drain(..end);
                return event;
            }
            self.more();
        }
    }

    /// The next event of a type; others are passed over.
    pub fn event_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.event();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// Makes a call, which must be taken.
    pub fn call(&self, mut call: Value) {
        call["framework_id"] = json!({"value": self.id});
        let headers = [
            ("Content-Type", "application/json"),
            ("Mesos-Stream-Id", self.stream_id.as_str()),
        ];
        let body = call.to_string();
        let answer = http::request(self.to, "POST", "/api/v1/scheduler", &headers, body.as_bytes());
        let answer = answer.expect("the master answers");
        assert_eq!(answer.status, 202, "{call}: {}", answer.text());
    }

    /// The next offer that fits; others are declined until the next batch.
    pub fn offer(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.event_of("OFFERS");
            let offers = event["offers"]["offers"].as_array().cloned().unwrap_or_default();
            let mut found = None;
            for offer in offers {
                if !self.stands(&offer) {
                    continue;
                }
                if found.is_none() && fits(&offer) {
                    found = Some(offer);
                } else {
                    self.call(json!({"type": "DECLINE", "decline": {
                        "offer_ids": [offer["id"]], "filters": {"refuse_seconds": 0}}}));
                }
            }
            if let Some(offer) = found {
                return offer;
            }
        }
    }

    /// Whether an offer has not been rescinded meanwhile.
    fn stands(&self, offer: &Value) -> bool {
        let state = http::get(self.to, "/state").expect("the master answers").json();
        let frameworks = state["frameworks"].as_array().map_or(&[][..], Vec::as_slice);
        let mut offers = frameworks
            .iter()
            .flat_map(|framework| framework["offers"].as_array().map_or(&[][..], Vec::as_slice));
        offers.any(|standing| standing["id"] == offer["id"]["value"])
    }

    /// Accepts an offer; what is left of it comes again with the next batch.
    pub fn accept(&self, offer: &Value, operations: &Value) {
        self.call(json!({"type": "ACCEPT", "accept": {
            "offer_ids": [offer["id"]], "operations": operations, "filters": {"refuse_seconds": 0}}}));
    }

    /// Waits until so many tasks have ended, acknowledging what is told of them; all must have finished.
    pub fn finish(&mut self, tasks: usize) {
        let mut left = tasks;
        while left > 0 {
            let event = self.event_of("UPDATE");
            let status = &event["update"]["status"];
            if status["uuid"].is_string() {
                self.call(json!({"type": "ACKNOWLEDGE", "acknowledge": {
                    "agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]}}));
            }
            match status["state"].as_str().unwrap_or_default() {
                "TASK_FINISHED" => left -= 1,
                "TASK_STAGING" | "TASK_STARTING" | "TASK_RUNNING" => {}
                other => panic!("{other}: {status}"),
            }
        }
    }
}

/// The first record of chunked bytes, and where it ends.
fn record(bytes: &[u8]) -> Option<(Value, usize)> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let size = std::str::from_utf8(bytes.get(..line)?).expect("a chunk's size is text");
    let size = usize::from_str_radix(size, 16).expect("a chunk's size is a number");
    let chunk = bytes.get(line + 2..line + 2 + size)?;
    let end = line + 2 + size + 2;
    if bytes.len() < end {
        return None;
    }
    let feed = chunk
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a record has a length");
    let event = serde_json::from_slice(&chunk[feed + 1..]).expect("a record is JSON");
    Some((event, end))
}
