//! What is known of a backend's health: the result of the last question, whoever asked it.

use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::backend::Fault;
use crate::backend::contact::BreakerState;
use crate::catalog::faults::Faults;
use crate::catalog::index::Held;
use crate::catalog::moment::Moment;
use crate::error::{Error, ErrorKind};
use crate::models::naming::ExtensionId;

/// Faults found while serving that are remembered beside those of the last sweep.
const MET_MAX: usize = 100;

/// One backend's health.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Whether its last question was answered; `false` before the first.
    pub healthy: bool,
    /// When it last answered.
    pub last_success: Option<Timestamp>,
    /// What it last failed with, while it fails.
    pub last_error: Option<String>,
    /// The moment of its last successful round; may lie before this process.
    pub current_as_of: Option<Moment>,
    /// The moment since which what a complete listing lacked is known to be lacking, kept up by
    /// rounds of changes after it. What is listed in part says nothing of what it lacks.
    pub complete_as_of: Option<Moment>,
    /// When it was last asked anything.
    pub last_asked: Option<Instant>,
    /// Whether answers are marked for its sake.
    pub stale: bool,
    /// Whether it is asked; `None` where nothing stands between it and us.
    pub breaker: Option<BreakerState>,
    /// The kind of that failure, and its words for callers.
    pub last_failure: Option<(ErrorKind, String)>,
    /// Repositories that cannot be served, and why.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub faults_beyond: usize,
    /// What its extensions take up, and how many there is no room for.
    pub held: Held,
}

/// A [`Status`] that questions update and health reads.
#[derive(Default)]
pub(crate) struct StatusCell(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    status: Status,
    swept: Faults,
    met: Faults,
    /// Kinds of failure that were told since the last answer.
    told: Vec<Discriminant<ErrorKind>>,
}

impl Inner {
    fn unknown(&self, faults: &Faults) -> Vec<Fault> {
        faults.iter().filter(|fault| !self.swept.has(fault)).collect()
    }
}

impl StatusCell {
    pub(crate) fn get(&self) -> Status {
        let inner = self.0.read();
        Status {
            faults: inner.swept.iter().chain(inner.met.iter()).collect(),
            faults_beyond: inner.swept.beyond(),
            ..inner.status.clone()
        }
    }

    /// The moment of the last successful round, without a look at anything else.
    pub(crate) fn current_as_of(&self) -> Option<Moment> {
        self.0.read().status.current_as_of
    }

    /// How long ago a name that is neither known nor among the faults was certain to be lacking.
    pub(crate) fn lacked(&self, id: &ExtensionId) -> Option<Duration> {
        let (inner, name) = (self.0.read(), id.to_string());
        // One that could not be read is there all the same.
        let faulty = inner.swept.may_name(&name) || inner.met.may_name(&name);
        inner.status.complete_as_of.filter(|_| !faulty).map(Moment::elapsed)
    }

    /// When it was last asked anything.
    pub(crate) fn last_asked(&self) -> Option<Instant> {
        self.0.read().status.last_asked
    }

    /// Whether the last question was answered; not before the first.
    pub(crate) fn is_healthy(&self) -> bool {
        self.0.read().status.healthy
    }

    /// Whether the last question failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.0.read().status.last_error.is_some()
    }

    /// Answers whether it did not before.
    pub(crate) fn answered(&self) -> bool {
        let inner = &mut *self.0.write();
        inner.told.clear();
        let status = &mut inner.status;
        let news = !std::mem::replace(&mut status.healthy, true);
        status.last_success = Some(now_in_seconds());
        status.last_error = None;
        status.last_failure = None;
        status.last_asked = Some(Instant::now());
        news
    }

    /// Answers whether this is news, so that an outage is logged once for each way in which it
    /// fails, however they alternate. What a backend was not asked says nothing new of it.
    pub(crate) fn failed(&self, error: &Error) -> bool {
        let inner = &mut *self.0.write();
        let status = &mut inner.status;
        if !error.was_asked() && status.last_error.is_some() {
            return false;
        }
        let kind = discriminant(&error.kind());
        let news = !inner.told.contains(&kind);
        if news {
            inner.told.push(kind);
        }
        status.healthy = false;
        status.last_error = Some(error.report());
        status.last_failure = Some((error.kind(), error.message().to_owned()));
        status.last_asked = Some(Instant::now());
        news
    }

    /// A sweep begun at this instant went well, over a listing that was complete or not; these are
    /// its faults. Answers with the new ones.
    pub(crate) fn rounded(&self, begun: Instant, complete: bool, faults: Faults) -> Vec<Fault> {
        let mut inner = self.0.write();
        inner.status.current_as_of = Some(begun.into());
        if complete {
            inner.status.complete_as_of = Some(begun.into());
        }
        let news = inner.unknown(&faults);
        inner.swept = faults;
        inner.met = Faults::default();
        news
    }

    /// These repositories were read again in a round begun at this instant; these are their
    /// faults now. Answers with the new ones.
    pub(crate) fn read_again(
        &self,
        begun: Instant,
        repositories: &[String],
        faults: Vec<Fault>,
    ) -> Vec<Fault> {
        let mut inner = self.0.write();
        let status = &mut inner.status;
        // Changes tell what is new since the last sweep, and nothing of what that one did not see.
        if status.complete_as_of == status.current_as_of {
            status.complete_as_of = Some(begun.into());
        }
        status.current_as_of = Some(begun.into());
        let faults: Faults = faults.into_iter().collect();
        let news = inner.unknown(&faults);
        for repository in repositories {
            inner.swept.remove(repository);
            inner.met.remove(repository);
        }
        inner.swept.extend(faults.iter());
        news
    }

    /// What was known before a restart, unless a round was made since.
    pub(crate) fn restore(
        &self,
        current_as_of: Moment,
        complete_as_of: Option<Moment>,
        last_success: Option<Timestamp>,
        faults: Vec<Fault>,
    ) {
        let mut inner = self.0.write();
        if inner.status.current_as_of.is_none() {
            inner.status.current_as_of = Some(current_as_of);
            inner.status.complete_as_of = complete_as_of;
            inner.status.last_success = inner.status.last_success.or(last_success);
            inner.swept = faults.into_iter().collect();
        }
    }

    /// Something that cannot be served, met while serving.
    pub(crate) fn found(&self, fault: Fault) {
        let met = &mut self.0.write().met;
        if met.iter().count() < MET_MAX || met.may_name(&fault.repository) {
            met.add(fault);
        }
    }
}

/// Finer times than this say nothing more to anybody.
fn now_in_seconds() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_news_once_for_each_way_in_which_it_fails() {
        let cell = StatusCell::default();
        let ways = [
            Error::new(ErrorKind::BackendTimeout, "silent"),
            Error::unavailable("refused", Duration::from_secs(1)),
            Error::new(ErrorKind::BackendRefused, "who are you"),
        ];
        for outage in 0..2 {
            let news = (0..1000).filter(|number| cell.failed(&ways[number % ways.len()])).count();
            assert_eq!(news, ways.len(), "outage {outage}");
            let answers = (0..1000).filter(|_| cell.answered()).count();
            assert_eq!(answers, 1, "recovery {outage}");
        }
    }
}
