//! Activity of one connection, and the deadlines for its client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::Version;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Bytes that a client must accept within [`ClientTimeouts::stall`]; single bytes are too few.
pub(super) const LEAST: usize = 32 * 1024;

/// Timeouts for slow clients.
#[derive(Clone, Copy, Debug)]
pub struct ClientTimeouts {
    /// Time from the connection, or from the first byte of a later request, to the end of the head.
    pub head: Duration,
    /// Time between two requests.
    pub idle: Duration,
    /// Total waiting time, with breaks, in which a client accepts less than 32 KiB of a response.
    pub stall: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        let [head, idle, stall] = [10, 60, 60].map(Duration::from_secs);
        Self { head, idle, stall }
    }
}

#[derive(Debug)]
pub(super) struct Activity {
    patience: ClientTimeouts,
    state: Mutex<ConnectionState>,
    given_up: watch::Sender<bool>,
}

/// Resources held by a response until its last piece is written.
pub(super) type HeldConnection = Box<dyn Send + Sync>;

#[derive(Debug)]
struct ConnectionState {
    version: Option<Version>,
    /// Start of the current request head; initially, time of the connection.
    head_since: Option<Instant>,
    idle_since: Instant,
    /// True if the client's receive window is full.
    full: bool,
    begun: u64,
    answers: Vec<Underway>,
}

#[derive(Default)]
struct Underway {
    number: u64,
    /// Number of pieces passed to the connection but not yet written to the socket.
    pieces: usize,
    /// Start of the current wait for the client, if there is one.
    waiting: Option<Instant>,
    /// Time of earlier waits, and the bytes accepted in that time.
    waited: Duration,
    taken: usize,
    /// True if the connection will not poll the body again.
    ended: bool,
    body: Option<Body>,
    _held: Option<HeldConnection>,
}

impl fmt::Debug for Underway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Underway").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Activity {
    pub(super) fn new(patience: ClientTimeouts) -> Arc<Self> {
        let now = Instant::now();
        let state = ConnectionState {
            version: None,
            head_since: Some(now),
            idle_since: now,
            full: false,
            begun: 0,
            answers: Vec::new(),
        };
        Arc::new(Self { patience, state: Mutex::new(state), given_up: watch::Sender::new(false) })
    }

    /// Records received bytes. Between two HTTP/1 requests they are the start of a head.
    pub(super) fn heard(&self) {
        let mut state = self.state.lock();
        let between =
            state.answers.is_empty() && state.version.is_some_and(|v| v < Version::HTTP_2);
        if between && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    pub(super) fn is_answering(&self) -> bool {
        let state = self.state.lock();
        !state.answers.is_empty() && state.version.is_some_and(|v| v < Version::HTTP_2)
    }

    /// Records that the client's receive window became full, or has room again.
    pub(super) fn full(&self, full: bool) {
        let mut state = self.state.lock();
        state.full = full;
        state.idle_since = Instant::now();
    }

    pub(super) fn give_up(&self) {
        self.given_up.send_replace(true);
    }

    /// Records the end of a request head; `held` is released with the response.
    pub(super) fn begin(
        self: &Arc<Self>,
        version: Version,
        held: Option<HeldConnection>,
    ) -> RequestTicket {
        let mut state = self.state.lock();
        state.version = Some(version);
        state.head_since = None;
        state.begun += 1;
        let number = state.begun;
        state.answers.push(Underway { number, _held: held, ..Underway::default() });
        RequestTicket { activity: Arc::clone(self), number, body: None }
    }

    /// Waits until the client exceeds a timeout, or the connection is marked to be aborted.
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
            // Activity that begins during the sleep has a deadline no earlier than the shortest
            // timeout.
            let soon = now + self.patience.head.min(self.patience.idle).min(self.patience.stall);
            sleep_until(deadline.map_or(soon, |deadline| deadline.min(soon))).await;
        }
    }
}

impl ConnectionState {
    fn deadline(&self, patience: &ClientTimeouts) -> Option<Instant> {
        if let Some(since) = self.head_since {
            return Some(since + patience.head);
        }
        if self.answers.is_empty() {
            // While the window is full, the socket enforces its own deadline.
            return (!self.full).then_some(self.idle_since + patience.idle);
        }
        if self.version != Some(Version::HTTP_2) {
            return None;
        }
        // In HTTP/2 a client can leave one answer aside without its end being full.
        let deadlines = self.answers.iter().filter_map(|answer| {
            Some(answer.waiting? + patience.stall.saturating_sub(answer.waited))
        });
        deadlines.min()
    }
}

/// State of one request, until its response is written or abandoned.
#[derive(Debug)]
pub(super) struct RequestTicket {
    activity: Arc<Activity>,
    number: u64,
    /// Body kept until the last piece is written.
    pub(super) body: Option<Body>,
}

/// One piece of a response, until it is written or dropped.
#[derive(Debug)]
pub(super) struct ActivityMark {
    activity: Arc<Activity>,
    number: u64,
    bytes: usize,
}

impl RequestTicket {
    pub(super) fn give(&self, bytes: usize) -> ActivityMark {
        let mut state = self.activity.state.lock();
        // In HTTP/1 the socket alone decides whether the client is waited for.
        let is_timed = state.version == Some(Version::HTTP_2);
        if let Some(answer) = state.answer(self.number) {
            answer.pieces += 1;
            if is_timed {
                answer.waiting.get_or_insert_with(Instant::now);
            }
        }
        ActivityMark { activity: Arc::clone(&self.activity), number: self.number, bytes }
    }
}

impl Underway {
    fn take(&mut self, bytes: usize) {
        self.pieces = self.pieces.saturating_sub(1);
        self.taken += bytes;
        // Only waits without enough progress add up; a client that is slow but steady starts over.
        if self.taken >= LEAST {
            (self.taken, self.waited) = (0, Duration::ZERO);
            self.waiting = self.waiting.filter(|_| self.pieces > 0).map(|_| Instant::now());
        } else if self.pieces == 0 {
            self.waited += self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        }
    }
}

impl ConnectionState {
    fn answer(&mut self, number: u64) -> Option<&mut Underway> {
        self.answers.iter_mut().find(|answer| answer.number == number)
    }

    /// Removes a response that is completely written and will not be polled again.
    fn settle(&mut self, number: u64) -> Option<Underway> {
        let mut answers = self.answers.iter();
        let at = answers.position(|one| one.number == number && one.ended && one.pieces == 0)?;
        self.idle_since = Instant::now();
        Some(self.answers.swap_remove(at))
    }
}

impl Drop for ActivityMark {
    fn drop(&mut self) {
        let mut state = self.activity.state.lock();
        if let Some(answer) = state.answer(self.number) {
            answer.take(self.bytes);
        }
        let settled = state.settle(self.number);
        drop(state);
        // Dropped outside the lock: the body may run code that takes other locks.
        drop(settled);
    }
}

impl Drop for RequestTicket {
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

    const MINUTE: Duration = Duration::from_mins(1);

    async fn overdue_after(activity: &Activity) -> Duration {
        let begun = Instant::now();
        activity.overdue().await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn in_http2_an_answer_that_nobody_takes_ends_the_connection_within_a_minute() {
        let activity = Activity::new(ClientTimeouts::default());
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
                let activity = Activity::new(ClientTimeouts::default());
                let ticket = activity.begin(Version::HTTP_2, None);
                let taking = async {
                    let mut next = ticket.give(bytes);
                    loop {
                        let after = ahead.then(|| ticket.give(bytes));
                        sleep_until(Instant::now() + Duration::from_secs(seconds)).await;
                        drop(next);
                        // The server works for a while, which must not count as waiting.
                        sleep_until(Instant::now() + MINUTE / 60).await;
                        next = after.unwrap_or_else(|| ticket.give(bytes));
                    }
                };
                let took = tokio::select! {
                    took = overdue_after(&activity) => took,
                    () = taking => MINUTE,
                };
                // While the server works, the deadline is checked every ten seconds.
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
        let activity = Activity::new(ClientTimeouts::default());
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
        let activity = Activity::new(ClientTimeouts::default());
        let mut ticket = activity.begin(Version::HTTP_2, None);
        let place = Arc::new(());
        let held = Arc::clone(&place);
        ticket.body = Some(Body::new(Body::empty().map_err(move |error| {
            drop(Arc::clone(&held));
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
        let activity = Activity::new(ClientTimeouts::default());
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
        let activity = Activity::new(ClientTimeouts::default());
        drop(activity.begin(Version::HTTP_11, None));
        activity.full(true);
        assert!(tokio::time::timeout(MINUTE * 60, activity.overdue()).await.is_err());
        activity.full(false);
        assert_eq!(overdue_after(&activity).await, MINUTE);
    }
}
