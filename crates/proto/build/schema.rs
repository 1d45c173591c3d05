//! The descriptor set, flattened, with the Rust names that prost gives to everything in it.

use std::collections::BTreeMap;

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// Every message and enum, by full name (with a leading dot, as descriptors refer to them).
pub(crate) struct Schema {
    pub messages: BTreeMap<String, Message>,
    pub(crate) enums: BTreeMap<String, Enum>,
}

pub(crate) struct Message {
    /// `.mesos.v1.TaskStatus`.
    pub full_name: String,
    /// `crate::generated::mesos::v1::TaskStatus`.
    pub rust: String,
    /// In declaration order, which is the order of JSON keys.
    pub fields: Vec<Field>,
}

pub(crate) struct Field {
    pub name: String,
    /// The struct's field, or the variant's name within a oneof.
    pub rust: String,
    pub number: i32,
    pub label: Kind,
    pub value: Value,
    pub deprecated: bool,
    /// The default as the `.proto` file spells it.
    pub default: Option<String>,
    /// The struct's field and the enum's path, when this is a member of a oneof.
    pub oneof: Option<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Required,
    Optional,
    Repeated,
    Map,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Scalar(Type),
    Enum(String),
    Message(String),
}

pub(crate) struct Enum {
    pub rust: String,
    /// Names and numbers in declaration order.
    pub values: Vec<(String, i32)>,
}

impl Schema {
    pub(crate) fn new(set: &FileDescriptorSet) -> Self {
        let mut schema = Self {
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
        };
        for file in &set.file {
            // The well-known types live in another crate and are written by hand.
            if file.package().starts_with("google.") {
                continue;
            }
            let mut module = String::from("crate::generated");
            for part in file.package().split('.') {
                module = format!("{module}::{}", snake(part));
            }
            let scope = format!(".{}", file.package());
            for kind in &file.enum_type {
                schema.add_enum(&scope, &module, kind);
            }
            for message in &file.message_type {
                schema.add_message(&scope, &module, message);
            }
        }
        schema
    }

    fn add_enum(&mut self, scope: &str, module: &str, kind: &EnumDescriptorProto) {
        let values = kind
            .value
            .iter()
            .map(|value| (value.name().to_owned(), value.number()))
            .collect();
        let rust = format!("{module}::{}", camel(kind.name()));
        self.enums
            .insert(format!("{scope}.{}", kind.name()), Enum { rust, values });
    }

    fn add_message(&mut self, scope: &str, module: &str, message: &DescriptorProto) {
        let full_name = format!("{scope}.{}", message.name());
        let inner = format!("{module}::{}", snake(message.name()));
        for kind in &message.enum_type {
            self.add_enum(&full_name, &inner, kind);
        }
        let mut entries = BTreeMap::new();
        for nested in &message.nested_type {
            if nested.options.as_ref().is_some_and(|options| options.map_entry()) {
                entries.insert(format!("{full_name}.{}", nested.name()), nested);
            } else {
                self.add_message(&full_name, &inner, nested);
            }
        }
        let fields = message
            .field
            .iter()
            .map(|field| convert(message, &inner, &entries, field))
            .collect();
        let rust = format!("{module}::{}", camel(message.name()));
        self.messages.insert(
            full_name.clone(),
            Message {
                full_name,
                rust,
                fields,
            },
        );
    }
}

fn convert(
    message: &DescriptorProto,
    inner: &str,
    entries: &BTreeMap<String, &DescriptorProto>,
    field: &FieldDescriptorProto,
) -> Field {
    let entry = entries.get(field.type_name());
    let (label, value) = match entry {
        // The schema has maps with text keys alone.
        Some(entry) => {
            assert_eq!(
                entry.field[0].r#type(),
                Type::String,
                "map with keys that are not text: {}",
                field.type_name()
            );
            (Kind::Map, value_of(&entry.field[1]))
        }
        None => {
            let label = match field.label() {
                Label::Required => Kind::Required,
                Label::Optional => Kind::Optional,
                Label::Repeated => Kind::Repeated,
            };
            (label, value_of(field))
        }
    };
    let oneof = field.oneof_index.map(|index| {
        let name = message.oneof_decl[usize::try_from(index).expect("an index is not negative")].name();
        (snake(name), format!("{inner}::{}", camel(name)))
    });
    Field {
        name: field.name().to_owned(),
        rust: if oneof.is_some() {
            camel(field.name())
        } else {
            snake(field.name())
        },
        number: field.number(),
        label,
        value,
        deprecated: field.options.as_ref().is_some_and(|options| options.deprecated()),
        default: field.default_value.clone(),
        oneof,
    }
}

fn value_of(field: &FieldDescriptorProto) -> Value {
    match field.r#type() {
        Type::Enum => Value::Enum(field.type_name().to_owned()),
        Type::Message => Value::Message(field.type_name().to_owned()),
        other => Value::Scalar(other),
    }
}

/// prost's rule for modules and fields.
fn snake(name: &str) -> String {
    const RAW: &[&str] = &[
        "abstract", "alignof", "as", "async", "await", "become", "box", "break", "const", "continue", "do",
        "dyn", "else", "enum", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
        "macro", "match", "mod", "move", "mut", "offsetof", "override", "priv", "proc", "pub", "pure", "ref",
        "return", "sizeof", "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe",
        "unsized", "use", "virtual", "where", "while", "yield",
    ];
    let name = name.to_snake_case();
    match name.as_str() {
        "self" | "super" | "extern" | "crate" => format!("{name}_"),
        plain if RAW.contains(&plain) => format!("r#{name}"),
        _ => name,
    }
}

/// prost's rule for types and variants.
fn camel(name: &str) -> String {
    match name.to_upper_camel_case() {
        own if own == "Self" => "Self_".to_owned(),
        other => other,
    }
}
