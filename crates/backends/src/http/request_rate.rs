//! Rate of the requests to a server: a limit pauses and halves it, good responses raise it.

use std::time::Duration;

use tokio::time::Instant;

use crate::http::load::{Load, WAIT_MIN};

/// Bounds of the rate, in requests per second. Above `RATE_FREE` the throttle is off.
const RATE_MIN: f64 = 1.0;
const RATE_FIRST_MAX: f64 = 25.0;
const RATE_FREE: f64 = 50.0;
/// Growth per second of good responses, and its cap per response as a share of the rate.
const GROWTH: f64 = 1.0;
const GROWTH_SHARE: f64 = 0.1;
/// Consecutive limits, without one successful retry, after which waiting requests fail.
const STRIKES_MAX: u32 = 3;
/// Time after which an earlier limit does not count as consecutive.
const ROW: Duration = Duration::from_mins(1);
/// Longest pause that requests wait for.
const WAITED_MAX: Duration = Duration::from_secs(30);

pub(super) struct RequestRate {
    /// Number of limits. A response to a request from an earlier epoch does not change the rate.
    epoch: u64,
    /// Requests per second. `None` if unlimited.
    pub(super) rate: Option<f64>,
    next: Instant,
    paused_until: Instant,
    /// End of a pause that the server demanded of another replica.
    held_until: Option<Instant>,
    /// True if a request succeeded since the server last limited us outright.
    answered: bool,
    strikes: u32,
    struck: Instant,
    sent: Sent,
}

/// Requests sent within this second and the one before.
struct Sent {
    since: Instant,
    now: u32,
    before: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThrottlePermit(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Nothing follows; the response stands.
    On,
    Again,
    /// The server limits us outright and gets no requests for this long.
    Alone(Duration),
}

impl RequestRate {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            epoch: 0,
            rate: None,
            next: now,
            paused_until: now,
            held_until: None,
            answered: false,
            strikes: 0,
            struck: now,
            sent: Sent { since: now, now: 0, before: 0 },
        }
    }

    pub(super) fn paused_until(&self) -> Instant {
        self.held_until.map_or(self.paused_until, |until| until.max(self.paused_until))
    }

    pub(super) const fn hold(&mut self, until: Option<Instant>) {
        self.held_until = until;
    }

    pub(super) fn sent(&mut self) -> ThrottlePermit {
        self.sent.count();
        ThrottlePermit(self.epoch)
    }

    /// Records a response. `again` is true if the request was limited before.
    pub(super) fn heard(
        &mut self,
        ticket: ThrottlePermit,
        load: Option<Load>,
        again: bool,
    ) -> Course {
        match load {
            None => {
                self.answered(ticket, again);
                Course::On
            }
            Some(Load::Limited(wait)) => self.limited(ticket, wait),
            Some(Load::Overloaded) if self.overloaded(ticket, again) => Course::Again,
            Some(Load::Overloaded) => Course::On,
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.rate.is_none() && self.paused_until() <= Instant::now()
    }

    pub(super) fn take_slot(&mut self) -> Option<Instant> {
        let (now, at) = (Instant::now(), self.paused_until().max(self.next));
        if at > now {
            return Some(at);
        }
        if let Some(rate) = self.rate {
            self.next = now + Duration::from_secs_f64(1.0 / rate);
        }
        None
    }

    fn answered(&mut self, ticket: ThrottlePermit, again: bool) {
        self.answered = true;
        // A response to a request from before the limit shows nothing about the lower rate.
        if ticket.0 != self.epoch {
            return;
        }
        if again {
            self.strikes = 0;
        }
        // Additive growth, capped: at low rates one response must not double the rate.
        let grown = self.rate.map(|rate| rate + (GROWTH / rate).min(rate * GROWTH_SHARE));
        self.rate = grown.filter(|rate| *rate < RATE_FREE);
    }

    fn limited(&mut self, ticket: ThrottlePermit, wait: Duration) -> Course {
        if self.slowed(ticket, wait) {
            // Only the first limit of an epoch counts; the requests in flight would add strikes.
            let in_a_row = self.struck.elapsed() < ROW;
            self.strikes = if in_a_row { self.strikes + 1 } else { 1 };
            self.struck = Instant::now();
        }
        // Without any success the limit is an outage for us, and callers should not wait for it.
        if self.answered && self.strikes < STRIKES_MAX && wait <= WAITED_MAX {
            return Course::Again;
        }
        (self.answered, self.strikes) = (false, 0);
        Course::Alone(wait)
    }

    /// Returns true if a bare 503 is a rate limit: it is one among good responses, an outage twice
    /// in a row, and a fault of the requested resource twice for one request.
    fn overloaded(&mut self, ticket: ThrottlePermit, again: bool) -> bool {
        if again || ticket.0 != self.epoch {
            return !again;
        }
        if self.answered {
            self.slowed(ticket, WAIT_MIN);
            self.answered = false;
            return true;
        }
        self.release();
        false
    }

    pub(super) fn release(&mut self) {
        (self.rate, self.paused_until) = (None, Instant::now());
        self.epoch += 1;
    }

    /// Pauses and halves the rate. False for requests in flight: they belong to the earlier limit.
    fn slowed(&mut self, ticket: ThrottlePermit, wait: Duration) -> bool {
        self.paused_until = self.paused_until.max(Instant::now() + wait);
        let news = ticket.0 == self.epoch;
        if news {
            self.epoch += 1;
            self.halve();
        }
        news
    }

    fn halve(&mut self) {
        let measured = f64::from(self.sent.rate());
        // The measured rate is what the server refused, so that the halved rate starts from there.
        let rate = self.rate.unwrap_or(2.0 * RATE_FIRST_MAX).min(measured) / 2.0;
        let rate = rate.clamp(RATE_MIN, RATE_FIRST_MAX);
        self.rate = Some(rate);
        self.next = Instant::now() + Duration::from_secs_f64(1.0 / rate);
    }
}

impl Sent {
    fn count(&mut self) {
        self.roll();
        self.now = self.now.saturating_add(1);
    }

    /// Returns the recent rate in requests per second.
    fn rate(&mut self) -> u32 {
        self.roll();
        self.now.max(self.before)
    }

    fn roll(&mut self) {
        let passed = self.since.elapsed();
        if passed >= Duration::from_secs(1) {
            self.before = if passed < Duration::from_secs(2) { self.now } else { 0 };
            (self.since, self.now) = (Instant::now(), 0);
        }
    }
}
