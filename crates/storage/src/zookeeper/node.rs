//! What nodes are called, and what they hold.

use std::fmt;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Node;

/// A value's or batch's part, in bytes. Servers refuse requests of more than a mebibyte.
pub(super) const PART: usize = 512 << 10;

/// What stands for itself in a name.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// The name of the empty key, which no other key has.
const EMPTY: &str = "%";

/// The name of a key's node.
pub(super) fn name(key: &str) -> String {
    match key {
        "" => EMPTY.to_owned(),
        // Not allowed as names.
        "." | ".." => key.replace('.', "%2E"),
        key => utf8_percent_encode(key, PLAIN).to_string(),
    }
}

/// The key of a node, if it is one of ours.
pub(super) fn key(name: &str) -> Option<String> {
    if name == EMPTY {
        return Some(String::new());
    }
    percent_decode_str(name).decode_utf8().ok().map(Into::into)
}

/// Nodes that together hold what is too large for one: `<epoch>.<write>.<first>.<count>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) epoch: u64,
    pub(super) write: u64,
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Parts {
    /// The names of the nodes, in order.
    pub(super) fn names(self) -> impl Iterator<Item = String> {
        let numbers = self.first..self.first.saturating_add(self.count);
        numbers.map(move |number| format!("{}.{}.{number}", self.epoch, self.write))
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.epoch, self.write, self.first, self.count)
    }
}

impl FromStr for Parts {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split('.');
        let mut next = || numbers.next()?.parse::<u64>().ok();
        let parts = Self {
            epoch: next().ok_or(())?,
            write: next().ok_or(())?,
            first: next().ok_or(())?.try_into().map_err(|_| ())?,
            count: next().ok_or(())?.try_into().map_err(|_| ())?,
        };
        numbers.next().is_none().then_some(parts).ok_or(())
    }
}

/// What the node of the leader says: `<epoch> <writes>`, and the parts of a batch that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) epoch: u64,
    /// Counts writes, so that one whose answer was lost is found done or not.
    pub(super) writes: u64,
    pub(super) batch: Option<Parts>,
}

impl Leader {
    /// Before anybody leads.
    pub(super) const NOBODY: Self = Self {
        epoch: 0,
        writes: 0,
        batch: None,
    };

    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(data).ok()?.split(' ');
        Some(Self {
            epoch: words.next()?.parse().ok()?,
            writes: words.next()?.parse().ok()?,
            batch: words.next().map(str::parse).transpose().ok()?,
        })
    }
}

impl fmt::Display for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.epoch, self.writes)?;
        self.batch.map_or(Ok(()), |batch| write!(f, " {batch}"))
    }
}

/// What the node of a key holds: `=` and the value, or `/` and where its parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Whole(Bytes),
    Parts(Parts),
}

impl Content {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Whole(value) => [b"=", &value[..]].concat(),
            Self::Parts(parts) => format!("/{parts}").into_bytes(),
        }
    }

    pub(super) fn parse(data: Vec<u8>) -> Option<Self> {
        match data.first()? {
            b'=' => Some(Self::Whole(Bytes::from(data).slice(1..))),
            _ => Self::parts_of(&data).map(Self::Parts),
        }
    }

    /// Where the value lies, if not in the node.
    pub(super) fn parts_of(data: &[u8]) -> Option<Parts> {
        std::str::from_utf8(data.strip_prefix(b"/")?).ok()?.parse().ok()
    }
}

/// Changes in one piece: for each the length of its key, the key, and one more than the length of the node's data with
/// it, or zero to remove the node.
pub(super) fn encode_batch(changes: &[Node]) -> Bytes {
    let mut out = BytesMut::new();
    for node in changes {
        put_sized(&mut out, node.name.as_bytes(), 0);
        match &node.data {
            Some(data) => put_sized(&mut out, data, 1),
            None => out.put_u32(0),
        }
    }
    out.freeze()
}

fn put_sized(out: &mut BytesMut, bytes: &[u8], more: u32) {
    // Keys and the data of one node are far below four gibibytes.
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1) + more);
    out.put_slice(bytes);
}

/// The reverse of [`encode_batch`].
pub(super) fn decode_batch(mut bytes: &[u8]) -> Option<Vec<Node>> {
    let mut changes = Vec::new();
    while !bytes.is_empty() {
        let size = take(&mut bytes, 4)?.try_into().map(u32::from_be_bytes).ok()?;
        let name = take(&mut bytes, size)?;
        let more = take(&mut bytes, 4)?.try_into().map(u32::from_be_bytes).ok()?;
        let data = match more.checked_sub(1) {
            Some(size) => Some(take(&mut bytes, size)?.to_vec()),
            None => None,
        };
        changes.push(Node {
            name: String::from_utf8(name.to_vec()).ok()?,
            data,
        });
    }
    Some(changes)
}

fn take<'a>(bytes: &mut &'a [u8], size: u32) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(size.try_into().ok()?)?;
    *bytes = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_are_allowed_and_tell_the_key(text in ".{0,20}") {
            let name = name(&text);
            prop_assert!(!name.is_empty() && name != "." && name != "..");
            prop_assert!(name.chars().all(|char| char.is_ascii_graphic() && char != '/'));
            prop_assert_eq!(key(&name), Some(text));
        }

        #[test]
        fn batches_come_back(changes in prop::collection::vec(
            ("[a-z%]{1,9}", prop::option::of(prop::collection::vec(any::<u8>(), 0..9))), 0..9,
        )) {
            let changes: Vec<Node> = changes.into_iter().map(|(name, data)| Node { name, data }).collect();
            prop_assert_eq!(decode_batch(&encode_batch(&changes)), Some(changes));
        }

        #[test]
        fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _read = (decode_batch(&bytes), Leader::parse(&bytes), Content::parse(bytes));
        }
    }

    #[test]
    fn keys_that_are_no_names() {
        for (text, expected) in [("", "%"), (".", "%2E"), ("..", "%2E%2E"), ("a/b c", "a%2Fb%20c")] {
            assert_eq!(name(text), expected);
            assert_eq!(key(expected).as_deref(), Some(text));
        }
    }

    #[test]
    fn leaders_and_contents_come_back() {
        let parts = Parts {
            epoch: 3,
            write: 9,
            first: 2,
            count: 4,
        };
        let batch = Some(parts);
        for leader in [
            Leader::NOBODY,
            Leader {
                epoch: 3,
                writes: 8,
                batch,
            },
        ] {
            assert_eq!(Leader::parse(leader.to_string().as_bytes()), Some(leader));
        }
        for content in [Content::Whole(Bytes::from_static(b"/x")), Content::Parts(parts)] {
            assert_eq!(Content::parse(content.encode()), Some(content));
        }
        assert_eq!("3.9.2".parse::<Parts>(), Err(()));
        assert_eq!("3.9.2.4.5".parse::<Parts>(), Err(()));
    }
}
