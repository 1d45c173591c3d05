//! The bytes of one frame.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// The bytes of one frame, which becomes one chunk on the wire: a slice, or several shared ones that are written one
/// after the other without being joined.
#[derive(Clone, Debug)]
pub struct Data {
    first: Bytes,
    rest: VecDeque<Bytes>,
    remaining: usize,
}

impl Data {
    /// A frame of one slice.
    pub const fn one(bytes: Bytes) -> Self {
        let remaining = bytes.len();
        Self {
            first: bytes,
            rest: VecDeque::new(),
            remaining,
        }
    }

    /// A frame of several slices; empty ones are left out.
    pub fn slices(slices: impl IntoIterator<Item = Bytes>) -> Self {
        let mut rest: VecDeque<Bytes> = slices.into_iter().filter(|slice| !slice.is_empty()).collect();
        let remaining = rest.iter().map(Bytes::len).sum();
        Self {
            first: rest.pop_front().unwrap_or_default(),
            rest,
            remaining,
        }
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        Self::one(bytes)
    }
}

impl Buf for Data {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "advanced beyond the end of a frame");
        self.remaining -= count;
        while count > 0 {
            let step = count.min(self.first.len());
            self.first.advance(step);
            count -= step;
            if self.first.is_empty() {
                self.first = self.rest.pop_front().unwrap_or_default();
            }
        }
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let slices = std::iter::once(&self.first)
            .chain(&self.rest)
            .filter(|slice| !slice.is_empty());
        let mut used = 0;
        for (slot, slice) in out.iter_mut().zip(slices) {
            *slot = IoSlice::new(slice);
            used += 1;
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_way_of_reading_gives_the_same_bytes(parts: Vec<Vec<u8>>, steps in prop::collection::vec(1usize..9, 0..99)) {
            let whole: Vec<u8> = parts.concat();
            let mut data = Data::slices(parts.into_iter().map(Bytes::from));
            let mut read = Vec::new();
            let mut steps = steps.into_iter().chain(std::iter::repeat(3));
            while data.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 4];
                let used = data.chunks_vectored(&mut slices);
                let joined: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect();
                prop_assert!(joined.starts_with(data.chunk()));
                let step = steps.next().unwrap().min(joined.len());
                read.extend_from_slice(&joined[..step]);
                data.advance(step);
            }
            prop_assert_eq!(read, whole);
        }
    }
}
