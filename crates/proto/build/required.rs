//! Writes one table per message: which fields must be there, and where to look further down.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::schema::{Kind, Schema, Value};

pub(crate) fn generate(schema: &Schema) -> String {
    let strict = strict(schema);
    let mut out = String::new();
    for message in schema.messages.values() {
        let mut fields = Vec::new();
        let mut bit = 0;
        for field in &message.fields {
            let required = field.label == Kind::Required;
            let below = match &field.value {
                Value::Message(name) if strict.contains(name.as_str()) => match field.label {
                    Kind::Map => format!("Below::Map(&{})", table(name)),
                    Kind::Repeated => format!("Below::Messages(&{})", table(name)),
                    Kind::Required | Kind::Optional => format!("Below::Message(&{})", table(name)),
                },
                Value::Enum(name) if required => format!(
                    "Below::Enum(<{} as json::Enumeration>::name)",
                    schema.enums[name].rust
                ),
                _ if required => "Below::Nothing".to_owned(),
                _ => continue,
            };
            let mark = if required { 1u64 << bit } else { 0 };
            fields.push((
                field.number,
                format!(
                    "Field {{ number: {}, name: {:?}, mark: {mark}, below: {below} }}",
                    field.number, field.name
                ),
            ));
            bit += u32::from(required);
        }
        fields.sort();
        let fields: Vec<String> = fields.into_iter().map(|(_, text)| text).collect();
        let all = if bit == 0 { 0 } else { u64::MAX >> (64 - bit) };
        writeln!(
            out,
            "static {table}: Shape = Shape {{ required: {all}, fields: &[{fields}] }};
impl Required for {rust} {{ const SHAPE: &'static Shape = &{table}; }}",
            table = table(&message.full_name),
            fields = fields.join(", "),
            rust = message.rust
        )
        .expect("text grows without fail");
    }
    out
}

fn table(name: &str) -> String {
    name.trim_start_matches('.').replace('.', "_").to_uppercase()
}

/// Messages in which, at any depth, something is required.
fn strict(schema: &Schema) -> BTreeSet<&str> {
    let mut strict = BTreeSet::new();
    loop {
        let before = strict.len();
        for message in schema.messages.values() {
            let own = message.fields.iter().any(|field| {
                field.label == Kind::Required
                    || matches!(&field.value, Value::Message(name) if strict.contains(name.as_str()))
            });
            if own {
                strict.insert(message.full_name.as_str());
            }
        }
        if strict.len() == before {
            return strict;
        }
    }
}
