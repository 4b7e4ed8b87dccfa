//! Overall health, its sentence, and the next steps of the operator.

use std::time::Duration;

use jiff::Timestamp;

use crate::backend_state::BackendStateView;
use crate::format::amount::listed;
use crate::format::duration::duration;
use crate::format::time::clock;
use crate::pages::status::{BackendView, StatusPage};

/// Overall health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OverallHealth {
    Healthy,
    Degraded,
    Unhealthy,
}

impl OverallHealth {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Healthy => "ok",
            Self::Degraded => "warn",
            Self::Unhealthy => "bad",
        }
    }

    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Healthy => "✓",
            Self::Degraded => "!",
            Self::Unhealthy => "✗",
        }
    }
}

impl StatusPage {
    pub(super) fn health(&self) -> OverallHealth {
        let unknown = self.backends.iter().filter(|one| one.state == BackendStateView::NeverHeard);
        if unknown.count() == self.backends.len() && !self.backends.is_empty() {
            return OverallHealth::Unhealthy;
        }
        if self.backends.iter().all(|backend| backend.state == BackendStateView::Answering) {
            return OverallHealth::Healthy;
        }
        OverallHealth::Degraded
    }

    /// Returns what is wrong, since when, and what still works.
    pub(super) fn sentence(&self) -> String {
        if self.backends.is_empty() {
            return "No backend is configured.".to_owned();
        }
        let troubled = self.backends.iter().filter_map(|backend| self.trouble(backend));
        let troubles: Vec<String> = troubled.collect();
        if troubles.is_empty() {
            return "All backends answer and their data is fresh.".to_owned();
        }
        let works = match self.health() {
            OverallHealth::Unhealthy => "No page or download can be served yet.".to_owned(),
            _ => self.served(),
        };
        format!("{} {works}", troubles.join(" "))
    }

    fn served(&self) -> String {
        let missing = self.backends.iter().filter(|one| one.state == BackendStateView::NeverHeard);
        let missing: Vec<String> = missing.map(|one| one.name.clone()).collect();
        if missing.is_empty() {
            return "Everything in the catalog is still served.".to_owned();
        }
        format!(
            "Extensions of the other backends are served; those of {} are missing.",
            listed(&missing)
        )
    }

    /// Returns what the operator can do.
    pub(super) fn steps(&self) -> Vec<Advice> {
        let failing: Vec<&BackendView> =
            self.backends.iter().filter(|backend| !backend.state.is_reachable()).collect();
        let mut steps = Vec::new();
        if self.backends.is_empty() {
            let text = "Add a backend to the configuration. This command writes an example:";
            steps.push(Advice::new(text).with("extension-registry config init"));
        }
        if !failing.is_empty() {
            let text = "Check DNS, TLS, credentials and a listing on this host:";
            steps.push(Advice::new(text).with("extension-registry doctor"));
        }
        for backend in failing {
            let name = &backend.name;
            if matches!(backend.state, BackendStateView::Refused { .. }) {
                steps.push(Advice::new(format!(
                    "Replace the token of {name}. Its file is read again without a restart."
                )));
            } else if let Some(wait) = backend.next_try() {
                let wait = duration(wait);
                steps
                    .push(Advice::new(format!("Do not restart: {name} is tried again in {wait}.")));
            }
        }
        if self.not_taken_total > 0 {
            let text = "Rename or repair the repositories below that should be extensions.";
            steps.push(Advice::new(text));
        }
        steps
    }

    fn trouble(&self, backend: &BackendView) -> Option<String> {
        let name = &backend.name;
        match backend.state {
            BackendStateView::Answering => None,
            BackendStateView::Stale { as_of } => Some(format!(
                "{name} answers too slowly to stay fresh; its data is of {}.",
                clock(as_of)
            )),
            BackendStateView::Unreachable { since } => {
                Some(format!("{name} has been unreachable for {}.", self.period(since)))
            }
            BackendStateView::Refused { since } => {
                Some(format!("{name} has refused our credentials for {}.", self.period(since)))
            }
            BackendStateView::NeverHeard => {
                Some(format!("{name} has not answered since the start."))
            }
        }
    }

    /// Returns a period up to now, with its start.
    fn period(&self, since: Timestamp) -> String {
        let seconds = self.now.as_second().saturating_sub(since.as_second());
        let length = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        format!("{}, since {}", duration(length), clock(since))
    }
}

/// Step of the operator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) text: String,
    /// Shell command of the step.
    pub(super) command: Option<&'static str>,
}

impl Advice {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: None }
    }

    fn with(self, command: &'static str) -> Self {
        Self { command: Some(command), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(states: &[BackendStateView]) -> StatusPage {
        let backend = |state: &BackendStateView| BackendView {
            name: "oci".to_owned(),
            kind: "oci",
            location: String::new(),
            state: *state,
            age: None,
            breaker: None,
            extensions: 0,
            last_error: None,
            day: Vec::new(),
            day_since: None,
        };
        StatusPage {
            now: "2026-09-03T16:18:00Z".parse().unwrap(),
            backends: states.iter().map(backend).collect(),
            affected: Vec::new(),
            affected_total: 0,
            not_taken: Vec::new(),
            not_taken_total: 0,
            service: Vec::new(),
            is_restricted: false,
            refreshes: false,
        }
    }

    #[test]
    fn the_sentence_says_what_is_wrong_since_when_and_what_works() {
        let since = "2026-09-03T16:04:00Z".parse().unwrap();
        for (states, health, sentence) in [
            (&[][..], OverallHealth::Healthy, "No backend is configured."),
            (
                &[BackendStateView::Answering],
                OverallHealth::Healthy,
                "All backends answer and their data is fresh.",
            ),
            (
                &[BackendStateView::Answering, BackendStateView::Unreachable { since }],
                OverallHealth::Degraded,
                "oci has been unreachable for 14 min, since 16:04 UTC. Everything in the catalog is \
                 still served.",
            ),
            (
                &[BackendStateView::NeverHeard],
                OverallHealth::Unhealthy,
                "oci has not answered since the start. No page or download can be served yet.",
            ),
        ] {
            let status = status(states);
            assert_eq!((status.health(), status.sentence().as_str()), (health, sentence));
        }
    }

    #[test]
    fn refused_credentials_are_replaced_and_outages_checked() {
        let refused = BackendStateView::Refused { since: Timestamp::UNIX_EPOCH };
        let steps = status(&[refused]).steps();
        assert_eq!(steps[0].command, Some("extension-registry doctor"));
        assert!(steps[1].text.starts_with("Replace the token of oci."));
        assert!(status(&[BackendStateView::Answering]).steps().is_empty());
    }
}
