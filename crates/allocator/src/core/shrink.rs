//! Cutting resources down to amounts.

use rand::Rng;
use rand::seq::SliceRandom;
use resources::{Entry, Limits, Name, Quantities, Resources, Scalar, Value};

/// Amounts that are used up as resources are taken.
pub(crate) trait Target {
    /// How much may still be taken; `None` = any amount.
    fn left(&self, name: &Name) -> Option<Scalar>;
    /// Something was taken.
    fn take(&mut self, name: &Name, amount: Scalar);
}

impl Target for Quantities {
    fn left(&self, name: &Name) -> Option<Scalar> {
        Some(self.get(name))
    }

    fn take(&mut self, name: &Name, amount: Scalar) {
        self.add_one(name, -amount);
    }
}

impl Target for Limits {
    fn left(&self, name: &Name) -> Option<Scalar> {
        self.get(name)
    }

    fn take(&mut self, name: &Name, amount: Scalar) {
        if let Some(left) = self.get(name) {
            self.set(name, left - amount);
        }
    }
}

/// As much of the scalars of `resources` as `target` permits, which shrinks accordingly. What cannot be cut
/// is taken whole or not at all. When one name has several entries, chance decides which come first.
pub(crate) fn shrink(resources: &Resources, target: &mut impl Target, rng: &mut impl Rng) -> Resources {
    let mut taken: Vec<Option<Entry>> = vec![None; resources.len()];
    let mut order: Vec<(usize, &Entry)> = resources.iter().enumerate().collect();
    let repeated = order
        .iter()
        .any(|(at, entry)| order.iter().take(*at).any(|(_, e)| e.name() == entry.name()));
    if repeated {
        order.shuffle(rng);
    }
    for (at, entry) in order {
        let Value::Scalar(amount) = entry.value() else {
            continue;
        };
        let permitted = match target.left(entry.name()) {
            None => *amount,
            Some(left) if *amount <= left => *amount,
            Some(left) if left.is_positive() && entry.is_divisible() => left,
            Some(_) => continue,
        };
        target.take(entry.name(), permitted);
        taken[at] = Some(entry.with_value(Value::Scalar(permitted)));
    }
    taken.into_iter().flatten().collect()
}
