//! Tokens.

use std::borrow::Cow;

use super::super::error::Kind;
use super::super::{Error, text};
use super::{Reader, cut};

/// How much of the faulty line an error shows.
const NEAR: usize = 80;

impl<'a> Reader<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is not white space, left in place.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes().get(self.at)?;
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Where the next token starts.
    pub(super) fn peek_at(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Takes the byte if it is the next one.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// Takes the opening byte of what a field needs.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.mismatch())
        }
    }

    /// Takes `null` if it is next.
    #[inline]
    pub(super) fn null(&mut self) -> Result<bool, Error> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.word("null").map(|()| true)
    }

    /// A key with its colon.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Cow<'a, str>, Error> {
        if !self.take(b'"') {
            return Err(self.syntax_at(self.at));
        }
        let key = self.string_rest()?;
        if !self.take(b':') {
            return Err(self.syntax_at(self.at));
        }
        Ok(key)
    }

    /// After an element: true after a comma, false after the closing byte.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Result<bool, Error> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.syntax_at(self.at)),
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        let start = self.at;
        if self.peek().is_none() {
            return Ok(());
        }
        let rest = cut(self.slice(start, self.text.len()).trim_end());
        Err(self.error_at(start, Kind::Trailing(rest)))
    }

    /// A bare word.
    pub(super) fn word(&mut self, word: &'static str) -> Result<(), Error> {
        for byte in word.bytes() {
            if self.bytes().get(self.at) != Some(&byte) {
                return Err(self.syntax_at(self.at));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// A number by JSON's grammar, or `-Infinity`.
    pub(super) fn number(&mut self) -> Result<&'a str, Error> {
        let start = self.at;
        let rest = &self.bytes()[start..];
        if rest.starts_with(b"-I") {
            self.word("-Infinity")?;
        } else {
            let length = rest
                .iter()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
                .count();
            if !is_number(&rest[..length]) {
                return Err(self.syntax_at(start));
            }
            self.at += length;
        }
        Ok(self.slice(start, self.at))
    }

    /// The rest of a text after its opening quote.
    #[inline]
    pub(super) fn string_rest(&mut self) -> Result<Cow<'a, str>, Error> {
        let start = self.at;
        self.plain();
        if self.bytes().get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(self.slice(start, self.at - 1)));
        }
        self.escaped_rest(start).map(Cow::Owned)
    }

    /// Steps over bytes that stand for themselves.
    #[inline]
    fn plain(&mut self) {
        let rest = &self.bytes()[self.at..];
        for chunk in rest.chunks_exact(8) {
            let word = [
                chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
            ];
            if text::special(u64::from_ne_bytes(word)) {
                break;
            }
            self.at += 8;
        }
        let rest = &self.bytes()[self.at..];
        let special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
        self.at += rest.iter().position(special).unwrap_or(rest.len());
    }

    /// The whole text, when it has at least one escape.
    fn escaped_rest(&mut self, start: usize) -> Result<String, Error> {
        let mut text = self.slice(start, self.at).to_owned();
        loop {
            match self.bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                _ => return Err(self.syntax_at(self.at)),
            }
            let from = self.at;
            self.plain();
            text.push_str(self.slice(from, self.at));
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Error> {
        let byte = self.bytes().get(self.at).copied();
        let plain = match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.syntax_at(self.at)),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `uXXXX`, or two of them for a pair of surrogates. A lone surrogate is an error.
    fn unicode(&mut self) -> Result<char, Error> {
        let start = self.at;
        let unit = self.unit()?;
        let code = match unit {
            0xd800..=0xdbff => {
                if self.bytes().get(self.at) != Some(&b'\\') {
                    return Err(self.syntax_at(start));
                }
                self.at += 1;
                match self.unit()? {
                    low @ 0xdc00..=0xdfff => 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                    _ => return Err(self.syntax_at(start)),
                }
            }
            _ => unit,
        };
        char::from_u32(code).ok_or_else(|| self.syntax_at(start))
    }

    fn unit(&mut self) -> Result<u32, Error> {
        let digits = self
            .text
            .get(self.at + 1..self.at + 5)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match unit {
            Some(unit) if self.bytes().get(self.at) == Some(&b'u') => {
                self.at += 5;
                Ok(unit)
            }
            _ => Err(self.syntax_at(self.at)),
        }
    }

    /// Steps over any value.
    pub(super) fn skip_value(&mut self) -> Result<(), Error> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string_rest().map(drop)
            }
            Some(b'{') => self.skip_members(b'}', true),
            Some(b'[') => self.skip_members(b']', false),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'I') => self.word("Infinity"),
            Some(b'N') => self.word("NaN"),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => Err(self.syntax_at(self.at)),
        }
    }

    fn skip_members(&mut self, close: u8, keys: bool) -> Result<(), Error> {
        self.at += 1;
        self.enter()?;
        if !self.take(close) {
            loop {
                if keys {
                    self.key()?;
                }
                self.skip_value()?;
                if !self.more(close)? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// A part of the text; the ends lie beside ASCII bytes, so on characters' borders.
    #[inline]
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Not JSON, from that place on.
    #[cold]
    pub(super) fn syntax_at(&self, offset: usize) -> Error {
        let offset = (0..=offset.min(self.text.len()))
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or_default();
        let (before, after) = self.text.split_at(offset);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let near: String = after
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(NEAR)
            .collect();
        self.error_at(offset, Kind::Syntax { line, near })
    }
}

/// Whether the bytes are a number by JSON's grammar.
pub(super) fn is_number(bytes: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent
            .strip_prefix(b"+")
            .or_else(|| exponent.strip_prefix(b"-"))
            .unwrap_or(exponent);
        let length = digits(exponent);
        if length == 0 {
            return false;
        }
        rest = &exponent[length..];
    }
    rest.is_empty()
}

/// An integer of up to 18 digits.
pub(super) fn small_integer(bytes: &[u8]) -> Option<i64> {
    let (digits, sign) = match bytes {
        [b'-', digits @ ..] => (digits, -1),
        digits => (digits, 1),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value * sign)
}

/// Any number, without its fraction.
pub(super) fn integer(text: &str) -> Option<i128> {
    if !is_number(text.as_bytes()) {
        return None;
    }
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let value: f64 = text.parse().ok()?;
    // Within i64 and u64 every double converts exactly; beyond, the caller's range check refuses it.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, far outside the range of any field"
    )]
    let whole = value.trunc() as i128;
    value.is_finite().then_some(whole)
}
