//! Dates and times, always in UTC.

use jiff::Timestamp;

/// Returns the date, such as `3 Sep 2026`.
#[must_use]
pub fn date(time: Timestamp) -> String {
    time.strftime("%-d %b %Y").to_string()
}

/// Returns the time of day, such as `16:04 UTC`.
#[must_use]
pub fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M UTC").to_string()
}

/// Returns date and time of day, such as `3 Sep 2026, 16:04 UTC`.
#[must_use]
pub fn moment(time: Timestamp) -> String {
    time.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// Returns the time as RFC 3339 in whole seconds, with `Z`.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_short() {
        let time: Timestamp = "2026-09-03T18:04:05.5+02:00".parse().unwrap();
        assert_eq!(date(time), "3 Sep 2026");
        assert_eq!(clock(time), "16:04 UTC");
        assert_eq!(moment(time), "3 Sep 2026, 16:04 UTC");
        assert_eq!(rfc3339(time), "2026-09-03T16:04:05Z");
    }
}
