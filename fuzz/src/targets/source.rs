//! Bytes as a sequence of small decisions.

use bytes::Bytes;

/// What is left of an input.
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; 0 when there is none.
    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number of two bytes.
    pub(crate) fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// A number below `most`, which is not 0.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        usize::from(self.byte()) % most
    }

    /// One of these; `None` when there is none.
    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() {
            return None;
        }
        items.get(self.below(items.len())).cloned()
    }

    pub(crate) fn bool(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// So many bytes as the next byte says, at most what there is.
    pub(crate) fn bytes(&mut self) -> Bytes {
        let count = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Bytes::copy_from_slice(taken)
    }

    /// At most seven bytes.
    pub(crate) fn short(&mut self) -> Bytes {
        let count = self.below(8).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Bytes::copy_from_slice(taken)
    }

    /// A message from bytes of the input, if they are one.
    pub(crate) fn message<M: proto::Message + proto::Required + Default>(&mut self) -> Option<M> {
        proto::decode(self.bytes()).ok()
    }
}
