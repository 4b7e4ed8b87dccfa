//! Status page for operators. It is made for each request, and waits for no backend.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::header::REFRESH;
use axum::http::{HeaderValue, Uri};
use axum::response::Response;
use jiff::Timestamp;
use registry_catalog::health::call_history::{CallCounts, History};
use registry_catalog::health::status::Status;
use registry_catalog::index::view::View;
use registry_catalog::ownership::Ownership;
use registry_catalog::persistent_instant::PersistentInstant;
use registry_core::backend::contact::BreakerState;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_web::charts::day::HistorySlot;
use registry_web::format::duration::duration;
use registry_web::format::size::size;
use registry_web::freshness::DataAge;
use registry_web::pages::status::{
    Affected, BackendView, BreakerView, FaultView, ServiceFact, StatusPage,
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::api::extract::QueryString;
use crate::edge::admission::Unauthenticated;
use crate::edge::problem::Problem;
use crate::pages::models::{page_fault, reference};
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::{Pages, unrendered};
use crate::pages::response::{HTML, PLAIN};
use crate::pages::seen_backends::SeenBackend;

/// Slots of five minutes in one bar of the chart.
const SLOTS_OF_A_BAR: usize = 6;
const AFFECTED_MAX: usize = 50;
const FAULTS_MAX: usize = 50;

/// `?refresh=`
#[derive(Deserialize)]
struct RefreshParam {
    refresh: Option<String>,
}

/// Responds with the status, as plain text to command-line clients.
pub async fn status(
    State(pages): State<Pages>,
    request: PageRequest,
    uri: Uri,
    stranger: Option<Extension<Unauthenticated>>,
) -> Result<Response, Problem> {
    let refreshes = QueryString::of(&uri)?.params::<RefreshParam>()?.refresh.is_some();
    let view = pages.catalog().store.view();
    let pulls = pulls(&pages, &view).await?;
    let mut status = StatusPage { refreshes, ..model(&pages, &view, stranger.is_some()) };
    status.service.extend(pulls);
    let age = status.backends.iter().filter_map(|backend| backend.age).max();
    let freshness = age.map_or(DataAge::Incomplete, DataAge::Age);
    let site = pages.site(&request.own, &view, freshness)?;
    if !request.names_html {
        return Ok(pages.respond_live(status.plain_text(&site), PLAIN));
    }
    let mut response = pages.respond_live(status.render(&site).map_err(unrendered)?, HTML);
    if refreshes {
        let seconds = HeaderValue::from(registry_web::links::REFRESH_SECONDS);
        response.headers_mut().insert(REFRESH, seconds);
    }
    Ok(response)
}

fn model(pages: &Pages, view: &View, is_restricted: bool) -> StatusPage {
    let now = Timestamp::now();
    let statuses = pages.catalog().health.statuses();
    let histories = pages.catalog().health.history();
    let faults: Vec<FaultView> =
        statuses.iter().flat_map(|(id, status)| faults(*id, status)).collect();
    let beyond: usize = statuses.iter().map(|(_, status)| status.faults_beyond).sum();
    let affected = affected(view);
    let backends = statuses.iter().zip(histories).map(|((id, status), (_, history))| {
        backend(pages, view, *id, status, &history, is_restricted)
    });
    let shown = if is_restricted { 0 } else { usize::MAX };
    StatusPage {
        now,
        backends: backends.collect(),
        affected_total: affected.len(),
        affected: affected.into_iter().take(AFFECTED_MAX.min(shown)).collect(),
        not_taken_total: faults.len() + beyond,
        not_taken: faults.into_iter().take(FAULTS_MAX.min(shown)).collect(),
        service: service(pages),
        is_restricted,
        refreshes: false,
    }
}

fn backend(
    pages: &Pages,
    view: &View,
    id: BackendId,
    status: &Status,
    history: &History,
    is_restricted: bool,
) -> BackendView {
    let breaker = status.breaker.map(|breaker| match breaker {
        BreakerState::Closed => BreakerView::Closed,
        BreakerState::Open { until } => {
            BreakerView::Open { next_try: until.saturating_duration_since(Instant::now()) }
        }
        BreakerState::HalfOpen => BreakerView::HalfOpen,
    });
    let location = if is_restricted { "" } else { pages.settings.location(id) };
    let is_whole = history.slots.len() == registry_catalog::health::call_history::SLOTS;
    BackendView {
        name: id.to_string(),
        kind: id.kind().as_str(),
        location: location.to_owned(),
        state: SeenBackend::new(id, status, Timestamp::now()).state,
        age: status.current_as_of.map(PersistentInstant::elapsed),
        breaker,
        extensions: view.entries(id.into()).len(),
        last_error: status.last_error.clone().filter(|_| !is_restricted),
        day_since: (!is_whole).then_some(history.since),
        day: bars(&history.slots),
    }
}

/// Joins slots to bars; the last bar ends now.
fn bars(slots: &[CallCounts]) -> Vec<HistorySlot> {
    let bar = |slots: &[CallCounts]| {
        let mut sum = CallCounts::default();
        for slot in slots {
            sum.add(*slot);
        }
        match sum {
            CallCounts { failed: 1.., .. } => HistorySlot::Failed,
            CallCounts { slow: 1.., .. } => HistorySlot::Slow,
            CallCounts { answered: 1.., .. } => HistorySlot::Answered,
            _ => HistorySlot::Idle,
        }
    };
    let mut bars: Vec<HistorySlot> = slots.rchunks(SLOTS_OF_A_BAR).map(bar).collect();
    bars.reverse();
    bars
}

fn affected(view: &View) -> Vec<Affected> {
    let entries = view.entries(Scope::All).iter();
    let affected = entries.filter_map(|entry| {
        let (state, reason) = match entry.ownership {
            Ownership::Owned(_) => return None,
            Ownership::Undetermined(holder, awaited) => (
                "undetermined",
                format!("{holder} has it; {awaited} comes first and was not listed"),
            ),
            Ownership::Orphaned(former) => {
                ("orphaned", format!("{former} owned the name and lost it"))
            }
        };
        Some(Affected { id: reference(entry.id()), state, reason })
    });
    affected.collect()
}

fn faults(id: BackendId, status: &Status) -> impl Iterator<Item = FaultView> {
    status.faults.iter().map(move |fault| page_fault(id, fault))
}

/// Tells what OCI clients can pull; `None` if the pull API is switched off.
async fn pulls(pages: &Pages, view: &Arc<View>) -> Result<Option<ServiceFact>, Problem> {
    let Some(repositories) = &pages.api.repositories else { return Ok(None) };
    let list = repositories.of(view).await?;
    let named = list.repositories.len();
    let value = match list.unnamed {
        0 => format!("{named} repositories in {}/", repositories.namespace()),
        unnamed => format!(
            "{named} repositories in {}/; {unnamed} extensions have names that fit none",
            repositories.namespace()
        ),
    };
    Ok(Some(ServiceFact { name: "OCI pulls", value }))
}

fn service(pages: &Pages) -> Vec<ServiceFact> {
    let fact = |name, value| ServiceFact { name, value };
    let uptime = Duration::from_secs(pages.api.started.elapsed().as_secs());
    let answers = &pages.api.answers;
    let caches = [&answers.lists, &answers.metadata, &answers.versions, &answers.pages];
    let (hits, misses) = caches.iter().fold((0, 0), |(hits, misses), cache| {
        (hits + cache.counters().hits(), misses + cache.counters().misses())
    });
    let store = pages.api.artifacts.state();
    let stored = match (store.enabled, store.failure.is_some()) {
        (false, _) => "off: archives are fetched for each download".to_owned(),
        (true, true) => "failing: archives are fetched for each download".to_owned(),
        (true, false) => format!(
            "{} archives, {} of {}",
            store.artifacts,
            size(store.bytes),
            size(store.max_bytes)
        ),
    };
    let unsaved = answers.catalog().health.persist_error();
    let state = unsaved.map(|_| fact("State", "cannot be saved; the log has the cause".to_owned()));
    let facts = [
        fact("Uptime", duration(uptime)),
        fact("Cached responses", format!("{hits} of {} requests", hits + misses)),
        fact("Artifact store", stored),
    ];
    facts.into_iter().chain(state).collect()
}
