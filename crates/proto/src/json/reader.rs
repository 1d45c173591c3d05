//! The parser: one pass over the text, straight into messages, no tree between.

mod fields;
mod scan;

use std::borrow::Cow;

use super::error::Kind;
use super::{DEPTH, Error, Json};

/// How many absent required fields an error names.
const NAMED: usize = 16;

/// How many characters of a faulty text an error shows.
const SHOWN: usize = 80;

/// As much of a text as an error shows.
fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// A parser in the middle of a text.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    /// From the top to the field being read.
    path: Vec<Step>,
    missing: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Field(&'static str),
    Index(usize),
}

impl<'a> Reader<'a> {
    /// Reads one message that is all there is in the text.
    pub(super) fn read_whole<M: Json>(bytes: &'a [u8]) -> Result<M, Error> {
        let (text, fault) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = bytes
                    .get(..error.valid_up_to())
                    .and_then(|bytes| std::str::from_utf8(bytes).ok());
                (valid.unwrap_or_default(), Some(error.valid_up_to()))
            }
        };
        let mut reader = Self {
            text,
            at: 0,
            depth: 0,
            path: Vec::new(),
            missing: Vec::new(),
        };
        if let Some(offset) = fault {
            return Err(reader.syntax_at(offset));
        }
        let mut message = M::default();
        let read = reader.message(&mut message).and_then(|()| reader.end());
        match read {
            Ok(()) if reader.missing.is_empty() => Ok(message),
            Ok(()) => {
                let paths = reader.missing.join(", ");
                reader.path.clear();
                Err(reader.error_at(reader.at, Kind::Missing(paths)))
            }
            // Compat: Mesos parses the whole text before it looks at fields, so broken text is named first.
            Err(error) if !error.is_syntax() => Err(Self::check(text).err().unwrap_or(error)),
            Err(error) => Err(error),
        }
    }

    /// Whether a text is JSON.
    fn check(text: &'a str) -> Result<(), Error> {
        let mut reader = Self {
            text,
            at: 0,
            depth: 0,
            path: Vec::new(),
            missing: Vec::new(),
        };
        reader.skip_value()?;
        reader.end()
    }

    /// Where the parser stands, in bytes from the start.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Reads an object into a message.
    pub(super) fn message<M: Json>(&mut self, message: &mut M) -> Result<(), Error> {
        self.expect(b'{')?;
        self.enter()?;
        let before = self.missing.len();
        let mut seen = 0;
        if !self.take(b'}') {
            loop {
                let key = self.key()?;
                if !message.read_field(&key, self, &mut seen)? {
                    self.skip_value()?;
                }
                if !self.more(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        if seen.count_ones() as usize != M::REQUIRED.len() {
            self.note_missing(M::REQUIRED, seen, before);
        }
        Ok(())
    }

    /// Notes absent fields, before those of the messages inside.
    #[cold]
    fn note_missing(&mut self, required: &[&str], seen: u64, before: usize) {
        let path = self.path_text();
        let absent = required
            .iter()
            .enumerate()
            .filter(|(bit, _)| seen & (1 << bit) == 0);
        let named = absent.map(|(_, name)| {
            if path.is_empty() {
                (*name).to_owned()
            } else {
                format!("{path}.{name}")
            }
        });
        let named: Vec<String> = named.collect();
        self.missing.splice(before..before, named);
        self.missing.truncate(NAMED);
    }

    /// A text.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        self.expect(b'"')?;
        self.string_rest()
    }

    /// `true`, `false`, or one of them as text.
    pub(super) fn boolean(&mut self) -> Result<bool, Error> {
        let start = self.peek_at();
        match self.peek() {
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| false),
            Some(b'"') => {
                self.at += 1;
                let text = self.string_rest()?;
                let value = text.parse();
                value.map_err(|_| self.misread(start, &text, "boolean"))
            }
            _ => Err(self.mismatch()),
        }
    }

    /// A double: a number, a number as text, or an infinity as a word or as text.
    pub(super) fn double(&mut self) -> Result<f64, Error> {
        let start = self.peek_at();
        let text = self.number_text()?;
        match &*text {
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            "NaN" => Ok(f64::NAN),
            text if !scan::is_number(text.as_bytes()) => Err(self.misread(start, text, "number")),
            text => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value),
                _ => Err(self.error_at(start, Kind::Range("a number too large for a double"))),
            },
        }
    }

    /// An integer: a number or a number as text. A fraction is dropped.
    pub(super) fn integer<T: TryFrom<i128>>(&mut self) -> Result<T, Error> {
        let start = self.peek_at();
        let text = self.number_text()?;
        let value = match scan::small_integer(text.as_bytes()) {
            Some(value) => Some(i128::from(value)),
            None => scan::integer(&text),
        };
        let value = value.ok_or_else(|| self.misread(start, &text, "number"))?;
        T::try_from(value).map_err(|_| self.error_at(start, Kind::Range("an integer out of range")))
    }

    /// The text of a number or of what stands for one.
    fn number_text(&mut self) -> Result<Cow<'a, str>, Error> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string_rest()
            }
            Some(b'I') => self.word("Infinity").map(|()| "Infinity".into()),
            Some(b'N') => self.word("NaN").map(|()| "NaN".into()),
            Some(b'-' | b'0'..=b'9') => Ok(self.number()?.into()),
            _ => Err(self.mismatch()),
        }
    }

    /// One level down.
    fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error_at(self.at, Kind::Depth));
        }
        Ok(())
    }

    fn path_text(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Field(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(name);
                }
            }
        }
        text
    }

    #[cold]
    pub(super) fn error_at(&self, offset: usize, kind: Kind) -> Error {
        Error::new(offset, self.path_text(), kind)
    }

    /// A text that should have been a number or a boolean.
    #[cold]
    fn misread(&self, start: usize, text: &str, meant: &'static str) -> Error {
        let text = cut(text);
        self.error_at(start, Kind::Text { text, meant })
    }

    /// What stands here is not what the field takes, if it is JSON at all.
    #[cold]
    fn mismatch(&mut self) -> Error {
        let start = self.peek_at();
        let found = match self.peek() {
            Some(b'{') => "object",
            Some(b'[') => "array",
            Some(b'"') => "string",
            Some(b't' | b'f') => "boolean",
            Some(b'n') => "null",
            Some(b'-' | b'0'..=b'9') => "number",
            _ => return self.syntax_at(start),
        };
        self.error_at(start, Kind::Mismatch(found))
    }
}
