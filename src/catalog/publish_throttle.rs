//! Rate limit for new views: at most ten per second, however fast the index changes.

use std::time::Duration;

use tokio::time::Instant;

/// Burst: number of views that may follow each other at once, so that single changes show without
/// delay.
const AT_ONCE: u32 = 5;
/// Time per view beyond the burst. A burst of five and five more views make ten in the first
/// second.
const INTERVAL: Duration = Duration::from_millis(200);

/// Token bucket for new views.
#[derive(Debug, Default)]
pub(super) struct PublishThrottle {
    /// End of the time that the views made so far use up at one per [`INTERVAL`].
    spent_until: Option<Instant>,
    awaited: bool,
}

/// Permission for a new view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublishTurn {
    /// Granted, and counted.
    Now,
    /// Not before this time. The caller must make the view then.
    At(Instant),
    /// Another caller makes the view when it is due.
    Awaited,
}

impl PublishThrottle {
    /// Requests permission for a view now.
    pub(super) fn turn(&mut self, now: Instant) -> PublishTurn {
        let spent_until = self.spent_until.map_or(now, |until| until.max(now));
        // `checked_sub`: an `Instant` cannot lie before the start of the machine.
        let free = spent_until.checked_sub(INTERVAL * (AT_ONCE - 1)).unwrap_or(now);
        if free <= now {
            self.spent_until = Some(spent_until + INTERVAL);
            self.awaited = false;
            return PublishTurn::Now;
        }
        if std::mem::replace(&mut self.awaited, true) {
            PublishTurn::Awaited
        } else {
            PublishTurn::At(free)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn at_most_ten_in_any_second_and_the_first_at_once() {
        let mut pace = PublishThrottle::default();
        let (begun, mut shown, mut awaited) = (Instant::now(), Vec::new(), None);
        for millisecond in 0..5000 {
            let now = begun + Duration::from_millis(millisecond);
            match pace.turn(now) {
                PublishTurn::Now => shown.push(millisecond),
                PublishTurn::At(at) => awaited = Some(at),
                PublishTurn::Awaited => assert!(awaited.is_some()),
            }
        }
        assert_eq!(shown.get(..6).unwrap(), [0, 1, 2, 3, 4, 200]);
        for (first, eleventh) in shown.iter().zip(shown.iter().skip(10)) {
            assert!(eleventh - first >= 1000, "{first} to {eleventh}");
        }
        assert_eq!(
            pace.turn(begun + Duration::from_secs(9)),
            PublishTurn::Now,
            "a pause makes up for it"
        );
    }
}
