//! A moment of the past that may lie before this process, told by how long ago it was.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// How far ahead of ours a clock may be that wrote a time down, without being wrong.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// What is said to be of a later time than now is taken for this old: nothing is known of its age,
/// and an answer must not look younger than it is.
const UNKNOWN_AGE: Duration = Duration::from_secs(86_400);

/// A moment of the past. Unlike an [`Instant`], which cannot go back before the machine was
/// started, it can be any time ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    noted: Instant,
    age_then: Duration,
}

impl Moment {
    /// This very moment.
    #[must_use]
    pub fn now() -> Self {
        Instant::now().into()
    }

    /// The moment that was this long ago.
    #[must_use]
    pub fn ago(age: Duration) -> Self {
        Self { noted: Instant::now(), age_then: age }
    }

    /// How long ago it was.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.noted.elapsed() + self.age_then
    }

    /// The moment of a time written down earlier, where the wall clock shows `now`. One that lies
    /// ahead was written by a clock that was wrong, and counts as a day ago.
    #[must_use]
    pub fn of_wall_clock(written: Timestamp, now: Timestamp) -> Self {
        let age = now.duration_since(written);
        let ahead = if -age <= SKEW { Duration::ZERO } else { UNKNOWN_AGE };
        Self::ago(Duration::try_from(age).unwrap_or(ahead))
    }

    /// The time to write down, where the wall clock shows `now`; to the second before.
    #[must_use]
    pub fn to_wall_clock(self, now: Timestamp) -> Timestamp {
        let age = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        let then = now.checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH);
        Timestamp::from_second(then.as_second()).unwrap_or(then)
    }
}

impl From<Instant> for Moment {
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
        let moment = Moment::of_wall_clock(at("2025-01-01T00:00:00Z"), now);
        assert_eq!(moment.elapsed(), Duration::from_secs(86_400));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(moment.elapsed(), Duration::from_secs(86_460));
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
            let age = Moment::of_wall_clock(at(written), now).elapsed();
            assert_eq!(age, Duration::from_secs(seconds), "{written}");
        }
    }
}
