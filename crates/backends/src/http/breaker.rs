//! Circuit breaker of one server. It opens after enough failures, then admits one trial request.
//! During an outage callers wait for nothing, and the server gets no load.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::backend::contact::{BreakerState, Contact};
use registry_core::error::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::http::LOG_TARGET;
use crate::http::failure_window::FailureWindow;
use crate::http::metrics::UpstreamMetrics;
use crate::http::outcome::Failure;
use crate::http::peer::Peer;

/// Consecutive failures that open the breaker.
const CONSECUTIVE_MAX: u32 = 5;
/// Longest pause before the first trial. It doubles after each failed trial, up to `STEP_MAX`.
const STEP_FIRST: Duration = Duration::from_secs(1);
const STEP_MAX: Duration = Duration::from_secs(30);
/// Shortest pause, because full jitter may yield zero.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Time limit of a trial; all other requests are refused meanwhile.
pub(super) const TRIAL_MAX: Duration = Duration::from_secs(5);

pub(super) struct Breaker {
    peer: Peer,
    record: Mutex<CallRecord>,
    contact: watch::Sender<Contact>,
    metrics: Arc<dyn UpstreamMetrics>,
}

/// Counters behind the state. The state itself is in the contact, which others watch.
struct CallRecord {
    /// Number of state changes. The outcome of a request that began in an earlier epoch is ignored.
    epoch: u64,
    consecutive: u32,
    window: FailureWindow,
    step: Duration,
    cause: String,
}

/// Admission of one request by the breaker. Dropped without an outcome, it counts for nothing.
pub(super) struct BreakerPermit {
    breaker: Arc<Breaker>,
    epoch: u64,
    begun: Instant,
    pub(super) trial: bool,
}

impl Breaker {
    pub(super) fn new(peer: Peer, metrics: Arc<dyn UpstreamMetrics>) -> Arc<Self> {
        let record = Mutex::new(CallRecord {
            epoch: 0,
            consecutive: 0,
            window: FailureWindow::default(),
            step: STEP_FIRST,
            cause: String::new(),
        });
        let contact = watch::Sender::new(Contact::default());
        Arc::new(Self { peer, record, contact, metrics })
    }

    pub(super) fn contact(&self) -> watch::Receiver<Contact> {
        self.contact.subscribe()
    }

    /// Fails with the remaining pause if the breaker is open.
    pub(super) fn check(&self) -> Result<(), Error> {
        let state = self.state();
        if state.lets_through() { Ok(()) } else { Err(self.refusal(state)) }
    }

    /// Admits a request. Fails with the remaining pause if open, or while a trial is in flight.
    pub(super) fn enter(self: &Arc<Self>) -> Result<BreakerPermit, Error> {
        let mut record = self.record.lock();
        let (state, begun) = (self.state(), Instant::now());
        if !state.lets_through() {
            drop(record);
            return Err(self.refusal(state));
        }
        let trial = state != BreakerState::Closed;
        if trial {
            self.become_state(&mut record, BreakerState::HalfOpen);
        }
        self.heard();
        Ok(BreakerPermit { breaker: Arc::clone(self), epoch: record.epoch, begun, trial })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state() == BreakerState::Closed
    }

    /// Publishes the end of a pause that the backend asked for.
    pub(super) fn paused(&self, until: Instant) {
        self.contact
            .send_modify(|contact| contact.paused_until = contact.paused_until.max(Some(until)));
    }

    /// Publishes the end of a pause that the backend asked another replica for.
    pub(super) fn held(&self, until: Option<Instant>) {
        self.contact
            .send_if_modified(|contact| std::mem::replace(&mut contact.held_until, until) != until);
    }

    pub(super) fn late(self: &Arc<Self>) -> Late {
        self.contact.send_modify(|contact| contact.late += 1);
        Late(Arc::clone(self))
    }

    fn state(&self) -> BreakerState {
        self.contact.borrow().breaker
    }

    /// Updates the time of the last contact without waking watchers at every request.
    fn heard(&self) {
        self.contact.send_if_modified(|contact| {
            contact.last_heard = Some(Instant::now());
            false
        });
    }

    fn refusal(&self, state: BreakerState) -> Error {
        let now = Instant::now();
        let wait = match state {
            BreakerState::Open { until } => until.saturating_duration_since(now),
            _ => Duration::ZERO,
        };
        // `Retry-After` has whole seconds, and zero would ask for a retry at once.
        let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
            .max(STEP_FIRST);
        let message = format!("The {} is unavailable: its circuit breaker is open", self.peer);
        let cause = self.record.lock().cause.clone();
        Error::unavailable(message, wait).because(cause).not_asked()
    }

    fn end(&self, pass: &BreakerPermit, failure: Option<Failure>) {
        let mut record = self.record.lock();
        self.heard();
        // A slow request from before the last change would reopen a breaker that has just closed.
        if record.epoch != pass.epoch {
            return;
        }
        match failure {
            None if pass.trial => self.close(&mut record),
            None => {
                record.consecutive = 0;
                record.window.note(true);
            }
            Some(Failure { cause, wait, .. }) if pass.trial => {
                // A backend that stays down gets ever fewer trials, down to one in 30 seconds.
                record.step = (record.step * 2).min(STEP_MAX);
                record.cause = cause;
                self.open(&mut record, pass.begun, wait);
            }
            Some(Failure { cause, wait, certain }) => {
                record.consecutive += 1;
                record.window.note(false);
                // `Retry-After: 0` permits a retry at once, so that it is an ordinary failure.
                let told = wait.is_some_and(|wait| wait > Duration::ZERO);
                if told
                    || certain
                    || record.consecutive >= CONSECUTIVE_MAX
                    || record.window.is_bad()
                {
                    record.step = STEP_FIRST;
                    record.cause = cause;
                    info!(target: LOG_TARGET, backend = self.peer.label(), cause = record.cause, "circuit breaker opened");
                    self.open(&mut record, Instant::now(), wait);
                }
            }
        }
    }

    /// The pause counts from the start of the failed request: recovery is seen within one step.
    fn open(&self, record: &mut CallRecord, from: Instant, wait: Option<Duration>) {
        let now = Instant::now();
        let until = (from + chance(record.step)).max(now + PAUSE_MIN);
        // A `Retry-After` prolongs the pause but never shortens it.
        let until = wait.map_or(until, |wait| until.max(now + wait));
        let seconds = (until - now).as_secs_f32();
        debug!(target: LOG_TARGET, backend = self.peer.label(), seconds, "breaker opens");
        self.become_state(record, BreakerState::Open { until });
    }

    fn close(&self, record: &mut CallRecord) {
        record.consecutive = 0;
        // The failures of the outage would open the breaker again at the first new one.
        record.window = FailureWindow::default();
        info!(target: LOG_TARGET, backend = self.peer.label(), "circuit breaker closed");
        self.become_state(record, BreakerState::Closed);
    }

    fn become_state(&self, record: &mut CallRecord, state: BreakerState) {
        record.epoch += 1;
        self.contact.send_modify(|contact| contact.breaker = state);
        self.metrics.breaker(self.peer, state);
    }

    /// Reopens after a trial that was canceled: the next request becomes the trial.
    fn gave_up(&self, pass: &BreakerPermit) {
        let mut record = self.record.lock();
        if pass.trial && record.epoch == pass.epoch {
            self.become_state(&mut record, BreakerState::Open { until: Instant::now() });
        }
    }
}

impl BreakerPermit {
    pub(super) fn ended(self, failure: Option<Failure>) {
        self.breaker.end(&self, failure);
    }
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        self.breaker.gave_up(self);
    }
}

pub(super) struct Late(Arc<Breaker>);

impl Drop for Late {
    fn drop(&mut self) {
        self.0.contact.send_modify(|contact| contact.late -= 1);
    }
}

/// Returns a random duration (full jitter), so that clients do not return in step.
pub(super) fn chance(longest: Duration) -> Duration {
    longest.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use registry_core::models::backend_id::BackendId;

    use super::*;

    fn breaker() -> Arc<Breaker> {
        Breaker::new(BackendId::GITEA.into(), Arc::new(()))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the breaker takes an option")]
    fn failed() -> Option<Failure> {
        Some(Failure { cause: "status 500".to_owned(), wait: None, certain: false })
    }

    #[expect(clippy::unnecessary_wraps, reason = "the breaker takes an option")]
    fn limited(seconds: u64) -> Option<Failure> {
        let wait = Some(Duration::from_secs(seconds));
        Some(Failure { cause: "status 429".to_owned(), wait, certain: false })
    }

    fn ask(breaker: &Arc<Breaker>, failure: Option<Failure>) {
        breaker.enter().unwrap().ended(failure);
    }

    fn opened() -> Arc<Breaker> {
        let breaker = breaker();
        (0..CONSECUTIVE_MAX).for_each(|_| ask(&breaker, failed()));
        breaker
    }

    async fn refused_for(breaker: &Arc<Breaker>) -> Duration {
        let begun = Instant::now();
        while breaker.check().is_err() {
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it() {
        let breaker = breaker();
        for failure in [failed(), failed(), failed(), failed(), None] {
            ask(&breaker, failure);
        }
        (0..4).for_each(|_| ask(&breaker, failed()));
        assert_eq!(breaker.state(), BreakerState::Closed, "an answer starts the row anew");
        ask(&breaker, failed());
        let error = breaker.enter().err().unwrap();
        assert!(!error.was_asked() && error.report().contains("status 500"), "{}", error.report());
    }

    #[tokio::test(start_paused = true)]
    async fn less_than_half_going_well_opens_it() {
        let breaker = breaker();
        for _ in 0..5 {
            ask(&breaker, None);
            (0..3).for_each(|_| drop(breaker.enter().map(|pass| pass.ended(failed()))));
        }
        assert!(breaker.check().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn it_recovers_within_two_seconds_at_the_first_step_and_31_at_the_last() {
        for _ in 0..20 {
            let breaker = opened();
            for step in [1, 2, 4, 8, 16, 30, 30, 30] {
                let pause = refused_for(&breaker).await;
                assert!(pause <= Duration::from_secs(step) + PAUSE_MIN, "{pause:?} of {step} s");
                ask(&breaker, failed());
            }
            refused_for(&breaker).await;
            ask(&breaker, None);
            assert_eq!(breaker.state(), BreakerState::Closed);
            (0..CONSECUTIVE_MAX).for_each(|_| ask(&breaker, failed()));
            assert!(refused_for(&breaker).await <= STEP_FIRST + PAUSE_MIN, "it begins anew");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_hangs_is_not_waited_for_twice() {
        let breaker = opened();
        for _ in 0..10 {
            refused_for(&breaker).await;
            let (trial, begun) = (breaker.enter().unwrap(), Instant::now());
            tokio::time::advance(TRIAL_MAX).await;
            trial.ended(failed());
            refused_for(&breaker).await;
            assert!(begun.elapsed() <= STEP_MAX + PAUSE_MIN, "{:?}", begun.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_question_is_on_trial_and_given_up_it_says_nothing() {
        let breaker = opened();
        refused_for(&breaker).await;
        let trial = breaker.enter().unwrap();
        assert!(trial.trial && breaker.enter().is_err());
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        drop(trial);
        assert!(breaker.enter().unwrap().trial, "the next is on trial");
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_before_it_opened_has_no_say() {
        let breaker = breaker();
        let early = breaker.enter().unwrap();
        (0..CONSECUTIVE_MAX).for_each(|_| ask(&breaker, failed()));
        early.ended(None);
        assert!(breaker.check().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_when_to_ask_again_is_not_asked_before() {
        for seconds in [1, 7, 300] {
            let breaker = breaker();
            ask(&breaker, limited(seconds));
            let pause = refused_for(&breaker).await;
            assert!(pause >= Duration::from_secs(seconds), "{pause:?} of {seconds} s");
            assert!(pause <= Duration::from_secs(seconds + 2), "{pause:?} of {seconds} s");
            ask(&breaker, limited(seconds));
            assert!(refused_for(&breaker).await >= Duration::from_secs(seconds));
        }
        let breaker = breaker();
        ask(&breaker, limited(0));
        assert_eq!(breaker.check().map_err(|error| error.report()), Ok(()), "0 s is no pause");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_not_answered_opens_it_at_once() {
        let breaker = breaker();
        let silent = Failure { cause: "silence".to_owned(), wait: None, certain: true };
        ask(&breaker, Some(silent));
        assert!(breaker.check().is_err());
        let error = breaker.check().unwrap_err();
        let registry_core::error::ErrorKind::BackendUnavailable { retry_after } = error.kind()
        else {
            panic!("{error:?}")
        };
        assert_eq!(retry_after, STEP_FIRST, "whole seconds, at least one");
    }
}
