//! Sets of small numbers.

/// A set of small numbers: a bit each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    count: usize,
}

impl Bits {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn insert(&mut self, number: u32) {
        let (at, bit) = place(number);
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        let fresh = self.words[at] & bit == 0;
        self.words[at] |= bit;
        self.count += usize::from(fresh);
    }

    pub(crate) fn remove(&mut self, number: u32) {
        let (at, bit) = place(number);
        if let Some(word) = self.words.get_mut(at) {
            self.count -= usize::from(*word & bit != 0);
            *word &= !bit;
        }
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let (at, bit) = place(number);
        self.words.get(at).is_some_and(|word| word & bit != 0)
    }

    /// Adds all of `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.count = 0;
        for (at, word) in self.words.iter_mut().enumerate() {
            *word |= other.words.get(at).copied().unwrap_or(0);
            self.count += word.count_ones() as usize;
        }
    }

    /// The numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = (0u32..).zip(self.words.iter().copied());
        words.flat_map(|(at, word)| {
            std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)))
                .take_while(|rest| *rest != 0)
                .map(move |rest| at * 64 + rest.trailing_zeros())
        })
    }
}

fn place(number: u32) -> (usize, u64) {
    (number as usize / 64, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn they_are_what_a_set_is() {
        let (mut bits, mut set) = (Bits::default(), BTreeSet::new());
        let mut number = 1u32;
        for _ in 0..2_000 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let item = (number >> 8) % 300;
            if number.is_multiple_of(3) {
                bits.remove(item);
                set.remove(&item);
            } else {
                bits.insert(item);
                set.insert(item);
            }
            assert_eq!(
                (bits.is_empty(), bits.contains(item)),
                (set.is_empty(), set.contains(&item))
            );
        }
        assert!(bits.iter().eq(set.iter().copied()));
        let mut more = Bits::default();
        more.insert(900);
        more.extend(&bits);
        set.insert(900);
        assert_eq!(
            (more.iter().collect::<BTreeSet<_>>(), more.count),
            (set.clone(), set.len())
        );
    }
}
