//! Writes `impl json::Json` for each message and `impl json::Enumeration` for each enum.

use std::fmt::Write as _;

use prost_types::field_descriptor_proto::Type;

use crate::schema::{Field, Kind, Message, Schema, Value};

/// Messages whose lists are written as `[]` when empty, because Mesos composes them by hand. Deprecated lists stay out.
const ALWAYS_LISTED: &[&str] = &[
    ".mesos.v1.master.Response.GetAgents",
    ".mesos.v1.master.Response.GetExecutors",
    ".mesos.v1.master.Response.GetFrameworks",
    ".mesos.v1.master.Response.GetTasks",
    ".mesos.v1.agent.Response.GetExecutors",
    ".mesos.v1.agent.Response.GetFrameworks",
    ".mesos.v1.agent.Response.GetTasks",
];

/// Fields that are written when set, whatever their default says, because only the v0 type has them.
const WRITTEN_WHEN_SET: &[(&str, &str)] = &[(".mesos.v1.AgentInfo", "checkpoint")];

/// Where Mesos converts an `AgentInfo` to v1 before it writes JSON, so that what only v0 has is lost on the way.
const WITHOUT_CHECKPOINT: &[(&str, &str)] = &[
    (".mesos.v1.agent.Response.GetAgent", "agent_info"),
    (".mesos.v1.executor.Event.Subscribed", "agent_info"),
];

pub(crate) fn generate(schema: &Schema) -> String {
    let mut out = String::new();
    for (name, kind) in &schema.enums {
        enumeration(&mut out, name, kind);
    }
    for message in schema.messages.values() {
        json(&mut out, schema, message).expect("text grows without fail");
    }
    out
}

fn enumeration(out: &mut String, name: &str, kind: &crate::schema::Enum) {
    let mut names = String::new();
    let mut numbers = String::new();
    for (value, number) in &kind.values {
        writeln!(names, "            {number} => Some({value:?}),").expect("text grows without fail");
        writeln!(numbers, "            {value:?} => Some({number}),").expect("text grows without fail");
    }
    write!(
        out,
        "/// `{name}`.
impl json::Enumeration for {rust} {{
    fn name(number: i32) -> Option<&'static str> {{
        match number {{
{names}            _ => None,
        }}
    }}
    fn number(name: &str) -> Option<i32> {{
        match name {{
{numbers}            _ => None,
        }}
    }}
}}
",
        rust = kind.rust
    )
    .expect("text grows without fail");
}

fn json(out: &mut String, schema: &Schema, message: &Message) -> std::fmt::Result {
    let required: Vec<&str> = message
        .fields
        .iter()
        .filter(|field| field.label == Kind::Required)
        .map(|field| field.name.as_str())
        .collect();
    assert!(
        required.len() <= 64,
        "more required fields than bits in {}",
        message.full_name
    );
    writeln!(out, "impl json::Json for {} {{", message.rust)?;
    writeln!(
        out,
        "    const REQUIRED: &'static [&'static str] = &{required:?};"
    )?;
    writeln!(out, "    fn write(&self, out: &mut Vec<u8>) {{")?;
    writeln!(out, "        let start = write::open(out);")?;
    for field in &message.fields {
        write_field(out, schema, message, field)?;
    }
    writeln!(out, "        write::close(out, start);\n    }}")?;
    writeln!(
        out,
        "    fn read_field(&mut self, key: &str, r: &mut json::Reader<'_>, seen: &mut u64) -> Result<bool, json::Error> {{"
    )?;
    writeln!(out, "        match key {{")?;
    for field in &message.fields {
        let read = read_field(schema, field, &required);
        writeln!(out, "            {:?} => {read},", field.name)?;
    }
    writeln!(
        out,
        "            _ => return Ok(false),\n        }}\n        Ok(true)\n    }}\n}}"
    )
}

fn write_field(out: &mut String, schema: &Schema, message: &Message, field: &Field) -> std::fmt::Result {
    let key = format!("b\",\\\"{}\\\":\"", field.name);
    let rust = &field.rust;
    if let Some((holder, path)) = &field.oneof {
        let member = format!("if let Some({path}::{rust}(value)) = &self.{holder}");
        return match &field.value {
            Value::Enum(kind) => {
                let kind = &schema.enums[kind].rust;
                writeln!(
                    out,
                    "        {member} {{ write::enumeration::<{kind}>(out, {key}, *value); }}"
                )
            }
            _ => writeln!(out, "        {member} {{ write::field(out, {key}, value); }}"),
        };
    }
    let owner = message.full_name.as_str();
    let kind = match &field.value {
        Value::Enum(name) => Some(schema.enums[name].rust.as_str()),
        _ => None,
    };
    if WITHOUT_CHECKPOINT.contains(&(owner, field.name.as_str())) {
        return match field.label {
            Kind::Required => {
                writeln!(
                    out,
                    "        write::field(out, {key}, &write::without_checkpoint(&self.{rust}));"
                )
            }
            _ => writeln!(
                out,
                "        if let Some(value) = &self.{rust} {{ write::field(out, {key}, &write::without_checkpoint(value)); }}"
            ),
        };
    }
    match (field.label, kind) {
        (Kind::Required, None) => writeln!(out, "        write::field(out, {key}, &self.{rust});"),
        (Kind::Required, Some(kind)) => writeln!(
            out,
            "        write::enumeration::<{kind}>(out, {key}, self.{rust});"
        ),
        (Kind::Optional, _) => {
            let emit = !field.deprecated && !WRITTEN_WHEN_SET.contains(&(owner, field.name.as_str()));
            let default = match field.default.as_deref().filter(|_| emit) {
                Some(default) => format!(
                    " else {{ write::text(out, {:?}); }}",
                    default_text(field, default)
                ),
                None => String::new(),
            };
            match kind {
                None => writeln!(
                    out,
                    "        if let Some(value) = &self.{rust} {{ write::field(out, {key}, value); }}{default}"
                ),
                // A number without a name counts as unset, as it does for a parser of proto2.
                Some(kind) => writeln!(
                    out,
                    "        if let Some(value) = write::named::<{kind}>(self.{rust}) {{ write::enumeration::<{kind}>(out, {key}, value); }}{default}"
                ),
            }
        }
        (Kind::Repeated, kind) => {
            let list = match kind {
                None => format!("write::list(out, {key}, &self.{rust});"),
                Some(kind) => format!("write::enumerations::<{kind}>(out, {key}, &self.{rust});"),
            };
            if ALWAYS_LISTED.contains(&owner) && !field.deprecated {
                writeln!(out, "        {list}")
            } else {
                writeln!(out, "        if !self.{rust}.is_empty() {{ {list} }}")
            }
        }
        (Kind::Map, None) => writeln!(
            out,
            "        if !self.{rust}.is_empty() {{ write::map(out, {key}, &self.{rust}); }}"
        ),
        (Kind::Map, Some(_)) => unimplemented!("maps of enums: {owner}.{}", field.name),
    }
}

/// The default with its key, as JSON.
fn default_text(field: &Field, default: &str) -> String {
    let value = match &field.value {
        Value::Enum(_) | Value::Scalar(Type::String) => format!("\"{default}\""),
        Value::Scalar(Type::Double | Type::Float) if !default.contains(['.', 'e', 'n']) => {
            format!("{default}.0")
        }
        Value::Scalar(Type::Bytes) => unimplemented!("default for bytes: {}", field.name),
        _ => default.to_owned(),
    };
    format!(",\"{}\":{value}", field.name)
}

/// The arm of the `match` that reads a field.
fn read_field(schema: &Schema, field: &Field, required: &[&str]) -> String {
    let name = &field.name;
    let rust = &field.rust;
    let kind = match &field.value {
        Value::Enum(kind) => Some(schema.enums[kind].rust.as_str()),
        _ => None,
    };
    if let Some((holder, path)) = &field.oneof {
        let read = match kind {
            Some(kind) => format!("r.member_enum::<{kind}>({name:?})?"),
            None => format!("r.member({name:?})?"),
        };
        return format!("if let Some(value) = {read} {{ self.{holder} = Some({path}::{rust}(value)) }}");
    }
    match (field.label, kind) {
        (Kind::Required, kind) => {
            let bit = required
                .iter()
                .position(|other| other == name)
                .expect("listed above");
            match kind {
                None => format!("r.required({name:?}, &mut self.{rust}, seen, {bit})?"),
                Some(kind) => format!("r.required_enum::<{kind}>({name:?}, &mut self.{rust}, seen, {bit})?"),
            }
        }
        (Kind::Optional, None) => format!("r.optional({name:?}, &mut self.{rust})?"),
        (Kind::Optional, Some(kind)) => format!("r.optional_enum::<{kind}>({name:?}, &mut self.{rust})?"),
        (Kind::Repeated, None) => format!("r.repeated({name:?}, &mut self.{rust})?"),
        (Kind::Repeated, Some(kind)) => format!("r.repeated_enum::<{kind}>({name:?}, &mut self.{rust})?"),
        (Kind::Map, _) => format!("r.map({name:?}, &mut self.{rust})?"),
    }
}
