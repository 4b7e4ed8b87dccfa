//! Health of the process, the catalog and every backend. Never waits for a backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::state::{ApiState, ServedCertificate};
use crate::artifacts::StoreState;
use crate::backend::contact::BreakerState;
use crate::catalog::status::Status;
use crate::edge::admission::Unauthenticated;
use crate::edge::problem::Problem;
use crate::models::backend_id::BackendId;
use crate::models::backend_kind::BackendKind;

// Maximum number of faults shown per backend; probes read this endpoint every few seconds.
const FAULTS_SHOWN: usize = 100;

/// Health of the service and its backends.
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
    /// Reason why the state is currently not saved to disk; null without a failure, if saving is
    /// disabled, and, if client tokens are required, without a token.
    state_error: Option<String>,
    /// Artifact cache on disk.
    artifact_store: StoreHealth,
    /// Certificate of the listener; null without TLS.
    certificate: Option<CertificateHealth>,
}

/// Health of the certificate of the listener.
#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateHealth {
    /// Time at which the certificate in use expires. RFC 3339, UTC.
    #[schema(format = DateTime)]
    expires: String,
    /// False while the files hold something that cannot be used.
    renewed: bool,
    /// Reason why the files cannot be used. If client tokens are required, null without a token.
    renewal_error: Option<String>,
}

/// Health of the artifact cache. Downloads never depend on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoreHealth {
    /// True if the cache is enabled.
    enabled: bool,
    /// True if the disk is writable; otherwise archives are passed through.
    healthy: bool,
    /// Latest error of the disk while it fails. If client tokens are required, null without a
    /// token.
    last_error: Option<String>,
    /// Number of cached archives.
    artifacts: usize,
    /// Total size of the archives, in bytes.
    bytes: u64,
    /// Maximum total size, in bytes.
    max_bytes: u64,
}

/// Health of one backend.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct BackendHealth {
    /// `gitea`, `oci` or `local`.
    kind: &'static str,
    /// True if the backend is configured.
    enabled: bool,
    /// True if the latest request to the backend succeeded.
    healthy: bool,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    last_success: Option<String>,
    /// Latest error while the backend fails. If client tokens are required, null without a token.
    last_error: Option<String>,
    /// Seconds since the backend was last read.
    age: Option<u64>,
    /// True if responses are marked as stale because of the age.
    stale: bool,
    /// State of the circuit breaker, if there is one: `closed`, `open` (no requests are sent for a
    /// while), or `half-open` (one request decides).
    breaker: Option<&'static str>,
    /// Number of extensions.
    extensions: usize,
    /// The first hundred faults. If client tokens are required, empty without a token: faults
    /// contain names.
    faults: Vec<FaultView>,
    /// Total number of faults.
    faults_total: usize,
}

impl BackendHealth {
    fn of_none(kind: BackendKind) -> Self {
        Self { kind: kind.as_str(), ..Self::default() }
    }

    fn add(&mut self, other: &Self) {
        // The sum is healthy if all are, and as old as the oldest. Errors and faults stay out.
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

/// A repository, or a part, that a backend cannot serve.
#[derive(Debug, Serialize, ToSchema)]
pub struct FaultView {
    repository: String,
    /// `listing`, `naming`, `removal`, `repository`, `release TAG` or `download TAG`
    subject: String,
    reason: String,
}

/// Health
///
/// 200 whenever the process responds: an outage of a backend must not restart the service.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Health)))]
pub async fn health(
    State(api): State<Arc<ApiState>>,
    stranger: Option<Extension<Unauthenticated>>,
) -> Json<Health> {
    // Error texts and repository names are internal, and this endpoint is open without a token.
    let texts = stranger.is_none();
    let backends = backends(&api, texts);
    Json(Health {
        status: overall(&api, &backends),
        version: env!("CARGO_PKG_VERSION"),
        uptime: api.started.elapsed().as_secs(),
        backends,
        state_error: api.catalog.persist_error().filter(|_| texts),
        artifact_store: store_health(api.artifacts.state(), texts),
        certificate: api.certificate.served().map(|served| certificate_health(served, texts)),
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

fn certificate_health(served: ServedCertificate, texts: bool) -> CertificateHealth {
    CertificateHealth {
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
) -> BackendHealth {
    let faults_total = status.faults.len() + status.faults_beyond;
    let faults = status.faults.into_iter().take(FAULTS_SHOWN).map(|fault| FaultView {
        repository: fault.repository,
        subject: fault.subject.to_string(),
        reason: fault.reason,
    });
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
    let mut enabled = backends.values().filter(|backend| backend.enabled);
    let unwell = enabled.any(|backend| !backend.healthy || backend.stale);
    if !api.catalog.can_answer() {
        "unhealthy"
    } else if unwell {
        "degraded"
    } else {
        "healthy"
    }
}
