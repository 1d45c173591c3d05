//! Query strings and percent-encoding, by Mesos's rules.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The pairs of a query string. Compat: `;` separates as `&` does, `+` is a space, the last of several values of one
/// name wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: BTreeMap<String, String>,
}

impl Query {
    /// Parses what follows the `?`. `None` when an escape is malformed or a text is not UTF-8.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pairs = BTreeMap::new();
        for pair in text.split(['&', ';']).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.insert(
                decode_component(name)?.into_owned(),
                decode_component(value)?.into_owned(),
            );
        }
        Some(Self { pairs })
    }

    /// The value of a name; empty when it was given without one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }

    /// Whether no pair was given.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// All pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Decodes `%xx` and `+`. `None` when an escape is malformed or the result is not UTF-8.
pub fn decode_component(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs() {
        let query = Query::parse("path=/a%20b;limit=1&x&y=+z&limit=2&").unwrap();
        assert_eq!(query.get("path"), Some("/a b"));
        assert_eq!(query.get("limit"), Some("2"));
        assert_eq!(query.get("x"), Some(""));
        assert_eq!(query.get("y"), Some(" z"));
        assert_eq!(query.get("z"), None);
        assert!(Query::parse("").unwrap().is_empty());
    }

    #[test]
    fn malformed_escapes() {
        for text in ["%", "%1", "%zz", "a%2", "%+1", "%ff", "x=%c0%80"] {
            assert_eq!(Query::parse(text), None, "{text}");
        }
        assert_eq!(decode_component("slave%281%29").unwrap(), "slave(1)");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in ".*") {
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(decode_component(&encoded).unwrap(), text);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Query::parse(&text);
        }
    }
}
