//! Retry policy: eligible requests, pauses, and a budget for each backend.

use std::time::Duration;

use tokio::time::Instant;
use tower::retry::budget::{Budget as _, TpsBudget};

use crate::http::breaker::chance;
use crate::http::outcome::CallOutcome;

/// Upper bound of the pause before the first retry; doubled for each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Retry budget: a tenth of the requests of the last ten seconds, plus one per second.
const BUDGET_SPAN: Duration = Duration::from_secs(10);
const BUDGET_SHARE: f32 = 0.1;
const BUDGET_FLOOR: u32 = 1;

pub(super) struct Retries {
    budget: TpsBudget,
    max: u32,
}

pub(super) struct Tries<'a> {
    retries: &'a Retries,
    left: u32,
    pause_max: Duration,
    deadline: Instant,
}

impl Retries {
    pub(super) fn new(max: u32) -> Self {
        Self { budget: TpsBudget::new(BUDGET_SPAN, BUDGET_FLOOR, BUDGET_SHARE), max }
    }

    pub(super) fn begin(&self, can_retry: bool, deadline: Instant) -> Tries<'_> {
        self.budget.deposit();
        let left = if can_retry { self.max } else { 0 };
        Tries { retries: self, left, pause_max: PAUSE_FIRST, deadline }
    }
}

impl Tries<'_> {
    pub(super) fn pause_after(&mut self, outcome: CallOutcome) -> Option<Duration> {
        if self.left == 0 || !outcome.may_retry() {
            return None;
        }
        let pause = chance(self.pause_max);
        // The budget comes last: a retry that will not happen must not use it up.
        if Instant::now() + pause >= self.deadline || !self.retries.budget.withdraw() {
            return None;
        }
        self.left -= 1;
        self.pause_max *= 2;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_asked_so_often_within_its_deadline_and_only_if_it_is_idempotent() {
        let retries = Retries::new(2);
        let mut tries = retries.begin(true, soon());
        let pauses: Vec<Duration> =
            std::iter::from_fn(|| tries.pause_after(CallOutcome::Unreachable)).collect();
        assert_eq!(pauses.len(), 2);
        assert!(pauses[0] <= PAUSE_FIRST && pauses[1] <= PAUSE_FIRST * 2, "{pauses:?}");
        let mut late = retries.begin(true, Instant::now());
        assert_eq!(late.pause_after(CallOutcome::Unreachable), None);
        let mut unrepeatable = retries.begin(false, soon());
        assert_eq!(unrepeatable.pause_after(CallOutcome::Unreachable), None);
    }

    #[tokio::test(start_paused = true)]
    async fn five_minutes_of_total_failure_at_200_questions_a_second_cost_a_tenth_more() {
        let retries = Retries::new(2);
        let (mut asked, mut again) = (0_u32, 0_u32);
        for _ in 0..5 * 60 * 200 {
            let mut tries = retries.begin(true, soon());
            asked += 1;
            while tries.pause_after(CallOutcome::Unreachable).is_some() {
                again += 1;
            }
            tokio::time::advance(Duration::from_millis(5)).await;
        }
        let floor = BUDGET_FLOOR * 5 * 60;
        assert!(again <= asked / 10 + floor, "{again} retries of {asked} questions");
        assert!(again > asked / 20, "the budget can be used: {again} of {asked}");
    }
}
