//! The compiled schema against the tables of what Mesos has, row by row and in both directions.
//!
//! `schema/*.tsv` hold the rows of `mesos.v1.*`, `mesos.internal.*`, the registry, the agent's state and the driver's call. Where an internal
//! message names a v0 type, ours names the v1 type of the same bytes; that is the only change made to the rows.

use std::collections::BTreeMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use proto::Message as _;

const MESSAGES: &str = include_str!("../schema/messages.tsv");
const ENUMS: &str = include_str!("../schema/enums.tsv");

/// Fields that only the v0 type has, but that are on the wire or in what the master prints (golden/wire, golden/http 006).
const KEPT_OF_V0: &[(&str, &str)] = &[("mesos.v1.AgentInfo", "checkpoint\t7\toptional\tbool\tfalse\t-")];

/// Rows without their first columns, by message or enum, in order.
type Rows = BTreeMap<String, Vec<String>>;

#[test]
fn every_message_and_field_is_as_in_the_table() {
    let mut expected = Rows::new();
    for line in MESSAGES.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, message, field, number, label, kind, default, flags] = columns[..] else {
            panic!("{line}")
        };
        let rows = expected.entry(message.to_owned()).or_default();
        if field != "-" {
            rows.push([field, number, label, &as_v1(kind), default, flags].join("\t"));
        }
    }
    for (message, row) in KEPT_OF_V0 {
        expected.get_mut(*message).unwrap().push((*row).to_owned());
    }
    assert!(expected.len() > 400);
    compare(&expected, &messages());
}

#[test]
fn every_enum_and_value_is_as_in_the_table() {
    let mut expected = Rows::new();
    for line in ENUMS.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, name, value, number, flags] = columns[..] else {
            panic!("{line}")
        };
        expected
            .entry(name.to_owned())
            .or_default()
            .push([value, number, flags].join("\t"));
    }
    assert!(expected.len() > 50);
    compare(&expected, &enums());
}

fn compare(expected: &Rows, found: &Rows) {
    for (name, rows) in expected {
        assert_eq!(found.get(name), Some(rows), "{name}");
    }
    let more: Vec<&String> = found
        .keys()
        .filter(|name| !expected.contains_key(*name))
        .collect();
    assert!(more.is_empty(), "not in the tables: {more:?}");
}

/// The v1 name of a type that an internal message has as v0.
fn as_v1(kind: &str) -> String {
    // The only message of the driver's vocabulary that differs from v1.
    if kind == "mesos.scheduler.Call.Subscribe" {
        return kind.to_owned();
    }
    let foreign = kind.strip_prefix("mesos.").filter(|rest| {
        !["v1.", "internal.", "resource_provider.registry."]
            .iter()
            .any(|own| rest.starts_with(own))
    });
    match foreign {
        Some(rest) => format!("mesos.v1.{}", rest.replace("Slave", "Agent")),
        None => kind.to_owned(),
    }
}

fn files() -> FileDescriptorSet {
    let mut set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    set.file.retain(|file| !file.package().starts_with("google."));
    set
}

fn messages() -> Rows {
    let mut rows = Rows::new();
    for file in files().file {
        for message in &file.message_type {
            add_message(&mut rows, file.package(), message);
        }
    }
    rows
}

fn add_message(rows: &mut Rows, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    let fields = message.field.iter().map(|field| row(message, field)).collect();
    for nested in &message.nested_type {
        add_message(rows, &name, nested);
    }
    rows.insert(name, fields);
}

fn row(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let label = match field.label() {
        Label::Required => "required",
        Label::Optional => "optional",
        Label::Repeated => "repeated",
    };
    let kind = match field.r#type() {
        Type::Double => "double",
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Uint32 => "uint32",
        Type::Uint64 => "uint64",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.'),
        other => panic!("a type that the tables do not have: {other:?}"),
    };
    let default = field.default_value.as_deref().unwrap_or("-");
    let deprecated = field.options.as_ref().is_some_and(|options| options.deprecated());
    let flags = match field.oneof_index {
        Some(index) => format!(
            "oneof:{}",
            message.oneof_decl[usize::try_from(index).unwrap()].name()
        ),
        None => (if deprecated { "deprecated" } else { "-" }).to_owned(),
    };
    [
        field.name(),
        &field.number().to_string(),
        label,
        kind,
        default,
        &flags,
    ]
    .join("\t")
}

fn enums() -> Rows {
    let mut rows = Rows::new();
    for file in files().file {
        for kind in &file.enum_type {
            add_enum(&mut rows, file.package(), kind);
        }
        for message in &file.message_type {
            add_enums_of(&mut rows, file.package(), message);
        }
    }
    rows
}

fn add_enums_of(rows: &mut Rows, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    for kind in &message.enum_type {
        add_enum(rows, &name, kind);
    }
    for nested in &message.nested_type {
        add_enums_of(rows, &name, nested);
    }
}

fn add_enum(rows: &mut Rows, scope: &str, kind: &EnumDescriptorProto) {
    let values = kind.value.iter().map(|value| {
        let deprecated = value.options.as_ref().is_some_and(|options| options.deprecated());
        [
            value.name(),
            &value.number().to_string(),
            if deprecated { "deprecated" } else { "-" },
        ]
        .join("\t")
    });
    rows.insert(format!("{scope}.{}", kind.name()), values.collect());
}
