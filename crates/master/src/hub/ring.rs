//! The last events, numbered, within limits of count and weight.

use std::collections::VecDeque;

/// A window on an endless sequence: what is pushed gets the next number, and the oldest go when a limit is passed.
#[derive(Debug)]
pub(super) struct Ring<T> {
    items: VecDeque<(T, usize)>,
    /// The number of the oldest item held.
    first: u64,
    weight: usize,
    max_items: usize,
    max_weight: usize,
}

impl<T> Ring<T> {
    /// An empty window; limits below one item count as one.
    pub(super) fn new(max_items: usize, max_weight: usize) -> Self {
        Self {
            items: VecDeque::new(),
            first: 0,
            weight: 0,
            max_items: max_items.max(1),
            max_weight,
        }
    }

    /// Appends an item and drops what no longer fits. The newest item always stays, however heavy.
    pub(super) fn push(&mut self, item: T, weight: usize) {
        self.items.push_back((item, weight));
        self.weight = self.weight.saturating_add(weight);
        while self.items.len() > 1 && (self.items.len() > self.max_items || self.weight > self.max_weight) {
            if let Some((_, weight)) = self.items.pop_front() {
                self.weight = self.weight.saturating_sub(weight);
                self.first += 1;
            }
        }
    }

    /// The number of the oldest item that can still be read.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// The number the next item will get: where a reader of new items starts.
    pub(super) fn head(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// The items from number `cursor` on, with their weights; none when the first of them is gone.
    pub(super) fn from(&self, cursor: u64) -> Option<impl Iterator<Item = &(T, usize)>> {
        let skip = cursor.checked_sub(self.first)?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.items.len());
        Some(self.items.range(skip..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a model that forgets nothing: what can be read is right, and all that fits can be read.
        #[test]
        fn a_reader_sees_exactly_what_followed_or_learns_that_it_fell_behind(
            weights in prop::collection::vec(0usize..50, 1..200),
            max_items in 0usize..20,
            max_weight in 0usize..300,
            cursor in 0u64..200,
        ) {
            let mut ring = Ring::new(max_items, max_weight);
            for (number, weight) in weights.iter().enumerate() {
                ring.push(number as u64, *weight);
            }
            let total = weights.len() as u64;
            prop_assert_eq!(ring.head(), total);
            let seen: Option<Vec<u64>> = ring.from(cursor).map(|items| items.map(|(item, _)| *item).collect());
            if cursor < ring.first() {
                prop_assert_eq!(seen, None);
            } else {
                prop_assert_eq!(seen, Some((cursor..total).collect::<Vec<_>>()));
            }
            // No more was dropped than the limits ask for, and no less.
            let held = &weights[usize::try_from(ring.first()).unwrap()..];
            prop_assert!(held.len() == 1 || (held.len() <= max_items.max(1) && held.iter().sum::<usize>() <= max_weight));
            if let Some(before) = usize::try_from(ring.first()).unwrap().checked_sub(1) {
                let one_more = &weights[before..];
                prop_assert!(one_more.len() > max_items.max(1) || one_more.iter().sum::<usize>() > max_weight);
            }
        }
    }
}
