//! The operator stream that a real Mesos wrote, in both encodings: read, written again, compared byte for byte.

use bytes::Bytes;
use proto::v1::master::Event;
use proto::{ContentType, json};

const JSON: &[u8] = include_bytes!("../golden/captured/operator-json.recordio");
const PROTOBUF: &[u8] = include_bytes!("../golden/captured/operator-protobuf.recordio");

/// The records of a stream.
fn records(mut bytes: &'static [u8]) -> Vec<&'static [u8]> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let length: usize = std::str::from_utf8(&bytes[..line]).unwrap().parse().unwrap();
        let (record, rest) = bytes[line + 1..].split_at(length);
        records.push(record);
        bytes = rest;
    }
    records
}

#[test]
fn json_events_are_written_as_they_were_read() {
    let records = records(JSON);
    assert!(records.len() > 50);
    for record in records {
        let event: Event = json::from_slice(record).unwrap();
        assert_eq!(
            String::from_utf8(json::to_vec(&event)).unwrap(),
            str::from_utf8(record).unwrap()
        );
    }
}

#[test]
fn protobuf_events_are_written_as_they_were_read() {
    let records = records(PROTOBUF);
    assert!(records.len() > 50);
    for record in records {
        let event: Event = ContentType::Protobuf.decode(Bytes::from_static(record)).unwrap();
        assert_eq!(ContentType::Protobuf.encode(&event), record);
    }
}
