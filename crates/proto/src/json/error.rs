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
    /// JSON, but not what the field takes.
    Mismatch {
        expected: &'static str,
        found: &'static str,
    },
    /// A number, text or base64 whose value the field cannot hold.
    Value(&'static str),
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

    /// Whether the text is not JSON at all, in contrast to JSON that is not the message asked for.
    pub fn is_syntax(&self) -> bool {
        matches!(self.0.kind, Kind::Syntax { .. } | Kind::Depth)
    }

    /// The paths of absent required fields, separated by `, `, if that is the error.
    pub fn missing(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Missing(paths) => Some(paths),
            Kind::Syntax { .. } | Kind::Depth | Kind::Mismatch { .. } | Kind::Value(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { offset, path, kind } = &*self.0;
        let place = if path.is_empty() { "the top" } else { path };
        match kind {
            // Compat: golden/http 167 and 172 carry these two lines.
            Kind::Syntax { line, near } => write!(f, "syntax error at line {line} near: {near}"),
            Kind::Missing(paths) => write!(f, "Missing required fields: {paths}"),
            Kind::Depth => write!(f, "nested deeper than {} at offset {offset}", super::DEPTH),
            Kind::Mismatch { expected, found } => {
                write!(
                    f,
                    "expected {expected}, found {found} at offset {offset}, in {place}"
                )
            }
            Kind::Value(what) => write!(f, "{what} at offset {offset}, in {place}"),
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
