//! The values of flags: reading them, and printing them the way Mesos prints them.

use std::fmt;
use std::time::Duration;

use super::Kind;

/// A flag's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Size`].
    Size(u64),
    /// Of [`Kind::Double`].
    Double(f64),
    /// Of [`Kind::Duration`].
    Duration(Duration),
    /// Of [`Kind::Bytes`].
    Bytes(u64),
    /// Of [`Kind::Text`], [`Kind::Path`] and [`Kind::Json`].
    Text(String),
}

/// Units of time with their length in nanoseconds, longest first.
const TIME: [(&str, u64); 8] = [
    ("weeks", 604_800_000_000_000),
    ("days", 86_400_000_000_000),
    ("hrs", 3_600_000_000_000),
    ("mins", 60_000_000_000),
    ("secs", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Units of size, largest first.
const SIZE: [(&str, u64); 5] = [
    ("TB", 1 << 40),
    ("GB", 1 << 30),
    ("MB", 1 << 20),
    ("KB", 1 << 10),
    ("B", 1),
];

impl Value {
    /// Reads `text` as a value of `kind`; the error says what was expected.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, &'static str> {
        match kind {
            Kind::Bool => match text {
                "true" | "1" => Ok(Self::Bool(true)),
                "false" | "0" => Ok(Self::Bool(false)),
                _ => Err("expected 'true', 'false', '1' or '0'"),
            },
            Kind::Int => text.parse().map(Self::Int).map_err(|_| "expected a whole number"),
            Kind::Size => text
                .parse()
                .map(Self::Size)
                .map_err(|_| "expected a whole number that is not negative"),
            Kind::Double => match text.parse::<f64>() {
                Ok(x) if x.is_finite() => Ok(Self::Double(x)),
                _ => Err("expected a number"),
            },
            Kind::Duration => parse_duration(text)
                .map(Self::Duration)
                .ok_or("expected a number and a unit: ns, us, ms, secs, mins, hrs, days or weeks"),
            Kind::Bytes => parse_bytes(text)
                .map(Self::Bytes)
                .ok_or("expected a whole number and a unit: B, KB, MB, GB or TB"),
            Kind::Text | Kind::Path | Kind::Json => Ok(Self::Text(text.to_owned())),
        }
    }
}

/// Reads a duration such as `1.5secs`; none for a negative one, one of more than 292 years or one without a unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (_, nanos) = TIME.iter().find(|(name, _)| *name == unit)?;
    let number: f64 = number.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "the units are exact in a double")]
    let nanos = number * *nanos as f64;
    if !(0.0..9.2e18).contains(&nanos) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked above"
    )]
    Some(Duration::from_nanos(nanos.round() as u64))
}

/// Reads a size such as `2GB`; none without a unit or beyond 64 bits.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let (_, factor) = SIZE.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Parts a number from the unit directly behind it.
fn split(text: &str) -> Option<(&str, &str)> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    text.split_at_checked(at)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(b) => b.fmt(f),
            Self::Int(n) => n.fmt(f),
            Self::Size(n) => n.fmt(f),
            Self::Double(x) => x.fmt(f),
            Self::Duration(d) => duration(*d, f),
            Self::Bytes(n) => bytes(*n, f),
            Self::Text(s) => f.write_str(s),
        }
    }
}

/// The longest unit that fits at least once, with up to 15 significant digits: `15secs`, `1.5mins`.
fn duration(d: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let nanos = d.as_nanos();
    let (unit, length) = TIME
        .iter()
        .find(|(_, length)| nanos >= u128::from(*length))
        .unwrap_or(&TIME[7]);
    if nanos.is_multiple_of(u128::from(*length)) {
        return write!(f, "{}{unit}", nanos / u128::from(*length));
    }
    #[expect(clippy::cast_precision_loss, reason = "fifteen digits are printed")]
    let text = format!("{:.14e}", nanos as f64 / *length as f64);
    let rounded: f64 = text.parse().unwrap_or(0.0);
    write!(f, "{rounded}{unit}")
}

/// The largest unit that divides the size: `4KB`, `4097B`.
fn bytes(n: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (unit, factor) = SIZE
        .iter()
        .find(|(_, factor)| n >= *factor && n.is_multiple_of(*factor))
        .unwrap_or(&SIZE[4]);
    write!(f, "{}{unit}", n / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: Kind, text: &str) -> String {
        Value::parse(kind, text).map_or_else(ToOwned::to_owned, |v| v.to_string())
    }

    #[test]
    fn values_print_as_mesos_prints_them() {
        let duration = |text| shown(Kind::Duration, text);
        assert_eq!(duration("15secs"), "15secs");
        assert_eq!(duration("200ms"), "200ms");
        assert_eq!(duration("14days"), "2weeks");
        assert_eq!(duration("90secs"), "1.5mins");
        assert_eq!(duration("100secs"), "1.66666666666667mins");
        assert_eq!(duration("0ns"), "0ns");
        assert_eq!(duration("1.5secs"), "1.5secs");
        assert_eq!(shown(Kind::Bytes, "4096B"), "4KB");
        assert_eq!(shown(Kind::Bytes, "4097B"), "4097B");
        assert_eq!(shown(Kind::Bytes, "0B"), "0B");
        assert_eq!(shown(Kind::Double, "0.8"), "0.8");
        assert_eq!(shown(Kind::Bool, "1"), "true");
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused() {
        for (kind, text) in [
            (Kind::Bool, "yes"),
            (Kind::Int, "5.5"),
            (Kind::Size, "-1"),
            (Kind::Double, "inf"),
            (Kind::Duration, "5"),
            (Kind::Duration, "5 secs"),
            (Kind::Duration, "-5secs"),
            (Kind::Duration, "1e300weeks"),
            (Kind::Duration, "5parsecs"),
            (Kind::Bytes, "1.5GB"),
            (Kind::Bytes, "99999999999TB"),
        ] {
            assert!(Value::parse(kind, text).is_err(), "{kind:?} took {text}");
        }
    }
}
