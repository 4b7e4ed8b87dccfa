//! Health: of the process, of the catalog, of every backend. Never waits for a backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::admission::Stranger;
use crate::api::problem::{ErrorBody, Problem};
use crate::api::state::ApiState;
use crate::backend::Fault;
use crate::backend::contact::BreakerState;
use crate::cache::artifacts::StoreState;
use crate::catalog::status::Status;
use crate::models::backend_id::BackendId;
use crate::models::backend_kind::BackendKind;

/// Faults of one backend that are shown; probes read this page every few seconds.
const FAULTS_SHOWN: usize = 100;

/// How the service and its backends are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `healthy`; `degraded`: a backend is down or stale; `unhealthy`: nothing can be served.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Version of the service.
    version: &'static str,
    /// Seconds since the start.
    uptime: u64,
    /// Every backend by name. `gitea`, `oci` and `local` are always there: where no backend has that
    /// name, they sum up the backends of the kind.
    backends: BTreeMap<String, BackendHealth>,
    /// Why what is known is not kept on disk for now; null while it is, where it is not to be, and with
    /// client tokens for who brings none.
    state_error: Option<String>,
    /// Where archives are kept.
    artifact_store: StoreHealth,
}

/// How the store of archives is. Downloads never depend on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoreHealth {
    /// Whether archives are kept at all.
    enabled: bool,
    /// Whether the disk takes them; if not they are passed through.
    healthy: bool,
    /// What the disk last failed with, while it fails. With client tokens null for who brings none.
    last_error: Option<String>,
    /// How many archives it has.
    artifacts: usize,
    /// Their bytes.
    bytes: u64,
    /// The most bytes that it may have.
    max_bytes: u64,
}

/// How one backend is.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackendHealth {
    /// `gitea`, `oci` or `local`.
    kind: &'static str,
    /// Whether it is configured.
    enabled: bool,
    /// Whether it answered its last question.
    healthy: bool,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    last_success: Option<String>,
    /// What it last failed with, while it fails. With client tokens null for who brings none.
    last_error: Option<String>,
    /// Seconds since it was last read.
    age: Option<u64>,
    /// Whether answers are marked because that is too long ago.
    stale: bool,
    /// `closed`, `open`: it is not asked for a while, or `half-open`: one question decides; where
    /// it has a breaker.
    breaker: Option<&'static str>,
    /// How many extensions it has.
    extensions: usize,
    /// What it has and cannot serve, the first hundred of it. With client tokens empty for who brings
    /// none: these are names.
    faults: Vec<FaultView>,
    /// How much there is of it in all.
    faults_total: usize,
}

impl BackendHealth {
    /// A kind of which no backend is configured.
    const fn of_none(kind: BackendKind) -> Self {
        Self {
            kind: kind.as_str(),
            enabled: false,
            healthy: false,
            last_success: None,
            last_error: None,
            age: None,
            stale: false,
            breaker: None,
            extensions: 0,
            faults: Vec::new(),
            faults_total: 0,
        }
    }

    /// Adds one more backend of the kind: the sum is healthy if all are, and as old as the oldest.
    /// Names stay with the backends: errors and faults are not repeated.
    fn add(&mut self, other: &Self) {
        self.healthy = other.healthy && (self.healthy || !self.enabled);
        self.last_success = match (self.last_success.take(), &other.last_success) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs.clone())),
            (None, Some(theirs)) if !self.enabled => Some(theirs.clone()),
            _ => None,
        };
        self.enabled = true;
        self.age = self.age.max(other.age);
        self.stale |= other.stale;
        self.extensions += other.extensions;
        self.faults_total += other.faults_total;
    }
}

/// Something at a backend that cannot be served.
#[derive(Debug, Serialize, ToSchema)]
pub struct FaultView {
    repository: String,
    /// `listing`, `naming`, `removal`, `repository`, `release TAG` or `download TAG`
    subject: String,
    reason: String,
}

/// Health
///
/// 200 whenever the process answers: an outage of a backend must not restart the service.
#[utoipa::path(get, path = "/health", tag = "system", responses((status = 200, body = Health)))]
pub async fn health(
    State(api): State<Arc<ApiState>>,
    stranger: Option<Extension<Stranger>>,
) -> Json<Health> {
    let texts = stranger.is_none();
    let backends = backends(&api, texts);
    Json(Health {
        status: overall(&api, &backends),
        version: env!("CARGO_PKG_VERSION"),
        uptime: api.started.elapsed().as_secs(),
        backends,
        state_error: api.catalog.unkept().filter(|_| texts),
        artifact_store: store_health(api.artifacts.state(), texts),
    })
}

fn backends(api: &ApiState, texts: bool) -> BTreeMap<String, BackendHealth> {
    let view = api.catalog.view();
    let mut backends: BTreeMap<String, BackendHealth> =
        BackendKind::ALL.map(|kind| (kind.to_string(), BackendHealth::of_none(kind))).into();
    let statuses = api.catalog.statuses();
    let named: Vec<(BackendId, BackendHealth)> = statuses
        .into_iter()
        .map(|(id, status)| {
            (id, backend_health(id.kind(), status, view.entries(id.into()).len(), texts))
        })
        .collect();
    for (id, health) in &named {
        if let Some(sum) = backends.get_mut(id.kind().as_str()) {
            sum.add(health);
        }
    }
    backends.extend(named.into_iter().map(|(id, health)| (id.to_string(), health)));
    backends
}

/// Liveness
///
/// 200 whenever the process answers.
#[utoipa::path(get, path = "/health/live", tag = "system", responses((status = 200)))]
pub async fn live() -> StatusCode {
    StatusCode::OK
}

/// Readiness
///
/// 200 once the catalog can answer, until the service shuts down.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "system",
    responses(
        (status = 200),
        (status = 503, body = ErrorBody, description = "Not yet, or no more: the message says why"),
    ),
)]
pub async fn ready(
    State(api): State<Arc<ApiState>>,
    stranger: Option<Extension<Stranger>>,
) -> Result<StatusCode, Problem> {
    if api.draining.is_begun() {
        return Err(Problem::shutting_down());
    }
    if api.catalog.can_answer() {
        return Ok(StatusCode::OK);
    }
    let texts = stranger.is_none();
    let statuses = api.catalog.statuses();
    let backends = statuses.iter().map(|(source, status)| {
        let state = unready(status);
        match status.last_failure.as_ref().filter(|_| texts) {
            Some((_, message)) => format!("{source} ({state}: {message})"),
            None => format!("{source} ({state})"),
        }
    });
    let backends = backends.collect::<Vec<_>>().join(", ");
    let message = format!("Nothing can be answered yet; waiting for {backends}");
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message))
}

/// Why nothing can be answered from a backend; a state, which callers without a token may see.
fn unready(status: &Status) -> &'static str {
    if status.last_error.is_some() {
        "it fails"
    } else if status.current_as_of.is_some() {
        "it was last read too long ago"
    } else {
        "it was not read yet"
    }
}

fn store_health(state: StoreState, texts: bool) -> StoreHealth {
    let StoreState { enabled, failure, artifacts, bytes, max_bytes } = state;
    StoreHealth {
        enabled,
        healthy: enabled && failure.is_none(),
        last_error: failure.filter(|_| texts),
        artifacts,
        bytes,
        max_bytes,
    }
}

fn backend_health(
    kind: BackendKind,
    status: Status,
    extensions: usize,
    texts: bool,
) -> BackendHealth {
    let faults_total = status.faults.len() + status.faults_beyond;
    let view = |Fault { repository, subject, reason }| FaultView {
        repository,
        subject: subject.to_string(),
        reason,
    };
    let faults = status.faults.into_iter().take(FAULTS_SHOWN).map(view);
    BackendHealth {
        kind: kind.as_str(),
        enabled: true,
        healthy: status.healthy,
        last_success: status.last_success.map(|at| at.to_string()),
        last_error: status.last_error.filter(|_| texts),
        age: status.current_as_of.map(|at| at.elapsed().as_secs()),
        stale: status.stale,
        breaker: status.breaker.map(BreakerState::as_str),
        extensions,
        faults: if texts { faults.collect() } else { Vec::new() },
        faults_total,
    }
}

fn overall(api: &ApiState, backends: &BTreeMap<String, BackendHealth>) -> &'static str {
    let unwell = |backend: &BackendHealth| !backend.healthy || backend.stale;
    let unwell = backends.values().any(|backend| backend.enabled && unwell(backend));
    if !api.catalog.can_answer() {
        "unhealthy"
    } else if unwell {
        "degraded"
    } else {
        "healthy"
    }
}
