//! Resources that are the same are kept once: the tasks of a framework and the agents of a rack are mostly alike.

use prost::encoding;
use proto::v1;
use resources::Resources;
use rustc_hash::FxHashMap;

/// How many different ones are known before all are forgotten.
const LIMIT: usize = 4_096;
/// The longest encoding, in bytes, that is looked for: what is larger is rarely the same.
const LONGEST: usize = 1_024;

/// Resources by the encoding of the messages that they were read from.
#[derive(Debug, Default)]
pub(super) struct Interned {
    /// Never iterated.
    known: FxHashMap<Box<[u8]>, Resources>,
    /// Room for the encoding that is looked for.
    key: Vec<u8>,
}

impl Interned {
    /// The valid ones of these messages, in memory that is shared with all that were read from equal messages.
    pub(super) fn read(&mut self, messages: &[v1::Resource]) -> Resources {
        self.key.clear();
        encoding::message::encode_repeated(1, messages, &mut self.key);
        if self.key.len() > LONGEST {
            self.key = Vec::new();
            return Resources::from_proto_lenient(messages);
        }
        if let Some(known) = self.known.get(self.key.as_slice()) {
            return known.clone();
        }
        let read = Resources::from_proto_lenient(messages);
        if self.known.len() >= LIMIT {
            self.known.clear();
        }
        self.known.insert(self.key.as_slice().into(), read.clone());
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<v1::Resource> {
        Resources::parse(text).unwrap().to_proto()
    }

    #[test]
    fn what_is_read_again_is_what_was_read() {
        let mut interned = Interned::default();
        let mut invalid = messages("cpus:1;mem:2");
        invalid[0].scalar = None;
        for messages in [
            messages("cpus:1;mem:128;ports:[1-5]"),
            messages("cpus(web):1"),
            invalid,
            Vec::new(),
        ] {
            let expected = Resources::from_proto_lenient(&messages);
            assert_eq!(interned.read(&messages), expected);
            assert_eq!(interned.read(&messages), expected);
        }
        assert_eq!(interned.known.len(), 4);
    }

    #[test]
    fn neither_many_nor_large_ones_are_kept() {
        let mut interned = Interned::default();
        for cpus in 1..=LIMIT + 10 {
            interned.read(&messages(&format!("cpus:{cpus}")));
        }
        assert_eq!(interned.known.len(), 10);
        let large: Vec<String> = (0..200)
            .map(|at| format!("{}-{}", 10 * at, 10 * at + 1))
            .collect();
        let large = messages(&format!("ports:[{}]", large.join(",")));
        assert_eq!(interned.read(&large), Resources::from_proto_lenient(&large));
        assert_eq!(interned.known.len(), 10);
        assert_eq!(interned.key.capacity(), 0);
    }
}
