//! Lines.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::Format;
use crate::Time;

/// Appends one line, its end included.
pub(super) fn line(format: Format, event: &Event<'_>, now: Time, thread: u64, out: &mut String) {
    match format {
        Format::Glog => glog(event, now, thread, out),
        Format::Json => json(event, now, thread, out),
    }
}

/// The file without its folders.
fn place<'a>(event: &Event<'a>) -> (&'a str, u32) {
    let metadata = event.metadata();
    let file = metadata.file().unwrap_or("?");
    (
        file.rsplit('/').next().unwrap_or(file),
        metadata.line().unwrap_or(0),
    )
}

fn glog(event: &Event<'_>, now: Time, thread: u64, out: &mut String) {
    let severity = match *event.metadata().level() {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        _ => 'I',
    };
    let (_, month, day, hour, minute, second) = crate::time::civil(now.as_secs());
    let micros = now.as_nanos().rem_euclid(1_000_000_000) / 1_000;
    let (file, line) = place(event);
    put!(
        out,
        "{severity}{month:02}{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06} {thread:5} "
    );
    put!(out, "{file}:{line}] ");
    let mut text = Text { out, first: true };
    event.record(&mut text);
    out.push('\n');
}

/// Writes the message, then the other fields as `name=value`.
struct Text<'a> {
    out: &'a mut String,
    first: bool,
}

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !std::mem::take(&mut self.first) {
            self.out.push(' ');
        }
        if field.name() != "message" {
            put!(self.out, "{}=", field.name());
        }
        put!(&mut Escaped(self.out), "{value:?}");
    }
}

/// Escapes what would break a line.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.contains(char::is_control) {
            self.0.push_str(text);
            return Ok(());
        }
        for c in text.chars() {
            if c.is_control() && c != '\t' {
                self.0.extend(c.escape_default())
            } else {
                self.0.push(c)
            }
        }
        Ok(())
    }
}

fn json(event: &Event<'_>, now: Time, thread: u64, out: &mut String) {
    let metadata = event.metadata();
    let (file, line) = place(event);
    let mut fields = Fields(serde_json::Map::new());
    let mut put = |name: &str, value: serde_json::Value| drop(fields.0.insert(name.to_owned(), value));
    put("time", now.to_string().into());
    put("level", metadata.level().as_str().into());
    put("thread", thread.into());
    put("target", metadata.target().into());
    put("file", file.into());
    put("line", line.into());
    event.record(&mut fields);
    // A map of strings and numbers is always JSON.
    out.push_str(&serde_json::Value::Object(fields.0).to_string());
    out.push('\n');
}

struct Fields(serde_json::Map<String, serde_json::Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name().to_owned(), format!("{value:?}").into());
    }
}
