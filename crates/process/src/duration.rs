//! Durations as Mesos writes them: `15secs`, `2.5hrs`.

use std::time::Duration;

/// Units with their length in nanoseconds, longest first.
const UNITS: [(&str, f64); 8] = [
    ("weeks", 604_800e9),
    ("days", 86_400e9),
    ("hrs", 3_600e9),
    ("mins", 60e9),
    ("secs", 1e9),
    ("ms", 1e6),
    ("us", 1e3),
    ("ns", 1.0),
];

/// Parses a number followed by one of `ns`, `us`, `ms`, `secs`, `mins`, `hrs`, `days`, `weeks`. `None` for anything
/// else, negative ones included.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(split)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let value: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(value * scale / 1e9).ok()
}

/// Writes a duration in the largest unit of which it has at least one, as `15secs` or `1.5mins`.
#[expect(
    clippy::cast_precision_loss,
    reason = "what a reader sees of a duration needs no more than 53 bits"
)]
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (unit, scale) = UNITS
        .into_iter()
        .find(|(_, scale)| nanos >= *scale)
        .unwrap_or(("ns", 1.0));
    format!("{}{unit}", nanos / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(parse_duration("15secs"), Some(Duration::from_secs(15)));
        assert_eq!(parse_duration("2.5hrs"), Some(Duration::from_secs(9_000)));
        assert_eq!(parse_duration("1weeks"), Some(Duration::from_secs(604_800)));
        assert_eq!(parse_duration("10ms"), Some(Duration::from_millis(10)));
        for text in [
            "",
            "15",
            "secs",
            "-1secs",
            "1 secs",
            "1sec",
            "1e3secs",
            "1.2.3secs",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn writing() {
        assert_eq!(format_duration(Duration::from_secs(15)), "15secs");
        assert_eq!(format_duration(Duration::from_secs(120)), "2mins");
        assert_eq!(format_duration(Duration::from_millis(1_500)), "1.5secs");
        assert_eq!(format_duration(Duration::ZERO), "0ns");
    }
}
