//! Random messages of every kind, with prost-reflect as a second opinion.
//!
//! The messages are made through reflection: all required fields, known enum numbers, and a value for every field that
//! has a default (which our writer would fill in and the oracle would not).

use std::sync::LazyLock;

use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, FieldDescriptor, Kind as Type, MapKey,
    MessageDescriptor, SerializeOptions, Value,
};

use crate::support::{Kind, kinds};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).unwrap());
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(kinds);

/// xorshift64, seeded by proptest.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn text(&mut self) -> String {
        const PARTS: &[&str] = &[
            "a",
            "Z9",
            "\"",
            "\\",
            "\n",
            "\u{1}",
            "é",
            "天",
            "🦀",
            "/",
            " plain text of some length",
        ];
        (0..self.below(4))
            .map(|_| PARTS[usize::try_from(self.below(PARTS.len() as u64)).unwrap()])
            .collect()
    }

    fn double(&mut self) -> f64 {
        let value = match self.below(4) {
            0 => f64::from(u32::try_from(self.below(1000)).unwrap()),
            1 => self.below(1 << 40) as f64 / 1000.0,
            2 => 1_795_221_949.0 + self.below(1_000_000_000) as f64 / 1e9,
            _ => f64::from_bits(self.next()),
        };
        if value.is_finite() { value } else { 1.5 }
    }
}

fn message(descriptor: &MessageDescriptor, random: &mut Random, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let required = field.cardinality() == prost_reflect::Cardinality::Required;
        let default = field.field_descriptor_proto().default_value.is_some();
        let rare = if depth > 3 { 8 } else { 3 };
        // As JSON the well-known duration is text for the oracle, and only we read it as Mesos does.
        let foreign = matches!(field.kind(), Type::Message(kind) if kind.full_name().starts_with("google."));
        // Only the old generation has it, and two of our writers leave it out on purpose.
        let foreign = foreign || field.full_name() == "mesos.v1.AgentInfo.checkpoint";
        if foreign || !(required || default || (depth < 6 && random.chance(rare))) {
            continue;
        }
        let value = if field.is_map() {
            let kind = field.kind();
            let Type::Message(entry) = kind else {
                panic!("an entry is a message")
            };
            let values = (0..=random.below(2)).map(|_| {
                (
                    MapKey::String(random.text()),
                    value(&entry.map_entry_value_field(), random, depth),
                )
            });
            Value::Map(values.collect())
        } else if field.is_list() {
            Value::List(
                (0..=random.below(2))
                    .map(|_| value(&field, random, depth))
                    .collect(),
            )
        } else {
            value(&field, random, depth)
        };
        message.set_field(&field, value);
    }
    message
}

fn value(field: &FieldDescriptor, random: &mut Random, depth: u32) -> Value {
    match field.kind() {
        Type::Double => Value::F64(random.double()),
        Type::Int32 => Value::I32(i32::try_from(random.next() >> 33).unwrap() - (1 << 20)),
        Type::Int64 => Value::I64(random.next().cast_signed()),
        Type::Uint32 => Value::U32(u32::try_from(random.next() >> 32).unwrap()),
        Type::Uint64 => Value::U64(random.next()),
        Type::Bool => Value::Bool(random.chance(2)),
        Type::String => Value::String(random.text()),
        Type::Bytes => Value::Bytes(
            (0..random.below(9))
                .map(|_| u8::try_from(random.below(256)).unwrap())
                .collect(),
        ),
        Type::Enum(kind) => {
            let values: Vec<i32> = kind.values().map(|value| value.number()).collect();
            Value::EnumNumber(values[usize::try_from(random.below(values.len() as u64)).unwrap()])
        }
        Type::Message(kind) => Value::Message(message(&kind, random, depth + 1)),
        other => panic!("a type that the schema does not have: {other:?}"),
    }
}

fn sample(kind: &Kind, seed: u64) -> (MessageDescriptor, DynamicMessage) {
    let descriptor = POOL.get_message_by_name(kind.name).unwrap();
    let message = message(&descriptor, &mut Random(seed | 1), 0);
    (descriptor, message)
}

fn written_by_oracle(message: &DynamicMessage) -> Vec<u8> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    let mut out = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut out, &options).unwrap();
    out.into_inner()
}

fn read_by_oracle(descriptor: MessageDescriptor, json: &[u8]) -> DynamicMessage {
    let mut input = serde_json::Deserializer::from_slice(json);
    DynamicMessage::deserialize_with_options(descriptor, &mut input, &DeserializeOptions::new()).unwrap()
}

/// Both decoded through reflection; a difference shows as the oracle's JSON, for the Debug form has no end.
fn same(
    kind: &Kind,
    descriptor: MessageDescriptor,
    bytes: &[u8],
    expected: &DynamicMessage,
) -> Result<(), TestCaseError> {
    let found = DynamicMessage::decode(descriptor, bytes).unwrap();
    if &found == expected {
        return Ok(());
    }
    let text = |message: &DynamicMessage| String::from_utf8(written_by_oracle(message)).unwrap();
    Err(TestCaseError::fail(format!(
        "{}\nfound    {}\nexpected {}",
        kind.name,
        text(&found),
        text(expected)
    )))
}

/// Travels in protobuf only; one of its fields stays encoded, so that its JSON would be another.
const KEPT_ENCODED: &str = "mesos.internal.ReregisterSlaveMessage";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn protobuf_and_json_lose_nothing(seed in any::<u64>()) {
        for kind in KINDS.iter() {
            let (descriptor, message) = sample(kind, seed);
            let bytes = message.encode_to_vec();

            let again = (kind.protobuf)(&bytes).map_err(|error| TestCaseError::fail(format!("{}: {error}", kind.name)))?;
            same(kind, descriptor.clone(), &again, &message)?;

            let json = (kind.to_json)(&bytes).unwrap();
            let back = (kind.to_protobuf)(&json).map_err(|error| {
                TestCaseError::fail(format!("{}: {error}\n{}", kind.name, String::from_utf8_lossy(&json)))
            })?;
            same(kind, descriptor, &back, &message)?;
        }
    }

    #[test]
    fn the_oracle_reads_what_we_write_and_we_what_it_writes(seed in any::<u64>()) {
        for kind in KINDS.iter().filter(|kind| kind.name != KEPT_ENCODED) {
            let (descriptor, message) = sample(kind, seed);
            let ours = (kind.to_json)(&message.encode_to_vec()).unwrap();
            let read = read_by_oracle(descriptor.clone(), &ours);
            same(kind, descriptor.clone(), &read.encode_to_vec(), &message)?;

            let theirs = written_by_oracle(&message);
            let read = (kind.to_protobuf)(&theirs).map_err(|error| {
                TestCaseError::fail(format!("{}: {error}\n{}", kind.name, String::from_utf8_lossy(&theirs)))
            })?;
            same(kind, descriptor, &read, &message)?;
        }
    }

    #[test]
    fn any_double_reads_back_as_itself(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(!value.is_nan());
        let json = proto::json::to_vec(&proto::v1::value::Scalar { value });
        let back: proto::v1::value::Scalar = proto::json::from_slice(&json).unwrap();
        prop_assert_eq!(back.value.to_bits(), bits, "{}", String::from_utf8_lossy(&json));
    }

    #[test]
    fn any_text_reads_back_as_itself(value in any::<String>()) {
        let json = proto::json::to_vec(&proto::v1::TaskId { value: value.clone() });
        let oracle: serde_json::Value = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(oracle["value"].as_str(), Some(value.as_str()));
        prop_assert_eq!(proto::json::from_slice::<proto::v1::TaskId>(&json).unwrap().value, value);
    }

    #[test]
    fn any_bytes_are_a_message_or_a_typed_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for kind in KINDS.iter() {
            let _message_or_error = (kind.protobuf)(&bytes);
            let _message_or_error = (kind.json)(&bytes);
        }
    }
}

#[test]
fn doubles_have_the_shortest_digits_but_for_few() {
    let mut random = Random(7);
    let (mut total, mut longer) = (0, 0);
    while total < 200_000 {
        let value = f64::from_bits(random.next());
        if !value.is_finite() {
            continue;
        }
        total += 1;
        let digits = |text: &str| {
            let mantissa = text.split(['e', 'E']).next().unwrap();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').len()
        };
        let ours = String::from_utf8(proto::json::to_vec(&proto::v1::value::Scalar { value })).unwrap();
        let ours = ours.strip_prefix("{\"value\":").unwrap().trim_end_matches('}');
        longer += u32::from(digits(ours) > digits(ryu::Buffer::new().format(value)));
    }
    // Grisu2's authors give 99.9 %.
    assert!(longer < total / 500, "{longer} of {total}");
}
