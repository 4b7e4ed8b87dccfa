//! History of the calls to one backend: counts of the last 24 hours, in slots of five minutes.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use registry_core::error::Error;
use tokio::time::Instant;

use crate::persistent_instant::PersistentInstant;

/// Length of a slot.
pub const SLOT: Duration = Duration::from_mins(5);
/// Number of slots: 24 hours.
pub const SLOTS: usize = 288;
/// Duration from which a call counts as slow.
const SLOW: Duration = Duration::from_secs(1);

/// Calls of one slot, by how they ended. No call at all: the backend was not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Calls with a response within a second; "not found" is a response.
    pub answered: u16,
    /// Calls with a response after a second or more.
    pub slow: u16,
    /// Calls without a response, or whose credentials were refused.
    pub failed: u16,
}

/// History of one backend, since the start of the service at the earliest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Start of the first slot.
    pub since: Timestamp,
    /// Slots of [`SLOT`] each, the oldest first, at most [`SLOTS`]; the last one is the present.
    pub slots: Vec<CallCounts>,
}

/// Whether the time that a call takes shows how fast the backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistoryExtent {
    /// A few requests.
    Short,
    /// Any number of requests, such as the pages of a list.
    Unbounded,
}

impl CallCounts {
    /// Returns true if no call ended in the slot.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Adds the counts of another slot, for charts with longer slots.
    pub fn add(&mut self, other: Self) {
        self.answered = self.answered.saturating_add(other.answered);
        self.slow = self.slow.saturating_add(other.slow);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

/// Ring of slots.
pub(crate) struct CallHistory(Mutex<Ring>);

struct Ring {
    /// Start of the last slot.
    begun: Instant,
    slots: VecDeque<CallCounts>,
}

impl Default for CallHistory {
    fn default() -> Self {
        // All memory at once, so that the ring never grows beyond 288 slots of six bytes.
        let mut slots = VecDeque::with_capacity(SLOTS);
        slots.push_back(CallCounts::default());
        Self(Mutex::new(Ring { begun: Instant::now(), slots }))
    }
}

impl CallHistory {
    /// Counts a call that ended now. A call that was not sent counts as none.
    pub(crate) fn ended<T>(
        &self,
        outcome: &Result<T, Error>,
        took: Duration,
        extent: HistoryExtent,
    ) {
        let mut ring = self.0.lock();
        ring.advance();
        let Some(slot) = ring.slots.back_mut() else { return };
        let count = match outcome {
            Err(error) if !error.was_asked() => return,
            Err(error) if error.kind().is_of_whole_backend() => &mut slot.failed,
            _ if took >= SLOW && extent == HistoryExtent::Short => &mut slot.slow,
            _ => &mut slot.answered,
        };
        *count = count.saturating_add(1);
    }

    pub(crate) fn get(&self) -> History {
        let mut ring = self.0.lock();
        ring.advance();
        let before = u32::try_from(ring.slots.len().saturating_sub(1)).unwrap_or_default();
        let age = ring.begun.elapsed() + SLOT * before;
        History {
            since: PersistentInstant::ago(age).to_wall_clock(Timestamp::now()),
            slots: ring.slots.iter().copied().collect(),
        }
    }
}

impl Ring {
    /// Begins the slots up to now. Without calls for a day, all are empty.
    fn advance(&mut self) {
        let passed = self.begun.elapsed().as_secs() / SLOT.as_secs();
        self.begun += Duration::from_secs(passed * SLOT.as_secs());
        for _ in 0..passed.min(SLOTS as u64) {
            if self.slots.len() == SLOTS {
                self.slots.pop_front();
            }
            self.slots.push_back(CallCounts::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use registry_core::error::ErrorKind;
    use tokio::time::advance;

    use super::*;

    fn counts(answered: u16, slow: u16, failed: u16) -> CallCounts {
        CallCounts { answered, slow, failed }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_counted_in_the_slot_in_which_they_end() {
        let history = CallHistory::default();
        assert_eq!(history.get().slots, [CallCounts::default()]);
        let down = || Error::unavailable("down", Duration::from_secs(1));
        for (outcome, milliseconds, extent) in [
            (Ok(()), 999, HistoryExtent::Short),
            (Ok(()), 1000, HistoryExtent::Short),
            (Ok(()), 60_000, HistoryExtent::Unbounded),
            (Err(Error::not_found("no")), 1, HistoryExtent::Short),
            (Err(Error::faulty("nonsense")), 1, HistoryExtent::Short),
            (Err(down()), 1, HistoryExtent::Short),
            (Err(Error::new(ErrorKind::BackendTimeout, "late")), 30_000, HistoryExtent::Short),
            (Err(Error::new(ErrorKind::BackendRefused, "who")), 1, HistoryExtent::Unbounded),
            (Err(down().not_asked()), 1, HistoryExtent::Short),
        ] {
            history.ended(&outcome, Duration::from_millis(milliseconds), extent);
        }
        assert_eq!(history.get().slots, [counts(4, 1, 3)]);
        advance(SLOT * 2).await;
        history.ended(&Ok(()), Duration::ZERO, HistoryExtent::Short);
        assert_eq!(history.get().slots, [counts(4, 1, 3), counts(0, 0, 0), counts(1, 0, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_is_kept_in_less_than_two_kibibytes() {
        let history = CallHistory::default();
        let begun = history.get().since;
        for _ in 0..SLOTS {
            history.ended(&Ok(()), Duration::ZERO, HistoryExtent::Short);
            advance(SLOT).await;
        }
        let History { since, slots } = history.get();
        assert_eq!((slots.len(), slots.last()), (SLOTS, Some(&counts(0, 0, 0))));
        assert_eq!(slots.first(), Some(&counts(1, 0, 0)));
        // The wall clock stands still, so that the start seems to move back as the slots grow.
        let back = begun.duration_since(since).as_secs();
        assert!((86_100..86_110).contains(&back), "{back}");
        advance(SLOT * u32::try_from(10 * SLOTS).unwrap()).await;
        history.ended(&Ok(()), Duration::ZERO, HistoryExtent::Short);
        let slots = history.get().slots;
        assert_eq!(slots.iter().filter(|slot| !slot.is_empty()).count(), 1);
        let capacity = history.0.lock().slots.capacity();
        assert!(capacity * size_of::<CallCounts>() + size_of::<CallHistory>() < 2048, "{capacity}");
    }

    #[test]
    fn slots_are_added_for_coarser_charts() {
        let mut sum = counts(1, 2, u16::MAX);
        sum.add(counts(1, 1, 1));
        assert_eq!(sum, counts(2, 3, u16::MAX));
        assert!(CallCounts::default().is_empty() && !sum.is_empty());
    }
}
