//! Fixed-point amounts.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// An amount in thousandths (three decimals), as Mesos compares and adds them.
///
/// Arithmetic saturates: a peer's huge figures cannot wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scalar(i64);

impl Scalar {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// From thousandths.
    pub const fn from_milli(milli: i64) -> Self {
        Self(milli)
    }

    /// A whole number of units; saturates.
    pub fn units(units: u64) -> Self {
        Self(i64::try_from(units).unwrap_or(i64::MAX).saturating_mul(1000))
    }

    /// Rounds half away from zero to three decimals; `None` when not finite or out of range.
    pub fn from_f64(value: f64) -> Option<Self> {
        let milli = (value * 1000.0).round();
        // 2^63 and above do not fit; every double below it does, exactly, once rounded.
        if !milli.is_finite() || milli.abs() >= 9_223_372_036_854_775_808.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and in range, checked above"
        )]
        Some(Self(milli as i64))
    }

    /// The amount in thousandths.
    pub const fn milli(self) -> i64 {
        self.0
    }

    /// The amount as the double that goes on the wire.
    pub fn as_f64(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the wire has doubles only")]
        let milli = self.0 as f64;
        milli / 1000.0
    }

    /// Whether this is exactly nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether this is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The difference, but never below zero.
    pub fn minus_floor(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }
}

impl Add for Scalar {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Scalar {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Scalar {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for Scalar {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Scalar {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Scalar {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |total, amount| total + amount)
    }
}

impl fmt::Display for Scalar {
    /// At most three decimals, none that are zero at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let decimals = format!("{rest:03}");
        write!(f, "{sign}{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_away_from_zero() {
        let milli = |value: f64| Scalar::from_f64(value).map(Scalar::milli);
        assert_eq!(milli(0.0005), Some(1));
        assert_eq!(milli(0.00049), Some(0));
        assert_eq!(milli(-0.0005), Some(-1));
        assert_eq!(milli(1.0015), Some(1002));
        assert_eq!(milli(0.1 + 0.2), Some(300));
        assert_eq!(milli(f64::NAN), None);
        assert_eq!(milli(f64::INFINITY), None);
        assert_eq!(milli(1e16), None);
    }

    #[test]
    fn ten_tenths_are_one() {
        let tenth = Scalar::from_f64(0.1).unwrap();
        let sum: Scalar = std::iter::repeat_n(tenth, 10).sum();
        assert_eq!(sum, Scalar::units(1));
        assert!((sum.as_f64() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn printing() {
        assert_eq!(Scalar::from_milli(1500).to_string(), "1.5");
        assert_eq!(Scalar::from_milli(-10).to_string(), "-0.01");
        assert_eq!(Scalar::units(3).to_string(), "3");
    }

    #[test]
    fn sums_saturate() {
        assert_eq!(Scalar::MAX + Scalar::units(1), Scalar::MAX);
    }
}
