//! What one connection is doing, and until when its client may take to go on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::Version;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What a client takes of an answer within [`Patience::stall`] of waiting for it, in bytes; less cuts it.
/// A byte now and then keeps no place.
pub(super) const LEAST: usize = 32 * 1024;

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the connection, or from the first byte of a later request, to the end of its head.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Without taking 32 KiB of an answer that is ready for it: in all, not in a row.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [head, idle, stall] = [10, 60, 60].map(Duration::from_secs);
        Self { head, idle, stall }
    }
}

/// One connection's doings.
#[derive(Debug)]
pub(super) struct Activity {
    patience: Patience,
    state: Mutex<State>,
    /// Whether the connection is to be cut, whatever its client does.
    given_up: watch::Sender<bool>,
}

/// What an answer holds until its last piece is written.
pub(super) type Held = Box<dyn Send + Sync>;

#[derive(Debug)]
struct State {
    /// Whether any request has begun, and by which protocol.
    version: Option<Version>,
    /// Since when the head of a request is on its way; at first, since the connection.
    head_since: Option<Instant>,
    /// Since when there is nothing to do, if that is so.
    idle_since: Instant,
    /// Whether the client's end of the connection is full.
    full: bool,
    /// Requests that were begun so far.
    begun: u64,
    /// Answers under way, few of one connection.
    answers: Vec<Underway>,
}

/// An answer that is not yet written whole.
#[derive(Default)]
struct Underway {
    number: u64,
    /// Pieces that the connection has and the socket has not.
    pieces: usize,
    /// Since when the client has been waited for, if it is.
    waiting: Option<Instant>,
    /// How long it was waited for before, and the bytes it took meanwhile.
    waited: Duration,
    taken: usize,
    /// Whether the connection will ask for no more of it.
    ended: bool,
    /// What it was made of, and with that its place among all requests, until the last piece goes.
    body: Option<Body>,
    /// Its place among all streams.
    _held: Option<Held>,
}

impl fmt::Debug for Underway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Underway").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Activity {
    /// A connection that was made just now.
    pub(super) fn new(patience: Patience) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            version: None,
            head_since: Some(now),
            idle_since: now,
            full: false,
            begun: 0,
            answers: Vec::new(),
        };
        Arc::new(Self { patience, state: Mutex::new(state), given_up: watch::Sender::new(false) })
    }

    /// Bytes came. Between two requests of HTTP/1 they are the beginning of a head.
    pub(super) fn heard(&self) {
        let mut state = self.state.lock();
        let between =
            state.answers.is_empty() && state.version.is_some_and(|v| v < Version::HTTP_2);
        if between && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    /// Whether an answer in HTTP/1 is under way.
    pub(super) fn is_answering(&self) -> bool {
        let state = self.state.lock();
        !state.answers.is_empty() && state.version.is_some_and(|v| v < Version::HTTP_2)
    }

    /// The client's end is full, or has room again.
    pub(super) fn full(&self, full: bool) {
        let mut state = self.state.lock();
        if state.full != full {
            state.full = full;
            state.idle_since = Instant::now();
        }
    }

    /// The connection is to be cut.
    pub(super) fn give_up(&self) {
        self.given_up.send_replace(true);
    }

    /// The head of a request is complete, whose answer holds this.
    pub(super) fn begin(self: &Arc<Self>, version: Version, held: Option<Held>) -> Ticket {
        let mut state = self.state.lock();
        state.version = Some(version);
        state.head_since = None;
        state.begun += 1;
        let number = state.begun;
        state.answers.push(Underway { number, _held: held, ..Underway::default() });
        Ticket { activity: Arc::clone(self), number, body: None }
    }

    /// Resolves once the client has taken longer than it may, or is given up.
    pub(super) async fn overdue(&self) {
        let mut given_up = self.given_up.subscribe();
        tokio::select! {
            _ = given_up.wait_for(|given_up| *given_up) => {}
            () = self.late() => {}
        }
    }

    async fn late(&self) {
        loop {
            let now = Instant::now();
            let deadline = self.state.lock().deadline(&self.patience);
            if deadline.is_some_and(|deadline| deadline <= now) {
                return;
            }
            // A head that begins now ends the wait first; nothing that begins now ends sooner.
            let soon = now + self.patience.head.min(self.patience.idle).min(self.patience.stall);
            sleep_until(deadline.map_or(soon, |deadline| deadline.min(soon))).await;
        }
    }
}

impl State {
    fn deadline(&self, patience: &Patience) -> Option<Instant> {
        if let Some(since) = self.head_since {
            return Some(since + patience.head);
        }
        if self.answers.is_empty() {
            // While its end is full the socket has its own deadline.
            return (!self.full).then_some(self.idle_since + patience.idle);
        }
        if self.version != Some(Version::HTTP_2) {
            return None;
        }
        // In HTTP/2 a client can leave one answer aside without its end being full.
        let left = |answer: &Underway| patience.stall.saturating_sub(answer.waited);
        self.answers.iter().filter_map(|answer| Some(answer.waiting? + left(answer))).min()
    }
}

/// One request's part in the doings, until its answer is given or nobody wants it any more.
#[derive(Debug)]
pub(super) struct Ticket {
    activity: Arc<Activity>,
    number: u64,
    /// What is kept until the last piece is written.
    pub(super) body: Option<Body>,
}

/// A piece of an answer, until it is written or nobody wants it any more.
#[derive(Debug)]
pub(super) struct Mark {
    activity: Arc<Activity>,
    number: u64,
    bytes: usize,
}

impl Ticket {
    /// A piece of the answer, of so many bytes, is given to the connection.
    pub(super) fn give(&self, bytes: usize) -> Mark {
        let mut state = self.activity.state.lock();
        if let Some(answer) = state.answer(self.number) {
            answer.pieces += 1;
            answer.waiting.get_or_insert_with(Instant::now);
        }
        Mark { activity: Arc::clone(&self.activity), number: self.number, bytes }
    }
}

impl Underway {
    /// The client took a piece.
    fn take(&mut self, bytes: usize) {
        self.pieces = self.pieces.saturating_sub(1);
        self.taken += bytes;
        if self.taken >= LEAST {
            (self.taken, self.waited) = (0, Duration::ZERO);
            self.waiting = (self.pieces > 0).then(Instant::now);
        } else if self.pieces == 0 {
            self.waited += self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        }
    }
}

impl State {
    fn answer(&mut self, number: u64) -> Option<&mut Underway> {
        self.answers.iter_mut().find(|answer| answer.number == number)
    }

    /// Forgets an answer of which nothing is left to be written or asked for.
    fn settle(&mut self, number: u64) -> Option<Underway> {
        let done = |answer: &Underway| answer.number == number && answer.ended;
        let at = self.answers.iter().position(|a| done(a) && a.pieces == 0)?;
        self.idle_since = Instant::now();
        Some(self.answers.swap_remove(at))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut state = self.activity.state.lock();
        if let Some(answer) = state.answer(self.number) {
            answer.take(self.bytes);
        }
        let settled = state.settle(self.number);
        drop(state);
        // What goes with a body is none of this lock's business.
        drop(settled);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.activity.state.lock();
        if let Some(answer) = state.answer(self.number) {
            answer.ended = true;
            answer.body = self.body.take();
        }
        let settled = state.settle(self.number);
        drop(state);
        drop(settled);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    async fn overdue_after(activity: &Activity) -> Duration {
        let begun = Instant::now();
        activity.overdue().await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn in_http2_an_answer_that_nobody_takes_ends_the_connection_within_a_minute() {
        let activity = Activity::new(Patience::default());
        let [aside, other] = [0; 2].map(|_| activity.begin(Version::HTTP_2, None));
        let _piece = aside.give(1);
        let taken = async {
            for _ in 0..6 {
                sleep_until(Instant::now() + MINUTE / 6).await;
                drop(other.give(LEAST));
            }
        };
        let (after, ()) = tokio::join!(overdue_after(&activity), taken);
        assert_eq!(after, MINUTE, "however busy the other answer is");
    }

    #[tokio::test(start_paused = true)]
    async fn s02_an_answer_that_is_taken_at_a_trickle_is_overdue_within_a_minute_of_waiting() {
        for (bytes, seconds) in [(1, 7), (16 * 1024, 45), (16 * 1024, 31), (LEAST - 1, 59)] {
            for ahead in [false, true] {
                let activity = Activity::new(Patience::default());
                let ticket = activity.begin(Version::HTTP_2, None);
                let taking = async {
                    let mut next = ticket.give(bytes);
                    loop {
                        let after = ahead.then(|| ticket.give(bytes));
                        sleep_until(Instant::now() + Duration::from_secs(seconds)).await;
                        drop(next);
                        // We are at work for a while, which does not count.
                        sleep_until(Instant::now() + MINUTE / 60).await;
                        next = after.unwrap_or_else(|| ticket.give(bytes));
                    }
                };
                let took = tokio::select! {
                    took = overdue_after(&activity) => took,
                    () = taking => MINUTE,
                };
                // While we are at work it is looked at each ten seconds.
                let slack = Duration::from_secs(60 / seconds + 11);
                assert!(
                    (MINUTE..=MINUTE + slack).contains(&took),
                    "{bytes} each {seconds} s: {took:?}"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_enough_within_each_minute_is_waited_for() {
        let activity = Activity::new(Patience::default());
        let ticket = activity.begin(Version::HTTP_2, None);
        let taking = async {
            for _ in 0..100 {
                let piece = ticket.give(LEAST / 2);
                sleep_until(Instant::now() + Duration::from_secs(29)).await;
                drop(piece);
            }
        };
        tokio::select! {
            took = overdue_after(&activity) => panic!("overdue after {took:?}"),
            () = taking => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_lasts_until_its_last_piece_is_written() {
        let activity = Activity::new(Patience::default());
        let mut ticket = activity.begin(Version::HTTP_2, None);
        let place = Arc::new(());
        let held = Arc::clone(&place);
        ticket.body = Some(Body::new(Body::empty().map_err(move |error| {
            let _held = &held;
            error
        })));
        let [first, last] = [ticket.give(LEAST), ticket.give(1)];
        drop(ticket);
        sleep_until(Instant::now() + MINUTE / 2).await;
        drop(first);
        assert_eq!(Arc::strong_count(&place), 2, "its place is not free yet");
        assert_eq!(overdue_after(&activity).await, MINUTE, "each piece has its minute");
        drop(last);
        assert_eq!(Arc::strong_count(&place), 1);
        assert_eq!(overdue_after(&activity).await, MINUTE, "and then it is idle");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_we_are_at_work_on_is_never_overdue() {
        let activity = Activity::new(Patience::default());
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let ticket = activity.begin(version, None);
            drop(ticket.give(1));
            let overdue = tokio::time::timeout(MINUTE * 60, activity.overdue()).await;
            assert!(overdue.is_err(), "{version:?}");
            drop(ticket);
            assert_eq!(overdue_after(&activity).await, MINUTE, "and then it is idle");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_clients_end_is_full_the_socket_decides() {
        let activity = Activity::new(Patience::default());
        drop(activity.begin(Version::HTTP_11, None));
        activity.full(true);
        assert!(tokio::time::timeout(MINUTE * 60, activity.overdue()).await.is_err());
        activity.full(false);
        assert_eq!(overdue_after(&activity).await, MINUTE);
    }
}
