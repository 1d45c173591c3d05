//! Amounts by name.

use crate::{Name, Resources, Scalar, Value};
use proto::v1;
use smallvec::SmallVec;
use std::fmt;

/// Amounts by name, without metadata: scalars by value, ranges and sets by how many items they hold.
/// A missing name means nothing; amounts of zero are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quantities(SmallVec<[(Name, Scalar); 4]>);

impl Quantities {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses `name:amount;name:amount`.
    ///
    /// # Errors
    /// [`crate::Error`] as for scalar resources without role.
    pub fn parse(text: &str) -> Result<Self, crate::Error> {
        let mut sum = Self::new();
        for piece in text.split(';').map(str::trim).filter(|piece| !piece.is_empty()) {
            let syntax = || crate::Error::Syntax(piece.to_owned());
            let (name, value) = piece.split_once(':').ok_or_else(syntax)?;
            let value: f64 = value.trim().parse().map_err(|_| syntax())?;
            let amount = Scalar::from_f64(value)
                .filter(|amount| *amount >= Scalar::ZERO)
                .ok_or_else(|| crate::Error::InvalidScalar {
                    name: name.trim().to_owned(),
                    value,
                })?;
            sum.add_one(&Name::new(name.trim()), amount);
        }
        Ok(sum)
    }

    /// The amounts of a map of scalars, as quota messages carry them; `None` if one is out of range.
    pub fn from_scalars<'a>(
        scalars: impl IntoIterator<Item = (&'a String, &'a v1::value::Scalar)>,
    ) -> Option<Self> {
        let mut sum = Self::new();
        for (name, scalar) in scalars {
            sum.add_one(&Name::new(name), Scalar::from_f64(scalar.value)?);
        }
        Some(sum)
    }

    /// The amounts of `resources`, scalars only: what shares are made of.
    pub fn scalars(resources: &Resources) -> Self {
        let mut sum = Self::new();
        for entry in resources.iter() {
            if let Value::Scalar(amount) = entry.value() {
                sum.add_one(entry.name(), *amount);
            }
        }
        sum
    }

    /// The amounts of `resources`, ranges and sets by count.
    pub fn of(resources: &Resources) -> Self {
        let mut sum = Self::new();
        for entry in resources.iter() {
            sum.add_one(entry.name(), entry.value().quantity());
        }
        sum
    }

    /// The amount under `name`.
    #[inline]
    pub fn get(&self, name: &Name) -> Scalar {
        self.0
            .iter()
            .find(|(mine, _)| mine == name)
            .map_or(Scalar::ZERO, |(_, amount)| *amount)
    }

    /// Whether there is nothing at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The amounts, ordered by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, Scalar)> {
        self.0.iter().map(|(name, amount)| (name, *amount))
    }

    /// Adds to one name (or takes away, when negative).
    #[inline]
    pub fn add_one(&mut self, name: &Name, amount: Scalar) {
        match self.0.iter().position(|(mine, _)| mine >= name) {
            Some(at) if self.0[at].0 == *name => {
                self.0[at].1 += amount;
                if self.0[at].1.is_zero() {
                    self.0.remove(at);
                }
            }
            _ if amount.is_zero() => {}
            Some(at) => self.0.insert(at, (name.clone(), amount)),
            None => self.0.push((name.clone(), amount)),
        }
    }

    /// Forgets all amounts.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Sets one name's amount.
    pub fn set(&mut self, name: &Name, amount: Scalar) {
        let now = self.get(name);
        self.add_one(name, amount - now);
    }

    /// Adds every amount of `other`.
    #[inline]
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            self.add_one(name, amount);
        }
    }

    /// Takes every amount of `other` away; amounts may become negative.
    #[inline]
    pub fn subtract(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            self.add_one(name, -amount);
        }
    }

    /// `self - other`, leaving out what would be zero or less.
    pub fn minus_floor(&self, other: &Self) -> Self {
        let mut rest = Self::new();
        for (name, amount) in self.iter() {
            let left = amount - other.get(name);
            if left.is_positive() {
                rest.0.push((name.clone(), left));
            }
        }
        rest
    }

    /// Whether each amount of `other` is at most the one here.
    pub fn contains(&self, other: &Self) -> bool {
        other.iter().all(|(name, amount)| amount <= self.get(name))
    }
}

impl fmt::Display for Quantities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, amount)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(f, "{separator}{name}:{amount}")?;
        }
        Ok(())
    }
}

/// Upper bounds by name. A missing name is not bounded; a bound of zero is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits(SmallVec<[(Name, Scalar); 4]>);

impl Limits {
    /// Bounds from a map of scalars, as quota messages carry them; `None` if one is out of range.
    pub fn from_scalars<'a>(
        scalars: impl IntoIterator<Item = (&'a String, &'a v1::value::Scalar)>,
    ) -> Option<Self> {
        let mut limits = Self::default();
        for (name, scalar) in scalars {
            limits.set(&Name::new(name), Scalar::from_f64(scalar.value)?);
        }
        Some(limits)
    }

    /// Bounds `name`.
    pub fn set(&mut self, name: &Name, limit: Scalar) {
        match self.0.iter().position(|(mine, _)| mine >= name) {
            Some(at) if self.0[at].0 == *name => self.0[at].1 = limit,
            Some(at) => self.0.insert(at, (name.clone(), limit)),
            None => self.0.push((name.clone(), limit)),
        }
    }

    /// The bound of `name`, if it has one.
    pub fn get(&self, name: &Name) -> Option<Scalar> {
        self.0
            .iter()
            .find(|(mine, _)| mine == name)
            .map(|(_, limit)| *limit)
    }

    /// Whether nothing is bounded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bounds, ordered by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, Scalar)> {
        self.0.iter().map(|(name, limit)| (name, *limit))
    }

    /// Whether `amounts` stay within every bound.
    pub fn contains(&self, amounts: &Quantities) -> bool {
        self.iter().all(|(name, limit)| amounts.get(name) <= limit)
    }

    /// What is left below each bound after `used`; never negative.
    #[must_use]
    pub fn minus_floor(&self, used: &Quantities) -> Self {
        Self(
            self.0
                .iter()
                .map(|(name, limit)| (name.clone(), limit.minus_floor(used.get(name))))
                .collect(),
        )
    }
}
