//! Medians, ratios and the promises about them.

use std::fmt;
use std::time::Duration;

const BARE_RATIO: f64 = 0.95;
const LOG_COST: f64 = 0.15;
const P99_MORE: Duration = Duration::from_millis(1);

/// Requests per second of one round.
pub(crate) struct Rates {
    pub(crate) ours: f64,
    pub(crate) logging: f64,
    pub(crate) bare: f64,
    pub(crate) files: f64,
    pub(crate) files_logging: f64,
}

/// Latency at this rate.
pub(crate) struct Latency {
    pub(crate) p99: Duration,
    pub(crate) rate: f64,
}

/// One route.
pub(crate) struct Measured {
    pub(crate) route: &'static str,
    pub(crate) bytes: usize,
    pub(crate) rounds: Vec<Rates>,
    pub(crate) ours: Latency,
    pub(crate) theirs: Latency,
}

impl Measured {
    /// Median of a figure over all rounds.
    fn median(&self, figure: impl Fn(&Rates) -> f64) -> f64 {
        median(self.rounds.iter().map(figure).collect())
    }

    fn to_bare(&self) -> f64 {
        self.median(|round| round.ours / round.bare)
    }

    fn log_cost(&self) -> f64 {
        1.0 - self.median(|round| round.logging / round.ours)
    }

    fn broken(&self) -> Vec<String> {
        let (ratio, cost, route) = (self.to_bare(), self.log_cost(), self.route);
        let allowed = self.theirs.p99 + P99_MORE;
        let promises = [
            (ratio >= BARE_RATIO, format!("{ratio:.2} of bare hyper, promised {BARE_RATIO}")),
            (cost <= LOG_COST, format!("the log costs {cost:.2}, promised at most {LOG_COST}")),
            (
                self.ours.p99 <= allowed,
                format!("p99 {:.2?}, promised {allowed:.2?}", self.ours.p99),
            ),
        ];
        let broken = promises.into_iter().filter(|(kept, _)| !kept);
        broken.map(|(_, what)| format!("{route}: {what}")).collect()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} bytes: {:.0} requests/s, {:.2} of bare hyper, {:.2} of nginx; \
             the log costs {:.0} %, with both logs {:.2} of nginx; \
             at {:.0} and {:.0} requests/s p99 {:.2?}, nginx {:.2?}",
            self.route,
            self.bytes,
            self.median(|round| round.ours),
            self.to_bare(),
            self.median(|round| round.ours / round.files),
            self.log_cost() * 100.0,
            self.median(|round| round.logging / round.files_logging),
            self.ours.rate,
            self.theirs.rate,
            self.ours.p99,
            self.theirs.p99,
        )
    }
}

/// Half of what the slower of the program and nginx reached.
pub(crate) fn half_load(rounds: &[Rates]) -> f64 {
    median(rounds.iter().map(|round| round.ours.min(round.files)).collect()) / 2.0
}

/// Fails if a promise is broken.
pub(crate) fn check(measured: &[Measured]) {
    let broken: Vec<String> = measured.iter().flat_map(Measured::broken).collect();
    assert!(broken.is_empty(), "broken promises:\n{}", broken.join("\n"));
}

/// Middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
