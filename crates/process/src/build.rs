//! What was built, when and from what: the answer to `/version` and `GET_VERSION`.

/// The Mesos version whose behaviour is spoken here; peers read features out of it.
pub const VERSION: &str = "1.12.0";

/// Who built this.
pub const USER: &str = env!("TIANGONG_BUILD_USER");

/// The commit this was built from, if it was built from a repository.
pub const GIT_SHA: Option<&str> = option_env!("TIANGONG_GIT_SHA");

/// The branch this was built from, as `refs/heads/<name>`.
pub const GIT_BRANCH: Option<&str> = option_env!("TIANGONG_GIT_BRANCH");

/// When this was built, in seconds since the epoch.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds are exact for millions of years"
)]
pub fn time() -> f64 {
    seconds() as f64
}

/// When this was built, as `2026-11-20 23:52:22 UTC`.
pub fn date() -> String {
    format_utc(seconds())
}

fn seconds() -> u64 {
    env!("TIANGONG_BUILD_TIME").parse().unwrap_or(0)
}

/// A date from seconds since the epoch, by the proleptic Gregorian calendar.
fn format_utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(format_utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(format_utc(951_782_400), "2000-02-29 00:00:00 UTC");
        // golden/http/044 shows this pair.
        assert_eq!(format_utc(1_795_218_742), "2026-11-20 23:52:22 UTC");
    }
}
