//! What became of the requests, a line for each fault.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::Fault;
use crate::load::Sample;

/// How long replicas differed.
pub(crate) struct Agreement {
    /// From a webhook to its change on all replicas in service.
    pub(crate) news: Duration,
    /// From the end of a fault to the moment at which all list the same, with that change.
    pub(crate) equal: Duration,
}

/// Times of known things, in order.
#[derive(Clone)]
struct Times(Vec<Duration>);

impl Times {
    fn of(samples: &[Sample]) -> Self {
        let known = samples.iter().filter(|sample| sample.known && sample.outcome == "200");
        let mut times: Vec<Duration> = known.map(|sample| sample.time).collect();
        times.sort_unstable();
        Self(times)
    }

    fn ms(&self, thousandths: usize) -> f64 {
        self.0[(self.0.len() - 1) * thousandths / 1000].as_secs_f64() * 1000.0
    }
}

/// All faults so far.
#[derive(Default)]
pub(crate) struct Report {
    quiet: Option<Times>,
    answers: BTreeMap<String, usize>,
}

impl Report {
    pub(crate) fn add(&mut self, fault: Fault, samples: Vec<Sample>, agreement: &Agreement) {
        let times = Times::of(&samples);
        let quiet = self.quiet.get_or_insert_with(|| times.clone());
        let added = |thousandths| times.ms(thousandths) - quiet.ms(thousandths);
        let slowest = samples.iter().map(|sample| sample.time).max().unwrap_or_default();
        println!(
            "{:<27} {:>5} requests, slowest {slowest:.1?}; known things: half {:.1} ms ({:+.1}), 99 of 100 {:.1} ms ({:+.1}), slowest {:.1} ms ({:+.1}); webhook to all {:.1?}; equal {:.1?} after its end",
            fault.name(),
            samples.len(),
            times.ms(500),
            added(500),
            times.ms(990),
            added(990),
            times.ms(1000),
            added(1000),
            agreement.news,
            agreement.equal,
        );
        let counted = counted(samples);
        println!("    {counted:?}");
        self.count(counted);
    }

    /// Counts requests that ended after the last fault.
    pub(crate) fn add_rest(&mut self, samples: Vec<Sample>) {
        self.count(counted(samples));
    }

    fn count(&mut self, counted: BTreeMap<String, usize>) {
        for (outcome, count) in counted {
            *self.answers.entry(outcome).or_default() += count;
        }
    }

    /// Prints the sums. Fails if a running replica failed.
    pub(crate) fn close(self) {
        let is_good = |outcome: &str| outcome == "200" || outcome.starts_with("under way");
        let total: usize = self.answers.values().sum();
        let failed = self.answers.iter().filter(|(outcome, _)| !is_good(outcome));
        let failed: usize = failed.map(|(_, count)| count).sum();
        println!("total: {total} requests, {:?}", self.answers);
        println!("failed answers of running replicas: {failed}");
        assert_eq!(failed, 0, "a running replica failed");
    }
}

fn counted(samples: Vec<Sample>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for sample in samples {
        *counted.entry(sample.outcome).or_default() += 1;
    }
    counted
}
