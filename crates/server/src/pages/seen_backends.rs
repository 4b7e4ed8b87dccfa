//! States of the backends as pages show them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use registry_catalog::Catalog;
use registry_catalog::health::status::Status;
use registry_core::error::ErrorKind;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_web::backend_state::BackendStateView;
use registry_web::freshness::DataAge;
use registry_web::notice::Notice;
use registry_web::notices;
use registry_web::pages::home::BackendLine;
use registry_web::site::Site;

const MINUTE: i64 = 60;

/// One backend at the time of a page.
#[derive(Clone, Debug)]
pub struct SeenBackend {
    /// The backend.
    pub id: BackendId,
    /// Its state.
    pub state: BackendStateView,
    /// Time of the data; `None` if it was never read.
    pub as_of: Option<Timestamp>,
    /// True if its data is older than configured.
    pub is_stale: bool,
}

/// The backends of a scope at the time of a page, in the order of ownership.
#[derive(Clone, Debug)]
pub struct SeenBackends {
    backends: Arc<[SeenBackend]>,
    fresh_for: Duration,
}

impl SeenBackend {
    /// Describes a backend with this status.
    #[must_use]
    pub fn new(id: BackendId, status: &Status, now: Timestamp) -> Self {
        let as_of = status.current_as_of.map(|at| minute(at.to_wall_clock(now)));
        let refused = matches!(status.last_failure, Some((ErrorKind::BackendRefused, _)));
        // A backend of an earlier run that was not asked yet has data, and no failure.
        let since = status.last_success.or(as_of).map(minute);
        let state = match (status.last_error.is_some(), since, as_of) {
            (true, Some(since), _) if refused => BackendStateView::Refused { since },
            (true, None, _) if refused => BackendStateView::Refused { since: minute(now) },
            (true, Some(since), Some(_)) => BackendStateView::Unreachable { since },
            (false, _, Some(as_of)) if status.stale => BackendStateView::Stale { as_of },
            (false, _, Some(_)) => BackendStateView::Answering,
            (_, _, None) | (true, None, _) => BackendStateView::NeverHeard,
        };
        Self { id, state, as_of, is_stale: status.stale }
    }
}

impl SeenBackends {
    /// Describes the backends of a scope.
    #[must_use]
    pub fn within(catalog: &Catalog, scope: Scope) -> Self {
        let now = Timestamp::now();
        let states = catalog.health.states().into_iter();
        let states = states.filter(|(id, _)| scope.includes(*id));
        let backends = states.map(|(id, status)| SeenBackend::new(id, &status, now));
        Self { backends: backends.collect(), fresh_for: catalog.rules.fresh_for() }
    }

    /// Returns those of these backends.
    #[must_use]
    pub fn of<'a>(&self, backends: impl Iterator<Item = &'a BackendId>) -> Self {
        let wanted: Vec<&BackendId> = backends.collect();
        let of = self.backends.iter().filter(|one| wanted.contains(&&one.id)).cloned();
        Self { backends: of.collect(), fresh_for: self.fresh_for }
    }

    /// Returns the backends.
    #[must_use]
    pub fn backends(&self) -> &[SeenBackend] {
        &self.backends
    }

    /// Returns a key that is equal as long as pages show the same about the backends.
    #[must_use]
    pub fn key(&self) -> String {
        let key = self.backends.iter().map(|one| match one.state {
            // The time of fresh data is not shown.
            BackendStateView::Answering => format!("{}+", one.id),
            state => format!("{}:{state:?}:{:?}", one.id, one.as_of.filter(|_| one.is_stale)),
        });
        key.collect::<Vec<_>>().join(",")
    }

    /// Returns what the footer of a kept page tells about the age of its data.
    #[must_use]
    pub fn freshness(&self) -> DataAge {
        if self.backends.iter().any(|one| one.as_of.is_none()) {
            return DataAge::Incomplete;
        }
        let stale = self.backends.iter().filter(|one| one.is_stale).filter_map(|one| one.as_of);
        stale.min().map_or(DataAge::Within(self.fresh_for), DataAge::AsOf)
    }

    /// Returns each backend with its state.
    #[must_use]
    pub fn lines(&self) -> Vec<BackendLine> {
        let line = |one: &SeenBackend| BackendLine { name: one.id.to_string(), state: one.state };
        self.backends.iter().map(line).collect()
    }

    /// Returns the notices of a page about many extensions.
    #[must_use]
    pub fn notices(&self, site: &Site) -> Vec<Notice> {
        let unread = self.backends.iter().filter(|one| one.as_of.is_none());
        let unread: Vec<String> = unread.map(|one| one.id.to_string()).collect();
        let missing = (!unread.is_empty()).then(|| notices::missing_part(site, &unread));
        missing.into_iter().chain(self.stale(site, None)).collect()
    }

    /// Returns the notices about stale data. `owner` is the backend that owns the name on the page.
    pub fn stale(&self, site: &Site, owner: Option<BackendId>) -> impl Iterator<Item = Notice> {
        let owner =
            owner.filter(|owner| self.backends.iter().any(|one| one.id == *owner && !one.is_stale));
        self.backends.iter().filter(|one| one.is_stale).filter_map(move |one| {
            let other = owner.filter(|owner| *owner != one.id);
            let other = other.as_ref().map(BackendId::as_str);
            one.as_of.map(|as_of| notices::stale(site, one.id.as_str(), as_of, other))
        })
    }
}

/// Rounds down to a minute, as pages show times.
fn minute(time: Timestamp) -> Timestamp {
    let second = time.as_second();
    Timestamp::from_second(second - second.rem_euclid(MINUTE)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use registry_catalog::persistent_instant::PersistentInstant;

    use super::*;

    fn state(status: &Status) -> BackendStateView {
        SeenBackend::new(BackendId::OCI, status, "2026-09-03T16:04:59Z".parse().unwrap()).state
    }

    #[tokio::test(start_paused = true)]
    async fn the_state_follows_from_age_and_failure() {
        let at: Timestamp = "2026-09-03T16:04:00Z".parse().unwrap();
        let read = || Status {
            current_as_of: Some(PersistentInstant::ago(Duration::from_secs(3))),
            last_success: Some("2026-09-03T16:04:30Z".parse().unwrap()),
            healthy: true,
            ..Status::default()
        };
        let failed = |kind, status| Status {
            last_error: Some("x".to_owned()),
            last_failure: Some((kind, "x".to_owned())),
            ..status
        };
        assert_eq!(state(&read()), BackendStateView::Answering);
        assert_eq!(state(&Status { stale: true, ..read() }), BackendStateView::Stale { as_of: at });
        let unreachable = failed(ErrorKind::BackendTimeout, read());
        assert_eq!(state(&unreachable), BackendStateView::Unreachable { since: at });
        let refused = failed(ErrorKind::BackendRefused, Status::default());
        assert_eq!(state(&refused), BackendStateView::Refused { since: at });
        assert_eq!(state(&Status::default()), BackendStateView::NeverHeard);
        let never = failed(ErrorKind::BackendTimeout, Status::default());
        assert_eq!(state(&never), BackendStateView::NeverHeard);
    }
}
