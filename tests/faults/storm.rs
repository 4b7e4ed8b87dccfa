//! Five minutes of total failure under 200 questions a second, in virtual time: what arrives at the
//! failing server, counted over the whole client with its turns, retries, breaker and deadlines.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_backends::http::metrics::{UpstreamCall, UpstreamMetrics};
use registry_backends::http::peer::Peer;
use registry_backends::http::request::Request;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::http::upstream::{HttpSettings, UpstreamClient};
use registry_core::backend::contact::BreakerState;
use registry_core::models::backend_id::BackendId;
use registry_testing::chaos::{Chaos, Way};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const SPAN: Duration = Duration::from_mins(5);
/// Between two questions.
const PACE: Duration = Duration::from_millis(5);

/// When each try ended, and when the breaker became what.
#[derive(Default)]
struct Watched {
    tries: Mutex<usize>,
    states: Mutex<Vec<(Instant, BreakerState)>>,
}

impl UpstreamMetrics for Watched {
    fn record(&self, _: &UpstreamCall) {
        *self.tries.lock() += 1;
    }

    fn breaker(&self, _: Peer, state: BreakerState) {
        self.states.lock().push((Instant::now(), state));
    }
}

impl Watched {
    /// Whether it was ever open.
    fn opened(&self) -> bool {
        !self.states.lock().is_empty()
    }

    /// How often it let one question through on trial.
    fn trials(&self) -> usize {
        let states = self.states.lock();
        states.iter().filter(|(_, state)| *state == BreakerState::HalfOpen).count()
    }

    /// The longest pause that the breaker announced.
    fn longest_pause(&self) -> Duration {
        let states = self.states.lock();
        let pauses = states.iter().filter_map(|(at, state)| match state {
            BreakerState::Open { until } => Some(until.saturating_duration_since(*at)),
            _ => None,
        });
        pauses.max().unwrap()
    }
}

/// What the client was asked and what arrived, before the breaker opened and after.
#[derive(Debug, Default)]
struct Counted {
    demand_before: usize,
    arrived_before: usize,
    demand_after: usize,
    arrived_after: usize,
}

async fn storm(way: Way) -> (Counted, Arc<Watched>) {
    let chaos = Chaos::to("127.0.0.1:1", false).await;
    chaos.set(way).await;
    let watched = Arc::<Watched>::default();
    let base = chaos.url().parse().unwrap();
    let settings =
        HttpSettings { peer: BackendId::GITEA.into(), base, upstream: UpstreamSettings::default() };
    let url: url::Url = chaos.url().parse().unwrap();
    let client = UpstreamClient::new(settings, Arc::clone(&watched) as _).unwrap();
    let (mut counted, mut questions) = (Counted::default(), JoinSet::new());
    let begun = Instant::now();
    while begun.elapsed() < SPAN {
        let before = !watched.opened();
        let (client, question) = (client.clone(), Request::get("probe", url.clone()));
        questions.spawn(async move { drop(client.fetch(question, 1024).await) });
        sleep(PACE).await;
        // What was under way while it opened counts as asked before.
        let arrived = chaos.take_arrived();
        if before {
            counted.demand_before += 1;
            counted.arrived_before += arrived;
        } else {
            counted.demand_after += 1;
            counted.arrived_after += arrived;
        }
        while questions.try_join_next().is_some() {}
    }
    sleep(PACE * 10).await;
    counted.arrived_after += chaos.take_arrived();
    (counted, watched)
}

#[tokio::test(start_paused = true)]
async fn five_minutes_of_total_failure_cost_a_tenth_more_and_then_one_question_a_step() {
    for way in [Way::Answers(503, ""), Way::Answers(500, ""), Way::Resets, Way::Hangs] {
        fastrand::seed(7);
        let (counted, watched) = storm(way).await;
        let (trials, pause) = (watched.trials(), watched.longest_pause());
        println!(
            "{way:?}: {counted:?}, {trials} trials, {} tries, longest pause {pause:?}",
            watched.tries.lock()
        );
        let asked = counted.demand_before + counted.demand_after;
        assert!((59_000..=60_000).contains(&asked), "{asked}");
        // One a second besides is the budget of who asks little, see docs/adr/0014.
        let allowed = counted.demand_before + counted.demand_before.div_ceil(10) + 1;
        assert!(counted.arrived_before <= allowed, "{way:?}: {counted:?}");
        assert_eq!(counted.arrived_after, trials, "{way:?}: one a step: {counted:?}");
        assert!(pause > Duration::from_secs(15), "{way:?}: steps grow: {pause:?}");
        // Pauses are chance within 1, 2, 4, 8, 16 and 30 s: some fifteen of the longest on average.
        assert!((8..=60).contains(&trials), "{way:?}: {trials} of {asked} questions");
    }
}
