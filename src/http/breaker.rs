//! The breaker of one backend: after enough failures it is not asked for a while, then once, on
//! trial, and how that ends decides. An outage so costs nobody time, and the backend no load.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::backend::contact::{BreakerState, Contact};
use crate::error::Error;
use crate::http::metrics::UpstreamMetrics;
use crate::http::window::Window;
use crate::models::backend_id::BackendId;

/// So many failures in a row open it.
const CONSECUTIVE_MAX: u32 = 5;
/// The longest pause before a trial, at first and at last; each failed trial doubles it.
const STEP_FIRST: Duration = Duration::from_secs(1);
const STEP_MAX: Duration = Duration::from_secs(30);
/// The shortest pause, where chance would have none.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// A trial may take this long: whoever else asks is refused meanwhile.
pub(super) const TRIAL_MAX: Duration = Duration::from_secs(5);

/// The breaker of one backend.
pub(super) struct Breaker {
    backend: BackendId,
    record: Mutex<Record>,
    contact: watch::Sender<Contact>,
    metrics: Arc<dyn UpstreamMetrics>,
}

/// What it goes by. Its state stands in the contact, which others watch.
struct Record {
    /// Counts changes of state: what began before one has no say after it.
    epoch: u64,
    consecutive: u32,
    window: Window,
    step: Duration,
    /// What it was last opened for.
    cause: String,
}

/// How a question ended, as far as it says something of the backend as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The backend is there, whatever it said.
    There,
    /// It failed.
    Failed {
        /// In a few words, for the log and `/health`.
        cause: String,
        /// How long it asked not to be asked.
        wait: Option<Duration>,
        /// Whether this failure alone is proof enough.
        certain: bool,
    },
}

/// The right to ask one question. Given up without a verdict, it says nothing.
pub(super) struct Pass {
    breaker: Arc<Breaker>,
    epoch: u64,
    begun: Instant,
    /// Whether the backend is asked on trial.
    pub(super) trial: bool,
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(backend: BackendId, metrics: Arc<dyn UpstreamMetrics>) -> Arc<Self> {
        let record = Mutex::new(Record {
            epoch: 0,
            consecutive: 0,
            window: Window::default(),
            step: STEP_FIRST,
            cause: String::new(),
        });
        let contact = watch::Sender::new(Contact::default());
        Arc::new(Self { backend, record, contact, metrics })
    }

    /// How contact with the backend stands, now and as it changes.
    pub(super) fn contact(&self) -> watch::Receiver<Contact> {
        self.contact.subscribe()
    }

    /// Whether a question would go through now.
    ///
    /// # Errors
    /// It would not; when it may.
    pub(super) fn check(&self) -> Result<(), Error> {
        let state = self.state();
        if state.lets_through() { Ok(()) } else { Err(self.refusal(state)) }
    }

    /// Lets a question through.
    ///
    /// # Errors
    /// The backend is not asked just now.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, Error> {
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
        Ok(Pass { breaker: Arc::clone(self), epoch: record.epoch, begun, trial })
    }

    /// Whether every question goes through.
    pub(super) fn is_closed(&self) -> bool {
        self.state() == BreakerState::Closed
    }

    /// Questions wait until then, because the backend asked for it.
    pub(super) fn paused(&self, until: Instant) {
        self.contact.send_modify(|contact| contact.paused_until = Some(until));
    }

    /// Counts a question as late for as long as the guard lives.
    pub(super) fn late(self: &Arc<Self>) -> Late {
        self.contact.send_modify(|contact| contact.late += 1);
        Late(Arc::clone(self))
    }

    fn state(&self) -> BreakerState {
        self.contact.borrow().breaker
    }

    /// Wakes nobody: it would be news with every question.
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
        // Whole seconds are all that an answer can say, and none would mean at once.
        let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
            .max(STEP_FIRST);
        let message =
            format!("The {} backend is unavailable: its circuit breaker is open", self.backend);
        let cause = self.record.lock().cause.clone();
        Error::unavailable(message, wait).because(cause).not_asked()
    }

    fn end(&self, pass: &Pass, verdict: Verdict) {
        let mut record = self.record.lock();
        self.heard();
        if record.epoch != pass.epoch {
            return;
        }
        match verdict {
            Verdict::There if pass.trial => self.close(&mut record),
            Verdict::There => {
                record.consecutive = 0;
                record.window.note(true);
            }
            Verdict::Failed { cause, wait, .. } if pass.trial => {
                record.step = (record.step * 2).min(STEP_MAX);
                record.cause = cause;
                self.open(&mut record, pass.begun, wait);
            }
            Verdict::Failed { cause, wait, certain } => {
                record.consecutive += 1;
                record.window.note(false);
                let told = wait.is_some_and(|wait| wait > Duration::ZERO);
                if told
                    || certain
                    || record.consecutive >= CONSECUTIVE_MAX
                    || record.window.is_bad()
                {
                    record.step = STEP_FIRST;
                    record.cause = cause;
                    info!(backend = %self.backend, cause = record.cause, "circuit breaker opened");
                    self.open(&mut record, Instant::now(), wait);
                }
            }
        }
    }

    /// The pause counts from when the failed question was sent: a backend that is back is asked
    /// within one step of the last question that it did not answer.
    fn open(&self, record: &mut Record, from: Instant, wait: Option<Duration>) {
        let now = Instant::now();
        let until = (from + chance(record.step)).max(now + PAUSE_MIN);
        let until = wait.map_or(until, |wait| until.max(now + wait));
        let seconds = (until - now).as_secs_f32();
        debug!(backend = %self.backend, seconds, "breaker opens");
        self.become_state(record, BreakerState::Open { until });
    }

    fn close(&self, record: &mut Record) {
        record.consecutive = 0;
        record.window = Window::default();
        info!(backend = %self.backend, "circuit breaker closed");
        self.become_state(record, BreakerState::Closed);
    }

    fn become_state(&self, record: &mut Record, state: BreakerState) {
        record.epoch += 1;
        self.contact.send_modify(|contact| contact.breaker = state);
        self.metrics.breaker(self.backend, state);
    }

    /// A trial that nobody waited for: the next question is one.
    fn gave_up(&self, pass: &Pass) {
        let mut record = self.record.lock();
        if pass.trial && record.epoch == pass.epoch {
            self.become_state(&mut record, BreakerState::Open { until: Instant::now() });
        }
    }
}

impl Pass {
    /// The question has ended so.
    pub(super) fn ended(self, verdict: Verdict) {
        self.breaker.end(&self, verdict);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.breaker.gave_up(self);
    }
}

/// A question that is late, until dropped.
pub(super) struct Late(Arc<Breaker>);

impl Drop for Late {
    fn drop(&mut self) {
        self.0.contact.send_modify(|contact| contact.late -= 1);
    }
}

/// Full jitter, so that the backends' other clients do not all come back in step with us.
pub(super) fn chance(longest: Duration) -> Duration {
    longest.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Arc<Breaker> {
        Breaker::new(BackendId::GITEA, Arc::new(()))
    }

    fn failed() -> Verdict {
        Verdict::Failed { cause: "status 500".to_owned(), wait: None, certain: false }
    }

    fn limited(seconds: u64) -> Verdict {
        let wait = Some(Duration::from_secs(seconds));
        Verdict::Failed { cause: "status 429".to_owned(), wait, certain: false }
    }

    fn ask(breaker: &Arc<Breaker>, verdict: Verdict) {
        breaker.enter().unwrap().ended(verdict);
    }

    fn opened() -> Arc<Breaker> {
        let breaker = breaker();
        (0..CONSECUTIVE_MAX).for_each(|_| ask(&breaker, failed()));
        breaker
    }

    /// How long questions are refused from now on.
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
        for verdict in [failed(), failed(), failed(), failed(), Verdict::There] {
            ask(&breaker, verdict);
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
            ask(&breaker, Verdict::There);
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
            ask(&breaker, Verdict::There);
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
        early.ended(Verdict::There);
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
        let silent = Verdict::Failed { cause: "silence".to_owned(), wait: None, certain: true };
        ask(&breaker, silent);
        assert!(breaker.check().is_err());
        let error = breaker.check().unwrap_err();
        let crate::error::ErrorKind::BackendUnavailable { retry_after } = error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!(retry_after, STEP_FIRST, "whole seconds, at least one");
    }
}
