//! How often a new view is shown: at most ten in any second, whatever changes how fast.

use std::time::Duration;

use tokio::time::Instant;

/// So many views may follow each other at once, so that single changes are seen without delay.
const AT_ONCE: u32 = 5;
/// Beyond that there is one in this time: five at once and five more make ten in a second.
const INTERVAL: Duration = Duration::from_millis(200);

/// Counts the views that were shown.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all views shown so far would have been shown evenly.
    spent_until: Option<Instant>,
    awaited: bool,
}

/// Whether a view may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may, and counts as shown.
    Now,
    /// Not before this; whoever is told so has to see to it then.
    At(Instant),
    /// Somebody else sees to it already.
    Awaited,
}

impl Pace {
    /// Asks for a turn.
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        let spent_until = self.spent_until.map_or(now, |until| until.max(now));
        let free = spent_until.checked_sub(INTERVAL * (AT_ONCE - 1)).unwrap_or(now);
        if free <= now {
            self.spent_until = Some(spent_until + INTERVAL);
            self.awaited = false;
            return Turn::Now;
        }
        if std::mem::replace(&mut self.awaited, true) { Turn::Awaited } else { Turn::At(free) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn at_most_ten_in_any_second_and_the_first_at_once() {
        let mut pace = Pace::default();
        let (begun, mut shown, mut awaited) = (Instant::now(), Vec::new(), None);
        for millisecond in 0..5000 {
            let now = begun + Duration::from_millis(millisecond);
            match pace.turn(now) {
                Turn::Now => shown.push(millisecond),
                Turn::At(at) => awaited = Some(at),
                Turn::Awaited => assert!(awaited.is_some()),
            }
        }
        assert_eq!(shown.get(..6).unwrap(), [0, 1, 2, 3, 4, 200]);
        for (first, eleventh) in shown.iter().zip(shown.iter().skip(10)) {
            assert!(eleventh - first >= 1000, "{first} to {eleventh}");
        }
        assert_eq!(pace.turn(begun + Duration::from_secs(9)), Turn::Now, "a pause makes up for it");
    }
}
