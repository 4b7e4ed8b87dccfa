//! Health of the process, the catalog and every backend. Never waits for a backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use registry_catalog::health::status::Status;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_fleet::state::{EngineReport, EngineState};

use crate::api::state::{ApiState, ServedCertificate};
use crate::artifacts::{BucketState, StoreState};
use crate::edge::admission::Unauthenticated;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use registry_public::health::{
    BackendHealthBody, BucketHealthBody, CertificateHealthBody, FaultBody, HealthBody,
    SharedBackendBody, SharedHealthBody, StoreHealthBody,
};

// Maximum number of faults shown per backend; probes read this endpoint every few seconds.
const FAULTS_SHOWN: usize = 100;

/// Health
///
/// 200 whenever the process responds: an outage of a backend must not restart the service.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = HealthBody)))]
pub async fn health(
    State(api): State<Arc<ApiState>>,
    stranger: Option<Extension<Unauthenticated>>,
) -> Result<Representation, Problem> {
    // Error texts and repository names are internal, and this endpoint is open without a token.
    let texts = stranger.is_none();
    let backends = backends(&api, texts);
    let shared = api.shared.as_ref().map(EngineState::report);
    let is_away = shared.as_ref().is_some_and(|report| report.failure().is_some());
    let health = HealthBody {
        status: overall(&api, &backends, is_away).to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: api.started.elapsed().as_secs(),
        backends,
        state_error: api.answers.catalog().health.persist_error().filter(|_| texts),
        artifact_store: store_health(api.artifacts.state(), texts),
        certificate: api.certificate.served().map(|served| certificate_health(served, texts)),
        shared: shared.map(|report| shared_health(&api, &report, texts)),
    };
    Ok(Rendered::live(&health)?.into())
}

fn backends(api: &ApiState, texts: bool) -> BTreeMap<String, BackendHealthBody> {
    let view = api.answers.catalog().store.view();
    let mut backends: BTreeMap<String, BackendHealthBody> =
        BackendKind::ALL.map(|kind| (kind.to_string(), nothing_of(kind))).into();
    let statuses = api.answers.catalog().health.statuses();
    let named: Vec<(BackendId, BackendHealthBody)> = statuses
        .into_iter()
        .map(|(id, status)| {
            (id, backend_health(id.kind(), status, view.entries(id.into()).len(), texts))
        })
        .collect();
    for (id, health) in &named {
        if let Some(sum) = backends.get_mut(id.kind().as_str()) {
            add(sum, health);
        }
    }
    backends.extend(named.into_iter().map(|(id, health)| (id.to_string(), health)));
    backends
}

/// Liveness
///
/// 200 whenever the process responds.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200)))]
pub async fn live() -> StatusCode {
    StatusCode::OK
}

/// Readiness
///
/// 200 once the catalog can serve requests, until shutdown.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "health",
    responses(
        (status = 200),
        (status = 503, description = "Not ready; the message says why"),
    ),
)]
pub async fn ready(
    State(api): State<Arc<ApiState>>,
    stranger: Option<Extension<Unauthenticated>>,
) -> Result<StatusCode, Problem> {
    // Reported first, so that load balancers stop sending requests while the last ones finish.
    if api.draining.is_begun() {
        return Err(Problem::shutting_down());
    }
    if api.answers.catalog().health.can_answer() {
        return Ok(StatusCode::OK);
    }
    let texts = stranger.is_none();
    let statuses = api.answers.catalog().health.statuses();
    let backends = statuses.iter().map(|(source, status)| {
        let state = unready(status);
        match status.last_failure.as_ref().filter(|_| texts) {
            Some((_, message)) => format!("{source} ({state}: {message})"),
            None => format!("{source} ({state})"),
        }
    });
    let backends = backends.collect::<Vec<_>>().join(", ");
    let message = format!("Waiting for {backends}");
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message))
}

/// Returns the state of a backend that cannot be served; safe for clients without a token.
fn unready(status: &Status) -> &'static str {
    if status.last_error.is_some() {
        "it fails"
    } else if status.current_as_of.is_some() {
        "last read too long ago"
    } else {
        "not read yet"
    }
}

fn store_health(state: StoreState, texts: bool) -> StoreHealthBody {
    let StoreState { enabled, failure, artifacts, bytes, max_bytes, bucket } = state;
    StoreHealthBody {
        enabled,
        healthy: enabled && failure.is_none(),
        last_error: failure.filter(|_| texts),
        artifacts,
        bytes,
        max_bytes,
        bucket: bucket.map(|BucketState { failure }| BucketHealthBody {
            enabled: true,
            healthy: failure.is_none(),
            last_error: failure.filter(|_| texts),
        }),
    }
}

fn certificate_health(served: ServedCertificate, texts: bool) -> CertificateHealthBody {
    CertificateHealthBody {
        expires: served.not_after.to_string(),
        renewed: served.renewal_error.is_none(),
        renewal_error: served.renewal_error.filter(|_| texts),
    }
}

fn backend_health(
    kind: BackendKind,
    status: Status,
    extensions: usize,
    texts: bool,
) -> BackendHealthBody {
    let faults_total = status.faults.len() + status.faults_beyond;
    let faults = status.faults.into_iter().take(FAULTS_SHOWN).map(|fault| FaultBody {
        repository: fault.repository,
        subject: fault.subject.to_string(),
        reason: fault.reason,
    });
    BackendHealthBody {
        kind: kind.as_str().to_owned(),
        enabled: true,
        healthy: status.healthy,
        last_success: status.last_success.map(|at| at.to_string()),
        last_error: status.last_error.filter(|_| texts),
        age: status.current_as_of.map(|at| at.elapsed().as_secs()),
        stale: status.stale,
        breaker: status.breaker.map(|state| state.as_str().to_owned()),
        extensions,
        faults: if texts { faults.collect() } else { Vec::new() },
        faults_total,
    }
}

fn shared_health(api: &ApiState, report: &EngineReport, texts: bool) -> SharedHealthBody {
    let failure = report.failure();
    SharedHealthBody {
        healthy: failure.is_none(),
        last_error: failure.map(ToString::to_string).filter(|_| texts),
        warning: report.warning.clone().filter(|_| texts),
        server: Some(report.server.clone()).filter(|server| texts && !server.is_empty()),
        replicas: report.presence.replicas,
        differing_replicas: report.presence.differing,
        foreign_replicas: report.presence.foreign,
        backends: shared_backends(api),
    }
}

fn shared_backends(api: &ApiState) -> BTreeMap<String, SharedBackendBody> {
    let replicator = api.answers.catalog().replicator.as_ref();
    let reports = replicator.iter().flat_map(|replicator| replicator.reports());
    let backends = reports.map(|(backend, report)| {
        let role = report.role.as_str().to_owned();
        let log_age = report.heard.as_secs();
        (backend.to_string(), SharedBackendBody { role, log_age, gap: report.has_gap })
    });
    backends.collect()
}

fn overall(
    api: &ApiState,
    backends: &BTreeMap<String, BackendHealthBody>,
    engine_is_away: bool,
) -> &'static str {
    let mut enabled = backends.values().filter(|backend| backend.enabled);
    let bucket_fails = api.artifacts.state().bucket.is_some_and(|bucket| bucket.failure.is_some());
    let unwell = enabled.any(|backend| !backend.healthy || backend.stale) || bucket_fails;
    if !api.answers.catalog().health.can_answer() {
        "unhealthy"
    } else if unwell || engine_is_away {
        "degraded"
    } else {
        "healthy"
    }
}

fn nothing_of(kind: BackendKind) -> BackendHealthBody {
    BackendHealthBody { kind: kind.as_str().to_owned(), ..BackendHealthBody::default() }
}

/// Adds a backend to the sum of its kind, which is healthy if all are, and as old as the oldest.
fn add(sum: &mut BackendHealthBody, one: &BackendHealthBody) {
    // Errors and faults stay out: they belong to one backend.
    sum.healthy = one.healthy && (sum.healthy || !sum.enabled);
    sum.last_success = match (sum.last_success.take(), &one.last_success) {
        (Some(mine), Some(theirs)) => Some(mine.min(theirs.clone())),
        (None, Some(theirs)) if !sum.enabled => Some(theirs.clone()),
        _ => None,
    };
    sum.enabled = true;
    sum.age = sum.age.max(one.age);
    sum.stale |= one.stale;
    sum.extensions += one.extensions;
    sum.faults_total += one.faults_total;
}
