//! The powers of ten that printing doubles needs: 64 leading bits, rounded to nearest, and a binary exponent.

use std::fmt::Write as _;

/// The first power, and the distance to the next.
const FIRST: i32 = -348;
const STEP: i32 = 8;
const COUNT: i32 = 87;

pub(crate) fn generate() -> String {
    let mut out = format!("static POWERS: [(u64, i32); {COUNT}] = [\n");
    for index in 0..COUNT {
        let (bits, exponent) = power(FIRST + index * STEP);
        writeln!(out, "    ({bits:#018x}, {exponent}),").expect("text grows without fail");
    }
    out.push_str("];\n");
    out
}

/// `bits * 2^exponent`, next to `10^power`.
fn power(power: i32) -> (u64, i32) {
    // A natural number in 32-bit digits, the lowest first, times 2^scale.
    let (digits, scale) = if power >= 0 {
        let mut digits = vec![1u32];
        for _ in 0..power {
            let mut carry = 0u64;
            for digit in &mut digits {
                carry += u64::from(*digit) * 10;
                *digit = low(carry);
                carry >>= 32;
            }
            if carry > 0 {
                digits.push(low(carry));
            }
        }
        (digits, 0)
    } else {
        // 2^1280 / 10^348 still has more than 64 bits; dividing by ten again and again rounds as one division would.
        let mut digits = vec![0u32; 40];
        digits.push(1);
        for _ in power..0 {
            let mut rest = 0u64;
            for digit in digits.iter_mut().rev() {
                rest = (rest << 32) | u64::from(*digit);
                *digit = low(rest / 10);
                rest %= 10;
            }
        }
        (digits, -1280)
    };
    let bit =
        |at: i32| at >= 0 && digits[usize::try_from(at / 32).expect("not negative")] >> (at % 32) & 1 == 1;
    let length = i32::try_from(digits.len() * 32).expect("a few digits");
    let top = (0..length).rev().find(|at| bit(*at)).expect("not zero");
    let leading = (0..64).fold(0u64, |bits, at| bits << 1 | u64::from(bit(top - at)));
    // Rounding up never overflows here: no entry is all ones.
    (leading + u64::from(bit(top - 64)), top - 63 + scale)
}

fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).expect("32 bits")
}
