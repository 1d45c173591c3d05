//! Numbers as RapidJSON prints them.

use std::num::FpCategory;

use super::double::{self, Decimal};

/// Integers below print by the short way; it gives the same digits as the long one.
const SMALL: f64 = 1_000_000_000.0;

/// Appends an integer.
pub(super) fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a double: digits that read back as the same value (see `double`); always with a point or an exponent; an
/// exponent from 1e21 on and below 1e-6; infinities and NaN as bare words.
// Compat: clients of Mesos tell doubles from integers by the point (golden/events, `"value":4.0`).
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) {
    match value.classify() {
        FpCategory::Nan => out.extend_from_slice(b"NaN"),
        FpCategory::Infinite if value > 0.0 => out.extend_from_slice(b"Infinity"),
        FpCategory::Infinite => out.extend_from_slice(b"-Infinity"),
        FpCategory::Zero if value.is_sign_negative() => out.extend_from_slice(b"-0.0"),
        _ if value.fract() == 0.0 && value.abs() < SMALL => {
            #[expect(clippy::cast_possible_truncation, reason = "it is integral and small")]
            write_integer(value as i64, out);
            out.extend_from_slice(b".0");
        }
        _ => write_digits(value, out),
    }
}

/// Lays digits out: plain from 1e-6 up to 1e21, with an exponent outside.
fn write_digits(value: f64, out: &mut Vec<u8>) {
    if value < 0.0 {
        out.push(b'-');
    }
    let Decimal {
        digits,
        length,
        exponent,
    } = double::decimal(value.abs());
    let digits = &digits[..length];
    let length = i32::try_from(length).unwrap_or_default();
    // How many digits stand before the point.
    let point = length + exponent;
    match point {
        1..=21 if exponent >= 0 => {
            out.extend_from_slice(digits);
            zeros(exponent, out);
            out.extend_from_slice(b".0");
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        -5..=0 => {
            out.extend_from_slice(b"0.");
            zeros(-point, out);
            out.extend_from_slice(digits);
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            out.extend_from_slice(first);
            if !rest.is_empty() {
                out.push(b'.');
                out.extend_from_slice(rest);
            }
            out.push(b'e');
            write_integer(point - 1, out);
        }
    }
}

fn zeros(count: i32, out: &mut Vec<u8>) {
    out.resize(out.len() + usize::try_from(count).unwrap_or_default(), b'0');
}
