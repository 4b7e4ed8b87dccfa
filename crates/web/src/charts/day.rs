//! The last 24 hours of a backend, in 48 bars of 30 minutes.

use crate::format::amount::{counted, listed};

/// Number of slots of a day.
pub const SLOTS: usize = 48;
const STEP: usize = 15;
const HEIGHT: usize = 32;

/// Answers of a backend in 30 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistorySlot {
    /// Every request was answered in time.
    Answered,
    /// Some requests took longer than a second.
    Slow,
    /// Some requests failed.
    Failed,
    /// No request was sent, or the service did not run.
    Idle,
}

/// Bar of the chart. Height and color both tell the state.
pub(crate) struct Bar {
    pub(crate) class: &'static str,
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) height: usize,
}

impl HistorySlot {
    const fn look(self) -> (&'static str, usize) {
        match self {
            Self::Answered => ("ok", HEIGHT),
            Self::Slow => ("warn", 20),
            Self::Failed => ("bad", 12),
            Self::Idle => ("idle", 2),
        }
    }
}

/// Returns the bars of up to [`SLOTS`] slots, oldest first; the last one ends now.
pub(crate) fn bars(slots: &[HistorySlot]) -> Vec<Bar> {
    let skipped = slots.len().saturating_sub(SLOTS);
    let slots: Vec<HistorySlot> = slots.iter().copied().skip(skipped).collect();
    let missing = std::iter::repeat_n(HistorySlot::Idle, SLOTS.saturating_sub(slots.len()));
    missing
        .chain(slots)
        .enumerate()
        .map(|(index, slot): (usize, HistorySlot)| {
            let (class, height) = slot.look();
            Bar { class, x: index * STEP, y: HEIGHT - height, height }
        })
        .collect()
}

/// Returns the same in words.
pub(crate) fn words(slots: &[HistorySlot]) -> String {
    let count = |wanted| slots.iter().filter(|slot| **slot == wanted).count();
    let used = slots.len() - count(HistorySlot::Idle);
    if used == 0 {
        return "no request yet".to_owned();
    }
    let failed = count(HistorySlot::Failed);
    let slow = count(HistorySlot::Slow);
    let parts = [("failures in", failed), ("slow in", slow)];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    if parts.is_empty() {
        return format!("answered in all of {}", counted(used, "half hour"));
    }
    format!("{} of {}", listed(&parts), counted(used, "half hour"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bar_is_now_and_missing_slots_are_idle() {
        let bars = bars(&[HistorySlot::Answered, HistorySlot::Failed]);
        assert_eq!(bars.len(), SLOTS);
        assert_eq!((bars[0].class, bars[46].class, bars[47].class), ("idle", "ok", "bad"));
        assert_eq!((bars[47].x, bars[47].y, bars[47].height), (705, 20, 12));
    }

    #[test]
    fn the_chart_reads_as_a_sentence() {
        assert_eq!(words(&[HistorySlot::Idle]), "no request yet");
        assert_eq!(words(&[HistorySlot::Answered; 3]), "answered in all of 3 half hours");
        let mixed =
            [HistorySlot::Idle, HistorySlot::Answered, HistorySlot::Slow, HistorySlot::Failed];
        assert_eq!(words(&mixed), "failures in 1 and slow in 1 of 3 half hours");
    }
}
