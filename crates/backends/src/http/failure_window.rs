//! Outcomes of the last ten seconds, counted per second: a decaying average would hide a burst.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const SPAN: Duration = Duration::from_secs(10);
/// Minimum number of requests for a judgment.
const ENOUGH: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct FailureWindow(VecDeque<WindowSlot>);

#[derive(Debug)]
struct WindowSlot {
    since: Instant,
    good: u32,
    bad: u32,
}

impl FailureWindow {
    pub(super) fn note(&mut self, good: bool) {
        let now = Instant::now();
        self.0.retain(|slot| now - slot.since < SPAN);
        match self.0.back_mut() {
            Some(slot) if now - slot.since < Duration::from_secs(1) => {
                slot.good += u32::from(good);
                slot.bad += u32::from(!good);
            }
            _ => {
                self.0.push_back(WindowSlot { since: now, good: good.into(), bad: (!good).into() });
            }
        }
    }

    /// Returns true if at least `ENOUGH` requests ended, and fewer than half succeeded.
    pub(super) fn is_bad(&self) -> bool {
        let (good, bad) =
            self.0.iter().fold((0, 0), |(good, bad), slot| (good + slot.good, bad + slot.bad));
        good + bad >= ENOUGH && good < bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn less_than_half_of_twenty_in_ten_seconds_is_bad() {
        let mut window = FailureWindow::default();
        for n in 0..20 {
            window.note(n % 2 == 0);
            tokio::time::advance(Duration::from_millis(400)).await;
        }
        assert!(!window.is_bad(), "half is enough");
        window.note(false);
        assert!(window.is_bad());
        tokio::time::advance(SPAN).await;
        window.note(false);
        assert!(!window.is_bad(), "what is older does not count");
    }

    #[tokio::test(start_paused = true)]
    async fn nineteen_failures_say_nothing() {
        let mut window = FailureWindow::default();
        (0..19).for_each(|_| window.note(false));
        assert!(!window.is_bad());
        window.note(false);
        assert!(window.is_bad());
    }
}
