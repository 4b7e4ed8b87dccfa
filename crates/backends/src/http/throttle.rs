//! Adaptive rate limit of a server: the queue in which requests wait for their slot.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::http::load::{Load, WAIT_MIN};
use crate::http::request_rate::{Course, RequestRate, ThrottlePermit};

pub(super) struct Throttle {
    rate: Mutex<RequestRate>,
    /// Held by the one request that waits for the next slot; the others queue in order.
    queue: tokio::sync::Mutex<()>,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self { rate: Mutex::new(RequestRate::new()), queue: tokio::sync::Mutex::default() }
    }

    /// Waits for a slot, in order. Fails with the pause if no slot is free before the deadline.
    pub(super) async fn slot(&self, deadline: Instant) -> Result<(), Duration> {
        if self.rate.lock().is_free() {
            return Ok(());
        }
        // A request that cannot succeed must not queue: it would delay the ones behind it.
        if self.paused_until() >= deadline {
            return Err(self.pause());
        }
        let place = timeout_at(deadline, self.queue.lock()).await;
        let _place = place.map_err(|_| self.pause())?;
        loop {
            let next = self.rate.lock().take_slot();
            // The loop checks again after its sleep: a limit may have moved the slot meanwhile.
            let Some(at) = next else { return Ok(()) };
            if at >= deadline {
                return Err(self.pause());
            }
            sleep_until(at).await;
        }
    }

    /// Returns the rest of the pause in whole seconds, at least one: zero would mean at once.
    pub(super) fn pause(&self) -> Duration {
        let left = self.rate.lock().paused_until().saturating_duration_since(Instant::now());
        Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0)).max(WAIT_MIN)
    }

    pub(super) fn paused_until(&self) -> Instant {
        self.rate.lock().paused_until()
    }

    /// Sends nothing before this time, whatever the server has told this process.
    pub(super) fn hold(&self, until: Option<Instant>) {
        self.rate.lock().hold(until);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_until() > Instant::now()
    }

    pub(super) fn sent(&self) -> ThrottlePermit {
        self.rate.lock().sent()
    }

    /// Records a response. `again` is true if the request was limited before.
    pub(super) fn heard(&self, ticket: ThrottlePermit, load: Option<Load>, again: bool) -> Course {
        self.rate.lock().heard(ticket, load, again)
    }

    /// Turns the throttle off. During an outage the circuit breaker takes over.
    pub(super) fn release(&self) {
        self.rate.lock().release();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;

    struct Bucket {
        per_second: f64,
        burst: f64,
        answer: Load,
        level: Mutex<(f64, Instant)>,
        asked: Mutex<u32>,
    }

    impl Bucket {
        fn new(per_second: f64, burst: f64, answer: Load) -> Arc<Self> {
            let level = Mutex::new((0.0, Instant::now()));
            Arc::new(Self { per_second, burst, answer, level, asked: Mutex::default() })
        }

        fn ask(&self) -> Option<Load> {
            *self.asked.lock() += 1;
            let (level, since) = &mut *self.level.lock();
            *level = (*level - since.elapsed().as_secs_f64() * self.per_second).max(0.0);
            *since = Instant::now();
            if *level >= self.burst {
                return Some(self.answer);
            }
            *level += 1.0;
            None
        }
    }

    async fn question(throttle: &Throttle, server: &Bucket) -> bool {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut again = false;
        loop {
            if throttle.slot(deadline).await.is_err() {
                return false;
            }
            let ticket = throttle.sent();
            tokio::time::sleep(Duration::from_millis(5)).await;
            match throttle.heard(ticket, server.ask(), again) {
                Course::On => return true,
                Course::Again => again = true,
                Course::Alone(_) => return false,
            }
        }
    }

    /// Sends `count` requests, eight at a time. Returns the number of failures and the duration.
    async fn sweep(throttle: &Arc<Throttle>, server: &Arc<Bucket>, count: u32) -> (u32, Duration) {
        let (begun, left) = (Instant::now(), Arc::new(AtomicU32::new(count)));
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let (throttle, server, left) = (throttle.clone(), server.clone(), left.clone());
                tokio::spawn(async move {
                    let mut failed = 0;
                    while left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
                        failed += u32::from(!question(&throttle, &server).await);
                    }
                    failed
                })
            })
            .collect();
        let mut failed = 0;
        for worker in workers {
            failed += worker.await.unwrap();
        }
        (failed, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn g01b_a_sweep_behind_a_limit_ends_and_hardly_more_is_asked_than_is_answered() {
        let second = Load::Limited(Duration::from_secs(1));
        let silent = Load::Limited(Duration::from_secs(5));
        for (what, per_second, burst, answer) in [
            ("nginx 503", 10.0, 21.0, Load::Overloaded),
            ("nginx 429", 10.0, 21.0, silent),
            ("5/s", 5.0, 5.0, second),
            ("1/s", 1.0, 5.0, second),
            ("2/s with a large burst", 2.0, 100.0, silent),
            ("30/s", 30.0, 10.0, Load::Overloaded),
        ] {
            let (throttle, server) =
                (Arc::new(Throttle::new()), Bucket::new(per_second, burst, answer));
            let count = 200;
            let (failed, took) = sweep(&throttle, &server, count).await;
            assert_eq!(failed, 0, "{what}");
            let fastest = (f64::from(count) - burst) / per_second;
            assert!(
                took.as_secs_f64() <= 3.0 * fastest + 15.0,
                "{what}: {took:?}, not {fastest} s"
            );
            let asked = *server.asked.lock();
            assert!(asked <= count + count / 4, "{what}: {asked}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_limits_outright_is_left_alone_for_as_long_as_it_says() {
        let (throttle, server) =
            (Throttle::new(), Bucket::new(0.0, 0.0, Load::Limited(Duration::from_secs(7))));
        let ticket = throttle.sent();
        assert_eq!(
            throttle.heard(ticket, server.ask(), false),
            Course::Alone(Duration::from_secs(7))
        );
        assert!(throttle.is_paused());
        let soon = Instant::now() + Duration::from_secs(6);
        assert_eq!(throttle.slot(soon).await, Err(Duration::from_secs(7)));
        assert_eq!(throttle.slot(soon + Duration::from_secs(2)).await, Ok(()));
        assert_eq!(throttle.pause(), WAIT_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_after_three_limits_without_an_answer_or_for_longer_than_half_a_minute() {
        let throttle = Throttle::new();
        let limited = |seconds| Some(Load::Limited(Duration::from_secs(seconds)));
        throttle.heard(throttle.sent(), None, false);
        assert_eq!(throttle.heard(throttle.sent(), limited(1), false), Course::Again);
        throttle.heard(throttle.sent(), None, false);
        assert_eq!(throttle.heard(throttle.sent(), limited(1), true), Course::Again);
        let third = throttle.heard(throttle.sent(), limited(1), true);
        assert_eq!(third, Course::Alone(Duration::from_secs(1)), "whatever else is answered");
        let throttle = Throttle::new();
        throttle.heard(throttle.sent(), None, false);
        let long = throttle.heard(throttle.sent(), limited(60), false);
        assert_eq!(long, Course::Alone(Duration::from_mins(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_ends_at_its_time_or_when_it_is_taken_back_but_never_before_the_own_pause() {
        let throttle = Throttle::new();
        let after = |seconds| Instant::now() + Duration::from_secs(seconds);
        throttle.hold(Some(after(60)));
        assert_eq!(throttle.slot(after(59)).await, Err(Duration::from_mins(1)));
        let begun = Instant::now();
        assert_eq!(throttle.slot(after(61)).await, Ok(()));
        assert_eq!(begun.elapsed(), Duration::from_mins(1));
        throttle.hold(Some(after(60)));
        throttle.hold(None);
        assert_eq!(throttle.slot(Instant::now()).await, Ok(()));
        throttle.heard(throttle.sent(), Some(Load::Limited(Duration::from_secs(9))), false);
        throttle.hold(Some(after(3)));
        throttle.hold(None);
        assert_eq!(throttle.slot(after(8)).await, Err(Duration::from_secs(9)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_before_a_limit_halves_nothing_twice() {
        let throttle = Throttle::new();
        throttle.heard(throttle.sent(), None, false);
        let tickets: Vec<ThrottlePermit> = (0..8).map(|_| throttle.sent()).collect();
        for ticket in tickets {
            throttle.heard(ticket, Some(Load::Overloaded), false);
        }
        assert_eq!(throttle.rate.lock().rate, Some(4.5));
        throttle.release();
        assert_eq!(throttle.slot(Instant::now()).await, Ok(()));
    }
}
