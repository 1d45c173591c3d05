//! A point in time, as every core sees it.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Nanoseconds since the Unix epoch. All arithmetic saturates, so that no input can make it wrap or panic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

const NANOS: i64 = 1_000_000_000;

impl Time {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// The last representable moment, in the year 2262.
    pub const MAX: Self = Self(i64::MAX);

    /// A time from nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A time from whole seconds since the epoch; saturates.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(NANOS))
    }

    /// A time from fractional seconds since the epoch, the form used in messages; saturates, NaN is the epoch.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "float to integer casts saturate, which is what is wanted"
    )]
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e9) as i64)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(NANOS)
    }

    /// Seconds since the epoch with their fraction, the form used in messages.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds are exact, the fraction is good to a microsecond"
    )]
    pub fn as_secs_f64(self) -> f64 {
        (self.0.div_euclid(NANOS) as f64) + (self.0.rem_euclid(NANOS) as f64) / 1e9
    }

    /// The time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// As [`Time::since`]: never negative.
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// Year, month, day, hour, minute and second in UTC.
pub(crate) fn civil(secs: i64) -> (i64, u32, u32, u32, u32, u32) {
    let days = secs.div_euclid(86_400);
    let rest = secs.rem_euclid(86_400);
    // Days to a date on the proleptic Gregorian calendar, in eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |value: i64| u32::try_from(value).unwrap_or(0);
    (
        year,
        small(month),
        small(day),
        small(rest / 3_600),
        small(rest / 60 % 60),
        small(rest % 60),
    )
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC with nanoseconds, as `2024-11-21T00:45:45.000000000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = civil(self.as_secs());
        let fraction = self.0.rem_euclid(NANOS);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
        assert_eq!(Time::EPOCH - Time::from_secs(5), Duration::ZERO);
        assert_eq!(Time::from_secs(7) - Time::from_secs(5), Duration::from_secs(2));
        assert_eq!(Time::EPOCH + Duration::MAX, Time::MAX);
    }

    #[test]
    fn seconds_keep_their_fraction() {
        assert_eq!(
            Time::from_nanos(1_500_000_000).as_secs_f64().to_bits(),
            1.5f64.to_bits()
        );
        assert_eq!(Time::from_secs_f64(2.25), Time::from_nanos(2_250_000_000));
        assert_eq!(Time::from_secs_f64(f64::NAN), Time::EPOCH);
        assert_eq!(Time::from_nanos(-1).as_secs(), -1);
    }

    #[test]
    fn prints_the_date_in_utc() {
        assert_eq!(Time::EPOCH.to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            Time::from_secs(951_782_400).to_string(),
            "2000-02-29T00:00:00.000000000Z"
        );
        assert_eq!(
            Time::from_nanos(1_732_149_945_000_000_007).to_string(),
            "2024-11-21T00:45:45.000000007Z"
        );
        assert_eq!(Time::from_secs(-1).to_string(), "1969-12-31T23:59:59.000000000Z");
    }
}
