//! What is wrong with a piece of JSON, and where.

use std::fmt;

/// What is wrong with a piece of JSON, and where.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    offset: usize,
    /// `subscribe.framework_info.user`; empty at the top.
    path: String,
    kind: Kind,
}

/// The kinds of errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not JSON; the line (from 1) and the rest of it from the place on, cut short.
    Syntax { line: usize, near: String },
    /// Deeper than `DEPTH`.
    Depth,
    /// JSON, and something after it; cut short.
    Trailing(String),
    /// JSON, but not what the field takes: an `object`, say.
    Mismatch(&'static str),
    /// A text that should have been a `number` or a `boolean`; cut short.
    Text { text: String, meant: &'static str },
    /// A required enum has no such value; cut short.
    Enum(String),
    /// A text that is not base64.
    Base64,
    /// A number that the field cannot hold.
    Range(&'static str),
    /// Required fields that are absent, by path, separated by `, `.
    Missing(String),
}

impl Error {
    pub(super) fn new(offset: usize, path: String, kind: Kind) -> Self {
        Self(Box::new(Inner { offset, path, kind }))
    }

    /// Where reading stopped, in bytes from the start.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The field in which it happened, `subscribe.framework_info.roles[1]`; empty at the top.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The last name of the path.
    fn field(&self) -> &str {
        let last = self.0.path.rsplit('.').next().unwrap_or_default();
        last.split('[').next().unwrap_or_default()
    }

    /// Whether the text is not JSON at all, in contrast to JSON that is not the message asked for.
    pub fn is_syntax(&self) -> bool {
        matches!(self.0.kind, Kind::Syntax { .. } | Kind::Depth | Kind::Trailing(_))
    }

    /// The paths of absent required fields, separated by `, `, if that is the error.
    pub fn missing(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Missing(paths) => Some(paths),
            Kind::Syntax { .. }
            | Kind::Depth
            | Kind::Trailing(_)
            | Kind::Mismatch(_)
            | Kind::Text { .. }
            | Kind::Enum(_)
            | Kind::Base64
            | Kind::Range(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { offset, path, kind } = &*self.0;
        let field = self.field();
        // Compat: clients and scripts match Mesos's texts (golden/http 167 and 172); those of depth and range are ours.
        match kind {
            Kind::Syntax { line, near } => write!(f, "syntax error at line {line} near: {near}"),
            Kind::Trailing(rest) => {
                write!(
                    f,
                    "Parsed JSON included non-whitespace trailing characters: {rest}"
                )
            }
            Kind::Missing(paths) => write!(f, "Missing required fields: {paths}"),
            Kind::Depth => write!(f, "nested deeper than {} at offset {offset}", super::DEPTH),
            Kind::Mismatch(_) if path.is_empty() => write!(f, "Expecting a JSON object"),
            Kind::Mismatch(found) => write!(f, "Not expecting a JSON {found} for field '{field}'"),
            Kind::Text { text, meant } => {
                write!(
                    f,
                    "Failed to parse '{text}' as a JSON {meant} for field '{field}'"
                )
            }
            Kind::Enum(name) => write!(f, "Failed to find enum for '{name}'"),
            Kind::Base64 => write!(f, "Failed to base64 decode bytes field '{field}'"),
            Kind::Range(what) => write!(f, "{what} at offset {offset}, in {path}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { offset, path, kind } = &*self.0;
        f.debug_struct("Error")
            .field("offset", offset)
            .field("path", path)
            .field("kind", kind)
            .finish()
    }
}

impl std::error::Error for Error {}
