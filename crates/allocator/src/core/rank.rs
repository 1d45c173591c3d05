//! Numbers that sort as texts do, so that orders compare no texts.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// What lies between two neighbours at first.
const GAP: u64 = 1 << 32;

/// Gives every text in use a number; numbers sort as the texts do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranks {
    /// The number, and how many use it.
    by_text: BTreeMap<Arc<str>, (u64, usize)>,
}

impl Ranks {
    /// The number of a text, which is in use once more. The flag says that there was no room for it, so that all
    /// numbers are other ones now.
    pub(crate) fn acquire(&mut self, text: &Arc<str>) -> (u64, bool) {
        if let Some((rank, users)) = self.by_text.get_mut(text) {
            *users += 1;
            return (*rank, false);
        }
        let fresh = self.between(text);
        self.by_text.insert(Arc::clone(text), (fresh.unwrap_or(0), 1));
        if let Some(rank) = fresh {
            return (rank, false);
        }
        let mut rank = u64::MAX / 2 - GAP * (self.by_text.len() as u64 / 2);
        for (number, _) in self.by_text.values_mut() {
            rank += GAP;
            *number = rank;
        }
        (self.get(text), true)
    }

    /// A text is in use once less.
    pub(crate) fn release(&mut self, text: &str) {
        if let Some((_, users)) = self.by_text.get_mut(text) {
            *users -= 1;
            if *users == 0 {
                self.by_text.remove(text);
            }
        }
    }

    /// The number of a text in use.
    pub(crate) fn get(&self, text: &str) -> u64 {
        self.by_text.get(text).map_or(0, |(rank, _)| *rank)
    }

    /// A number between those of the neighbours, if there is one.
    fn between(&self, text: &str) -> Option<u64> {
        let below = self
            .by_text
            .range::<str, _>((Bound::Unbounded, Bound::Excluded(text)))
            .next_back();
        let above = self
            .by_text
            .range::<str, _>((Bound::Excluded(text), Bound::Unbounded))
            .next();
        match (
            below.map(|(_, (rank, _))| *rank),
            above.map(|(_, (rank, _))| *rank),
        ) {
            (None, None) => Some(u64::MAX / 2),
            (Some(below), None) => below.checked_add(GAP),
            (None, Some(above)) => above.checked_sub(GAP),
            (Some(below), Some(above)) => {
                let middle = below + (above - below) / 2;
                (middle > below).then_some(middle)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_as_texts_do_even_when_there_is_no_room() {
        let mut ranks = Ranks::default();
        let mut renumbered = 0;
        // Each lies between the first one and the one before it, which halves the room every time.
        let mut texts: Vec<Arc<str>> = vec!["a".into()];
        texts.extend((0..200).map(|at| Arc::from(format!("b{}", 999 - at))));
        texts.extend(["A", "z", "b9", "y"].map(Arc::from));
        for text in &texts {
            renumbered += usize::from(ranks.acquire(text).1);
        }
        texts.sort();
        assert!(renumbered > 0, "the room was used up");
        assert!(texts.is_sorted_by_key(|text| ranks.get(text)));
        assert!(
            texts
                .windows(2)
                .all(|pair| ranks.get(&pair[0]) < ranks.get(&pair[1]))
        );
    }

    #[test]
    fn a_text_is_forgotten_with_its_last_user() {
        let mut ranks = Ranks::default();
        let text: Arc<str> = "a".into();
        let (rank, _) = ranks.acquire(&text);
        assert_eq!(ranks.acquire(&text), (rank, false));
        ranks.release("a");
        assert_eq!(ranks.get("a"), rank);
        ranks.release("a");
        assert!(ranks.by_text.is_empty());
    }
}
