//! Sets of whole numbers as inclusive intervals.

use smallvec::SmallVec;
use std::fmt;

/// Inclusive intervals of `u64`, sorted, disjoint and never adjacent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ranges(SmallVec<[(u64, u64); 1]>);

impl Ranges {
    /// The intervals given, in any order, coalesced. Reversed ones (`begin > end`) are left out.
    pub fn new(intervals: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut all: SmallVec<[(u64, u64); 1]> = intervals
            .into_iter()
            .filter(|(begin, end)| begin <= end)
            .collect();
        all.sort_unstable();
        Self(coalesce(all))
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The intervals, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// How many numbers it holds; saturates.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0u64, |sum, (begin, end)| {
            sum.saturating_add((end - begin).saturating_add(1))
        })
    }

    /// Whether every number of `other` is here.
    pub fn contains(&self, other: &Self) -> bool {
        let mut mine = self.0.iter();
        let mut current = mine.next();
        other.0.iter().all(|(begin, end)| {
            while let Some((_, my_end)) = current {
                if my_end >= begin {
                    break;
                }
                current = mine.next();
            }
            current.is_some_and(|(my_begin, my_end)| my_begin <= begin && end <= my_end)
        })
    }

    /// Adds the numbers of `other`.
    pub fn add(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.0);
        all.extend(other.0.iter().copied());
        all.sort_unstable();
        self.0 = coalesce(all);
    }

    /// Takes the numbers of `other` away.
    pub fn subtract(&mut self, other: &Self) {
        if other.is_empty() || self.is_empty() {
            return;
        }
        let mut left = SmallVec::new();
        let mut holes = other.0.iter().copied().peekable();
        for &(begin, end) in &self.0 {
            let mut from = begin;
            let mut done = false;
            while let Some(&(hole_begin, hole_end)) = holes.peek() {
                if hole_begin > end {
                    break;
                }
                if hole_begin > from {
                    left.push((from, hole_begin - 1));
                }
                if hole_end >= end {
                    // The hole may reach into the next interval: it stays in front.
                    done = true;
                    break;
                }
                from = from.max(hole_end + 1);
                holes.next();
            }
            if !done && from <= end {
                left.push((from, end));
            }
        }
        self.0 = left;
    }
}

fn coalesce(sorted: SmallVec<[(u64, u64); 1]>) -> SmallVec<[(u64, u64); 1]> {
    let mut joined: SmallVec<[(u64, u64); 1]> = SmallVec::with_capacity(sorted.len().min(8));
    for (begin, end) in sorted {
        match joined.last_mut() {
            Some((_, last)) if begin <= last.saturating_add(1) => *last = (*last).max(end),
            _ => joined.push((begin, end)),
        }
    }
    joined
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, (begin, end)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{begin}-{end}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn numbers(ranges: &Ranges) -> BTreeSet<u64> {
        ranges.iter().flat_map(|(begin, end)| begin..=end).collect()
    }

    fn any() -> impl Strategy<Value = Ranges> {
        proptest::collection::vec((0u64..60, 0u64..8), 0..8)
            .prop_map(|pairs| Ranges::new(pairs.into_iter().map(|(begin, more)| (begin, begin + more))))
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(a in any(), b in any()) {
            let (left, right) = (numbers(&a), numbers(&b));
            let mut sum = a.clone();
            sum.add(&b);
            prop_assert_eq!(numbers(&sum), &left | &right);
            let mut difference = a.clone();
            difference.subtract(&b);
            prop_assert_eq!(numbers(&difference), &left - &right);
            prop_assert_eq!(a.contains(&b), right.is_subset(&left));
            prop_assert_eq!(a.count(), left.len() as u64);
        }

        #[test]
        fn stays_sorted_disjoint_and_apart(a in any(), b in any()) {
            let mut sum = a.clone();
            sum.add(&b);
            let mut difference = a;
            difference.subtract(&b);
            for ranges in [sum, difference] {
                let all: Vec<_> = ranges.iter().collect();
                prop_assert!(all.iter().all(|(begin, end)| begin <= end));
                prop_assert!(all.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            }
        }
    }

    #[test]
    fn the_whole_of_u64() {
        let all = Ranges::new([(0, u64::MAX)]);
        assert_eq!(all.count(), u64::MAX);
        let mut rest = all.clone();
        rest.subtract(&Ranges::new([(0, 9), (u64::MAX, u64::MAX)]));
        assert_eq!(rest, Ranges::new([(10, u64::MAX - 1)]));
        rest.add(&all);
        assert_eq!(rest, all);
        rest.subtract(&all);
        assert!(rest.is_empty());
    }

    #[test]
    fn reversed_intervals_hold_nothing() {
        assert!(Ranges::new([(5, 4)]).is_empty());
    }
}
