//! Condition of an engine, as this replica sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::failure::{Away, AwayReason};
use crate::metrics::EngineOperation;

/// Condition of an engine. Clones share it.
#[derive(Clone, Debug)]
pub struct EngineState(Arc<Mutex<EngineReport>>);

/// The replicas at the latest report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnginePresence {
    /// Replicas of this fleet, this one included.
    pub replicas: usize,
    /// Those of `replicas` that are configured unlike this one.
    pub differing: usize,
    /// Replicas that use the same name with another secret.
    pub foreign: usize,
}

/// What is known about an engine.
#[derive(Clone, Debug)]
pub struct EngineReport {
    /// Name and version of the connected server, such as `Redis 7.0.15`; empty before the first
    /// connection.
    pub server: String,
    /// Why there is no usable connection.
    pub away: Option<Away>,
    /// Kinds of calls that the engine refuses over a usable connection.
    pub refused: BTreeMap<EngineOperation, Away>,
    /// A setting of the server that endangers what it holds.
    pub warning: Option<String>,
    /// Replicas at the last report; 0 before the first one.
    pub presence: EnginePresence,
}

impl Default for EngineState {
    fn default() -> Self {
        let away = Some(Away::new(AwayReason::Unreachable, "not connected yet"));
        let (server, warning) = (String::new(), None);
        let (refused, presence) = (BTreeMap::new(), EnginePresence::default());
        Self(Arc::new(Mutex::new(EngineReport { server, away, refused, warning, presence })))
    }
}

impl EngineState {
    /// Sets the connected server. Returns true if there was no usable connection before.
    #[must_use]
    pub fn connected(&self, server: String, warning: Option<String>) -> bool {
        let mut report = self.0.lock();
        report.server = server;
        report.warning = warning;
        report.away.take().is_some()
    }

    /// Sets why there is no usable connection. Returns true if the reason is a new one.
    #[must_use]
    pub fn away(&self, away: Away) -> bool {
        let mut report = self.0.lock();
        let is_new = report.away.as_ref().map(|known| known.reason) != Some(away.reason);
        report.away = Some(away);
        is_new
    }

    /// Sets why the engine refuses a kind of calls; `None` if it no longer does. Returns true if
    /// that is a change.
    #[must_use]
    pub fn refuses(&self, operation: EngineOperation, why: Option<Away>) -> bool {
        let mut report = self.0.lock();
        let known = match &why {
            Some(away) => report.refused.insert(operation, away.clone()),
            None => report.refused.remove(&operation),
        };
        known.map(|known| known.reason) != why.map(|why| why.reason)
    }

    /// Sets the replicas.
    pub fn present(&self, presence: EnginePresence) {
        self.0.lock().presence = presence;
    }

    /// Returns the current report.
    #[must_use]
    pub fn report(&self) -> EngineReport {
        self.0.lock().clone()
    }
}

impl EngineReport {
    /// Returns why the engine cannot be used, or only in part; `None` if it can.
    #[must_use]
    pub fn failure(&self) -> Option<&Away> {
        self.away.as_ref().or_else(|| self.refused.values().next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_refused_kind_of_call_is_a_failure_until_that_kind_works() {
        let state = EngineState::default();
        assert_eq!(state.report().failure().unwrap().reason, AwayReason::Unreachable);
        assert!(state.connected("Redis 7.0.15".to_owned(), None));
        assert!(!state.connected("Redis 7.0.15".to_owned(), None), "it was connected before");
        assert!(state.report().failure().is_none());
        let full = Away::new(AwayReason::Full, "no memory");
        assert!(state.refuses(EngineOperation::Bucket, Some(full.clone())));
        assert!(!state.refuses(EngineOperation::Bucket, Some(full.clone())), "it is known");
        assert!(!state.refuses(EngineOperation::Member, None), "it never failed");
        assert_eq!(state.report().failure(), Some(&full));
        let late = Away::new(AwayReason::Late, "no answer");
        assert!(state.away(late.clone()) && !state.away(late.clone()));
        assert_eq!(state.report().failure(), Some(&late), "the connection comes first");
        assert!(state.connected("Redis 7.0.15".to_owned(), None));
        assert!(state.refuses(EngineOperation::Bucket, None));
        assert!(state.report().failure().is_none());
    }
}
