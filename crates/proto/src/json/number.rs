//! Numbers as RapidJSON prints them.

use std::num::FpCategory;

/// From here on not every integer is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Appends an integer.
pub(super) fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a double: the shortest digits that read back as the same value; always with a point or an exponent; an
/// exponent from 1e21 on and below 1e-6; infinities and NaN as bare words.
// Compat: clients of Mesos tell doubles from integers by the point (golden/events, `"value":4.0`).
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) {
    match value.classify() {
        FpCategory::Nan => out.extend_from_slice(b"NaN"),
        FpCategory::Infinite if value > 0.0 => out.extend_from_slice(b"Infinity"),
        FpCategory::Infinite => out.extend_from_slice(b"-Infinity"),
        FpCategory::Zero if value.is_sign_negative() => out.extend_from_slice(b"-0.0"),
        _ if value.fract() == 0.0 && value.abs() < EXACT => {
            #[expect(clippy::cast_possible_truncation, reason = "it is integral and small")]
            write_integer(value as i64, out);
            out.extend_from_slice(b".0");
        }
        _ => write_shortest(value, out),
    }
}

/// ryu finds the digits; where its layout has an exponent, RapidJSON's may have none.
fn write_shortest(value: f64, out: &mut Vec<u8>) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let Some((mantissa, exponent)) = text.split_once('e') else {
        out.extend_from_slice(text.as_bytes());
        return;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // `-d.ddd` or `-d`: one digit before the point.
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (&b"-"[..], rest),
        None => (&b""[..], mantissa),
    };
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    out.extend_from_slice(sign);
    match exponent {
        0..=20 => {
            let places = usize::try_from(exponent).unwrap_or_default();
            out.extend_from_slice(first.as_bytes());
            let whole = rest.len().min(places);
            let (before, after) = rest.as_bytes().split_at(whole);
            out.extend_from_slice(before);
            out.resize(out.len() + (places - whole), b'0');
            out.push(b'.');
            out.extend_from_slice(if after.is_empty() { b"0" } else { after });
        }
        -6..=-1 => {
            out.extend_from_slice(b"0.");
            let zeros = usize::try_from(-1 - exponent).unwrap_or_default();
            out.resize(out.len() + zeros, b'0');
            out.extend_from_slice(first.as_bytes());
            out.extend_from_slice(rest.as_bytes());
        }
        _ => {
            out.extend_from_slice(mantissa.as_bytes());
            out.push(b'e');
            write_integer(exponent, out);
        }
    }
}
