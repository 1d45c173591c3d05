//! What a real Mesos sent and answered, recorded: read here and written again.
//!
//! `golden/captured/messages.txt` are message bodies off the wire (full name, hex), `http.jsonl` JSON bodies of the v1
//! APIs. The recorder sorted the keys of the latter, so they are compared as values, in which 4 and 4.0 differ.

use crate::support::kind_named;
use serde_json::Value;

const MESSAGES: &str = include_str!("../golden/captured/messages.txt");
const HTTP: &str = include_str!("../golden/captured/http.jsonl");

#[test]
fn messages_off_the_wire_encode_to_the_same_bytes() {
    let mut checked = 0;
    for line in MESSAGES.lines().filter(|line| !line.starts_with('#')) {
        let (name, hex) = line.split_once(' ').unwrap();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2).unwrap(), 16).unwrap())
            .collect();
        let again =
            (kind_named(name).protobuf)(&bytes).unwrap_or_else(|error| panic!("{name}: {error}\n{hex}"));
        assert_eq!(hex_of(&again), hex, "{name}");
        checked += 1;
    }
    assert!(checked > 200);
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn answers_and_events_are_written_as_mesos_wrote_them() {
    let mut checked = 0;
    for (name, file, body) in bodies() {
        if name.ends_with(".Call") {
            continue;
        }
        let text = serde_json::to_vec(&body).unwrap();
        let again = (kind_named(&name).json)(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(serde_json::from_slice::<Value>(&again).unwrap(), body, "{file}");
        checked += 1;
    }
    assert!(checked > 100);
}

#[test]
fn calls_that_mesos_accepted_are_read_with_nothing_lost() {
    let mut checked = 0;
    for (name, file, body) in bodies() {
        if !name.ends_with(".Call") {
            continue;
        }
        let text = serde_json::to_vec(&body).unwrap();
        let again = (kind_named(&name).json)(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let again: Value = serde_json::from_slice(&again).unwrap();
        assert!(
            contains(&again, &body),
            "{file}: {again} lacks something of {body}"
        );
        checked += 1;
    }
    assert!(checked > 80);
}

/// Whether all of `part` is in `whole`; defaults may have been added, and numbers have become doubles.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().all(|(key, part)| match whole.get(key) {
            Some(whole) => contains(whole, part),
            // Empty lists are not written.
            None => part.as_array().is_some_and(Vec::is_empty),
        }),
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| contains(whole, part))
        }
        (Value::Number(whole), Value::Number(part)) => whole.as_f64() == part.as_f64(),
        (whole, part) => whole == part,
    }
}

/// Message, file and body of each recorded exchange.
fn bodies() -> impl Iterator<Item = (String, String, Value)> {
    HTTP.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&line["message"]), text(&line["file"]), line["json"].take())
    })
}
