//! The digits of a double, found as RapidJSON finds them.
//!
//! Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers", 2010): 64-bit
//! arithmetic on the borders of the interval that reads back as the value. Its digits always read back, but for one
//! value in some hundreds they are not the shortest or not the nearest. A shortest-digits algorithm would therefore print
//! other bytes than Mesos now and then.
// Compat: golden/events has 1795221949.1957739 where ..738 is nearer.

/// Decimal digits `digits[..length] * 10^exponent`.
#[derive(Debug)]
pub(super) struct Decimal {
    pub(super) digits: [u8; 20],
    pub(super) length: usize,
    pub(super) exponent: i32,
}

/// `bits * 2^exponent`.
#[derive(Clone, Copy)]
struct Float {
    bits: u64,
    exponent: i32,
}

include!(concat!(env!("OUT_DIR"), "/powers.rs"));

const TENS: [u64; 20] = {
    let mut tens = [1; 20];
    let mut at = 1;
    while at < 20 {
        tens[at] = tens[at - 1] * 10;
        at += 1;
    }
    tens
};

impl Float {
    /// A finite, positive double.
    fn new(value: f64) -> Self {
        const HIDDEN: u64 = 1 << 52;
        let raw = value.to_bits();
        let fraction = raw & (HIDDEN - 1);
        match i32::try_from(raw >> 52 & 0x7ff).unwrap_or_default() {
            0 => Self {
                bits: fraction,
                exponent: -1074,
            },
            biased => Self {
                bits: fraction | HIDDEN,
                exponent: biased - 1075,
            },
        }
    }

    fn normalized(self) -> Self {
        let shift = self.bits.leading_zeros();
        Self {
            bits: self.bits << shift,
            exponent: self.exponent - shift.cast_signed(),
        }
    }

    /// The middles between the value and its neighbours, with one exponent.
    fn borders(self) -> (Self, Self) {
        let upper = Self {
            bits: (self.bits << 1) + 1,
            exponent: self.exponent - 1,
        }
        .normalized();
        // Below a power of two the neighbour is half as far.
        let lower = if self.bits == 1 << 52 {
            Self {
                bits: (self.bits << 2) - 1,
                exponent: self.exponent - 2,
            }
        } else {
            Self {
                bits: (self.bits << 1) - 1,
                exponent: self.exponent - 1,
            }
        };
        let shift = lower.exponent - upper.exponent;
        (
            Self {
                bits: lower.bits << shift,
                exponent: upper.exponent,
            },
            upper,
        )
    }

    fn times(self, other: Self) -> Self {
        let product = u128::from(self.bits) * u128::from(other.bits);
        let rounded = (product + (1 << 63)) >> 64;
        Self {
            bits: rounded as u64,
            exponent: self.exponent + other.exponent + 64,
        }
    }
}

/// The power of ten that brings a number with that exponent near one, and its decimal exponent negated.
fn cached_power(exponent: i32) -> (Float, i32) {
    const LOG10_OF_2: f64 = 0.301_029_995_663_981_14;
    let place = f64::from(-61 - exponent) * LOG10_OF_2 + 347.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between 0 and 700 for every double"
    )]
    let index = (place.ceil() as i32 >> 3) + 1;
    let (bits, exponent) = POWERS[usize::try_from(index).unwrap_or_default().min(POWERS.len() - 1)];
    (Float { bits, exponent }, 348 - index * 8)
}

/// The digits of a finite double above zero.
pub(super) fn decimal(value: f64) -> Decimal {
    let value = Float::new(value);
    let (lower, upper) = value.borders();
    let (power, exponent) = cached_power(upper.exponent);
    let scaled = value.normalized().times(power);
    let upper = upper.times(power);
    let lower = lower.times(power);
    // The product may be off by one, so the interval gives one away at both ends.
    let upper = Float {
        bits: upper.bits - 1,
        ..upper
    };
    let width = upper.bits - (lower.bits + 1);
    let mut decimal = Decimal {
        digits: [0; 20],
        length: 0,
        exponent,
    };
    generate(scaled, upper, width, &mut decimal);
    decimal
}

/// Digits of the upper border, as few as stay within the interval, then pulled towards the value.
fn generate(value: Float, upper: Float, mut width: u64, decimal: &mut Decimal) {
    let point = (-upper.exponent).cast_unsigned();
    let one = 1u64 << point;
    let distance = upper.bits - value.bits;
    let mut whole = upper.bits >> point;
    let mut fraction = upper.bits & (one - 1);
    let mut places = TENS.iter().take_while(|ten| **ten <= whole).count();
    while places > 0 {
        places -= 1;
        decimal.push(whole / TENS[places]);
        whole %= TENS[places];
        let rest = (whole << point) + fraction;
        if rest <= width {
            decimal.exponent += i32::try_from(places).unwrap_or_default();
            return decimal.pull(width, rest, TENS[places] << point, distance);
        }
    }
    let mut place = 0;
    loop {
        place += 1;
        fraction *= 10;
        width *= 10;
        decimal.push(fraction >> point);
        fraction &= one - 1;
        if fraction < width {
            decimal.exponent -= i32::try_from(place).unwrap_or_default();
            // Beyond nine places RapidJSON takes no distance into account.
            let distance = if place < 9 {
                distance.wrapping_mul(TENS[place])
            } else {
                0
            };
            return decimal.pull(width, fraction, one, distance);
        }
    }
}

impl Decimal {
    fn push(&mut self, digit: u64) {
        if (digit > 0 || self.length > 0) && self.length < self.digits.len() {
            self.digits[self.length] = b'0' + u8::try_from(digit).unwrap_or_default();
            self.length += 1;
        }
    }

    /// Lowers the last digit while that comes nearer to the value and stays in the interval.
    fn pull(&mut self, width: u64, mut rest: u64, unit: u64, distance: u64) {
        let Some(last) = self.length.checked_sub(1) else {
            return;
        };
        while rest < distance
            && width - rest >= unit
            && (rest + unit < distance || distance - rest > rest + unit - distance)
        {
            self.digits[last] -= 1;
            rest += unit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_published_powers() {
        // The first, the last and 10^4, as in the appendix of any Grisu implementation.
        assert_eq!(POWERS[0], (0xfa8f_d5a0_081c_0288, -1220));
        assert_eq!(POWERS[44], (0x9c40_0000_0000_0000, -50));
        assert_eq!(POWERS[86], (0xaf87_023b_9bf0_ee6b, 1066));
    }
}
