//! Token bucket, with the algorithm GCRA: one instant holds its whole state.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// Size of a token bucket, and the rate at which it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that return in a second.
    pub per_second: NonZeroU32,
    /// Tokens in a full bucket.
    pub burst: NonZeroU32,
}

impl Rate {
    /// Returns the time in which one token returns.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }

    /// Returns the time in which an empty bucket fills.
    #[must_use]
    pub fn fill_time(self) -> Duration {
        self.interval() * self.burst.get()
    }
}

/// Token bucket of any [`Rate`], full at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenBucket {
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// Takes a token.
    ///
    /// # Errors
    /// Returns the time until the next token if the bucket is empty.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        if let Some(wait) = self.wait(rate, now) {
            return Err(wait);
        }
        self.full_at = Some(now + self.until_full(now) + rate.interval());
        Ok(())
    }

    /// Takes tokens that were given out elsewhere: the bucket is full no earlier than after this time.
    pub fn raise(&mut self, until_full: Duration, now: Instant) {
        self.full_at = Some(now + until_full.max(self.until_full(now)));
    }

    /// Returns the time until the next token, or `None` if there is one.
    #[must_use]
    pub fn wait(&self, rate: Rate, now: Instant) -> Option<Duration> {
        let filled = self.until_full(now) + rate.interval();
        filled.checked_sub(rate.fill_time()).filter(|wait| !wait.is_zero())
    }

    /// Returns the number of tokens in the bucket.
    #[must_use]
    pub fn tokens(&self, rate: Rate, now: Instant) -> u32 {
        let filled = rate.fill_time().saturating_sub(self.until_full(now));
        u32::try_from(filled.as_nanos() / rate.interval().as_nanos()).unwrap_or(u32::MAX)
    }

    /// Returns the time until the bucket is full.
    #[must_use]
    pub fn until_full(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        let [per_second, burst] = [per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
        Rate { per_second, burst }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (rate, begun) = (rate(2, 3), Instant::now());
        let mut bucket = TokenBucket::default();
        for left in [2, 1, 0] {
            assert_eq!(bucket.take(rate, begun), Ok(()));
            assert_eq!(bucket.tokens(rate, begun), left);
        }
        assert_eq!(bucket.take(rate, begun), Err(Duration::from_millis(500)));
        assert_eq!(bucket.until_full(begun), Duration::from_millis(1500));
        assert!(bucket.take(rate, begun + Duration::from_millis(499)).is_err());
        let later = begun + Duration::from_millis(500);
        assert_eq!(bucket.take(rate, later), Ok(()));
        assert!(bucket.take(rate, later).is_err(), "a refusal takes no token");
        let idle = begun + Duration::from_mins(1);
        assert_eq!(bucket.tokens(rate, idle), 3, "never more than the burst");
    }

    #[test]
    fn as_many_pass_as_the_rate_allows() {
        let (rate, begun) = (rate(50, 10), Instant::now());
        let mut bucket = TokenBucket::default();
        let times = (0..10_000).map(|ms| begun + Duration::from_millis(ms));
        assert_eq!(times.filter(|now| bucket.take(rate, *now).is_ok()).count(), 50 * 10 + 9);
    }
}
