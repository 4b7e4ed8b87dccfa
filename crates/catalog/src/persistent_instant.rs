//! A point in time that may lie before the start of the process.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tolerated lead of the clock that wrote a timestamp.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// Assumed age of a timestamp further ahead: a response must not look younger than it is.
const UNKNOWN_AGE: Duration = Duration::from_hours(24);

/// A point in time in the past; unlike an [`Instant`], also before the start of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersistentInstant {
    noted: Instant,
    age_then: Duration,
}

impl PersistentInstant {
    /// Returns the present moment.
    #[must_use]
    pub fn now() -> Self {
        Instant::now().into()
    }

    /// Returns the moment that lies `age` ago.
    #[must_use]
    pub fn ago(age: Duration) -> Self {
        Self { noted: Instant::now(), age_then: age }
    }

    /// Returns the time since this moment.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.age(Instant::now())
    }

    /// Returns the time from this moment until `now`.
    #[must_use]
    pub fn age(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.noted) + self.age_then
    }

    /// Converts a stored timestamp, given the present wall clock `now`. A timestamp from the future
    /// comes from a wrong clock and counts as a day old.
    #[must_use]
    pub fn of_wall_clock(written: Timestamp, now: Timestamp) -> Self {
        let age = now.duration_since(written);
        let ahead = if -age <= SKEW { Duration::ZERO } else { UNKNOWN_AGE };
        // A negative duration does not convert, so this is where timestamps from the future end up.
        Self::ago(Duration::try_from(age).unwrap_or(ahead))
    }

    /// Converts to a timestamp to store; rounded down to a second.
    #[must_use]
    pub fn to_wall_clock(self, now: Timestamp) -> Timestamp {
        let age = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        let then = now.checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH);
        // Rounded down: stored data must not look fresher than it is.
        Timestamp::from_second(then.as_second()).unwrap_or(then)
    }
}

/// Returns the present time in whole seconds; fractions carry no information for operators.
pub(crate) fn now_in_seconds() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

impl From<Instant> for PersistentInstant {
    fn from(noted: Instant) -> Self {
        Self { noted, age_then: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_age_begins_before_the_process_and_grows_with_it() {
        let now = at("2025-01-02T00:00:00Z");
        let moment = PersistentInstant::of_wall_clock(at("2025-01-01T00:00:00Z"), now);
        assert_eq!(moment.elapsed(), Duration::from_hours(24));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(moment.elapsed(), Duration::from_mins(24 * 60 + 1));
        let later = at("2025-01-02T00:01:00Z");
        assert_eq!(moment.to_wall_clock(later), at("2025-01-01T00:00:00Z"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_wrong_never_makes_an_answer_look_young() {
        let now = at("2025-01-02T00:00:00Z");
        for (written, seconds) in [
            ("2025-01-02T00:00:04Z", 0),
            ("2025-01-02T01:00:00Z", 86_400),
            ("2025-01-01T23:00:00Z", 3600),
        ] {
            let age = PersistentInstant::of_wall_clock(at(written), now).elapsed();
            assert_eq!(age, Duration::from_secs(seconds), "{written}");
        }
    }
}
