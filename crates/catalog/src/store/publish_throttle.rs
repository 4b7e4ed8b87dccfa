//! Rate limit for new views: at most ten per second, however fast the index changes.

use std::num::NonZeroU32;

use registry_core::token_bucket::{Rate, TokenBucket};
use tokio::time::Instant;

/// Five views at once, so that single changes show without delay; ten in the first second.
const VIEWS: Rate =
    Rate { per_second: NonZeroU32::new(5).unwrap(), burst: NonZeroU32::new(5).unwrap() };

/// Token bucket for new views, which merges the requests that wait for the same view.
#[derive(Debug, Default)]
pub(crate) struct PublishThrottle {
    bucket: TokenBucket,
    awaited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublishTurn {
    Now,
    /// Not before this time. The caller must make the view then.
    At(Instant),
    /// Another caller makes the view when it is due.
    Awaited,
}

impl PublishThrottle {
    pub(crate) fn turn(&mut self, now: Instant) -> PublishTurn {
        match self.bucket.take(VIEWS, now) {
            Ok(()) => {
                self.awaited = false;
                PublishTurn::Now
            }
            Err(_) if self.awaited => PublishTurn::Awaited,
            Err(wait) => {
                self.awaited = true;
                PublishTurn::At(now + wait)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn at_most_ten_in_any_second_and_the_first_at_once() {
        let mut throttle = PublishThrottle::default();
        let (begun, mut published, mut awaited) = (Instant::now(), Vec::new(), None);
        for millisecond in 0..5000 {
            let now = begun + Duration::from_millis(millisecond);
            match throttle.turn(now) {
                PublishTurn::Now => published.push(millisecond),
                PublishTurn::At(at) => awaited = Some(at),
                PublishTurn::Awaited => assert!(awaited.is_some()),
            }
        }
        assert_eq!(published.get(..6).unwrap(), [0, 1, 2, 3, 4, 200]);
        for (first, eleventh) in published.iter().zip(published.iter().skip(10)) {
            assert!(eleventh - first >= 1000, "{first} to {eleventh}");
        }
        assert_eq!(
            throttle.turn(begun + Duration::from_secs(9)),
            PublishTurn::Now,
            "a pause makes up for it"
        );
    }
}
