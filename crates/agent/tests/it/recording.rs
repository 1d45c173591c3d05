//! Recorded connections, taken apart into messages.

use bytes::Bytes;

use crate::support::read_golden;

/// One recorded message: its name without the package, and its body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) body: Bytes,
}

impl Message {
    pub(crate) fn decode<M: proto::Message + proto::Required + Default>(&self) -> M {
        proto::decode(self.body.clone()).unwrap()
    }
}

/// The messages of one direction of a connection, in order.
pub(crate) fn messages(file: &str) -> Vec<Message> {
    let mut rest = read_golden(&format!("wire/{file}.bin"));
    let mut all = Vec::new();
    while !rest.is_empty() {
        let head = take_until(&mut rest, b"\r\n\r\n");
        let head = std::str::from_utf8(&head).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let name = path.rsplit('.').next().unwrap().to_owned();
        let body = if head.contains("chunked") {
            chunks(&mut rest)
        } else {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            rest.split_to(length.map_or(0, |length| length.parse().unwrap()))
        };
        all.push(Message { name, body });
    }
    all
}

/// The records of a stream of events, each of which is one chunk.
pub(crate) fn records(file: &str) -> Vec<Bytes> {
    let mut rest = read_golden(&format!("wire/{file}.bin"));
    let mut all = Vec::new();
    while !rest.is_empty() {
        let mut record = chunk(&mut rest);
        let length = take_until(&mut record, b"\n");
        let length: usize = std::str::from_utf8(&length).unwrap().parse().unwrap();
        assert_eq!(length, record.len(), "one record is one chunk");
        all.push(record);
    }
    all
}

fn chunk(rest: &mut Bytes) -> Bytes {
    let line = take_until(rest, b"\r\n");
    let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap(), 16).unwrap();
    let chunk = rest.split_to(length);
    assert_eq!(rest.split_to(2), "\r\n");
    chunk
}

fn chunks(rest: &mut Bytes) -> Bytes {
    let mut body = Vec::new();
    loop {
        let part = chunk(rest);
        if part.is_empty() {
            return body.into();
        }
        body.extend_from_slice(&part);
    }
}

fn take_until(rest: &mut Bytes, end: &[u8]) -> Bytes {
    let at = rest.windows(end.len()).position(|window| window == end).unwrap();
    let taken = rest.split_to(at);
    drop(rest.split_to(end.len()));
    taken
}
