//! How fast each protobuf library decodes and encodes what Mesos sends, and what it does with proto2's corners.
//!
//! `cargo run --release`; figures in ../0001-protobuf-library.md.

use std::hint::black_box;

const STREAM: &[u8] =
    include_bytes!("../../../../crates/proto/tests/golden/captured/operator-protobuf.recordio");

/// The operator stream of a real Mesos, record by record.
fn events() -> Vec<&'static [u8]> {
    let mut events = Vec::new();
    let mut rest = STREAM;
    while let Some(line) = rest.iter().position(|byte| *byte == b'\n') {
        let length: usize = std::str::from_utf8(&rest[..line]).unwrap().parse().unwrap();
        let (record, after) = rest[line + 1..].split_at(length);
        events.push(record);
        rest = after;
    }
    events
}

fn varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(usize::from(number) << 3 | 2, &mut out);
    varint(value.len(), &mut out);
    out.extend_from_slice(value);
    out
}

/// GET_STATE's answer with that many tasks, each with two recorded statuses, put together on the wire.
fn state(tasks: usize) -> Vec<u8> {
    // TASK_ADDED is type 2 with field 3; TASK_UPDATED type 3 with field 4.
    let inner = |kind: u8, number: u8| -> Vec<&'static [u8]> {
        let found = events()
            .into_iter()
            .filter(|event| event.starts_with(&[8, kind, number << 3 | 2]));
        found
            .map(|event| {
                let head = if event[3] >= 0x80 { 5 } else { 4 };
                &event[head..]
            })
            .collect()
    };
    let added = inner(2, 3);
    let updated = inner(3, 4);
    let mut list = Vec::new();
    for number in 0..tasks {
        let body = |message: &'static [u8]| {
            let head = if message[1] >= 0x80 { 3 } else { 2 };
            &message[head..]
        };
        let mut task = body(added[number % added.len()]).to_vec();
        for offset in 0..2 {
            // The status is the update's second field, after the framework's id.
            let update = updated[(number + offset) % updated.len()];
            let rest = &update[2 + usize::from(update[1])..];
            let head = if rest[1] >= 0x80 { 3 } else { 2 };
            let length = if head == 2 {
                usize::from(rest[1])
            } else {
                usize::from(rest[1] & 0x7f) | usize::from(rest[2]) << 7
            };
            task.extend(field(8, &rest[head..head + length]));
        }
        list.extend(field(2, &task));
    }
    let mut response = vec![8, 8];
    response.extend(field(9, &field(1, &list)));
    response
}

/// This thread's time on a processor, in ns: other programs on the machine do not count.
fn cpu_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The best of some runs, in ns, of which each takes at least a while.
fn best(mut run: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    let mut rounds = 1;
    for _ in 0..12 {
        let start = cpu_time();
        for _ in 0..rounds {
            run();
        }
        let took = cpu_time() - start;
        best = best.min(took as f64 / f64::from(rounds));
        if took < 40_000_000 {
            rounds = (rounds * 4).min(100_000);
        }
    }
    best
}

fn report(library: &str, what: &str, bytes: usize, ns: f64) {
    println!(
        "{library:6} {what:28} {:>10.1} us {:>8.0} MB/s",
        ns / 1e3,
        bytes as f64 / ns * 1e3
    );
}

fn main() {
    let events = events();
    let total: usize = events.iter().map(|event| event.len()).sum();
    let state = state(1000);
    println!(
        "{} events of {total} bytes; a state of {} bytes",
        events.len(),
        state.len()
    );
    report(
        "-",
        "memcpy of the state",
        state.len(),
        best(|| drop(black_box(black_box(&state).to_vec()))),
    );
    #[cfg(feature = "prost")]
    with_prost::run(&events, total, &state);
    #[cfg(feature = "buffa")]
    with_buffa::run(&events, total, &state);
}

/// `Event` with a field that nobody knows (number 99), and a TASK_ADDED without its required task.
const UNKNOWN: &[u8] = &[8, 9, 0x9a, 6, 1, 7];
const MISSING: &[u8] = &[8, 2, 0x1a, 0];

#[cfg(feature = "prost")]
mod with_prost {
    use super::*;
    use bytes::Bytes;
    use prost::Message as _;

    #[allow(dead_code, clippy::all)]
    mod generated {
        include!(concat!(env!("OUT_DIR"), "/prost/all.rs"));
    }
    use generated::mesos::v1::master::{Event, Response};

    pub fn run(events: &[&'static [u8]], total: usize, state: &[u8]) {
        let all: Vec<Bytes> = events.iter().map(|event| Bytes::from_static(event)).collect();
        report(
            "prost",
            "decode events",
            total,
            best(|| {
                for event in &all {
                    black_box(Event::decode(event.clone()).unwrap());
                }
            }),
        );
        let decoded: Vec<Event> = all
            .iter()
            .map(|event| Event::decode(event.clone()).unwrap())
            .collect();
        report(
            "prost",
            "encode events",
            total,
            best(|| {
                for event in &decoded {
                    black_box(event.encode_to_vec());
                }
            }),
        );
        let bytes = Bytes::copy_from_slice(state);
        report(
            "prost",
            "decode state",
            state.len(),
            best(|| drop(black_box(Response::decode(bytes.clone()).unwrap()))),
        );
        let response = Response::decode(bytes).unwrap();
        report(
            "prost",
            "encode state",
            state.len(),
            best(|| drop(black_box(response.encode_to_vec()))),
        );
        let same = response.encode_to_vec() == state;
        let unknown = Event::decode(UNKNOWN).unwrap().encode_to_vec() == UNKNOWN;
        println!(
            "prost  same bytes {same}; unknown kept {unknown}; missing accepted {}",
            Event::decode(MISSING).is_ok()
        );
    }
}

#[cfg(feature = "buffa")]
mod with_buffa {
    use super::*;
    use buffa::{Message as _, MessageView as _};

    #[allow(dead_code, unused, clippy::all)]
    mod generated {
        include!(concat!(env!("OUT_DIR"), "/buffa/all.rs"));
    }
    use generated::mesos::v1::master::{Event, Response};
    use generated::mesos::v1::master::{EventView, ResponseView};

    pub fn run(events: &[&'static [u8]], total: usize, state: &[u8]) {
        report(
            "buffa",
            "decode events",
            total,
            best(|| {
                for event in events {
                    black_box(Event::decode_from_slice(event).unwrap());
                }
            }),
        );
        report(
            "buffa",
            "decode events, borrowed",
            total,
            best(|| {
                for event in events {
                    black_box(EventView::decode_view(event).unwrap());
                }
            }),
        );
        let decoded: Vec<Event> = events
            .iter()
            .map(|event| Event::decode_from_slice(event).unwrap())
            .collect();
        report(
            "buffa",
            "encode events",
            total,
            best(|| {
                for event in &decoded {
                    black_box(event.encode_to_vec());
                }
            }),
        );
        report(
            "buffa",
            "decode state",
            state.len(),
            best(|| drop(black_box(Response::decode_from_slice(state).unwrap()))),
        );
        report(
            "buffa",
            "decode state, borrowed",
            state.len(),
            best(|| drop(black_box(ResponseView::decode_view(state).unwrap()))),
        );
        let response = Response::decode_from_slice(state).unwrap();
        report(
            "buffa",
            "encode state",
            state.len(),
            best(|| drop(black_box(response.encode_to_vec()))),
        );
        let same = response.encode_to_vec() == state;
        let unknown = Event::decode_from_slice(UNKNOWN).unwrap().encode_to_vec() == UNKNOWN;
        println!(
            "buffa  same bytes {same}; unknown kept {unknown}; missing accepted {}",
            Event::decode_from_slice(MISSING).is_ok()
        );
    }
}
